//! Documents of every kind through the API, as files for the programs that judge electronic invoices: all VAT cases, from
//! eight countries, discounts, charges, fractions, credit notes in full and in parts, many lines, other scripts. With
//! `UMBEL_EINVOICES_OUT` they are written there, `ubl/*.xml`, `cii/*.xml` and `facturx/*.pdf`.

use chrono::Days;
use serde_json::{Value, json};
use umbel::demo::{Bank, Cast, MemberCast};
use umbel::formats::einvoice::{Limits, read};
use umbel::formats::pdf::reader;
use umbel::kernel::money::Minor;

use super::credit_notes::{credit, full};
use super::einvoices::{american, at, client, eur, file, french, issued, line, with};
use super::foreign::{in_currency, line_in, rate};
use super::support::TestApp;
use super::world::text;

/// A made-up Belgian account with its check digits.
fn iban(n: u64) -> String {
    let check = match n % 97 {
        0 => 97,
        rest => rest,
    };
    let bban = format!("{n:010}{check:02}");
    let rest = format!("{bban}111400").bytes().fold(0_u64, |rest, digit| (rest * 10 + u64::from(digit - b'0')) % 97);
    format!("BE{:02}{bban}", 98 - rest)
}

/// The documents of a run: each with its name, its path and what the API says that it comes to.
struct Papers {
    app: TestApp,
    made: Vec<(String, &'static str, Value, bool)>,
}

impl Papers {
    fn invoice(&mut self, name: &str, cast: &Cast, member: &MemberCast, over: Value) -> Value {
        let view = issued(&self.app, cast, member, over);
        self.made.push((name.to_owned(), "invoices", view.clone(), true));
        view
    }

    fn credit(&mut self, name: &str, cast: &Cast, invoice: &Value, lines: &[(i32, i64)]) -> Value {
        let reviewer = &cast.staff.reviewer;
        let part = |(n, cents): &(i32, i64)| json!({"n": n, "net": eur(*cents)});
        let body = if lines.is_empty() {
            full(reviewer)
        } else {
            json!({"id": reviewer.new_id(), "reason": "Less was done: « 2 » days\nas agreed", "lines": lines.iter().map(part).collect::<Vec<_>>()})
        };
        let view = credit(reviewer, &text(invoice, "id"), &body).expect(201).unwrap();
        self.made.push((name.to_owned(), "credit_notes", view.clone(), true));
        view
    }

    /// A deposit, an intermediate invoice and the balance, each issued before the next is written.
    fn parts_of_an_order(&mut self, cast: &Cast, member: &MemberCast) {
        let order = text(&self.app.stage.confirmed_order(member, 333_333).unwrap(), "id");
        for (name, part) in [
            ("deposit", json!({"stage": "deposit", "share": "0.3"})),
            ("interim", json!({"stage": "interim", "share": "0.333333"})),
            ("balance", json!({"stage": "balance"})),
        ] {
            let body = with(json!({"id": member.client.new_id(), "order_id": order}), part);
            let draft = member.client.post("/v1/invoices", &body).unwrap().expect(201).unwrap();
            self.hand_in(name, cast, member, &draft);
        }
    }

