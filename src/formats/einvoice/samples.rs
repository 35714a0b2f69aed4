//! Documents of every kind: the tests read them, and programs of other people judge them (`tests/conformance`).

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::*;
use crate::kernel::money::{Currency, Ppm};

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(super) fn vat(category: Category, ppm: i64) -> Vat {
    Vat { category, rate: Ppm(ppm) }
}

pub(super) fn s(ppm: i64) -> Vat {
    vat(Category::Standard, ppm)
}

fn address(line: &str, post_code: &str, city: &str, country: &str) -> Address {
    let some = |text: &str| Some(text.to_owned());
    Address {
        line1: some(line),
        post_code: some(post_code),
        city: some(city),
        country: country.to_owned(),
        ..Address::default()
    }
}

pub(super) fn seller() -> Party {
    Party {
        name: "Ombelle SC".into(),
        trading_name: Some("Ombelle".into()),
        registration: Some(Identifier::of("0208", "0123456749")),
        vat_id: Some("BE0123456749".into()),
        legal_information: Some("SC agréée, RPM Bruxelles".into()),
        electronic_address: Some(Identifier::of("0208", "0123456749")),
        address: address("Rue de l'Exemple 12", "1060", "Bruxelles", "BE"),
        contact: Some(Contact {
            name: Some("Ada Peeters".into()),
            phone: Some("+32 2 123 45 67".into()),
            email: Some("ada@ombelle.example".into()),
        }),
        ..Party::default()
    }
}

pub(super) fn buyer() -> Party {
    Party {
        name: "Théâtre du Parc & Fils SRL".into(),
        registration: Some(Identifier::of("0208", "0200068636")),
        vat_id: Some("BE0200068636".into()),
        electronic_address: Some(Identifier::of("0208", "0200068636")),
        address: address("Place du Théâtre 1", "4000", "Liège", "BE"),
        ..Party::default()
    }
}

fn foreign(name: &str, vat_id: &str, (scheme, value): (&str, &str), address: Address) -> Party {
    Party {
        name: name.into(),
        vat_id: Some(vat_id.into()),
        electronic_address: Some(Identifier::of(scheme, value)),
        address,
        ..Party::default()
    }
}

fn french() -> Party {
    let address = address("Rue des Lilas 5", "75011", "Paris", "FR");
    foreign("Compagnie des Lilas SAS", "FR40303265045", ("9957", "FR40303265045"), address)
}

pub(super) fn line(n: usize, quantity: &str, price: &str, vat: Vat) -> Line {
    Line::new(n.to_string(), format!("Prestation {n}"), decimal(quantity), "HUR", decimal(price), vat)
}

pub(super) fn terms(vat: Vat, reason: &str, code: &str) -> VatTerms {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    VatTerms { vat, reason: some(reason), code: some(code), tax: None }
}

pub(super) fn invoice(lines: Vec<Line>) -> Facts {
    let mut facts = Facts::new(Kind::Invoice, "2026/0042", day("2026-03-12"), Currency::EUR, (seller(), buyer()));
    facts.due_on = Some(day("2026-04-11"));
    facts.buyer_reference = Some("PO-DEPT-7".into());
    facts.payment_terms = Some("30 jours / 30 dagen".into());
    facts.payment = Some(Payment {
        means: "30".into(),
        reference: Some("+++260/0000/04220+++".into()),
        accounts: vec![Account {
            id: "BE62510007547061".into(),
            name: Some("Ombelle SC".into()),
            bic: Some("GEBABEBB".into()),
        }],
    });
    facts.lines = lines;
    facts
}

fn with(mut facts: Facts, change: impl FnOnce(&mut Facts)) -> Facts {
    change(&mut facts);
    facts
}

/// A document of one category without tax, from the seller to `buyer`.
fn untaxed(category: Category, buyer: Party, reason: &str, code: &str) -> Facts {
    let of = vat(category, 0);
    with(invoice(vec![line(1, "8", "95", of), line(2, "1.25", "33.3333", of)]), |facts| {
        facts.buyer = buyer;
        facts.vat = vec![terms(of, reason, code)];
    })
}

fn credit_of(facts: Facts) -> Facts {
    let invoice = Document::new(facts).unwrap();
    let mut facts = invoice.credited("NC-2026/0007", day("2026-03-20"));
    facts.notes = vec![Note { subject: None, text: "Annule la facture".into() }];
    facts
}

fn reverse_charge() -> Facts {
    let reason = "Autoliquidation : art. 44 et 196 de la directive 2006/112/CE";
    untaxed(Category::ReverseCharge, french(), reason, "VATEX-EU-AE")
}

