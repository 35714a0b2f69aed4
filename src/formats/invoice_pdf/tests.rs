//! The document as its readers get it: as bytes, as pages, as text.

use chrono::NaiveDate;
use lopdf::Document;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;

/// An invoice of `count` lines of 100.00 at 21 %.
fn facts(language: Language, count: i64) -> InvoiceFacts {
    let day = |month, day| NaiveDate::from_ymd_opt(2026, month, day).unwrap();
    let line = |index: i64| Line {
        label: format!("Service number {index}"),
        quantity: Decimal::ONE,
        unit: Some("DAY".to_owned()),
        unit_price: Minor::new(10_000),
        net: Minor::new(10_000),
        vat_category: "S".to_owned(),
        vat_rate: Ppm(210_000),
        exact_price: None,
        adjustments: Vec::new(),
    };
    let net = Minor::new(10_000 * count);
    let tax = net.share(Ppm(210_000)).unwrap();
    InvoiceFacts {
        language,
        kind: DocumentKind::Invoice,
        number: "2026-00042".to_owned(),
        issued_on: day(2, 7),
        due_on: Some(day(3, 9)),
        corrects: None,
        supply: Some(Supply::On(day(1, 30))),
        seller: Party {
            name: "Umbelle".to_owned(),
            legal_form: Some("SC".to_owned()),
            lines: vec!["Rue du Midi 1".to_owned(), "1000 Bruxelles".to_owned()],
            country: "Belgique".to_owned(),
            enterprise_number: Some("0123.456.749".to_owned()),
            vat_number: Some("BE 0123.456.749".to_owned()),
            register: Some("RPM Bruxelles".to_owned()),
        },
        buyer: Party {
            name: "Łukasz Øster-Ñuñez & Fils SPRL".to_owned(),
            lines: vec!["Οδός Αθηνάς 5".to_owned(), "ул. Пушкина 7".to_owned()],
            country: "Belgique".to_owned(),
            ..Party::default()
        },
        currency: Currency::EUR,
        lines: (1..=count).map(line).collect(),
        vat: vec![VatSummary { category: "S".to_owned(), rate: Ppm(210_000), base: net, tax }],
        net,
        tax,
        gross: net.plus(tax).unwrap(),
        payment: Some(Payment {
            iban: "BE68539007547034".to_owned(),
            bic: Some("GKCCBEBB".to_owned()),
            beneficiary: "Umbelle SC".to_owned(),
            reference: "+++123/4567/89002+++".to_owned(),
        }),
        mentions: vec!["Late payment: statutory interest.".to_owned()],
        buyer_reference: Some("PO-77812".to_owned()),
        order_reference: None,
        member_name: Some("Zoë Dvořák".to_owned()),
        more: More::default(),
    }
}

/// The text of each page, with plain spaces.
fn pages(facts: &InvoiceFacts) -> Vec<String> {
    let file = Document::load_mem(&render(facts).unwrap()).unwrap();
    file.get_pages().keys().map(|page| file.extract_text(&[*page]).unwrap().replace('\u{a0}', " ")).collect()
}

#[test]
fn equal_facts_give_equal_bytes_and_other_facts_another_id() {
    let one = facts(Language::Fr, 3);
    assert_eq!(render(&one).unwrap(), render(&one.clone()).unwrap());
    let id = |facts: &InvoiceFacts| {
        let file = Document::load_mem(&render(facts).unwrap()).unwrap();
        file.trailer.get(b"ID").unwrap().clone()
    };
    let other = InvoiceFacts { number: "2026-00043".to_owned(), ..one.clone() };
    assert_ne!(id(&one), id(&other));
}

#[test]
fn the_text_of_the_document_can_be_found_in_every_language() {
    let cases = [
        (Language::Fr, ["Facture", "1 210,00 €", "9 mars 2026", "10 jours", "21 %"]),
        (Language::Nl, ["Factuur", "€ 1.210,00", "9 maart 2026", "10 dagen", "21%"]),
        (Language::En, ["Invoice", "€1,210.00", "9 March 2026", "10 days", "21%"]),
        (Language::De, ["Rechnung", "1.210,00 €", "9. März 2026", "10 Tage", "21 %"]),
    ];
    for (language, expected) in cases {
        let mut facts = facts(language, 10);
        facts.lines[0].quantity = Decimal::TEN;
        let text = pages(&facts).concat();
        let everywhere = [
            "2026-00042",
            "Łukasz Øster-Ñuñez & Fils SPRL",
            "Οδός Αθηνάς 5",
            "ул. Пушкина 7",
            "BE68 5390 0754 7034",
            "+++123/4567/89002+++",
            "BE 0123.456.749",
            "RPM Bruxelles",
            "PO-77812",
            "Zoë Dvořák",
            "Late payment: statutory interest.",
        ];
        for needle in expected.iter().chain(&everywhere) {
            assert!(text.contains(needle), "{language}: {needle:?} is not in {text}");
        }
    }
}

