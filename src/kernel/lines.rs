//! Lines of an order or an invoice, with their discounts and charges, as people send and read them and as they are kept.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::money::{Currency, Minor, Money, Ppm};
use super::refusal::{Checks, Refusal};
use super::vat::{self, Adjusting, By, Priced, Totals, VatCase};
use crate::named;

/// Lines of one document at most.
pub const LINES_MAX: usize = 1000;
/// Discounts and charges on one line or one document at most.
const ADJUSTMENTS_MAX: usize = 10;
/// A price or quantity beyond this is a slip of the finger.
const PRICE_MAX: i64 = 100_000_000_000;
/// Decimals of a price in whole units of its currency.
const PRICE_DECIMALS: u32 = 4;

named! {
    /// Whether an adjustment takes off or adds.
    AdjustmentKind {
        /// Takes off.
        Discount = "discount",
        /// Adds.
        Charge = "charge",
    }
}

named! {
    /// What a row of a document is.
    LineKind {
        /// Something that is sold.
        Line = "line",
        /// A discount on the whole document: its amounts are below zero.
        Discount = "discount",
        /// A charge on the whole document.
        Charge = "charge",
    }
}

/// A discount or a charge, on a line or on the whole document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Adjustment {
    /// Whether it takes off or adds.
    pub kind: AdjustmentKind,
    /// How much, without VAT and above zero; with a `rate` what that comes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// As a fraction of the line, or of all lines of its `vat_case`, above 0 and at most 1.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rate")]
    #[schema(value_type = Option<String>, max_length = 16, example = "0.1", pattern = r"^[0-9]+(\.[0-9]{1,6})?$")]
    pub rate: Option<Ppm>,
    /// Why; the client reads it.
    #[schema(min_length = 1, max_length = 200)]
    pub reason: String,
    /// On the whole document, of which lines; may be left out where all lines have one case. A line has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vat_case: Option<VatCase>,
}

/// A rate as the API carries it.
mod rate {
    use super::{Deserialize, Deserializer, Ppm, Serializer};
    use serde::de::Error as _;

    #[expect(clippy::ref_option, reason = "the form that serde asks for")]
    pub(super) fn serialize<S: Serializer>(rate: &Option<Ppm>, serializer: S) -> Result<S::Ok, S::Error> {
        match rate {
            Some(rate) => serializer.serialize_str(&rate.to_fraction()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Ppm>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        Ppm::from_fraction(&text).map(Some).ok_or_else(|| D::Error::custom("not a fraction of at most 1"))
    }
}

impl Adjustment {
    /// As far as money cares.
    fn adjusting(&self) -> Adjusting {
        let amount = self.amount.map_or(Minor::ZERO, |money| money.amount_minor);
        let by = self.rate.map_or(By::Amount(amount), By::Rate);
        Adjusting { is_charge: self.kind == AdjustmentKind::Charge, by }
    }

    /// With what it came to, which is below zero for a discount.
    fn settled(&self, amount: Minor, currency: Currency, case: Option<VatCase>) -> Self {
        let amount_minor = if amount < Minor::ZERO { amount.negated().unwrap_or_default() } else { amount };
        Self {
            amount: Some(Money { amount_minor, currency }),
            reason: self.reason.trim().to_owned(),
            vat_case: case,
            ..self.clone()
        }
    }

    fn check(&self, at: &str, currency: Currency, checks: &mut Checks) {
        checks.text(&self.reason, &format!("{at}/reason"), 1, 200);
        checks.require(self.amount.is_some() || self.rate.is_some(), &format!("{at}/amount"), "required");
        checks.require(self.rate.is_none_or(|rate| rate.0 > 0), &format!("{at}/rate"), "out_of_range");
        if let Some(amount) = self.amount {
            // What a rate comes to may be nothing.
            let is_amount = amount.amount_minor > Minor::ZERO || self.rate.is_some();
            let is_amount = is_amount && (0..=PRICE_MAX).contains(&amount.amount_minor.get());
            checks.require(is_amount, &format!("{at}/amount/amount_minor"), "out_of_range");
            checks.require(amount.currency == currency, &format!("{at}/amount/currency"), "not_allowed");
        }
    }
}

/// What is sold: so much of it, at this price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentLine {
    /// What it is.
    #[schema(max_length = 500)]
    pub label: String,
    /// A decimal with up to four decimals, above zero.
    #[serde(serialize_with = "rust_decimal::serde::str::serialize", deserialize_with = "plain_decimal")]
    #[schema(value_type = String, example = "1.50", pattern = r"^\d{1,9}(\.\d{1,4})?$")]
    pub quantity: Decimal,
    /// Of what, by its code in UN/ECE Recommendation 20: `C62` piece, `HUR` hour, `DAY` day, `MON` month …
    #[serde(default = "piece")]
    #[schema(max_length = 3, example = "HUR")]
    pub unit: String,
    /// Without VAT, for one; rounded to the cent where `exact_unit_price` says more.
    pub unit_price: Money,
    /// The price for one in whole units of the currency with up to four decimals, where cents are not fine enough.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "rust_decimal::serde::str_option::serialize",
        deserialize_with = "plain_decimal_option"
    )]
    #[schema(value_type = Option<String>, example = "0.0375", pattern = r"^\d{1,9}(\.\d{1,4})?$")]
    pub exact_unit_price: Option<Decimal>,
    /// How VAT applies.
    #[serde(default = "standard")]
    pub vat_case: VatCase,
    /// Why this case applies; required where the law asks for it (see `/v1/vat_cases`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500)]
    pub vat_justification: Option<String>,
    /// Discounts and charges on this line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 10)]
    pub adjustments: Vec<Adjustment>,
}