fn outside_scope() -> Facts {
    let mut buyer =
        foreign("Harlem Pictures Inc.", "", ("0060", "123456789"), address("5 Main St", "10027", "New York", "US"));
    buyer.address.subdivision = Some("NY".into());
    untaxed(Category::OutsideScope, buyer, "Hors champ : art. 21, par. 2 du code de la TVA", "VATEX-EU-O")
        .without_vat_numbers()
}

fn discounts() -> Facts {
    let mut first = line(1, "10", "80", s(210_000));
    first.price.gross = Some(decimal("100"));
    first.allowances = vec![LineAdjustment {
        amount: Minor::new(8_000),
        share: Some(Share { base: Minor::new(80_000), rate: Ppm(100_000) }),
        reason: Some("Fidélité".into()),
        code: Some("95".into()),
    }];
    first.charges = vec![LineAdjustment {
        amount: Minor::new(1_234),
        share: None,
        reason: Some("Transport".into()),
        code: Some("FC".into()),
    }];
    let mut second = line(2, "2500", "12.3456", s(60_000));
    second.unit = "C62".into();
    second.price.base_quantity = Some(decimal("1000"));
    with(invoice(vec![first, second]), |facts| {
        facts.allowances = vec![Adjustment {
            amount: Minor::new(3_661),
            share: Some(Share { base: Minor::new(73_234), rate: Ppm(50_000) }),
            reason: Some("Remise".into()),
            code: None,
            vat: s(210_000),
        }];
        facts.charges = vec![Adjustment {
            amount: Minor::new(1_500),
            share: None,
            reason: None,
            code: Some("ABL".into()),
            vat: s(60_000),
        }];
    })
}

fn everything() -> Facts {
    let mut first = line(1, "3.5", "87.31", s(210_000));
    first.note = Some("Deux personnes".into());
    first.period = Some(Period { from: Some(day("2026-02-03")), to: Some(day("2026-02-20")) });
    first.order_line = Some("10".into());
    first.accounting_reference = Some("6132".into());
    first.description = Some("Mise en scène\nrépétitions & générale".into());
    first.seller_item_id = Some("ART-1".into());
    first.buyer_item_id = Some("SRV-9".into());
    with(invoice(vec![first, line(2, "1", "0", vat(Category::Zero, 0))]), |facts| {
        facts.tax_point_on = Some(day("2026-02-28"));
        facts.project = Some("PRJ-3".into());
        facts.contract = Some("CTR-11".into());
        facts.purchase_order = Some("PO-2026-5".into());
        facts.sales_order = Some("SO-77".into());
        facts.accounting_reference = Some("CC-400".into());
        facts.notes = vec![
            Note { subject: None, text: "Merci de votre confiance.".into() },
            Note { subject: Some("PMD".into()), text: "Pénalités : 10,5 % l'an".into() },
            Note { subject: Some("PMT".into()), text: "Indemnité forfaitaire : 40 EUR".into() },
        ];
        facts.preceding = vec![Preceding { number: "2026/0012".into(), issued_on: Some(day("2026-01-15")) }];
        facts.delivery = Some(Delivery {
            name: Some("Théâtre du Parc, salle 2".into()),
            on: Some(day("2026-02-27")),
            address: Some(Address {
                line2: Some("Bâtiment B".into()),
                line3: Some("2e étage".into()),
                ..buyer().address
            }),
        });
        facts.period = Some(Period { from: Some(day("2026-02-01")), to: Some(day("2026-02-28")) });
        facts.buyer.contact = Some(Contact { email: Some("compta@theatre.example".into()), ..Contact::default() });
        facts.buyer.trading_name = Some("Le Parc".into());
        facts.buyer.identifiers = vec![Identifier::of("0088", "5412345000013")];
        facts.seller.identifiers =
            vec![Identifier { value: "OMB-1".into(), scheme: None }, Identifier::of("0088", "5412345000020")];
        facts.attachments = vec![
            Attachment {
                id: "TS-2".into(),
                description: Some("Feuille de temps".into()),
                location: None,
                file: Some(File {
                    name: "heures & jours.csv".into(),
                    mime: "text/csv".into(),
                    bytes: b"jour;heures\n2026-02-03;7\n".to_vec(),
                }),
            },
            Attachment {
                id: "URL-1".into(),
                description: None,
                location: Some("https://ombelle.example/a?b=1&c=2".into()),
                file: None,
            },
        ];
        facts.paid = Minor::new(10_000);
        facts.rounding = Minor::new(-2);
        if let Some(payment) = &mut facts.payment {
            payment.means = "58".into();
            payment.accounts.push(Account { id: "DE89370400440532013000".into(), name: None, bic: None });
        }
    })
}

