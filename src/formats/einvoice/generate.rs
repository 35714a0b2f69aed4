//! Documents drawn from a seed: every field now and then, every category, never a broken rule.

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;

use super::samples::{buyer, day, invoice, seller, terms, vat};
use super::*;
use crate::kernel::money::{Currency, Ppm};

/// A small generator (`SplitMix64`): the same seed gives the same document on every machine.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From `low` to `high`, both included.
    pub(super) fn within(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(high - low + 1).unwrap();
        low + i64::try_from(self.next() % width).unwrap()
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    pub(super) fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        let n = u64::try_from(from.len()).unwrap();
        &from[usize::try_from(self.next() % n).unwrap()]
    }

    fn text(&mut self) -> String {
        const PIECES: [&str; 12] = [
            "Mise en scène",
            "a & b",
            "<b>",
            "\"q\"",
            "Ωμέγα",
            "李雷",
            "l'été",
            "12,5 %",
            "#PMD#x",
            "]]>",
            "été\nhiver",
            "a\tb",
        ];
        let count = self.within(1, 3);
        (0..count).map(|_| *self.pick(&PIECES)).collect::<Vec<_>>().join(" ")
    }

    fn word(&mut self) -> String {
        format!("{}-{}", self.pick(&["PO", "C&A", "Ü", "7"]), self.within(1, 99_999))
    }

    fn maybe_text(&mut self) -> Option<String> {
        self.one_in(3).then(|| self.text())
    }

    fn maybe_word(&mut self) -> Option<String> {
        self.one_in(3).then(|| self.word())
    }

    fn day(&mut self) -> NaiveDate {
        day("2026-01-01") + Days::new(self.next() % 365)
    }

    fn amount(&mut self) -> Minor {
        let most = *self.pick(&[99, 9_999, 999_999]);
        Minor::new(self.within(1, most))
    }

    fn decimal(&mut self, most: i64) -> Decimal {
        let scale = u32::try_from(self.within(0, 4)).unwrap();
        Decimal::new(self.within(1, most), scale)
    }
}

/// A document that breaks no rule.
pub(super) fn facts(seed: u64) -> Facts {
    let mut dice = Dice::new(seed);
    let set = vat_set(&mut dice);
    let count = if dice.one_in(20) { 60 } else { dice.within(1, 6) };
    let lines = (1..=count).map(|n| line(&mut dice, n, &set)).collect();
    let mut facts = invoice(lines);
    facts.number = format!("2026/{seed}");
    facts.kind = *dice.pick(&[Kind::Invoice, Kind::Invoice, Kind::CreditNote, Kind::Prepayment]);
    parties(&mut dice, &mut facts, &set);
    head(&mut dice, &mut facts);
    adjustments(&mut dice, &mut facts, &set);
    reasons(&mut facts, &set);
    if dice.one_in(5) {
        facts.currency = dice.pick(&["GBP", "USD", "JPY"]).parse().unwrap();
    }
    if dice.one_in(4) {
        // A share of the total, so that the amount stays within reach.
        facts.paid = dice.amount();
    }
    if dice.one_in(6) {
        facts.rounding = Minor::new(dice.within(-4, 4));
    }
    if facts.currency != Currency::EUR {
        let tax = totals::totals(&facts).unwrap().tax;
        facts.vat_accounting = Some(VatAccounting { currency: Currency::EUR, tax });
    }
    if dice.one_in(5) {
        let row = totals::totals(&facts).unwrap().vat.into_iter().find(|row| row.vat.rate > Ppm(0));
        if let Some(row) = row.filter(|_| facts.currency != "JPY".parse().unwrap()) {
            let off = Minor::new(dice.within(-3, 3));
            let tax = row.tax.plus(off).unwrap();
            let is_same_sign = facts.vat_accounting.is_none();
            facts.vat.push(VatTerms {
                vat: row.vat,
                reason: None,
                code: None,
                tax: Some(tax).filter(|_| is_same_sign),
            });
        }
    }
    facts
}

