//! Documents of every kind and language, written where `UMBEL_SAMPLES` names a folder: to be looked at, and to be
//! judged by `tests/conformance/run DIR facturx documents`.

use std::sync::Arc;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::design::{Design, Window};
use super::reminder::{OpenInvoice, ReminderFacts};
use super::*;
use crate::formats::einvoice;
use crate::formats::golden::keep_sample;
use crate::formats::pdf::attachment::{Media, Relationship};
use crate::formats::pdf::picture::Picture;
use crate::formats::pdf::picture::tests::logo;
use crate::formats::pdf::reader::invoice_xml;

fn day(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, month, day).unwrap()
}

fn line(label: &str, quantity: &str, unit: &str, price: &str, (category, rate): (&str, i64)) -> Line {
    let (quantity, price): (Decimal, Decimal) = (quantity.parse().unwrap(), price.parse().unwrap());
    Line {
        label: label.to_owned(),
        quantity,
        unit: Some(unit.to_owned()),
        unit_price: Minor::from_decimal((price * Decimal::from(100)).round()).unwrap(),
        net: Minor::from_decimal(
            (quantity * price * Decimal::from(100))
                .round_dp_with_strategy(0, rust_decimal::RoundingStrategy::MidpointAwayFromZero),
        )
        .unwrap(),
        vat_category: category.to_owned(),
        vat_rate: Ppm(rate * 10_000),
        exact_price: (price.scale() > 2).then_some(price),
        adjustments: Vec::new(),
    }
}

/// An invoice whose totals follow from its lines and adjustments; adjustments of the document are in the first group.
fn invoice(language: Language, number: &str, lines: Vec<Line>, more: More) -> InvoiceFacts {
    let mut vat: Vec<VatSummary> = Vec::new();
    for line in &lines {
        match vat.iter_mut().find(|it| (&it.category, it.rate) == (&line.vat_category, line.vat_rate)) {
            Some(known) => known.base = known.base.plus(line.net).unwrap(),
            None => vat.push(VatSummary {
                category: line.vat_category.clone(),
                rate: line.vat_rate,
                base: line.net,
                tax: Minor::ZERO,
                mention: match line.vat_category.as_str() {
                    "E" => Some("Art. 44, § 2, 4° W.Btw / Code TVA".to_owned()),
                    "AE" => Some("Art. 196, 2006/112/EG/CE".to_owned()),
                    _ => None,
                },
            }),
        }
    }
    for it in &more.adjustments {
        vat[0].base = vat[0].base.plus(it.amount).unwrap();
    }
    for it in &mut vat {
        it.tax = it.base.share(it.rate).unwrap();
    }
    let net = Minor::sum(vat.iter().map(|it| it.base)).unwrap();
    let tax = Minor::sum(vat.iter().map(|it| it.tax)).unwrap();
    let gross = net.plus(tax).unwrap();
    let paid = Minor::sum(more.prepaid.iter().map(|it| it.amount)).unwrap();
    InvoiceFacts {
        language,
        kind: DocumentKind::Invoice,
        number: number.to_owned(),
        issued_on: day(2, 7),
        due_on: Some(day(3, 9)),
        corrects: None,
        supply: Some(Supply::Between(day(1, 12), day(1, 30))),
        seller: Party {
            name: "Ombelle".to_owned(),
            legal_form: Some("SC".to_owned()),
            lines: vec!["Rue de la Coopération 12".to_owned(), "1000 Bruxelles".to_owned()],
            country: "Belgique".to_owned(),
            enterprise_number: Some("0123.456.749".to_owned()),
            vat_number: Some("BE 0123.456.749".to_owned()),
            register: Some("RPM Bruxelles".to_owned()),
        },
        buyer: Party {
            name: "Łukasz Øster-Ñuñez & Fils SRL".to_owned(),
            lines: vec!["Chaussée de Louvain 100".to_owned(), "1210 Bruxelles".to_owned()],
            country: String::new(),
            vat_number: Some("BE 0987.654.394".to_owned()),
            ..Party::default()
        },
        currency: Currency::EUR,
        lines,
        vat,
        net,
        tax,
        gross,
        payment: Some(Payment {
            iban: "BE68539007547034".to_owned(),
            bic: Some("GKCCBEBB".to_owned()),
            beneficiary: "Ombelle SC".to_owned(),
            reference: "+++123/4567/89002+++".to_owned(),
        }),
        mentions: vec![
            match language {
                Language::Fr => "Paiement après l’échéance : intérêts légaux et indemnité forfaitaire de 40 €.",
                Language::Nl => "Betaling na de vervaldag: wettelijke interest en een forfaitaire vergoeding van € 40.",
                Language::En => "Payment after the due date: statutory interest and a fixed compensation of €40.",
                Language::De => "Zahlung nach Fälligkeit: gesetzliche Zinsen und eine Pauschale von 40 €.",
            }
            .to_owned(),
        ],
        buyer_reference: Some("PO-77812".to_owned()),
        order_reference: None,
        member_name: Some("Zoë Dvořák".to_owned()),
        more: More { due: (paid != Minor::ZERO).then(|| gross.minus(paid).unwrap()), ..more },
    }
}