fn names() -> Facts {
    with(invoice(vec![line(1, "1", "1500", s(240_000))]), |facts| {
        facts.lines[0].name = "Μετάφραση – переклад – 翻訳 – ترجمة".into();
        facts.lines[0].description = Some("<script>alert('&amp;')</script> ]]> \"quoted\"".into());
        facts.buyer.name = "Ελληνικό Θέατρο Α.Ε.".into();
        facts.buyer.address.city = Some("Αθήνα".into());
        facts.seller.contact = Some(Contact { name: Some("Łukasz Øster-Ñuñez 李".into()), ..Contact::default() });
        facts.lines[0].vat = s(210_000);
    })
}

fn sterling() -> Facts {
    with(invoice(vec![line(1, "12", "110.50", s(210_000))]), |facts| {
        facts.currency = "GBP".parse().unwrap();
        // 278.46 GBP at 1.1534.
        facts.vat_accounting = Some(VatAccounting { currency: Currency::EUR, tax: Minor::new(32_118) });
    })
}

fn partly_credited(amount: &str, tax: Option<i64>) -> Facts {
    with(invoice(vec![line(1, "1", amount, s(210_000))]), |facts| {
        facts.kind = Kind::CreditNote;
        facts.number = "NC-2026/0008".into();
        facts.preceding = vec![Preceding { number: "2026/0042".into(), issued_on: Some(day("2026-03-12")) }];
        facts.vat = vec![VatTerms { vat: s(210_000), reason: None, code: None, tax: tax.map(Minor::new) }];
    })
}

fn from(country: &str, ppm: i64) -> Facts {
    with(invoice(vec![line(1, "7.25", "64.9", s(ppm))]), |facts| {
        let (vat_id, scheme, value) = match country {
            "FR" => ("FR40303265045", "0009", "30326504500017"),
            "DE" => ("DE136695976", "9930", "DE136695976"),
            "NL" => ("NL123456782B12", "0106", "12345678"),
            "LU" => ("LU26375245", "9938", "LU26375245"),
            "IT" => ("IT00743110157", "0211", "IT00743110157"),
            "ES" => ("ESA28015865", "9920", "ESA28015865"),
            _ => ("ATU13585627", "9914", "ATU13585627"),
        };
        let is_registered = scheme == "0106" || scheme == "0009";
        facts.seller.registration = is_registered.then(|| Identifier::of(scheme, value));
        facts.seller.electronic_address = Some(Identifier::of(scheme, value));
        facts.seller.vat_id = Some(vat_id.into());
        facts.seller.address.country = country.into();
        facts.buyer.vat_id = None;
        facts.buyer.registration = None;
    })
}

