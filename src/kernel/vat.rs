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
        /// The rate between the two others (Belgium: 12 %), for what the law lists; the line says why.
        Intermediate = "intermediate",
        /// The reduced rate (Belgium: 6 %), for what the law lists; the line says why.
        Reduced = "reduced",
        /// The buyer accounts for the tax (Directive 2006/112/EC art. 44 and 196).
        ReverseCharge = "reverse_charge",
        /// A service to an enterprise outside the Union (art. 44): no VAT at all, on the whole document.
        OutsideScope = "outside_scope",
        /// Goods that leave the Union (art. 146).
        Export = "export",
        /// Exempt without a right to deduct (art. 132): teaching, some performances.
        Exempt = "exempt",
        /// A rate of zero per cent.
        Zero = "zero",
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

/// Whether `case` is right for what is sold from `seller_country` to `buyer`.
///
/// # Errors
/// Refuses, with the reason: a reverse charge at home, outside the Union or without a VAT number; the seller's own rate
/// or an exemption where the reverse charge is due; an export or a service outside the scope to somebody in the Union,
/// and the latter to a private person.
pub fn check_case(case: VatCase, seller_country: &str, buyer: Buyer<'_>) -> Result<(), Refusal> {
    let is_in_union = buyer.country == seller_country || is_eu(buyer.country);
    let abroad_in_eu = buyer.country != seller_country && is_eu(buyer.country);
    let taxable_abroad = abroad_in_eu && buyer.vat_number.is_some() && !buyer.is_consumer;
    let reason = match case {
        VatCase::Standard | VatCase::Intermediate | VatCase::Reduced | VatCase::Exempt | VatCase::Zero
            if taxable_abroad =>
        {
            "reverse_charge_due"
        }
        VatCase::ReverseCharge if !abroad_in_eu => "buyer_not_in_another_eu_country",
        VatCase::ReverseCharge if !taxable_abroad => "buyer_vat_number_missing",
        VatCase::OutsideScope | VatCase::Export if is_in_union => "buyer_in_the_union",
        VatCase::OutsideScope if buyer.is_consumer => "buyer_is_a_private_person",
        VatCase::Standard
        | VatCase::Intermediate
        | VatCase::Reduced
        | VatCase::ReverseCharge
        | VatCase::OutsideScope
        | VatCase::Export
        | VatCase::Exempt
        | VatCase::Zero => return Ok(()),
    };
    Err(mismatch(case, reason))
}

fn mismatch(case: VatCase, reason: &'static str) -> Refusal {
    Refusal::value("vat_case_mismatch").with("reason", reason).with("vat_case", case.name())
}

/// Whether the cases of one document can stand together, beside being right one by one.
///
/// # Errors
/// As [`check_case`]; also what is outside the scope of VAT beside anything else (EN 16931, BR-O-11 to BR-O-14). Names
/// the line.
pub fn check_cases(
    cases: impl IntoIterator<Item = VatCase>,
    seller_country: &str,
    buyer: Buyer<'_>,
) -> Result<(), Refusal> {
    let mut first = None;
    for (index, case) in cases.into_iter().enumerate() {
        let first = *first.get_or_insert(case);
        let is_mixed = first != case && [first, case].contains(&VatCase::OutsideScope);
        let checked = check_case(case, seller_country, buyer);
        let checked = checked.and(if is_mixed { Err(mismatch(case, "outside_scope_stands_alone")) } else { Ok(()) });
        checked.map_err(|refusal| refusal.at(format!("/lines/{index}/vat_case")))?;
    }
    Ok(())
}

/// How much a discount takes or a charge adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// So much.
    Amount(Minor),
    /// So much of the line, or of all lines of its case.
    Rate(Ppm),
}

/// A discount or a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adjusting {
    /// Whether it adds.
    pub is_charge: bool,
    /// How much.
    pub by: By,
}

