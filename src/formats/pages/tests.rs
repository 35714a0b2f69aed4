use super::*;
use crate::kernel::money::{Currency, Minor, Ppm};
use rust_decimal::Decimal;

const NONCE: &str = "c2VjcmV0";

fn order() -> OrderPage {
    let line = |label: &str, quantity: Decimal, unit: i64, net: i64| PageLine {
        label: label.to_owned(),
        quantity,
        unit_price: Minor::new(unit),
        net: Minor::new(net),
    };
    OrderPage {
        entity: "Ombelle SC".to_owned(),
        member: "Awa Diop".to_owned(),
        client: "Łukasz Øster-Ñuñez & Fils SPRL".to_owned(),
        title: "Atelier d'écriture, printemps 2026".to_owned(),
        description: "Trois journées pour douze personnes.\nMatériel compris.".to_owned(),
        lines: vec![
            line("Préparation et documents de travail", Decimal::new(150, 2), 40_000, 60_000),
            line("Journée d'atelier", Decimal::new(3, 0), 80_000, 240_000),
        ],
        net: Minor::new(300_000),
        vat: vec![VatLine { rate: Ppm(210_000), base: Minor::new(300_000), tax: Minor::new(63_000) }],
        vat_note: None,
        gross: Minor::new(363_000),
        currency: Currency::EUR,
        valid_until: "2026-04-30".parse().unwrap(),
        conditions: "Paiement à 30 jours. Une annulation moins de sept jours avant est facturée à moitié.".to_owned(),
        document_sha256: "9b1c4f5a6d7e8f90".repeat(4),
        pdf_url: Some("/o/3f5f0a9c11aa/pdf".to_owned()),
        page_url: "/o/3f5f0a9c11aa".to_owned(),
        confirm_url: "/o/3f5f0a9c11aa/confirm".to_owned(),
        decline_url: "/o/3f5f0a9c11aa/decline".to_owned(),
        change_url: "/o/3f5f0a9c11aa/request_change".to_owned(),
        form_token: "t0k3n".to_owned(),
        typed: Typed::default(),
    }
}

fn outcome() -> OutcomePage {
    OutcomePage {
        entity: "Ombelle SC".to_owned(),
        member: "Awa Diop".to_owned(),
        answered: Some(Answered {
            title: order().title,
            gross: order().gross,
            currency: Currency::EUR,
            signer_name: Some("Łukasz Øster".to_owned()),
            answered_at: "2026-04-15T09:14:00".parse().unwrap(),
            document_sha256: order().document_sha256,
        }),
        page_url: "/o/x?k=1".to_owned(),
    }
}

const OUTCOMES: [Outcome; 8] = [
    Outcome::Confirmed,
    Outcome::Declined,
    Outcome::ChangeRequested,
    Outcome::Expired,
    Outcome::Used,
    Outcome::Invalid,
    Outcome::InvoiceDisputed,
    Outcome::InvoiceExpired,
];

/// Writes the pages where a person or a browser can look at them: `UMBEL_PAGES=folder cargo test pages`.
fn keep(name: &str, page: &str) {
    if let Some(folder) = std::env::var_os("UMBEL_PAGES") {
        std::fs::write(std::path::Path::new(&folder).join(name), page).unwrap();
    }
}

/// What holds for every page: nothing from elsewhere, everything inline under the nonce, no handler attributes.
fn assert_self_contained(page: &str) {
    for outside in ["src=", "@import", "url(", "<link", "<iframe", " style=", "javascript:", " onclick", "http-equiv"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<style").count(), page.matches("<style nonce=\"c2VjcmV0\">").count());
    assert_eq!(page.matches("<script").count(), page.matches("<script nonce=\"c2VjcmV0\">").count());
    for (open, close) in
        [("<form", "</form>"), ("<table", "</table>"), ("<tr", "</tr>"), ("<td", "</td>"), ("<p", "</p>")]
    {
        let opened = page.matches(&format!("{open}>")).count() + page.matches(&format!("{open} ")).count();
        assert_eq!(opened, page.matches(close).count(), "{open}");
    }
}