    /// Documents in other currencies, and what is given back of them.
    fn in_other_currencies(&mut self, cast: &Cast, member: &MemberCast) {
        let today = self.app.stage.today();
        for (currency, value) in [("USD", "1.1603"), ("GBP", "0.87715"), ("CHF", "0.9345"), ("JPY", "163.07")] {
            rate(&cast.staff.accountant, currency, value, today).expect(201).unwrap();
        }
        let off = |currency: &str, by: Value| {
            let amount = by["amount"].as_i64().map(|amount| json!({"amount_minor": amount, "currency": currency}));
            with(
                json!({"kind": "discount", "reason": "Regular client"}),
                amount.map_or(by, |amount| json!({"amount": amount})),
            )
        };
        let all = |currency: &str| {
            json!([
                line_in(currency, if currency == "JPY" { "7" } else { "3.5" }, 8_731, json!({})),
                line_in(currency, "1", 20_003, justified("reduced")),
                line_in(currency, "2", 999, case("exempt"))
            ])
        };
        let abroad =
            |currency: &str, case_name: &str| in_currency(currency, &[line_in(currency, "7", 45_000, case(case_name))]);
        let german = json!({"name": "Müller & Töchter GmbH", "language": "de", "vat_number": "DE136695976", "address": at("DE", "10115", "Berlin")});
        let (us, german) = (american(member), client(member, german));
        let kinds = [
            ("dollars", json!({"currency": "USD", "lines": all("USD")})),
            (
                "pounds",
                in_currency(
                    "GBP",
                    &[line_in("GBP", "3.5", 8_731, json!({"adjustments": [off("GBP", json!({"rate": "0.125"}))]}))],
                ),
            ),
            ("francs", with(abroad("CHF", "outside_scope"), json!({"client_id": us}))),
            (
                "yen",
                json!({"currency": "JPY", "lines": all("JPY"), "adjustments": [with(off("JPY", json!({"amount": 333})), case("standard"))]}),
            ),
            ("yen_export", with(abroad("JPY", "export"), json!({"client_id": us}))),
            ("dollars_reverse_charge", with(abroad("USD", "reverse_charge"), json!({"client_id": german}))),
            ("francs_fine", in_currency("CHF", &[line_in("CHF", "12345", 4, json!({"exact_unit_price": "0.0375"}))])),
        ];
        for (name, over) in kinds {
            let view = self.invoice(name, cast, member, over);
            self.credit_of(name, cast, &view);
        }
    }

    /// A part of the first line, and then the rest.
    fn credit_of(&mut self, name: &str, cast: &Cast, invoice: &Value) {
        let reviewer = &cast.staff.reviewer;
        let net = with(invoice["lines"][0]["net"].clone(), json!({"amount_minor": 101}));
        let part = json!({"id": reviewer.new_id(), "reason": "Less was done", "lines": [{"n": 1, "net": net}]});
        for (n, body) in [part, full(reviewer)].iter().enumerate() {
            let view = credit(reviewer, &text(invoice, "id"), body).expect(201).unwrap();
            self.made.push((format!("credit_{name}_{n}"), "credit_notes", view, true));
        }
    }