/// Reads `1.50`, and nothing that only a machine would write, such as `1e3`.
fn plain_decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let text = String::deserialize(deserializer)?;
    plain(&text).ok_or_else(|| D::Error::custom("not a plain decimal"))
}

fn plain_decimal_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    plain(&text).map(Some).ok_or_else(|| D::Error::custom("not a plain decimal"))
}

fn plain(text: &str) -> Option<Decimal> {
    let is_plain = text.len() <= 20
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    Decimal::from_str_exact(text).ok().filter(|_| is_plain)
}

fn standard() -> VatCase {
    VatCase::Standard
}

fn piece() -> String {
    "C62".to_owned()
}

impl DocumentLine {
    /// As far as money cares.
    #[must_use]
    pub fn priced(&self) -> Priced {
        let price = Decimal::from(self.unit_price.amount_minor.get());
        let exact = self.exact_unit_price.and_then(|price| in_minor(price, self.unit_price.currency));
        Priced {
            quantity: self.quantity,
            unit_price: exact.unwrap_or(price),
            case: self.vat_case,
            adjustments: self.adjustments.iter().map(Adjustment::adjusting).collect(),
        }
    }
}

/// A price in whole units out of ten-thousandths.
#[must_use]
pub fn from_e4(price: i64) -> Decimal {
    Decimal::new(price, PRICE_DECIMALS).normalize()
}

fn to_e4(price: Decimal) -> Option<i64> {
    use rust_decimal::prelude::ToPrimitive;
    price.checked_mul(Decimal::from(10_i64.checked_pow(PRICE_DECIMALS)?))?.to_i64()
}

/// A price in whole units as one in minor units.
fn in_minor(price: Decimal, currency: Currency) -> Option<Decimal> {
    price.checked_mul(Decimal::from(10_i64.checked_pow(currency.exponent())?))
}