const S21: (&str, i64) = ("S", 21);

fn three_lines() -> Vec<Line> {
    vec![
        line("Illustrations de couverture\nTrois propositions, deux tours de corrections", "3.5", "DAY", "350", S21),
        line("Livre d’or, impression", "12", "C62", "8.9525", ("S", 6)),
        line("Atelier d’écriture", "4", "HUR", "65", ("S", 12)),
    ]
}

fn designed(window: Window) -> Design {
    Design {
        logo: Some(Arc::new(Picture::read(&logo(640, 150)).unwrap())),
        main: Some(Colour(0x7A, 0x1F, 0x5C)),
        second: Some(Colour(0xE0, 0x8A, 0x1E)),
        window,
        second_language: None,
    }
}

/// Every kind of document with a name, and whether it is an invoice that carries its XML.
fn documents() -> Vec<(String, InvoiceFacts, bool)> {
    let mut out = Vec::new();
    for language in Language::ALL {
        let add = |out: &mut Vec<(String, InvoiceFacts, bool)>, name: &str, facts: InvoiceFacts, hybrid: bool| {
            out.push((format!("{language}-{name}"), facts, hybrid));
        };
        let plain = || invoice(language, "2026-00042", three_lines(), More::default());
        add(&mut out, "invoice", plain(), true);
        let mut lines = three_lines();
        lines[0].adjustments =
            vec![Adjustment { reason: "2026".to_owned(), rate: Some(Ppm(100_000)), amount: Minor::new(-12_250) }];
        lines[0].net = Minor::new(110_250);
        let more = More {
            design: designed(if language == Language::De { Window::Left } else { Window::Right }),
            purchase_order: Some("4500017311".to_owned()),
            adjustments: vec![
                Adjustment { reason: String::new(), rate: Some(Ppm(50_000)), amount: Minor::new(-5_513) },
                Adjustment { reason: "Express".to_owned(), rate: None, amount: Minor::new(4_500) },
            ],
            prepaid: vec![Prepaid { number: "2026-00007".to_owned(), on: day(1, 12), amount: Minor::new(50_000) }],
            ..More::default()
        };
        let facts = InvoiceFacts { kind: DocumentKind::Balance, ..invoice(language, "2026-00043", lines, more) };
        add(&mut out, "balance", facts, true);
        let corrects =
            Corrected { number: "2026-00042".to_owned(), issued_on: day(2, 7), reason: "Two days too many".to_owned() };
        let facts = InvoiceFacts {
            kind: DocumentKind::CreditNote,
            corrects: Some(corrects),
            payment: None,
            due_on: None,
            ..invoice(language, "C2026-0003", three_lines(), More::default())
        };
        add(&mut out, "credit-note", facts, true);
        let more = More { valid_until: Some(day(3, 31)), design: designed(Window::Right), ..More::default() };
        let facts = InvoiceFacts {
            kind: DocumentKind::Quote,
            payment: None,
            due_on: None,
            ..invoice(language, "D2026-0011", three_lines(), more)
        };
        add(&mut out, "quote", facts, false);
        let more = More {
            valid_until: Some(day(3, 31)),
            intro: vec!["Rapport annuel".to_owned(), "Six planches.\n\nDeux allers-retours.".to_owned()],
            ..More::default()
        };
        let facts = InvoiceFacts {
            kind: DocumentKind::Order,
            payment: None,
            due_on: None,
            mentions: words::of_orders(language).map(str::to_owned).to_vec(),
            ..invoice(language, "9F3A6C21-1", three_lines(), more)
        };
        add(&mut out, "order", facts, false);
        for (name, kind) in [("deposit", DocumentKind::Deposit), ("interim", DocumentKind::Intermediate)] {
            add(&mut out, name, InvoiceFacts { kind, ..plain() }, true);
        }
    }
    let second = |first, second, window| {
        let design = Design { second_language: Some(second), ..designed(window) };
        let more = More { design, purchase_order: Some("4500017311".to_owned()), ..More::default() };
        invoice(first, "2026-00044", three_lines(), more)
    };
    out.push(("fr-nl-invoice".to_owned(), second(Language::Fr, Language::Nl, Window::Right), true));
    out.push(("de-en-invoice".to_owned(), second(Language::De, Language::En, Window::Left), true));
    out.extend(long_documents());
    let mut names = invoice(
        Language::En,
        "2026-00046",
        vec![line("Ψηφιακή τέχνη", "1", "C62", "1000", ("AE", 0))],
        More::default(),
    );
    names.buyer.name =
        "Ελληνική Εταιρεία Τεχνών και Γραμμάτων — Общество с ограниченной ответственностью «Вдохновение» \
                        Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
            .to_owned();
    names.payment.as_mut().unwrap().reference = "RF712348231".to_owned();
    out.push(("names".to_owned(), names, true));
    let more = More {
        tax_in_euro: Some(TaxInEuro {
            tax: Minor::new(19_355),
            rate: Decimal::new(10_850, 4),
            source: "ECB".to_owned(),
            on: day(2, 6),
        }),
        ..More::default()
    };
    let mut dollars = invoice(Language::En, "2026-00047", vec![line("Design review", "1", "C62", "1000", S21)], more);
    dollars.currency = "USD".parse().unwrap();
    out.push(("dollars".to_owned(), dollars, true));
    let art = vec![line("Formation agréée", "2", "DAY", "400", ("E", 0)), line("Syllabus", "5", "C62", "19.99", S21)];
    out.push(("exempt".to_owned(), invoice(Language::Fr, "2026-00048", art, More::default()), true));
    out
}