impl Adjusting {
    /// What it comes to on `base`: above zero for a charge, below for a discount.
    fn on(self, base: Minor) -> Result<Minor, MoneyError> {
        let amount = match self.by {
            By::Amount(amount) => amount,
            By::Rate(rate) => base.share(rate)?,
        };
        if self.is_charge { Ok(amount) } else { amount.negated() }
    }
}

/// A line, as far as money cares.
#[derive(Debug, Clone)]
pub struct Priced {
    /// Up to four decimals.
    pub quantity: Decimal,
    /// Per unit, in minor units and parts of them.
    pub unit_price: Decimal,
    /// How VAT applies.
    pub case: VatCase,
    /// Discounts and charges on the line, each on quantity x price.
    pub adjustments: Vec<Adjusting>,
}

impl Priced {
    /// A line without discounts or charges, at a price in whole minor units.
    #[must_use]
    pub fn plain(quantity: Decimal, unit_price: Minor, case: VatCase) -> Self {
        Self { quantity, unit_price: Decimal::from(unit_price.get()), case, adjustments: Vec::new() }
    }
}

/// The tax of one case and rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaxLine {
    /// How VAT applies.
    pub case: VatCase,
    /// The rate on the day.
    pub rate: Ppm,
    /// The sum of the lines, less discounts and with charges.
    pub base: Minor,
    /// The tax on that sum, rounded once.
    pub tax: Minor,
}

/// What a document comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// Net of each line, in the order given.
    pub lines: Vec<Minor>,
    /// What the discounts (below zero) and charges on each line came to.
    pub line_adjustments: Vec<Vec<Minor>>,
    /// What the discounts (below zero) and charges on the whole document came to.
    pub adjustments: Vec<Minor>,
    /// One line per case and rate.
    pub taxes: Vec<TaxLine>,
    /// Without VAT.
    pub net: Minor,
    /// VAT.
    pub tax: Minor,
    /// To pay.
    pub gross: Minor,
}

/// Adds a document up. `rates` holds the rate of each case on the day of the tax point; `adjustments` are those on the
/// whole document, each on the lines of its case.
///
/// # Errors
/// Refuses a case without a rate on that day, a discount beyond what it is on, and amounts out of range.
pub fn totals(
    lines: &[Priced],
    adjustments: &[(VatCase, Adjusting)],
    rates: &BTreeMap<VatCase, Ppm>,
) -> Result<Totals, Refusal> {
    let out_of_range = |_overflow: MoneyError| Refusal::value("amount_invalid");
    let mut nets = Vec::with_capacity(lines.len());
    let mut line_adjustments = Vec::with_capacity(lines.len());
    let mut bases: BTreeMap<VatCase, Minor> = BTreeMap::new();
    for (index, line) in lines.iter().enumerate() {
        let (net, amounts) = line_net(line).map_err(out_of_range)?;
        if net < Minor::ZERO {
            return Err(Refusal::field(format!("/lines/{index}/adjustments"), "out_of_range"));
        }
        let base = bases.entry(line.case).or_default();
        *base = base.plus(net).map_err(out_of_range)?;
        nets.push(net);
        line_adjustments.push(amounts);
    }
    let before = bases.clone();
    let mut amounts = Vec::with_capacity(adjustments.len());
    for (case, adjusting) in adjustments {
        let on = before.get(case).copied().unwrap_or_default();
        let amount = adjusting.on(on).map_err(out_of_range)?;
        let base = bases.entry(*case).or_default();
        *base = base.plus(amount).map_err(out_of_range)?;
        amounts.push(amount);
    }
    if bases.values().any(|base| *base < Minor::ZERO) {
        return Err(Refusal::field("/adjustments", "out_of_range"));
    }
    let mut taxes = Vec::with_capacity(bases.len());
    for (case, base) in bases {
        let rate = *rates.get(&case).ok_or_else(|| Refusal::value("vat_rate_unknown").with("vat_case", case.name()))?;
        taxes.push(TaxLine { case, rate, base, tax: base.share(rate).map_err(out_of_range)? });
    }
    let net = Minor::sum(nets.iter().chain(&amounts).copied()).map_err(out_of_range)?;
    let tax = Minor::sum(taxes.iter().map(|line| line.tax)).map_err(out_of_range)?;
    let gross = net.plus(tax).map_err(out_of_range)?;
    if gross.get().unsigned_abs() > Minor::LIMIT.unsigned_abs() {
        return Err(Refusal::value("amount_invalid"));
    }
    Ok(Totals { lines: nets, line_adjustments, adjustments: amounts, taxes, net, tax, gross })
}