/// Notes everything that is wrong with the lines of a document in `currency`.
pub fn check(lines: &[DocumentLine], currency: Currency, checks: &mut Checks) {
    checks.require(!lines.is_empty(), "/lines", "required");
    checks.require(lines.len() <= LINES_MAX, "/lines", "too_long");
    for (index, line) in lines.iter().enumerate().take(LINES_MAX) {
        checks.text(&line.label, &format!("/lines/{index}/label"), 1, 500);
        let is_quantity = line.quantity > Decimal::ZERO
            && line.quantity < Decimal::from(1_000_000_000_i64)
            && line.quantity.scale() <= 4;
        checks.require(is_quantity, &format!("/lines/{index}/quantity"), "out_of_range");
        let price = line.unit_price.amount_minor;
        let is_price = price >= Minor::ZERO && price.get() <= PRICE_MAX;
        checks.require(is_price, &format!("/lines/{index}/unit_price/amount_minor"), "out_of_range");
        let same = line.unit_price.currency == currency;
        checks.require(same, &format!("/lines/{index}/unit_price/currency"), "not_allowed");
        if let Some(exact) = line.exact_unit_price {
            let at = format!("/lines/{index}/exact_unit_price");
            checks.require(exact.scale() <= PRICE_DECIMALS, &at, "out_of_range");
            // Two prices that contradict each other are none.
            let rounded = in_minor(exact, currency).and_then(|exact| Minor::from_decimal(exact).ok());
            checks.require(rounded == Some(price), &at, "invalid");
        }
        if let Some(why) = &line.vat_justification {
            checks.text(why, &format!("/lines/{index}/vat_justification"), 1, 500);
        }
        let at = format!("/lines/{index}/adjustments");
        checks.require(line.adjustments.len() <= ADJUSTMENTS_MAX, &at, "too_long");
        for (index, adjustment) in line.adjustments.iter().enumerate().take(ADJUSTMENTS_MAX) {
            let at = format!("{at}/{index}");
            adjustment.check(&at, currency, checks);
            let own = adjustment.vat_case.is_none_or(|case| case == line.vat_case);
            checks.require(own, &format!("{at}/vat_case"), "not_allowed");
        }
    }
}

/// Notes everything that is wrong with the discounts and charges on a whole document.
pub fn check_adjustments(adjustments: &[Adjustment], lines: &[DocumentLine], currency: Currency, checks: &mut Checks) {
    checks.require(adjustments.len() <= ADJUSTMENTS_MAX, "/adjustments", "too_long");
    for (index, adjustment) in adjustments.iter().enumerate().take(ADJUSTMENTS_MAX) {
        let at = format!("/adjustments/{index}");
        adjustment.check(&at, currency, checks);
        let code = if adjustment.vat_case.is_some() { "invalid" } else { "required" };
        checks.require(case_of(adjustment, lines).is_some(), &format!("{at}/vat_case"), code);
    }
}

/// Notes where a line does not say why its case applies although the law asks for it.
pub fn check_justified(lines: &[DocumentLine], needs: impl Fn(VatCase) -> bool, checks: &mut Checks) {
    for (index, line) in lines.iter().enumerate() {
        let is_said = line.vat_justification.is_some() || !needs(line.vat_case);
        checks.require(is_said, &format!("/lines/{index}/vat_justification"), "required");
    }
}

/// The case of a discount or charge on a whole document: its own, if lines have it, or the one that all lines have.
fn case_of(adjustment: &Adjustment, lines: &[DocumentLine]) -> Option<VatCase> {
    let first = lines.first()?.vat_case;
    match adjustment.vat_case {
        Some(case) => lines.iter().any(|line| line.vat_case == case).then_some(case),
        None => lines.iter().all(|line| line.vat_case == first).then_some(first),
    }
}

/// Adds a document up.
///
/// # Errors
/// As [`vat::totals`]; also an amount that contradicts the rate beside it.
pub fn totals(
    lines: &[DocumentLine],
    adjustments: &[Adjustment],
    rates: &BTreeMap<VatCase, Ppm>,
) -> Result<Totals, Refusal> {
    let priced: Vec<_> = lines.iter().map(DocumentLine::priced).collect();
    let on_all: Vec<_> = adjustments
        .iter()
        .map(|adjustment| (case_of(adjustment, lines).unwrap_or(VatCase::Standard), adjustment.adjusting()))
        .collect();
    let totals = vat::totals(&priced, &on_all, rates)?;
    let mut checks = Checks::default();
    for (index, (line, amounts)) in lines.iter().zip(&totals.line_adjustments).enumerate() {
        agree(&line.adjustments, amounts, &format!("/lines/{index}"), &mut checks);
    }
    agree(adjustments, &totals.adjustments, "", &mut checks);
    checks.done()?;
    Ok(totals)
}