/// Sixty lines, in one language and in two.
fn long_documents() -> Vec<(String, InvoiceFacts, bool)> {
    let mut out = Vec::new();
    let sixty = (1..=60).map(|it| {
        let rate = [S21, ("S", 6), ("S", 12)][it % 3];
        line(&format!("Prestation n° {it}"), "1.25", "HUR", "87.31", rate)
    });
    out.push(("sixty-lines".to_owned(), invoice(Language::Fr, "2026-00045", sixty.collect(), More::default()), true));
    let mut lines: Vec<Line> = three_lines();
    lines.extend((4..=60).map(|it| line(&format!("Leistung / Prestation {it}"), "1.25", "HUR", "87.31", S21)));
    let more = More { design: Design { second_language: Some(Language::Fr), ..Design::default() }, ..More::default() };
    let mut long = invoice(Language::De, "2026-00049", lines, more);
    long.buyer.name = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft mbH".to_owned();
    out.push(("de-fr-sixty-lines".to_owned(), long, true));
    out
}

/// What the facts say, in the semantic model of programs.
fn semantic(facts: &InvoiceFacts) -> einvoice::Document {
    let mut out = einvoice::Facts::new(
        if facts.kind == DocumentKind::CreditNote { einvoice::Kind::CreditNote } else { einvoice::Kind::Invoice },
        facts.number.clone(),
        facts.issued_on,
        facts.currency,
        (party(&facts.seller), party(&facts.buyer)),
    );
    out.due_on = facts.due_on;
    out.buyer_reference.clone_from(&facts.buyer_reference);
    out.purchase_order.clone_from(&facts.more.purchase_order);
    out.payment_terms = facts.mentions.first().cloned();
    if let Some(Supply::Between(from, to)) = facts.supply {
        out.period = Some(einvoice::Period { from: Some(from), to: Some(to) });
    }
    let earlier = facts.corrects.iter().map(|it| (&it.number, it.issued_on));
    let deposits = facts.more.prepaid.iter().map(|it| (&it.number, it.on));
    out.preceding = earlier
        .chain(deposits)
        .map(|(number, on)| einvoice::Preceding { number: number.clone(), issued_on: Some(on) })
        .collect();
    out.paid = Minor::sum(facts.more.prepaid.iter().map(|it| it.amount)).unwrap();
    let euro = facts.more.tax_in_euro.as_ref();
    out.vat_accounting = euro.map(|it| einvoice::VatAccounting { currency: Currency::EUR, tax: it.tax });
    out.payment = facts.payment.as_ref().map(|it| einvoice::Payment {
        means: "30".to_owned(),
        reference: Some(it.reference.clone()),
        accounts: vec![einvoice::Account {
            id: it.iban.clone(),
            name: Some(it.beneficiary.clone()),
            bic: it.bic.clone(),
        }],
    });
    for it in facts.vat.iter().filter(|it| it.tax == Minor::ZERO) {
        let code = if it.category == "AE" { "VATEX-EU-AE" } else { "VATEX-EU-132-1I" };
        let vat = vat_of(&it.category, it.rate);
        out.vat.push(einvoice::VatTerms { vat, reason: it.mention.clone(), code: Some(code.to_owned()), tax: None });
    }
    let total = facts.vat.first().map(|it| vat_of(&it.category, it.rate)).unwrap();
    for it in &facts.more.adjustments {
        let (amount, is_charge) = (Minor::new(it.amount.get().abs()), it.amount > Minor::ZERO);
        let reason = Some(if it.reason.is_empty() { "Discount".to_owned() } else { it.reason.clone() });
        let list = if is_charge { &mut out.charges } else { &mut out.allowances };
        list.push(einvoice::Adjustment { amount, share: None, reason, code: None, vat: total });
    }
    out.lines = facts.lines.iter().zip(1_usize..).map(|(line, number)| semantic_line(line, number)).collect();
    let document = einvoice::Document::new(out).unwrap();
    let totals = document.totals();
    assert_eq!([totals.net, totals.tax, totals.gross], [facts.net, facts.tax, facts.gross], "{}", facts.number);
    assert_eq!(totals.payable, facts.due(), "{}", facts.number);
    document
}