#[test]
fn every_page_says_which_of_how_many_it_is() {
    for (count, expected) in [(1, 1), (60, 3), (200, 8)] {
        let pages = pages(&facts(Language::En, count));
        assert_eq!(pages.len(), expected, "{count} lines");
        for (index, page) in pages.iter().enumerate() {
            assert!(page.contains(&format!("Page {} of {expected}", index + 1)), "{page}");
        }
    }
}

#[test]
fn a_subtotal_is_carried_over_each_page_break() {
    let pages = pages(&facts(Language::En, 200));
    for (page, next) in pages.iter().zip(&pages[1..]) {
        let rows = |page: &str| i64::try_from(page.matches("Service number").count()).unwrap();
        assert!(rows(page) > 0);
        let carried = page.split("Carried forward").nth(1).unwrap().split_whitespace().next().unwrap();
        let brought = next.split("Brought forward").nth(1).unwrap().split_whitespace().next().unwrap();
        assert_eq!(carried, brought);
    }
    let first = pages[0].matches("Service number").count();
    assert!(pages[0].contains(&format!("{},{:03}.00", first / 10, first % 10 * 100)), "{}", pages[0]);
    assert!(pages.iter().skip(1).all(|page| page.contains("Amount excl. VAT")), "the heading is repeated");
}

#[test]
fn totals_never_stand_on_a_page_without_a_line() {
    for count in 1..60 {
        let pages = pages(&facts(Language::En, count));
        let last = pages.last().unwrap();
        assert!(last.contains("Total including VAT") && last.contains("Service number"), "{count} lines: {last}");
        assert!(last.contains("+++123/4567/89002+++") && last.contains("Late payment"), "{count} lines");
    }
}

#[test]
fn hostile_text_wraps_is_replaced_or_dropped_and_never_fails() {
    let mut facts = facts(Language::Fr, 2);
    facts.lines[0].label = "ж".repeat(5_000);
    facts.lines[1].label = "\u{202E}🎉\u{0}\n\n\u{1F468}\u{200D}\u{1F469} \t".to_owned();
    facts.buyer.name = "Donaudampfschifffahrtsgesellschaft".repeat(20);
    facts.buyer.lines = vec!["line".to_owned(); 50];
    facts.seller.name = "W".repeat(300);
    facts.payment.as_mut().unwrap().beneficiary = "ﷺ".repeat(40);
    facts.mentions = vec!["mention ".repeat(3_000)];
    facts.number = "9".repeat(200);
    let pages = pages(&facts);
    let text = pages.concat();
    assert_eq!(text.matches('ж').count(), 5_000);
    assert_eq!(text.matches("mention").count(), 3_000);
    assert!(text.contains('\u{FFFD}') && !text.contains('\u{202E}'));
}

#[test]
fn an_invoice_without_lines_or_with_endless_taxes_is_still_a_document() {
    let empty = InvoiceFacts { lines: Vec::new(), vat: Vec::new(), ..facts(Language::Nl, 1) };
    assert_eq!(pages(&empty).len(), 1);
    let mut taxed = facts(Language::Nl, 1);
    taxed.vat = vec![taxed.vat[0].clone(); 200];
    assert!(pages(&taxed).len() > 2);
    let nothing = InvoiceFacts {
        number: String::new(),
        seller: Party::default(),
        buyer: Party::default(),
        mentions: Vec::new(),
        ..empty
    };
    assert_eq!(pages(&nothing).len(), 1);
}

#[test]
fn the_largest_amounts_are_printed_whole() {
    let mut facts = facts(Language::Fr, 1);
    let largest = Minor::new(Minor::LIMIT);
    (facts.net, facts.tax, facts.gross) = (largest, largest, largest);
    (facts.lines[0].net, facts.lines[0].unit_price) = (largest, Minor::new(-Minor::LIMIT));
    let text = pages(&facts).concat();
    assert!(text.contains("-90 071 992 547 409,91") && text.contains("90 071 992 547 409,91 €"), "{text}");
    let mut twice = facts.clone();
    twice.lines = vec![Line { net: Minor::new(i64::MAX), ..facts.lines[0].clone() }; 2];
    assert!(matches!(render(&twice), Err(PdfError::Amount(_))));
}

