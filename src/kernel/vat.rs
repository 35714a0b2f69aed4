//! VAT on a document: which case applies, and the tax once per case and rate.
//!
//! A line is rounded to the cent; the tax is computed on the sum of the lines of one case and rate and rounded
//! once (EN 16931, BR-CO-10 to BR-CO-17). The same function feeds the screen, the PDF and the ledger.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::money::{Minor, MoneyError, Ppm};
use super::refusal::Refusal;
use crate::named;

named! {
    /// How VAT applies to a line.
    VatCase {
        /// The seller's standard rate.
        Standard = "standard",
        /// The buyer accounts for the tax (Directive 2006/112/EC art. 44 and 196).
        ReverseCharge = "reverse_charge",
    }
}

/// The member states of the European Union, for the place of supply.
const EU: [&str; 27] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
];

/// Whether a country (ISO 3166-1 alpha-2) is in the European Union.
#[must_use]
pub fn is_eu(country: &str) -> bool {
    EU.contains(&country)
}

/// Who buys, as far as VAT cares.
#[derive(Debug, Clone, Copy)]
pub struct Buyer<'a> {
    /// ISO 3166-1 alpha-2.
    pub country: &'a str,
    /// A VAT number, normalised.
    pub vat_number: Option<&'a str>,
    /// Whether the buyer buys as a private person.
    pub is_consumer: bool,
}

/// Whether `case` is right for a service sold from `seller_country` to `buyer`.
///
/// # Errors
/// Refuses a reverse charge at home, outside the Union or without a VAT number, and the seller's own rate where
/// the reverse charge is due.
pub fn check_case(case: VatCase, seller_country: &str, buyer: Buyer<'_>) -> Result<(), Refusal> {
    let abroad_in_eu = buyer.country != seller_country && is_eu(buyer.country);
    let taxable_abroad = abroad_in_eu && buyer.vat_number.is_some() && !buyer.is_consumer;
    let reason = match case {
        VatCase::Standard if taxable_abroad => "reverse_charge_due",
        VatCase::ReverseCharge if !abroad_in_eu => "buyer_not_in_another_eu_country",
        VatCase::ReverseCharge if !taxable_abroad => "buyer_vat_number_missing",
        VatCase::Standard | VatCase::ReverseCharge => return Ok(()),
    };
    Err(Refusal::value("vat_case_mismatch").with("reason", reason).with("vat_case", case.name()))
}

/// A line, as far as money cares.
#[derive(Debug, Clone, Copy)]
pub struct Priced {
    /// Up to four decimals.
    pub quantity: Decimal,
    /// Per unit, in minor units.
    pub unit_price: Minor,
    /// How VAT applies.
    pub case: VatCase,
}

/// The tax of one case and rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaxLine {
    /// How VAT applies.
    pub case: VatCase,
    /// The rate on the day.
    pub rate: Ppm,
    /// The sum of the lines.
    pub base: Minor,
    /// The tax on that sum, rounded once.
    pub tax: Minor,
}

/// What a document comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// Net of each line, in the order given.
    pub lines: Vec<Minor>,
    /// One line per case and rate.
    pub taxes: Vec<TaxLine>,
    /// Without VAT.
    pub net: Minor,
    /// VAT.
    pub tax: Minor,
    /// To pay.
    pub gross: Minor,
}

/// Adds a document up. `rates` holds the rate of each case on the day of the tax point.
///
/// # Errors
/// Refuses a case without a rate on that day, and amounts out of range.
pub fn totals(lines: &[Priced], rates: &BTreeMap<VatCase, Ppm>) -> Result<Totals, Refusal> {
    let out_of_range = |_overflow: MoneyError| Refusal::value("amount_invalid");
    let mut nets = Vec::with_capacity(lines.len());
    let mut bases: BTreeMap<VatCase, Minor> = BTreeMap::new();
    for line in lines {
        let net = line.unit_price.times(line.quantity).map_err(out_of_range)?;
        let base = bases.entry(line.case).or_default();
        *base = base.plus(net).map_err(out_of_range)?;
        nets.push(net);
    }
    let mut taxes = Vec::with_capacity(bases.len());
    for (case, base) in bases {
        let rate = *rates.get(&case).ok_or_else(|| Refusal::value("vat_rate_unknown").with("vat_case", case.name()))?;
        taxes.push(TaxLine { case, rate, base, tax: base.share(rate).map_err(out_of_range)? });
    }
    let net = Minor::sum(nets.iter().copied()).map_err(out_of_range)?;
    let tax = Minor::sum(taxes.iter().map(|line| line.tax)).map_err(out_of_range)?;
    let gross = net.plus(tax).map_err(out_of_range)?;
    if gross.get().unsigned_abs() > Minor::LIMIT.unsigned_abs() {
        return Err(Refusal::value("amount_invalid"));
    }
    Ok(Totals { lines: nets, taxes, net, tax, gross })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(quantity: &str, unit_price: i64) -> Priced {
        Priced { quantity: quantity.parse().unwrap(), unit_price: Minor::new(unit_price), case: VatCase::Standard }
    }

    fn add_up(lines: &[Priced], rate: i64) -> (i64, i64, i64) {
        let totals = totals(lines, &BTreeMap::from([(VatCase::Standard, Ppm(rate))])).unwrap();
        (totals.net.get(), totals.tax.get(), totals.gross.get())
    }

    #[test]
    fn lines_are_rounded_and_tax_is_rounded_once_per_rate() {
        assert_eq!(add_up(&[line("1", 100_000)], 210_000), (100_000, 21_000, 121_000));
        // Three times 3.5 x 87.31 at 20 %: half-even lines would give 1100.09, unrounded ones 1100.11.
        assert_eq!(add_up(&[line("3.5", 8_731), line("3.5", 8_731), line("3.5", 8_731)], 200_000).2, 110_012);
        // 3 x 33.35 at 21 %: 21.00 per line would be wrong, 21.01 on the total is right.
        assert_eq!(add_up(&[line("1", 3_335), line("1", 3_335), line("1", 3_335)], 210_000).1, 2_101);
    }

    #[test]
    fn a_case_without_a_rate_on_the_day_is_refused() {
        let refused = totals(&[line("1", 100)], &BTreeMap::new()).unwrap_err();
        assert_eq!(refused.code, "vat_rate_unknown");
    }

    #[test]
    fn the_vat_case_must_fit_buyer_and_seller() {
        let buyer = |country, vat_number| Buyer { country, vat_number, is_consumer: false };
        let cases = [
            (VatCase::Standard, buyer("BE", Some("BE0123456749")), true),
            (VatCase::Standard, buyer("BE", None), true),
            (VatCase::Standard, buyer("FR", None), true),
            (VatCase::Standard, buyer("FR", Some("FR00123456789")), false),
            (VatCase::ReverseCharge, buyer("FR", Some("FR00123456789")), true),
            (VatCase::ReverseCharge, buyer("FR", None), false),
            (VatCase::ReverseCharge, buyer("BE", Some("BE0123456749")), false),
            (VatCase::ReverseCharge, buyer("US", None), false),
        ];
        for (case, buyer, allowed) in cases {
            assert_eq!(check_case(case, "BE", buyer).is_ok(), allowed, "{case} for {buyer:?}");
        }
    }
}