/// What a line comes to, and each of its discounts and charges: quantity x price rounded once, then those.
fn line_net(line: &Priced) -> Result<(Minor, Vec<Minor>), MoneyError> {
    let product = line.quantity.checked_mul(line.unit_price).ok_or(MoneyError::Overflow)?;
    let product = Minor::from_decimal(product)?;
    let amounts = line.adjustments.iter().map(|it| it.on(product)).collect::<Result<Vec<_>, _>>()?;
    Ok((product.plus(Minor::sum(amounts.iter().copied())?)?, amounts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(quantity: &str, unit_price: i64) -> Priced {
        Priced::plain(quantity.parse().unwrap(), Minor::new(unit_price), VatCase::Standard)
    }

    fn add_up(lines: &[Priced], rate: i64) -> (i64, i64, i64) {
        let totals = totals(lines, &[], &BTreeMap::from([(VatCase::Standard, Ppm(rate))])).unwrap();
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
        let refused = totals(&[line("1", 100)], &[], &BTreeMap::new()).unwrap_err();
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
            (VatCase::Reduced, buyer("FR", Some("FR00123456789")), false),
            (VatCase::Exempt, buyer("BE", None), true),
            (VatCase::OutsideScope, buyer("US", None), true),
            (VatCase::OutsideScope, buyer("FR", None), false),
            (VatCase::OutsideScope, buyer("BE", None), false),
            (VatCase::Export, buyer("CH", None), true),
            (VatCase::Export, buyer("DE", None), false),
        ];
        for (case, buyer, allowed) in cases {
            assert_eq!(check_case(case, "BE", buyer).is_ok(), allowed, "{case} for {buyer:?}");
        }
    }

    #[test]
    fn discounts_come_off_the_line_and_off_the_case() {
        let by = |is_charge, by| Adjusting { is_charge, by };
        let mut first = line("3.5", 8_731);
        first.adjustments = vec![by(false, By::Rate(Ppm(100_000))), by(true, By::Amount(Minor::new(500)))];
        let rates = BTreeMap::from([(VatCase::Standard, Ppm(210_000))]);
        let on_all = [(VatCase::Standard, by(false, By::Rate(Ppm(50_000))))];
        let found = totals(&[first.clone(), line("1", 10_000)], &on_all, &rates).unwrap();
        // 305.585 is 305.59; less 30.56, and 5.00: 280.03. Less 5 % of 380.03.
        assert_eq!(found.lines, [Minor::new(28_003), Minor::new(10_000)]);
        assert_eq!(found.adjustments, [Minor::new(-1_900)]);
        assert_eq!((found.net.get(), found.tax.get()), (36_103, 7_582));
        first.adjustments = vec![by(false, By::Amount(Minor::new(30_560)))];
        assert_eq!(totals(&[first], &[], &rates).unwrap_err().fields[0].pointer, "/lines/0/adjustments");
        let beyond = [(VatCase::Standard, by(false, By::Amount(Minor::new(101))))];
        assert_eq!(totals(&[line("1", 100)], &beyond, &rates).unwrap_err().fields[0].pointer, "/adjustments");
    }

    #[test]
    fn what_is_outside_the_scope_stands_alone() {
        let buyer = Buyer { country: "US", vat_number: None, is_consumer: false };
        let mixed = check_cases([VatCase::OutsideScope, VatCase::Export], "BE", buyer).unwrap_err();
        assert_eq!(mixed.fields[0].pointer, "/lines/1/vat_case");
        assert!(check_cases([VatCase::OutsideScope; 2], "BE", buyer).is_ok());
    }
}
