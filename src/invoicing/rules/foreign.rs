//! A document in another currency: what it comes to in euro, and what a credit note of it gives back in both.
//!
//! Every row is converted once, half away from zero; the VAT in euro is that of the bases in euro, by the one function
//! that computes VAT. A part of a line that was booked is a part of what was booked, and not converted again: the last
//! one takes what is left, so that a document that is given back in full nets to nothing in both currencies.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use super::credit::{Credited, Rest, Wanted, compute, credit, part};
use crate::kernel::exchange::ExchangeRate;
use crate::kernel::lines::{self, Record};
use crate::kernel::money::{Currency, Minor, Money, MoneyError};
use crate::kernel::refusal::Refusal;
use crate::kernel::vat::{TaxLine, Totals, VatCase};

/// What may be made up by a difference of the rate, of the whole invoice: a major currency seldom moves more while an
/// invoice is open, and what lacks more is a payment in part.
pub(in crate::invoicing) const DIFFERENCE_PARTS: i64 = 20;

fn out_of_range(_overflow: MoneyError) -> Refusal {
    Refusal::value("amount_invalid")
}

/// The rows of a document as they are booked, and what they come to in euro. `taxes` are those of the document: its
/// cases and their rates.
///
/// # Errors
/// Refuses amounts out of range, and a document that comes to nothing in euro.
pub(in crate::invoicing) fn in_euro(
    records: &[Record],
    taxes: &[TaxLine],
    rate: ExchangeRate,
    currency: Currency,
) -> Result<(Vec<Record>, Totals), Refusal> {
    let euro = |amount| rate.in_euro(amount, currency).map_err(out_of_range);
    let mut booked = Vec::with_capacity(records.len());
    for record in records {
        let mut adjustments = lines::adjustments(&record.adjustments);
        for adjustment in &mut adjustments {
            if let Some(amount) = &mut adjustment.amount {
                *amount = Money { amount_minor: euro(amount.amount_minor)?, currency: Currency::EUR };
            }
        }
        booked.push(Record {
            unit_price: euro(record.unit_price)?,
            unit_price_e4: None,
            adjustments: serde_json::to_value(adjustments).map_err(|_never| Refusal::value("amount_invalid"))?,
            net: euro(record.net)?,
            ..record.clone()
        });
    }
    let nets: Vec<_> = booked.iter().map(|record| (record.case, record.net)).collect();
    let totals = totals(&nets, taxes)?;
    if totals.net <= Minor::ZERO {
        return Err(Refusal::field("/lines", "out_of_range"));
    }
    Ok((booked, totals))
}

/// What rows come to in euro, with the cases and rates of `taxes`.
///
/// # Errors
/// Refuses amounts out of range.
pub(in crate::invoicing) fn totals(nets: &[(VatCase, Minor)], taxes: &[TaxLine]) -> Result<Totals, Refusal> {
    let mut booked = Vec::with_capacity(taxes.len());
    for of in taxes {
        let of_case = nets.iter().filter(|(case, _)| *case == of.case).map(|(_, net)| *net);
        let base = Minor::sum(of_case).map_err(out_of_range)?;
        booked.push(TaxLine { base, tax: base.share(of.rate).map_err(out_of_range)?, ..*of });
    }
    let net = Minor::sum(nets.iter().map(|(_, net)| *net)).map_err(out_of_range)?;
    let tax = Minor::sum(booked.iter().map(|of| of.tax)).map_err(out_of_range)?;
    Ok(Totals {
        lines: nets.iter().map(|(_, net)| *net).collect(),
        line_adjustments: Vec::new(),
        adjustments: Vec::new(),
        taxes: booked,
        net,
        tax,
        gross: net.plus(tax).map_err(out_of_range)?,
    })
}

/// What a credit note gives back of a document in another currency: in euro, and in its own.
///
/// # Errors
/// As [`credit`]; also a part that comes to nothing in euro.
pub(in crate::invoicing) fn credit_foreign(
    booked: &Rest,
    document: &Rest,
    wanted: &Wanted,
) -> Result<(Credited, Credited), Refusal> {
    let said = credit(document, wanted)?;
    let lines = in_parts(booked, document, &said).map_err(out_of_range)?;
    let left = Minor::sum(booked.lines.iter().map(|line| line.net)).map_err(out_of_range)?;
    let credited = compute(booked, lines, left).map_err(out_of_range)?;
    if credited.net <= Minor::ZERO {
        return Err(Refusal::field("/lines", "out_of_range"));
    }
    Ok((credited, said))
}

