//! Lines of an order or an invoice, as people send and read them.

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::money::{Currency, Minor, Money};
use super::refusal::Checks;
use super::vat::{Priced, VatCase};

/// Lines of one document at most.
pub const LINES_MAX: usize = 1000;
/// A price or quantity beyond this is a slip of the finger.
const PRICE_MAX: i64 = 100_000_000_000;

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
    /// Without VAT, for one.
    pub unit_price: Money,
    /// How VAT applies.
    #[serde(default = "standard")]
    pub vat_case: VatCase,
}

/// Reads `1.50`, and nothing that only a machine would write, such as `1e3`.
fn plain_decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_plain = text.len() <= 20
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = Decimal::from_str_exact(&text).ok().filter(|_| is_plain);
    number.ok_or_else(|| D::Error::custom("not a plain decimal"))
}

fn standard() -> VatCase {
    VatCase::Standard
}

impl DocumentLine {
    /// As far as money cares.
    #[must_use]
    pub fn priced(&self) -> Priced {
        Priced { quantity: self.quantity, unit_price: self.unit_price.amount_minor, case: self.vat_case }
    }
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
    }
}