    /// An invoice with papers of every kind that may go along.
    fn with_papers(&mut self, cast: &Cast, member: &MemberCast) {
        let body = json!({"id": member.client.new_id(), "activity_id": member.activity_id, "client_id": member.client_id,
                          "title": "With papers", "supplied_on": self.app.stage.today(), "lines": [line("1", 45_000, json!({}))]});
        let draft = member.client.post("/v1/invoices", &body).unwrap().expect(201).unwrap();
        let files: [(&str, &[u8]); 3] = [
            ("hours.pdf", b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"),
            ("plan.png", b"\x89PNG\r\n\x1a\n....IEND\xAEB`\x82"),
            ("photo%20(1).jpg", b"\xFF\xD8\xFF\xE0....\xFF\xD9"),
        ];
        for (name, bytes) in files {
            let place = format!("/v1/invoices/{}/attachments?name={name}", text(&draft, "id"));
            member.client.upload(&place, "application/octet-stream", bytes).unwrap().expect(201).unwrap();
        }
        self.hand_in("with_papers", cast, member, &draft);
    }

    fn hand_in(&mut self, name: &str, cast: &Cast, member: &MemberCast, draft: &Value) {
        let path = format!("/v1/invoices/{}/submit", text(draft, "id"));
        let submitted = member.client.change(&path, draft["version"].as_i64().unwrap(), &json!({})).unwrap();
        let submitted = submitted.expect(200).unwrap();
        let view = self.app.stage.issue(&cast.staff.reviewer, &submitted).unwrap().view;
        self.made.push((name.to_owned(), "invoices", view, true));
    }

    /// Reads every file again and compares it with what the API says; writes it where somebody asked for it.
    fn finish(self, reviewer: &umbel::demo::Client) -> usize {
        self.app.stage.settle().unwrap();
        let folder = std::env::var("UMBEL_EINVOICES_OUT").ok().map(std::path::PathBuf::from);
        for (name, kind, view, is_reached) in &self.made {
            let pdf = file(reviewer, kind, &text(view, "id"), "pdf");
            if let Some(folder) = &folder {
                std::fs::create_dir_all(folder.join("facturx")).unwrap();
                std::fs::write(folder.join("facturx").join(format!("{name}.pdf")), &pdf.body).unwrap();
            }
            let inside = reader::invoice_xml(&pdf.body).unwrap_or_else(|error| panic!("{name}: {error}")).bytes;
            assert_eq!(inside, file(reviewer, kind, &text(view, "id"), "cii").body, "{name}: the XML of the PDF");
            for form in ["ubl", "cii"] {
                if form == "ubl" && !is_reached {
                    continue;
                }
                let answer = file(reviewer, kind, &text(view, "id"), form);
                assert_eq!(answer.status, 200, "{name} {form}");
                let found = read(&answer.body, Limits::default()).unwrap();
                assert_eq!((found.differences.len(), found.faults.len()), (0, 0), "{name} {form}: {:?}", found.faults);
                let totals = found.document().unwrap().totals().clone();
                let said = ["total_net", "total_vat", "total_gross"]
                    .map(|it| said_by(view)[it]["amount_minor"].as_i64().unwrap());
                assert_eq!([totals.net, totals.tax, totals.gross].map(Minor::get), said, "{name} {form}");
                if let Some(folder) = &folder {
                    std::fs::create_dir_all(folder.join(form)).unwrap();
                    std::fs::write(folder.join(form).join(format!("{name}.xml")), &answer.body).unwrap();
                }
            }
        }
        assert_eq!(self.app.violations(), Vec::<String>::new());
        self.made.len()
    }
}

/// The totals of a document in its own currency.
fn said_by(view: &Value) -> &Value {
    if view["document"].is_object() { &view["document"] } else { view }
}

fn case(name: &str) -> Value {
    json!({"vat_case": name})
}

fn justified(name: &str) -> Value {
    json!({"vat_case": name, "vat_justification": "Dwelling older than ten years; attestation of the buyer"})
}

fn one(over: Value) -> Value {
    json!({"lines": [line("1", 45_000, over)]})
}

/// What a Belgian seller invoices at home.
fn at_home() -> Vec<(&'static str, Value)> {
    let discount = |by: Value| with(json!({"kind": "discount", "reason": "Regular client"}), by);
    let charge = |by: Value| with(json!({"kind": "charge", "reason": "Courier & packing"}), by);
    let fraction = || line("3.5", 8_731, json!({}));
    let many: Vec<_> = (1..=200).map(|n| line("1.25", 100 + n, json!({"label": format!("Plate {n}")}))).collect();
    let long = "Ein sehr langes Wort folgt dem andern, ".repeat(12);
    vec![
        ("standard", json!({})),
        ("fractions", json!({"lines": [fraction(), fraction(), fraction()]})),
        ("intermediate", one(justified("intermediate"))),
        ("reduced", one(justified("reduced"))),
        ("zero", one(case("zero"))),
        ("exempt", one(case("exempt"))),
        (
            "all_rates",
            json!({"lines": [line("1", 3_335, json!({})), line("2", 3_335, justified("intermediate")), line("3", 3_335, justified("reduced")),
                             line("1", 3_335, case("zero")), line("1", 3_335, case("exempt"))]}),
        ),
        ("line_discount_rate", one(json!({"adjustments": [discount(json!({"rate": "0.125"}))]}))),
        ("line_discount_amount", one(json!({"adjustments": [discount(json!({"amount": eur(1_234)}))]}))),
        (
            "line_charge",
            one(json!({"adjustments": [charge(json!({"rate": "0.000333"})), charge(json!({"amount": eur(1)}))]})),
        ),
        (
            "line_given_away",
            json!({"lines": [line("1", 5_000, json!({"adjustments": [discount(json!({"rate": "1"}))]})), line("1", 100, json!({}))]}),
        ),
        (
            "line_both",
            json!({"lines": [line("3.5", 8_731, json!({"adjustments": [discount(json!({"rate": "0.1"})), charge(json!({"amount": eur(777)}))]})), fraction()]}),
        ),
        (
            "all_discount",
            json!({"lines": [fraction(), fraction()], "adjustments": [discount(json!({"rate": "0.033333"}))]}),
        ),
        ("all_charge", json!({"adjustments": [charge(json!({"amount": eur(1_999)}))]})),
        (
            "all_by_rate",
            json!({"lines": [line("1", 10_001, json!({})), line("1", 20_003, justified("reduced"))],
                   "adjustments": [discount(json!({"rate": "0.07", "vat_case": "standard"})), discount(json!({"amount": eur(333), "vat_case": "reduced"})),
                                   charge(json!({"rate": "0.015", "vat_case": "reduced"}))]}),
        ),
        (
            "everything_off",
            json!({"lines": [line("7.7777", 1_111, json!({"unit": "KMT", "adjustments": [discount(json!({"rate": "0.5"}))]})), line("1", 999, case("exempt"))],
                   "adjustments": [discount(json!({"amount": eur(1_000), "vat_case": "standard"})), charge(json!({"amount": eur(1), "vat_case": "exempt"}))]}),
        ),
        ("tiny_price", json!({"lines": [line("12345", 4, json!({"exact_unit_price": "0.0375"}))]})),
        ("below_a_cent", json!({"lines": [line("999999.9999", 0, json!({"exact_unit_price": "0.0049"}))]})),
        (
            "fine_price",
            json!({"lines": [line("0.3333", 123_457, json!({"exact_unit_price": "1234.5678", "unit": "HUR"}))]}),
        ),
        (
            "nothing_to_pay_for",
            json!({"lines": [line("1", 0, json!({"label": "Sketches, free"})), line("1", 1, json!({}))]}),
        ),
        ("large", json!({"lines": [line("1", 90_000_000_000, json!({}))]})),
        ("many_lines", json!({"lines": many})),
        (
            "long_texts",
            json!({"title": "t".repeat(200), "lines": [line("1", 10_000, json!({"label": long})), line("1", 1, json!({"label": "Zeile eins\nZeile zwei\n\nZeile vier"}))]}),
        ),
        (
            "markup",
            json!({"title": "<b>&amp;</b> \"'", "lines": [line("1", 10_000, json!({"label": "]]> <![CDATA[ & < > \u{1F3A8} 漢字 مرحبا"}))]}),
        ),
        ("references", json!({"purchase_order": "PO/2026-0815 <x>", "buyer_reference": "Dienst \u{00C9}tudes & Co"})),
        ("order_only", json!({"purchase_order": "4500017"})),
        (
            "units",
            json!({"lines": [line("1", 100, json!({"unit": "DAY"})), line("2", 100, json!({"unit": "MON"})), line("3", 100, json!({"unit": "LS"})), line("4", 100, json!({"unit": "E48"}))]}),
        ),
        ("old_work", json!({"supplied_on": "2025-12-31"})),
    ]
}

/// What a Belgian seller invoices abroad, and to whom at home.
fn abroad(member: &MemberCast) -> Vec<(&'static str, Value)> {
    let charged = |client: String| with(one(case("reverse_charge")), json!({"client_id": client}));
    let in_eu = |name: &str, language: &str, vat: &str, address: Value| {
        client(member, json!({"name": name, "language": language, "vat_number": vat, "address": address}))
    };
    let outside = |name: &str, address_id: &str, address: Value| {
        client(
            member,
            json!({"name": name, "language": "en", "vat_number": null, "electronic_address": address_id, "address": address}),
        )
    };
    let us = american(member);
    let discount = json!([{"kind": "discount", "rate": "0.2", "reason": "Overseas"}]);
    let to = |client: &str, case_name: &str| with(one(case(case_name)), json!({"client_id": client}));
    let ch = outside("Zürcher Grafik & Söhne AG", "0183:CHE123456788", at("CH", "8001", "Zürich"));
    let jp = outside("株式会社アトリエ", "0188:1234567890123", at("JP", "100-0001", "東京"));
    let body = client(
        member,
        json!({"name": "Ville de Liège", "kind": "public_body", "vat_number": null, "enterprise_number": "0207.343.933"}),
    );
    let found = client(
        member,
        json!({"gln": "5412345000013", "electronic_address": "9925:BE0403019261", "contact_name": "Noor Peeters", "contact_phone": "+32 2 555 00 00"}),
    );
    vec![
        ("to_france", charged(in_eu("Atelier du Nord", "fr", "FR40303265045", at("FR", "75001", "Paris")))),
        ("with_siret", charged(french(member))),
        ("to_germany", charged(in_eu("Müller & Töchter GmbH", "de", "DE136695976", at("DE", "10115", "Berlin")))),
        ("to_greece", charged(in_eu("Ατελιέ Αθηνών ΑΕ", "en", "EL123456789", at("GR", "10431", "Αθήνα")))),
        ("to_bulgaria", charged(in_eu("Българска Роза ООД", "en", "BG123456789", at("BG", "1000", "София")))),
        ("to_italy", charged(in_eu("Studio S.r.l.", "en", "IT00743110157", at("IT", "20121", "Milano")))),
        ("to_netherlands", charged(in_eu("Ontwerp B.V.", "nl", "NL123456789B01", at("NL", "1011 AB", "Amsterdam")))),
        ("to_america", to(&us, "outside_scope")),
        ("to_america_off", with(to(&us, "outside_scope"), json!({"adjustments": discount}))),
        ("to_switzerland", to(&ch, "outside_scope")),
        ("export", to(&jp, "export")),
        ("export_off", with(to(&us, "export"), json!({"adjustments": discount}))),
        ("to_town", json!({"client_id": body})),
        ("found_everywhere", json!({"client_id": found})),
    ]
}

/// A mutual's entity in another country, with a member and a client at home.
fn settled_in(app: &TestApp, first: &Cast, n: u64, country: &str) -> (Cast, MemberCast) {
    let today = app.stage.today();
    let admin = &first.staff.administrator;
    let (number, vat, buyer_vat, postcode, town) = match country {
        "FR" => ("552100554", "FR96552100554", "FR40303265045", "75001", "Paris"),
        "DE" => ("HRB12345", "DE136695976", "DE136695976", "10115", "Berlin"),
        "NL" => ("12345678", "NL123456789B01", "NL123456789B01", "1011 AB", "Amsterdam"),
        "LU" => ("B123456", "LU12345613", "LU12345613", "1000", "Luxembourg"),
        "IT" => ("MI1234567", "IT00743110157", "IT00743110157", "20121", "Milano"),
        "ES" => ("B12345678", "ESB12345678", "ESB12345678", "28001", "Madrid"),
        _ => ("FN123456a", "ATU12345678", "ATU12345678", "1010", "Wien"),
    };
    let (entity_id, account) = (admin.new_id(), iban(2_000_000 + n));
    let entity = json!({
        "id": entity_id, "name": format!("Ombelle {country}"), "legal_form": "Cooperative", "enterprise_number": number, "vat_number": vat,
        "zone": "Europe/Brussels", "email": "office@ombelle.example", "contact_name": "Office", "contact_phone": "+32 2 555 00 00",
        "address": at(country, postcode, town),
    });
    admin.post("/v1/entities", &entity).unwrap().expect(201).unwrap();
    let post = |path: &str, body: Value| {
        admin.post(&format!("/v1/entities/{entity_id}/{path}"), &body).unwrap().expect(201).unwrap()
    };
    post("bank_accounts", json!({"id": admin.new_id(), "iban": account, "bic": "GEBABEBB", "currency": "EUR"}));
    post(
        "rule_sets",
        json!({"id": admin.new_id(), "valid_from": today - Days::new(30), "decided_on": today - Days::new(60), "decision": "Founding",
               "share_price": eur(3_000), "payment_terms_days": 30, "advance_working_days": 7, "client_limit": eur(5_000_000),
               "levies": [{"kind": "fee", "rate": "0.055"}, {"kind": "guarantee", "rate": "0.02"}]}),
    );
    post(
        "agreements",
        json!({"id": admin.new_id(), "version_number": 1, "language": "fr", "body": "J'adhère.", "valid_from": today - Days::new(30)}),
    );
    let bank = Bank::new(&account, Minor::new(0));
    let mut cast = Cast { entity_id, bank, staff: first.staff.clone() };
    let email = format!("{}@member.example", country.to_lowercase());
    let member = app.stage.enrol(&mut cast, &email, "Bo Li", &iban(3_000_000 + n)).unwrap();
    let buyer = client(&member, json!({"vat_number": buyer_vat, "address": at(country, postcode, town)}));
    (cast, MemberCast { client_id: buyer, ..member })
}

#[test]
fn documents_of_every_kind_are_what_the_books_say() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let mut papers = Papers { app, made: Vec::new() };
    let mut views = std::collections::BTreeMap::new();
    for (name, over) in at_home().into_iter().chain(abroad(&member)) {
        views.insert(name, papers.invoice(name, &cast, &member, over));
    }
    let person = client(&member, json!({"name": "Zoë Dvořák", "kind": "consumer", "vat_number": null}));
    papers.invoice("private_person", &cast, &member, json!({"client_id": person}));
    papers.made.last_mut().unwrap().3 = false;
    for name in [
        "standard",
        "all_rates",
        "all_by_rate",
        "everything_off",
        "to_france",
        "to_america_off",
        "export",
        "many_lines",
        "fine_price",
    ] {
        papers.credit(&format!("credit_{name}"), &cast, &views[name], &[]);
    }
    // In parts, the last of which takes what rounding left.
    for (name, parts) in [
        ("line_both", vec![vec![(1, 10_007)], vec![(2, 30_559)], vec![]]),
        ("all_discount", vec![vec![(1, 333)], vec![(1, 1), (2, 777)], vec![]]),
        ("fractions", vec![vec![(1, 30_559), (3, 1)], vec![]]),
        ("to_germany", vec![vec![(1, 44_999)], vec![(1, 1)]]),
    ] {
        for (n, lines) in parts.iter().enumerate() {
            papers.credit(&format!("credit_{name}_{n}"), &cast, &views[name], lines);
        }
    }
    for (n, country) in (1..).zip(["FR", "DE", "NL", "LU", "IT", "ES", "AT"]) {
        let (cast, member) = settled_in(&papers.app, &cast, n, country);
        let lines = json!({"lines": [line("3.5", 8_731, json!({})), line("3.5", 8_731, json!({})), line("3.5", 8_731, json!({}))]});
        let view = papers.invoice(&format!("from_{country}"), &cast, &member, lines);
        if country == "FR" {
            // 3 x 3.5 x 87.31 at 20 %: half-even lines would give 1,100.09, unrounded ones 1,100.11.
            assert_eq!(view["total_gross"], eur(110_012));
        }
        papers.credit(&format!("credit_from_{country}"), &cast, &view, &[]);
    }
    papers.parts_of_an_order(&cast, &member);
    papers.in_other_currencies(&cast, &member);
    let bilingual = client(&member, json!({"second_language": "nl", "language": "fr"}));
    papers.invoice("two_languages", &cast, &member, json!({"client_id": bilingual}));
    papers.with_papers(&cast, &member);
    let count = papers.finish(&cast.staff.reviewer);
    assert!(count >= 80, "{count}");
}