fn in_parts(booked: &Rest, document: &Rest, said: &Credited) -> Result<Vec<(i32, Minor)>, MoneyError> {
    let net_of = |rest: &Rest, n: i32| rest.lines.iter().find(|line| line.n == n).map_or(Minor::ZERO, |line| line.net);
    said.lines
        .iter()
        .map(|(n, net)| {
            let (whole, left) = (net_of(document, *n), net_of(booked, *n));
            let amount = if *net == whole { left } else { signed_part(left, *net, whole)? };
            Ok((*n, amount))
        })
        .collect()
}

/// The part of `left` that `given` is of `whole`, where both may be below zero.
fn signed_part(left: Minor, given: Minor, whole: Minor) -> Result<Minor, MoneyError> {
    if whole < Minor::ZERO { part(left, given.negated()?, whole.negated()?) } else { part(left, given, whole) }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests {
    use super::super::credit::{RestLine, RestTax};
    use super::*;
    use crate::kernel::lines::LineKind;
    use crate::kernel::money::Ppm;
    use proptest::prelude::*;

    const RATE: Ppm = Ppm(210_000);

    fn rest(nets: &[i64]) -> Rest {
        let line = |(n, net): (i32, &i64)| RestLine {
            n,
            kind: LineKind::Line,
            case: VatCase::Standard,
            net: Minor::new(*net),
        };
        let base = Minor::new(nets.iter().sum());
        let tax = RestTax {
            case: VatCase::Standard,
            category: "S".to_owned(),
            rate: RATE,
            base,
            tax: base.share(RATE).unwrap(),
        };
        Rest { lines: (1..).zip(nets).map(line).collect(), taxes: vec![tax], levies: Vec::new() }
    }

    fn less(rest: &mut Rest, given: &Credited) {
        for (n, net) in &given.lines {
            let line = rest.lines.iter_mut().find(|line| line.n == *n).unwrap();
            line.net = line.net.minus(*net).unwrap();
        }
        for tax in &given.taxes {
            let of = &mut rest.taxes[0];
            (of.base, of.tax) = (of.base.minus(tax.base).unwrap(), of.tax.minus(tax.tax).unwrap());
        }
    }

    proptest! {
        /// Whatever the rate and the parts, nothing is left in either currency.
        #[test]
        fn credits_in_parts_net_to_nothing_in_both_currencies(
            nets in proptest::collection::vec(1_i64..50_000, 1..5), rate in 100_000_i64..400_000_000,
            parts in proptest::collection::vec((0_usize..5, 1_i64..40_000), 0..8),
        ) {
            let rate = ExchangeRate::of(rust_decimal::Decimal::new(rate, 6)).unwrap();
            let usd: Currency = "USD".parse().unwrap();
            let mut document = rest(&nets);
            let booked: Vec<i64> = nets.iter().map(|net| rate.in_euro(Minor::new(*net), usd).unwrap().get()).collect();
            let mut booked = rest(&booked);
            for (line, net) in parts {
                let wanted = Wanted::Lines(vec![(i32::try_from(line + 1).unwrap(), Minor::new(net))]);
                if let Ok((euro, said)) = credit_foreign(&booked, &document, &wanted) {
                    less(&mut booked, &euro);
                    less(&mut document, &said);
                }
            }
            if let Ok((euro, said)) = credit_foreign(&booked, &document, &Wanted::Full) {
                less(&mut booked, &euro);
                less(&mut document, &said);
                for rest in [&booked, &document] {
                    prop_assert!(rest.lines.iter().all(|line| line.net == Minor::ZERO));
                    prop_assert_eq!((rest.taxes[0].base, rest.taxes[0].tax), (Minor::ZERO, Minor::ZERO));
                }
            }
        }
    }

    #[test]
    fn the_tax_in_euro_is_that_of_the_bases_in_euro() {
        let nets = [(VatCase::Standard, Minor::new(10_001)), (VatCase::Standard, Minor::new(3_334))];
        let tax = TaxLine { case: VatCase::Standard, rate: RATE, base: Minor::new(1), tax: Minor::new(1) };
        let found = totals(&nets, &[tax]).unwrap();
        assert_eq!((found.net, found.tax, found.gross), (Minor::new(13_335), Minor::new(2_800), Minor::new(16_135)));
    }
}