#[test]
fn the_file_tells_its_title_language_and_day_and_nothing_of_the_machine() {
    let file = Document::load_mem(&render(&facts(Language::De, 1)).unwrap()).unwrap();
    assert_eq!(file.version, "1.7");
    assert_eq!(file.catalog().unwrap().get(b"Lang").unwrap().as_str().unwrap(), b"de");
    let info = file.get_dictionary(file.trailer.get(b"Info").unwrap().as_reference().unwrap()).unwrap();
    assert_eq!(info.get(b"CreationDate").unwrap().as_str().unwrap(), b"D:20260207000000Z");
    assert_eq!(lopdf::decode_text_string(info.get(b"Title").unwrap()).unwrap(), "Rechnung 2026-00042");
    assert_eq!(lopdf::decode_text_string(info.get(b"Author").unwrap()).unwrap(), "Umbelle");
}

#[test]
fn a_page_of_invoice_is_small() {
    assert!(render(&facts(Language::Fr, 5)).unwrap().len() <= 60_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_text_anywhere_makes_a_document(
        texts in proptest::collection::vec(any::<String>(), 12),
        labels in proptest::collection::vec("(?s).{0,400}", 0..8),
        amount in any::<i64>(),
        quantity in any::<i64>(),
    ) {
        let mut facts = facts(Language::ALL[texts[0].len() % 4], 1);
        facts.lines = labels.into_iter().map(|label| Line {
            label,
            quantity: Decimal::new(quantity, 6),
            unit: Some(texts[11].clone()),
            unit_price: Minor::new(amount),
            net: Minor::new(amount / 8),
            vat_category: texts[10].clone(),
            vat_rate: Ppm(amount),
            exact_price: None,
            adjustments: Vec::new(),
        }).collect();
        facts.vat[0].category.clone_from(&texts[10]);
        facts.number.clone_from(&texts[1]);
        facts.seller.name.clone_from(&texts[2]);
        facts.buyer.name.clone_from(&texts[3]);
        facts.buyer.lines = vec![texts[4].clone(), texts[5].clone()];
        facts.payment.as_mut().unwrap().iban.clone_from(&texts[6]);
        facts.payment.as_mut().unwrap().reference.clone_from(&texts[7]);
        facts.mentions = vec![texts[8].clone()];
        facts.buyer_reference = Some(texts[9].clone());
        let bytes = render(&facts).unwrap();
        prop_assert!(Document::load_mem(&bytes).is_ok());
    }
}

#[test]
fn a_credit_note_names_what_it_corrects_and_asks_for_nothing() {
    let cases = [
        (Language::Fr, ["Note de crédit", "Corrige", "facture 2026-00041 du 3 février 2026", "Motif"], "À payer"),
        (Language::Nl, ["Creditnota", "Corrigeert", "factuur 2026-00041 van 3 februari 2026", "Reden"], "Te betalen"),
        (Language::En, ["Credit note", "Corrects", "invoice 2026-00041 of 3 February 2026", "Reason"], "To pay"),
        (
            Language::De,
            ["Rechnungskorrektur", "Berichtigt", "Rechnung 2026-00041 vom 3. Februar 2026", "Grund"],
            "Zu zahlen",
        ),
    ];
    for (language, expected, absent) in cases {
        let corrects = Corrected {
            number: "2026-00041".to_owned(),
            issued_on: NaiveDate::from_ymd_opt(2026, 2, 3).unwrap(),
            reason: "Two days too many".to_owned(),
        };
        let facts = InvoiceFacts {
            kind: DocumentKind::CreditNote,
            number: "C2026-0001".to_owned(),
            due_on: None,
            corrects: Some(corrects),
            payment: None,
            ..facts(language, 2)
        };
        // A value wraps beside the window; words of one line are compared without their breaks.
        let text = pages(&facts).concat().replace('\n', " ");
        for needle in expected.iter().chain(&["C2026-0001", "Two days too many"]) {
            assert!(text.contains(needle), "{language}: {needle:?} is not in {text}");
        }
        for needle in [absent, "IBAN", "BIC"] {
            assert!(!text.contains(needle), "{language}: {needle:?} is in {text}");
        }
        // To look at them: `UMBEL_SAMPLES=folder cargo test credit_note`.
        if let Ok(folder) = std::env::var("UMBEL_SAMPLES") {
            let long = InvoiceFacts { lines: self::facts(language, 60).lines, ..facts.clone() };
            for (name, facts) in [("short", &facts), ("long", &long)] {
                let bytes = render(facts).unwrap();
                std::fs::write(format!("{folder}/credit_note_{name}_{language}.pdf"), bytes).unwrap();
            }
        }
    }
}