/// The categories and rates of one document: outside the scope alone, others together.
fn vat_set(dice: &mut Dice) -> Vec<Vat> {
    let of = |category| vat(category, 0);
    if dice.one_in(8) {
        return vec![of(Category::OutsideScope)];
    }
    let all = [
        vat(Category::Standard, 210_000),
        vat(Category::Standard, 120_000),
        vat(Category::Standard, 60_000),
        vat(Category::Standard, 55_000),
        of(Category::Zero),
        of(Category::Exempt),
        of(Category::ReverseCharge),
        of(Category::IntraCommunity),
        of(Category::Export),
    ];
    let count = dice.within(1, 3);
    (0..count).map(|_| *dice.pick(&all)).collect()
}

fn parties(dice: &mut Dice, facts: &mut Facts, set: &[Vat]) {
    facts.seller = Party { legal_information: dice.maybe_text(), trading_name: dice.maybe_text(), ..seller() };
    facts.buyer = Party { name: dice.text(), trading_name: dice.maybe_text(), ..buyer() };
    if dice.one_in(3) {
        facts.seller.tax_registration = Some(dice.word());
        facts.seller.identifiers =
            vec![Identifier { value: dice.word(), scheme: None }, Identifier::of("0088", "5412345000013")];
        facts.buyer.identifiers = vec![Identifier::of("0088", "5412345000020")];
    }
    if dice.one_in(2) {
        facts.buyer.address.line2 = dice.maybe_text();
        facts.buyer.address.line3 = dice.maybe_text();
        facts.buyer.address.subdivision = dice.maybe_text();
        facts.buyer.contact =
            Some(Contact { name: dice.maybe_text(), phone: dice.maybe_text(), email: dice.maybe_text() });
    }
    if set[0].category == Category::OutsideScope {
        facts.seller.vat_id = None;
        facts.buyer.vat_id = None;
    }
}

fn head(dice: &mut Dice, facts: &mut Facts) {
    facts.issued_on = dice.day();
    facts.due_on = dice.one_in(2).then(|| dice.day());
    facts.tax_point_on = dice.one_in(4).then(|| dice.day());
    for text in [
        &mut facts.project,
        &mut facts.contract,
        &mut facts.purchase_order,
        &mut facts.sales_order,
        &mut facts.accounting_reference,
    ] {
        *text = dice.maybe_word();
    }
    if dice.one_in(3) {
        facts.notes = vec![Note { subject: Some("PMD".into()), text: "Pénalités".into() }];
        if dice.one_in(2) {
            facts.notes.insert(0, Note { subject: None, text: "Merci\nbeaucoup".into() });
        }
    }
    if facts.kind == Kind::CreditNote || dice.one_in(4) {
        facts.preceding = vec![Preceding { number: dice.word(), issued_on: dice.one_in(2).then(|| dice.day()) }];
    }
    let place = Address { line1: dice.maybe_text(), country: "FR".into(), ..Address::default() };
    let has_place = dice.one_in(2) || facts.lines.iter().any(|line| line.vat.category == Category::IntraCommunity);
    if has_place || dice.one_in(3) {
        facts.delivery =
            Some(Delivery { name: dice.maybe_text(), on: Some(dice.day()), address: has_place.then_some(place) });
    }
    if dice.one_in(3) {
        facts.period = Some(Period { from: Some(day("2026-01-01")), to: dice.one_in(2).then(|| day("2026-12-31")) });
    }
    if dice.one_in(4) {
        let file = File {
            name: "a & b.pdf".into(),
            mime: "application/pdf".into(),
            bytes: dice.next().to_le_bytes().to_vec(),
        };
        let location = dice.one_in(2).then(|| "https://example.org/?a=1&b=2".to_owned());
        facts.attachments = vec![Attachment {
            id: dice.word(),
            description: dice.maybe_text(),
            location,
            file: dice.one_in(2).then_some(file),
        }];
    }
    match dice.within(0, 3) {
        0 => facts.payment = None,
        1 => {
            let account = Account { id: "X-77/12".into(), name: None, bic: None };
            facts.payment.as_mut().unwrap().accounts.push(account);
        }
        _ => {}
    }
}