fn agree(adjustments: &[Adjustment], amounts: &[Minor], at: &str, checks: &mut Checks) {
    for (index, (adjustment, amount)) in adjustments.iter().zip(amounts).enumerate() {
        let settled = adjustment.settled(*amount, Currency::EUR, None);
        let same = adjustment
            .amount
            .is_none_or(|said| settled.amount.is_some_and(|settled| settled.amount_minor == said.amount_minor));
        checks.require(same, &format!("{at}/adjustments/{index}/amount"), "invalid");
    }
}

/// A row of a document as it is kept: a line, or after the lines a discount or charge on all of them.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its place, from 1.
    pub n: i32,
    /// What it is.
    pub kind: LineKind,
    /// What is sold, or why it is adjusted.
    pub label: String,
    /// How much.
    pub quantity: Decimal,
    /// Of what.
    pub unit: String,
    /// For one, in minor units.
    pub unit_price: Minor,
    /// For one, in ten-thousandths of a unit of the currency, where minor units are not fine enough.
    pub unit_price_e4: Option<i64>,
    /// How VAT applies.
    pub case: VatCase,
    /// Why.
    pub justification: Option<String>,
    /// The discounts and charges of a line with what they came to; of one on the whole document that one.
    pub adjustments: Value,
    /// What it comes to.
    pub net: Minor,
}

/// The rows of a document that comes to `totals`.
///
/// # Errors
/// Fails when an adjustment cannot be written, which does not happen.
pub fn records(
    lines: &[DocumentLine],
    adjustments: &[Adjustment],
    totals: &Totals,
) -> Result<Vec<Record>, serde_json::Error> {
    let mut records = Vec::with_capacity(lines.len().saturating_add(adjustments.len()));
    let mut places = 1_i32..;
    let nets = totals.lines.iter().zip(&totals.line_adjustments);
    for ((line, (net, amounts)), n) in lines.iter().zip(nets).zip(&mut places) {
        let currency = line.unit_price.currency;
        let settled: Vec<_> =
            line.adjustments.iter().zip(amounts).map(|(it, amount)| it.settled(*amount, currency, None)).collect();
        // A price without parts of a cent is said once.
        let is_exact = |price: &Decimal| price.normalize().scale() > currency.exponent();
        records.push(Record {
            n,
            kind: LineKind::Line,
            label: line.label.trim().to_owned(),
            quantity: line.quantity,
            unit: line.unit.clone(),
            unit_price: line.unit_price.amount_minor,
            unit_price_e4: line.exact_unit_price.filter(is_exact).and_then(to_e4),
            case: line.vat_case,
            justification: line.vat_justification.as_deref().map(|why| why.trim().to_owned()),
            adjustments: serde_json::to_value(settled)?,
            net: *net,
        });
    }
    let currency = lines.first().map_or(Currency::EUR, |line| line.unit_price.currency);
    for ((adjustment, amount), n) in adjustments.iter().zip(&totals.adjustments).zip(&mut places) {
        let case = case_of(adjustment, lines).unwrap_or(VatCase::Standard);
        let settled = adjustment.settled(*amount, currency, Some(case));
        let kind = match adjustment.kind {
            AdjustmentKind::Discount => LineKind::Discount,
            AdjustmentKind::Charge => LineKind::Charge,
        };
        records.push(Record {
            n,
            kind,
            label: settled.reason.clone(),
            quantity: Decimal::ONE,
            unit: piece(),
            unit_price: settled.amount.map_or(Minor::ZERO, |money| money.amount_minor),
            unit_price_e4: None,
            case,
            justification: None,
            adjustments: serde_json::to_value([settled])?,
            net: *amount,
        });
    }
    Ok(records)
}