fn semantic_line(line: &Line, number: usize) -> einvoice::Line {
    let price = line.exact_price.unwrap_or_else(|| Decimal::new(line.unit_price.get(), 2));
    let (name, more) = line.label.split_once('\n').unwrap_or((&line.label, ""));
    let vat = vat_of(&line.vat_category, line.vat_rate);
    let unit = line.unit.as_deref().unwrap();
    let mut out = einvoice::Line::new(number.to_string(), name, line.quantity, unit, price, vat);
    out.description = (!more.is_empty()).then(|| more.to_owned());
    for it in &line.adjustments {
        assert!(it.amount < Minor::ZERO);
        let (amount, reason) = (Minor::new(-it.amount.get()), Some(it.reason.clone()));
        out.allowances.push(einvoice::LineAdjustment { amount, share: None, reason, code: None });
    }
    out
}

fn vat_of(category: &str, rate: Ppm) -> einvoice::Vat {
    let category = match category {
        "S" => einvoice::Category::Standard,
        "AE" => einvoice::Category::ReverseCharge,
        "E" => einvoice::Category::Exempt,
        other => panic!("{other}"),
    };
    einvoice::Vat { category, rate }
}

fn party(party: &Party) -> einvoice::Party {
    let vat_id: String =
        party.vat_number.iter().flat_map(|it| it.chars()).filter(char::is_ascii_alphanumeric).collect();
    let (street, town) = (&party.lines[0], party.lines[1].split_once(' ').unwrap());
    einvoice::Party {
        name: party.name.clone(),
        registration: Some(einvoice::Identifier::of("0208", vat_id.replace("BE", ""))),
        electronic_address: Some(einvoice::Identifier::of("0208", vat_id.replace("BE", ""))),
        vat_id: Some(vat_id),
        address: einvoice::Address {
            line1: Some(street.clone()),
            post_code: Some(town.0.to_owned()),
            city: Some(town.1.to_owned()),
            country: "BE".to_owned(),
            ..einvoice::Address::default()
        },
        ..einvoice::Party::default()
    }
}

fn reminder(language: Language) -> ReminderFacts {
    let facts = invoice(language, "R-1", three_lines(), More::default());
    let open = |number: &str, open: i64| OpenInvoice {
        number: number.to_owned(),
        issued_on: day(2, 7),
        due_on: day(3, 9),
        total: facts.gross,
        open: Minor::new(open),
    };
    ReminderFacts {
        kind: DocumentKind::Reminder,
        language,
        number: "2026-00042/1".to_owned(),
        issued_on: day(3, 24),
        seller: facts.seller.clone(),
        buyer: facts.buyer.clone(),
        currency: Currency::EUR,
        letter: vec![format!("{0} {0}", facts.mentions[0])],
        invoices: vec![open("2026-00042", 188_733), open("2026-00040", 50_000)],
        costs: match language {
            Language::Fr => ["Intérêts légaux, 15 jours", "Indemnité forfaitaire"],
            Language::Nl => ["Wettelijke interest, 15 dagen", "Forfaitaire vergoeding"],
            Language::En => ["Statutory interest, 15 days", "Fixed compensation"],
            Language::De => ["Gesetzliche Zinsen, 15 Tage", "Pauschale"],
        }
        .into_iter()
        .map(str::to_owned)
        .zip([Minor::new(1_030), Minor::new(4_000)])
        .collect(),
        total: Minor::new(243_763),
        pay_by: Some(day(4, 7)),
        payment: facts.payment.clone(),
        mentions: facts.mentions.clone(),
        design: designed(Window::Right),
    }
}