fn line_adjustments(dice: &mut Dice, code: &str) -> Vec<LineAdjustment> {
    let count = if dice.one_in(4) { dice.within(1, 2) } else { 0 };
    (0..count)
        .map(|_| {
            let share = dice.one_in(2).then(|| Share { base: dice.amount(), rate: Ppm(dice.within(1, 10_000) * 100) });
            let amount = share.map_or_else(|| dice.amount(), |share| share.base.share(share.rate).unwrap());
            let reason = dice.maybe_text();
            let code = (reason.is_none() || dice.one_in(2)).then(|| code.to_owned());
            LineAdjustment { amount, share, reason, code }
        })
        .collect()
}

fn adjustments(dice: &mut Dice, facts: &mut Facts, set: &[Vat]) {
    let with_vat = |dice: &mut Dice, list: Vec<LineAdjustment>| -> Vec<Adjustment> {
        list.into_iter()
            .map(|LineAdjustment { amount, share, reason, code }| Adjustment {
                amount,
                share,
                reason,
                code,
                vat: *dice.pick(set),
            })
            .collect()
    };
    let allowances = line_adjustments(dice, "95");
    facts.allowances = with_vat(dice, allowances);
    let charges = line_adjustments(dice, "FC");
    facts.charges = with_vat(dice, charges);
    let is_foreign = |vat: &Vat| vat.category == Category::IntraCommunity;
    if facts.delivery.is_none() && set.iter().any(is_foreign) {
        facts.delivery = Some(Delivery { on: Some(facts.issued_on), ..Delivery::default() });
    }
    if set.iter().any(is_foreign) {
        let delivery = facts.delivery.as_mut().unwrap();
        delivery.address.get_or_insert_with(|| Address { country: "DE".into(), ..Address::default() });
    }
}

fn reasons(facts: &mut Facts, set: &[Vat]) {
    for of in set {
        let code = match of.category {
            Category::Exempt => "VATEX-EU-132",
            Category::ReverseCharge => "VATEX-EU-AE",
            Category::IntraCommunity => "VATEX-EU-IC",
            Category::Export => "VATEX-EU-G",
            Category::OutsideScope => "VATEX-EU-O",
            Category::Standard | Category::Zero | Category::Igic | Category::Ipsi => continue,
        };
        if !facts.vat.iter().any(|terms| terms.vat == *of) {
            facts.vat.push(terms(*of, "Une raison & son texte", code));
        }
    }
}

fn line(dice: &mut Dice, n: i64, set: &[Vat]) -> Line {
    let (quantity, price) = (dice.decimal(99_999), dice.decimal(999_999));
    let quantity = if dice.one_in(12) { -quantity } else { quantity };
    let unit = *dice.pick(&["HUR", "DAY", "C62", "MTK", "XBX"]);
    let mut line = Line::new(n.to_string(), dice.text(), quantity, unit, price, *dice.pick(set));
    if dice.one_in(5) {
        line.price.gross = Some(price + dice.decimal(9_999));
    }
    if dice.one_in(6) {
        line.price.base_quantity = Some(*dice.pick(&[Decimal::TEN, Decimal::new(3, 0), Decimal::new(25, 1)]));
    }
    line.allowances = line_adjustments(dice, "95");
    line.charges = line_adjustments(dice, "FC");
    line.note = dice.maybe_text();
    line.description = dice.maybe_text();
    line.order_line = dice.maybe_word();
    line.accounting_reference = dice.maybe_word();
    line.seller_item_id = dice.maybe_word();
    line.buyer_item_id = dice.maybe_word();
    if dice.one_in(5) {
        line.period = Some(Period { from: Some(day("2026-03-01")), to: Some(day("2026-03-31")) });
    }
    line
}