#[test]
fn the_four_languages_have_the_same_words_to_fill() {
    for language in Language::ALL {
        assert!(words(language).strays().is_empty(), "{language}: {:?}", words(language).strays());
        assert_eq!(words(language).outline(), EN.outline(), "{language}");
    }
}

#[test]
fn the_order_is_shown_in_the_readers_language_with_every_figure() {
    for language in Language::ALL {
        let page = order_page(&order(), language, NONCE).unwrap();
        keep(&format!("order_{language}.html"), &page);
        assert_self_contained(&page);
        assert!(page.contains(&format!("<html lang=\"{language}\">")));
        let total = crate::formats::local::amount(language, Minor::new(363_000), Currency::EUR);
        assert!(page.contains(&total) && page.contains("Łukasz Øster-Ñuñez &amp; Fils SPRL"), "{language}");
        assert!(!page.contains(['…', '{']) || !page.split("</style>").nth(1).unwrap().contains(['…', '{']));
    }
    let page = order_page(&order(), Language::Fr, NONCE).unwrap();
    insta::assert_snapshot!("order_fr", page.split_once("<body>").unwrap().1);
}

#[test]
fn each_form_carries_the_token_and_the_hash_and_each_field_has_a_label() {
    let page = order_page(&order(), Language::Nl, NONCE).unwrap();
    let forms: Vec<&str> = page.split("<form ").skip(1).collect();
    assert_eq!(forms.len(), 3);
    for (form, action) in forms.iter().zip(["confirm", "request_change", "decline"]) {
        assert!(form.contains(&format!("action=\"&#x2f;o&#x2f;3f5f0a9c11aa&#x2f;{action}\"")), "{form}");
        assert!(form.contains("name=\"form_token\" value=\"t0k3n\""), "{form}");
        assert!(
            form.contains("name=\"document_sha256\" value=\"9b1c4f5a") && form.contains("name=\"lang\" value=\"nl\"")
        );
    }
    for field in ["signer_name", "message", "reason"] {
        assert!(page.contains(&format!("<label for=\"{field}\">")) && page.contains(&format!("id=\"{field}\"")));
    }
    for language in Language::ALL.into_iter().filter(|language| *language != Language::Nl) {
        assert!(page.contains(&format!("3f5f0a9c11aa?lang={language}\"")), "{language}");
    }
}

#[test]
fn a_refused_answer_shows_why_and_keeps_what_was_typed() {
    let typed = Typed {
        signer_name: "Łukasz \"Ł\"".to_owned(),
        message: "Deux jours ?".to_owned(),
        reason: String::new(),
        problem: Some("Remplissez ce champ.".to_owned()),
    };
    let page = order_page(&OrderPage { typed, ..order() }, Language::Fr, NONCE).unwrap();
    keep("order_refused.html", &page);
    assert!(page.contains("role=\"alert\"") && page.contains("Remplissez ce champ."));
    assert!(page.contains("value=\"Łukasz &quot;Ł&quot;\"") && page.contains("required>Deux jours ?</textarea>"));
    assert_eq!(page.matches("<details open>").count(), 1);
}