/// Every sample with its name.
#[rustfmt::skip]
pub(super) fn all() -> Vec<(&'static str, Facts)> {
    let standard = || invoice(vec![line(1, "1", "1000", s(210_000))]);
    let many = (1..=200).map(|n| line(n, "1.3333", "17.77", s(if n % 3 == 0 { 60_000 } else { 210_000 }))).collect();
    let exempt = |reason, code| untaxed(Category::Exempt, buyer(), reason, code);
    let consumer = with(standard(), |f| {
        f.buyer = Party { name: "Jo Vermeulen".into(), address: address("Kerkstraat 3", "9000", "Gent", "BE"), ..Party::default() };
        f.buyer_reference = None;
    });
    let goods = with(untaxed(Category::IntraCommunity, french(), "Livraison intracommunautaire", "VATEX-EU-IC"), |f| {
        f.delivery = Some(Delivery { on: Some(day("2026-03-10")), address: Some(Address { country: "FR".into(), ..Address::default() }), name: None });
    });
    let export = {
        let us = foreign("Harlem Pictures Inc.", "US123", ("0060", "123456789"), address("5 Main St", "10027", "New York", "US"));
        with(untaxed(Category::Export, us, "Exportation", "VATEX-EU-G"), |f| f.buyer.vat_id = None)
    };
    let mixed = with(invoice(vec![
        line(1, "1", "33.35", s(210_000)), line(2, "1", "33.35", s(120_000)), line(3, "2", "9.99", s(60_000)),
        line(4, "1", "50", vat(Category::Zero, 0)), line(5, "1", "75.5", vat(Category::Exempt, 0)),
    ]), |f| f.vat = vec![terms(vat(Category::Exempt, 0), "Art. 44, par. 2, 8° du code de la TVA", "VATEX-EU-132-1N")]);
    let back = invoice(vec![line(1, "10", "100", s(210_000)), line(2, "-2", "100", s(210_000))]);
    let negative = invoice(vec![line(1, "-1", "250", s(210_000))]);
    let free = with(standard(), |f| f.allowances = vec![Adjustment {
        amount: Minor::new(100_000), share: Some(Share { base: Minor::new(100_000), rate: Ppm(1_000_000) }),
        reason: Some("Offert".into()), code: Some("100".into()), vat: s(210_000),
    }]);
    vec![
        ("standard_21", standard()),
        ("standard_12", invoice(vec![line(1, "4", "125.5", s(120_000))])),
        ("standard_6", invoice(vec![line(1, "2", "499.99", s(60_000))])),
        ("mixed_rates", mixed.clone()),
        ("zero_rated", invoice(vec![line(1, "5", "12", vat(Category::Zero, 0))])),
        ("fractions", invoice((1..=3).map(|n| line(n, "3.5", "87.31", s(200_000))).collect())),
        ("three_lines_of_33_35", invoice((1..=3).map(|n| line(n, "1", "33.35", s(210_000))).collect())),
        ("four_decimals", invoice(vec![line(1, "0.0001", "9999.9999", s(210_000)), line(2, "1234.5678", "0.0125", s(210_000))])),
        ("reverse_charge", reverse_charge()),
        ("outside_scope", outside_scope()),
        ("export", export),
        ("intra_community", goods),
        ("exempt_teaching", exempt("Art. 44, par. 2, 4° du code de la TVA", "VATEX-EU-132-1I")),
        ("exempt_artist", exempt("Art. 44, par. 2, 8° du code de la TVA", "VATEX-EU-132-1N")),
        ("exempt_in_words", exempt("Régime de la franchise de taxe", "")),
        ("exempt_in_code", exempt("", "VATEX-EU-132")),
        ("discounts", discounts()),
        ("free_of_charge", free),
        ("everything", everything()),
        ("line_taken_back", back),
        ("negative_invoice", negative),
        ("two_hundred_lines", invoice(many)),
        ("names", names()),
        ("sterling", sterling()),
        ("yen", with(invoice(vec![line(1, "3", "15000", s(210_000))]), |f| {
            f.currency = "JPY".parse().unwrap();
            f.vat_accounting = Some(VatAccounting { currency: Currency::EUR, tax: Minor::new(5_812) });
        })),
        ("deposit", with(standard(), |f| { f.kind = Kind::Prepayment; f.number = "AC-2026/0003".into(); })),
        ("balance", with(invoice(vec![line(1, "1", "3000", s(210_000))]), |f| {
            f.preceding = vec![Preceding { number: "AC-2026/0003".into(), issued_on: Some(day("2026-01-31")) }];
            f.paid = Minor::new(121_000);
        })),
        ("balance_net_of_deposit", with(invoice(vec![line(1, "1", "3000", s(210_000)), line(2, "-1", "1000", s(210_000))]), |f| {
            f.preceding = vec![Preceding { number: "AC-2026/0003".into(), issued_on: Some(day("2026-01-31")) }];
        })),
        ("partial", with(standard(), |f| f.kind = Kind::Partial)),
        ("paid_in_advance", with(standard(), |f| { f.paid = Minor::new(121_000); f.due_on = None; f.payment_terms = None; })),
        ("cash_rounded", with(invoice(vec![line(1, "1", "10.02", s(210_000))]), |f| {
            f.rounding = Minor::new(-2);
            f.payment = Some(Payment { means: "10".into(), reference: None, accounts: Vec::new() });
        })),
        ("consumer", consumer),
        ("credit_standard", credit_of(standard())),
        ("credit_mixed", credit_of(mixed)),
        ("credit_discounts", credit_of(discounts())),
        ("credit_everything", credit_of(everything())),
        ("credit_reverse_charge", credit_of(reverse_charge())),
        ("credit_outside_scope", credit_of(outside_scope())),
        ("credit_sterling", credit_of(sterling())),
        ("credit_in_part", partly_credited("33.35", None)),
        // 33.35 at 21 % is 7.0035: the last of three credit notes of 21.01 takes 7.01.
        ("credit_last_part", partly_credited("33.35", Some(701))),
        ("credit_tax_only", partly_credited("0", Some(1))),
        ("seller_fr", from("FR", 200_000)),
        ("seller_fr_reduced", from("FR", 55_000)),
        ("seller_de", from("DE", 190_000)),
        ("seller_nl", from("NL", 210_000)),
        ("seller_lu", from("LU", 170_000)),
        ("seller_it", from("IT", 220_000)),
        ("seller_es", from("ES", 210_000)),
        ("seller_at", from("AT", 200_000)),
    ]
}