/// The discounts and charges out of a row, which holds nothing else.
#[must_use]
pub fn adjustments(kept: &Value) -> Vec<Adjustment> {
    Vec::<Adjustment>::deserialize(kept).unwrap_or_default()
}

/// The lines of a document and what is on all of them, out of its rows.
#[must_use]
pub fn apart<'r, R: Row + 'r>(
    rows: impl IntoIterator<Item = &'r R>,
    currency: Currency,
) -> (Vec<DocumentLine>, Vec<Adjustment>) {
    let (mut lines, mut on_all) = (Vec::new(), Vec::new());
    for row in rows {
        if row.kind() == LineKind::Line {
            lines.push(row.document(currency));
        } else {
            on_all.extend(row.document(currency).adjustments);
        }
    }
    (lines, on_all)
}

/// A row of a document of any kind.
pub trait Row {
    /// What it is.
    fn kind(&self) -> LineKind;
    /// As people write it; of a discount or charge on the whole document, its one adjustment is what counts.
    fn document(&self, currency: Currency) -> DocumentLine;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> DocumentLine {
        serde_json::from_value(serde_json::json!({
            "label": "Work", "quantity": "3.5", "unit": "HUR", "unit_price": {"amount_minor": 8731, "currency": "EUR"},
            "adjustments": [{"kind": "discount", "rate": "0.1", "reason": "Regular"}],
        }))
        .unwrap()
    }

    fn wrong(line: DocumentLine) -> Vec<(String, &'static str)> {
        let mut checks = Checks::default();
        check(&[line], Currency::EUR, &mut checks);
        let found = checks.done().map_err(|refusal| refusal.fields).err().unwrap_or_default();
        found.into_iter().map(|field| (field.pointer, field.code)).collect()
    }

    #[test]
    fn an_exact_price_agrees_with_the_rounded_one() {
        let exact = |price: &str| DocumentLine { exact_unit_price: Some(price.parse().unwrap()), ..line() };
        assert_eq!(wrong(exact("87.3125")), []);
        assert_eq!(wrong(exact("87.32")), [("/lines/0/exact_unit_price".to_owned(), "invalid")]);
        assert_eq!(wrong(exact("87.31001")), [("/lines/0/exact_unit_price".to_owned(), "out_of_range")]);
        let rates = BTreeMap::from([(VatCase::Standard, Ppm(200_000))]);
        assert_eq!(totals(&[exact("87.3125")], &[], &rates).unwrap().lines, [Minor::new(27_503)]);
    }

    #[test]
    fn rows_say_what_the_lines_said() {
        let rates = BTreeMap::from([(VatCase::Standard, Ppm(210_000))]);
        let shipping = Adjustment {
            kind: AdjustmentKind::Charge,
            amount: Some(Money { amount_minor: Minor::new(1_000), currency: Currency::EUR }),
            rate: None,
            reason: "Shipping".to_owned(),
            vat_case: None,
        };
        let found = totals(&[line()], std::slice::from_ref(&shipping), &rates).unwrap();
        let rows = records(&[line()], &[shipping], &found).unwrap();
        assert_eq!(
            rows.iter().map(|row| (row.n, row.kind)).collect::<Vec<_>>(),
            [(1, LineKind::Line), (2, LineKind::Charge)]
        );
        assert_eq!(Minor::sum(rows.iter().map(|row| row.net)), Ok(found.net));
        let kept = adjustments(&rows[0].adjustments);
        assert_eq!(kept[0].amount.unwrap().amount_minor, Minor::new(3_056));
        let again = DocumentLine { adjustments: kept, ..line() };
        assert_eq!(totals(std::slice::from_ref(&again), &[], &rates).unwrap().lines, found.lines);
        let mut contradicting = again;
        contradicting.adjustments[0].amount.as_mut().unwrap().amount_minor = Minor::new(3_055);
        let refused = totals(&[contradicting], &[], &rates).unwrap_err();
        assert_eq!(refused.fields[0].pointer, "/lines/0/adjustments/0/amount");
    }
}