#[test]
fn what_people_typed_is_never_markup() {
    let nasty = "\"><script>alert(1)</script><img src=x onerror=y>{{ 7*7 }}{% raw %}".to_owned();
    let page = OrderPage {
        entity: nasty.clone(),
        member: nasty.clone(),
        client: nasty.clone(),
        title: nasty.clone(),
        description: nasty.clone(),
        lines: vec![PageLine {
            label: nasty.clone(),
            quantity: Decimal::ONE,
            unit_price: Minor::ZERO,
            net: Minor::ZERO,
        }],
        vat: Vec::new(),
        vat_note: Some(nasty.clone()),
        conditions: nasty.clone(),
        form_token: nasty.clone(),
        confirm_url: nasty.clone(),
        typed: Typed {
            signer_name: nasty.clone(),
            message: nasty.clone(),
            reason: nasty.clone(),
            problem: Some(nasty.clone()),
        },
        ..order()
    };
    let answered = outcome().answered.map(|answered| Answered {
        title: nasty.clone(),
        signer_name: Some(nasty.clone()),
        ..answered
    });
    let done = OutcomePage { entity: nasty.clone(), member: nasty.clone(), answered, page_url: nasty.clone() };
    let api = serde_json::json!({
        "info": {"title": nasty, "version": nasty, "description": nasty},
        "tags": [{"name": nasty, "description": nasty}],
        "paths": {(nasty.clone()): {"get": {"operationId": nasty, "summary": nasty, "description": nasty, "tags": [nasty],
            "x-roles": [nasty], "responses": {"200": {"description": nasty, "x-error-codes": [nasty]}}}}},
        "components": {"schemas": {(nasty.clone()): {"type": "string", "enum": [nasty]}}},
    });
    let disputed = InvoicePage {
        entity: nasty.clone(),
        member: nasty.clone(),
        client: nasty.clone(),
        number: nasty.clone(),
        mentions: vec![nasty.clone()],
        reason: nasty.clone(),
        problem: Some(nasty.clone()),
        ..invoice()
    };
    for language in Language::ALL {
        for html in [
            order_page(&page, language, NONCE).unwrap(),
            invoice_page(&disputed, language, NONCE).unwrap(),
            outcome_page(&done, Outcome::Confirmed, language, NONCE).unwrap(),
            api_docs(&api.to_string(), NONCE).unwrap(),
        ] {
            assert!(!html.contains("<img") && !html.contains("<script>") && html.contains("&lt;script&gt;"), "{html}");
            assert!(html.contains("{{ 7*7 }}"));
        }
    }
}

#[test]
fn every_outcome_has_a_page_in_every_language() {
    for language in Language::ALL {
        let mut headings = Vec::new();
        for outcome_kind in OUTCOMES {
            let page = outcome_page(&outcome(), outcome_kind, language, NONCE).unwrap();
            keep(&format!("{outcome_kind:?}_{language}.html"), &page);
            assert_self_contained(&page);
            assert!(page.contains("/o/x?k=1&amp;lang=") || page.contains("k=1&amp;lang="));
            headings.push(page.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0.to_owned());
        }
        headings.dedup();
        assert_eq!(headings.len(), 8);
    }
    let nowhere = OutcomePage { entity: "Ombelle".to_owned(), ..OutcomePage::default() };
    let page = outcome_page(&nowhere, Outcome::Invalid, Language::De, NONCE).unwrap();
    assert!(!page.contains("<nav") && !page.contains("<dl"));
}

fn invoice() -> InvoicePage {
    let order = order();
    InvoicePage {
        entity: order.entity,
        member: order.member,
        client: order.client,
        number: "2026-0412".to_owned(),
        issued_on: "2026-04-15".parse().unwrap(),
        due_on: "2026-05-15".parse().unwrap(),
        lines: order.lines,
        vat: order.vat,
        mentions: vec!["Autoliquidation.".to_owned()],
        net: order.net,
        gross: order.gross,
        open: order.gross,
        currency: Currency::EUR,
        payment: PayBox {
            iban: "BE68539007547034".to_owned(),
            bic: Some("GEBABEBB".to_owned()),
            beneficiary: "Ombelle SC".to_owned(),
            reference: "+++123/4567/89002+++".to_owned(),
        },
        is_disputed: false,
        pdf_url: Some("/i/3f5f/pdf".to_owned()),
        xml_url: Some("/i/3f5f/xml".to_owned()),
        page_url: "/i/3f5f".to_owned(),
        dispute_url: "/i/3f5f/dispute".to_owned(),
        form_token: "t0k3n".to_owned(),
        reason: String::new(),
        problem: None,
        link_until: "2027-04-15".parse().unwrap(),
    }
}