#[test]
fn documents_of_every_kind_and_language_are_made_twice_with_equal_bytes_and_give_their_xml_back() {
    let keep = |kind: &str, name: &str, bytes: &[u8]| keep_sample(&format!("{kind}/{name}.pdf"), bytes);
    let hours = b"day;hours\n2026-01-12;3,5\n";
    for (name, facts, is_hybrid) in documents() {
        if !is_hybrid {
            keep("documents", &name, &render(&facts).unwrap());
            continue;
        }
        let xml = einvoice::cii::write(&semantic(&facts));
        let annex = Attachment {
            name: "heures/hours.csv",
            description: "Hours",
            media: Media::Csv,
            relationship: Relationship::Supplement,
            dated: facts.issued_on,
            bytes: hours,
        };
        let files = [Attachment::factur_x(&xml, facts.issued_on), annex];
        let bytes = render_with(&facts, &files).unwrap();
        assert_eq!(bytes, render_with(&facts, &files).unwrap(), "{name}");
        assert_eq!(invoice_xml(&bytes).unwrap().bytes, xml, "{name}");
        assert_eq!(invoice_xml(&bytes).unwrap().name, "factur-x.xml");
        let pages = lopdf::Document::load_mem(&bytes).unwrap().get_pages().len();
        assert!(bytes.len() <= 60_000 + (pages - 1) * 12_000, "{name}: {} bytes, {pages} pages", bytes.len());
        keep("facturx", &name, &bytes);
    }
    for language in Language::ALL {
        let bytes = super::reminder::render(&reminder(language)).unwrap();
        keep("documents", &format!("{language}-reminder"), &bytes);
        let (facts, second) = (reminder(language), if language == Language::Nl { Language::Fr } else { Language::Nl });
        let say = |language| super::reminder::letter(language, 3, ("2026-00042", day(3, 9), 15));
        let first = ReminderFacts {
            letter: [say(language), say(second)].concat(),
            invoices: facts.invoices.iter().take(1).cloned().collect(),
            costs: Vec::new(),
            total: Minor::new(188_733),
            pay_by: None,
            mentions: Vec::new(),
            design: Design { second_language: Some(second), ..facts.design.clone() },
            ..facts
        };
        keep("documents", &format!("{language}-{second}-reminder"), &super::reminder::render(&first).unwrap());
    }
}

#[test]
fn labels_stand_in_two_languages_side_by_side() {
    let (_, facts, _) = documents().into_iter().find(|(name, ..)| name == "fr-nl-invoice").unwrap();
    let file = lopdf::Document::load_mem(&render(&facts).unwrap()).unwrap();
    let text = file.extract_text(&[1]).unwrap().replace(['\u{a0}', '\n'], " ");
    for label in ["Facture / Factuur", "Total hors TVA / Totaal exclusief btw", "À payer / Te betalen", "Omschrijving"]
    {
        assert!(text.contains(label), "{label} is not in {text}");
    }
}

#[test]
fn discounts_deposits_and_the_euro_are_shown() {
    let text = |wanted: &str| {
        let (_, facts, _) = documents().into_iter().find(|(name, ..)| name == wanted).unwrap();
        let file = lopdf::Document::load_mem(&render(&facts).unwrap()).unwrap();
        file.extract_text(&[1]).unwrap().replace(['\u{a0}', '\n'], " ")
    };
    let balance = text("en-balance");
    for needle in [
        "Final invoice",
        "Discount 10% · 2026 · -€122.50",
        "-122.50",
        "Discount 5%",
        "-€55.13",
        "Charge · Express",
        "€45.00",
    ] {
        assert!(balance.contains(needle), "{needle} is not in {balance}");
    }
    for needle in ["Deposit 2026-00007 (12 January 2026)", "-€500.00", "Amount due", "4500017311", "8.9525"] {
        assert!(balance.contains(needle), "{needle} is not in {balance}");
    }
    let dollars = text("dollars");
    for needle in ["USD 1,210.00", "€193.55", "1 EUR = 1.085 USD, ECB, 6 February 2026"] {
        assert!(dollars.contains(needle), "{needle} is not in {dollars}");
    }
    assert!(!dollars.contains("Scan to pay") && text("en-invoice").contains("Scan to pay"));
    assert!(text("exempt").contains("Art. 44, § 2, 4° W.Btw") && text("exempt").contains("E 0 %"));
    assert!(text("en-quote").contains("Agreed: date, name and signature") && text("en-quote").contains("Valid until"));
}