#[test]
fn an_invoice_says_what_to_pay_and_takes_an_objection_only_while_something_is_open() {
    for language in Language::ALL {
        let page = invoice_page(&invoice(), language, NONCE).unwrap();
        keep(&format!("invoice_{language}.html"), &page);
        assert_self_contained(&page);
        let total = crate::formats::local::amount(language, Minor::new(363_000), Currency::EUR);
        assert!(page.matches(&total).count() >= 3, "{language}");
        assert!(page.contains("BE68\u{a0}5390\u{a0}0754\u{a0}7034") && page.contains("+++123&#x2f;4567&#x2f;89002+++"));
        assert!(page.contains("<label for=\"reason\">") && page.contains("name=\"form_token\" value=\"t0k3n\""));
        assert!(!page.split("</style>").nth(1).unwrap().contains(['…', '{']));
        let part = InvoicePage { open: Minor::new(63_000), is_disputed: true, ..invoice() };
        let part = invoice_page(&part, language, NONCE).unwrap();
        assert!(!part.contains("<form") && part.contains("<code>"), "{language}");
        let paid = InvoicePage { open: Minor::ZERO, xml_url: None, pdf_url: None, ..invoice() };
        let paid = invoice_page(&paid, language, NONCE).unwrap();
        assert!(!paid.contains("<form") && !paid.contains("BE68") && !paid.contains("download"), "{language}");
    }
    let wrong = InvoicePage { reason: "Deux <jours>".to_owned(), problem: Some("Trop long.".to_owned()), ..invoice() };
    let page = invoice_page(&wrong, Language::Fr, NONCE).unwrap();
    keep("invoice_refused.html", &page);
    assert!(page.contains("role=\"alert\"") && page.contains("Deux &lt;jours&gt;") && page.contains("<details open>"));
}

#[test]
fn the_policy_lets_nothing_in_but_what_has_the_nonce() {
    let policy = content_security_policy("abc; script-src *\r\n");
    assert!(policy.starts_with("default-src 'none'; style-src 'nonce-abcscript-src'"), "{policy}");
    assert!(!policy.contains('*') && !policy.contains('\n'));
}

const API: &str = include_str!("sample_openapi.json");

#[test]
fn the_description_of_the_api_becomes_a_page_that_needs_nothing_else() {
    let page = api_docs(API, NONCE).unwrap();
    keep("docs.html", &page);
    assert_self_contained(&page);
    for expected in [
        "id=\"op-issue_invoice\"",
        "data-needles=\"post &#x2f;v1&#x2f;invoices&#x2f;{id}&#x2f;issue issue_invoice",
        "<li>reviewer</li>",
        "<li>period_closed</li>",
        "href=\"#schema-Money\"",
        "array of <a href=\"#schema-InvoiceLine\">InvoiceLine</a>",
        "string (date) or null",
        ", 1 to 80 characters",
        "<code>draft</code>",
        "&quot;amount_minor&quot;: 92500",
        "in header",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    assert_eq!(page.matches("<article class=\"op\" id=\"op-").count(), 4);
}

#[test]
fn a_schema_that_contains_itself_and_a_description_with_gaps_still_give_a_page() {
    let own = r##"{"paths": {"/a": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/T"}}}}}},
        "post": {}, "put": 7}, "/b": null},
        "components": {"schemas": {"T": {"properties": {"next": {"$ref": "#/components/schemas/T"}}}, "U": {"allOf": [{"$ref": "#/components/schemas/U"}]}}}}"##;
    assert!(api_docs(own, NONCE).unwrap().contains("#schema-T"));
    assert!(api_docs("{}", NONCE).unwrap().contains("0 operations"));
    assert!(matches!(api_docs("{", NONCE), Err(PageError::Description(_))));
}
