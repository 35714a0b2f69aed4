//! Parts of an order: deposits, intermediate invoices and the balance, which add up to it.

use std::collections::BTreeMap;

use crate::kernel::language::Language;
use crate::kernel::money::{Minor, Ppm, split};
use crate::kernel::refusal::Refusal;
use crate::kernel::vat::VatCase;
use crate::named;

named! {
    /// Which part of its order an invoice asks for.
    Stage {
        /// None in particular.
        Single = "single",
        /// Before or at the beginning of the work.
        Deposit = "deposit",
        /// On the way.
        Interim = "interim",
        /// What is left: with it the invoices come to what was ordered.
        Balance = "balance",
    }
}

/// Amounts without VAT by how VAT applies.
pub type ByCase = BTreeMap<VatCase, Minor>;

/// What a deposit or an intermediate invoice over `share` of an order comes to, by VAT case.
///
/// The share of the whole is rounded once and divided by largest remainder, so that the parts of a mixed order add up.
///
/// # Errors
/// `order_amount_exceeded` when a case has less left than its part.
pub(in crate::invoicing) fn share_of(ordered: &ByCase, invoiced: &ByCase, share: Ppm) -> Result<ByCase, Refusal> {
    let out_of_range = |_overflow| Refusal::value("amount_invalid");
    let whole = Minor::sum(ordered.values().copied()).map_err(out_of_range)?;
    let amount = whole.share(share).map_err(out_of_range)?;
    let weights: Vec<u64> = ordered.values().map(|net| net.get().max(0).unsigned_abs()).collect();
    let parts = split(amount, &weights).map_err(out_of_range)?;
    let rest = rest_of(ordered, invoiced)?;
    let parts: ByCase = ordered.keys().copied().zip(parts).filter(|(_, part)| *part > Minor::ZERO).collect();
    for (case, part) in &parts {
        let left = rest.get(case).copied().unwrap_or_default();
        if *part > left {
            return Err(Refusal::state("order_amount_exceeded").with("remaining_minor", left.get()));
        }
    }
    Ok(parts)
}

/// What the balance of an order comes to, by VAT case: what is ordered less what is invoiced.
///
/// # Errors
/// `order_amount_exceeded` when nothing is left, or a case was invoiced beyond its part of the order.
pub(in crate::invoicing) fn balance_of(ordered: &ByCase, invoiced: &ByCase) -> Result<ByCase, Refusal> {
    let rest = rest_of(ordered, invoiced)?;
    let is_over = rest.values().any(|left| *left < Minor::ZERO);
    let left: ByCase = rest.into_iter().filter(|(_, left)| *left > Minor::ZERO).collect();
    if is_over || left.is_empty() {
        return Err(Refusal::state("order_amount_exceeded").with("remaining_minor", 0));
    }
    Ok(left)
}

fn rest_of(ordered: &ByCase, invoiced: &ByCase) -> Result<ByCase, Refusal> {
    let mut rest = ordered.clone();
    for (case, net) in invoiced {
        let left = rest.entry(*case).or_default();
        *left = left.minus(*net).map_err(|_overflow| Refusal::value("amount_invalid"))?;
    }
    Ok(rest)
}

/// Documents that a balance names at most; the order's list has them all.
const NAMED: usize = 8;

/// What the one line of a part says, in the language of the client.
pub(in crate::invoicing) fn label(
    (stage, share): (Stage, Option<Ppm>),
    language: Language,
    title: &str,
    earlier: &[String],
) -> String {
    let percent = share.map(|share| format!(" {} %", share.to_percent())).unwrap_or_default();
    let lead = match (stage, language) {
        (Stage::Single, _) => String::new(),
        (Stage::Deposit, Language::Fr) => format!("Acompte{percent} : "),
        (Stage::Deposit, Language::Nl) => format!("Voorschot{percent}: "),
        (Stage::Deposit, Language::En) => format!("Deposit{percent}: "),
        (Stage::Deposit, Language::De) => format!("Anzahlung{percent}: "),
        (Stage::Interim, Language::Fr) => format!("Facture intermédiaire{percent} : "),
        (Stage::Interim, Language::Nl) => format!("Tussentijdse factuur{percent}: "),
        (Stage::Interim, Language::En) => format!("Intermediate invoice{percent}: "),
        (Stage::Interim, Language::De) => format!("Zwischenrechnung{percent}: "),
        (Stage::Balance, Language::Fr) => "Solde : ".to_owned(),
        (Stage::Balance, Language::Nl | Language::De) => "Saldo: ".to_owned(),
        (Stage::Balance, Language::En) => "Balance: ".to_owned(),
    };
    let mut text = format!("{lead}{title}");
    if stage == Stage::Balance && !earlier.is_empty() {
        let named = earlier.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if earlier.len() > NAMED { " …" } else { "" };
        let words = match language {
            Language::Fr => "déjà facturé",
            Language::Nl => "reeds gefactureerd",
            Language::En => "already invoiced",
            Language::De => "bereits berechnet",
        };
        let colon = if language == Language::Fr { " :" } else { ":" };
        text = format!("{text} ({words}{colon} {named}{more})");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_case(standard: i64, reverse: i64) -> ByCase {
        [(VatCase::Standard, Minor::new(standard)), (VatCase::ReverseCharge, Minor::new(reverse))].into_iter().collect()
    }

    proptest! {
        /// Deposits in any number and the balance come to the order, case by case.
        #[test]
        fn parts_add_up_to_the_order(standard in 0_i64..10_000_000, reverse in 0_i64..10_000_000,
                                     shares in proptest::collection::vec(1_i64..300_000, 0..4)) {
            prop_assume!(standard + reverse > 0);
            let ordered = by_case(standard, reverse);
            let mut invoiced = ByCase::new();
            for share in shares {
                let Ok(parts) = share_of(&ordered, &invoiced, Ppm(share)) else { continue };
                for (case, part) in parts {
                    let so_far = invoiced.entry(case).or_default();
                    *so_far = so_far.plus(part).unwrap();
                }
            }
            if let Ok(left) = balance_of(&ordered, &invoiced) {
                for (case, part) in left {
                    let so_far = invoiced.entry(case).or_default();
                    *so_far = so_far.plus(part).unwrap();
                }
            }
            for (case, net) in ordered {
                prop_assert_eq!(invoiced.get(&case).copied().unwrap_or_default(), net);
            }
        }
    }

    #[test]
    fn a_third_of_a_mixed_order_is_a_third_of_its_total() {
        let parts = share_of(&by_case(100, 101), &ByCase::new(), Ppm(333_333)).unwrap();
        assert_eq!(Minor::sum(parts.values().copied()).unwrap(), Minor::new(67));
        assert_eq!(parts, by_case(33, 34));
    }

    #[test]
    fn what_is_invoiced_is_not_invoiced_again() {
        let ordered = by_case(10_000, 0);
        assert!(share_of(&ordered, &by_case(9_000, 0), Ppm(200_000)).is_err());
        assert!(balance_of(&ordered, &by_case(10_000, 0)).is_err());
        assert!(balance_of(&ordered, &by_case(10_001, 0)).is_err());
        assert_eq!(balance_of(&ordered, &by_case(9_000, 0)).unwrap().get(&VatCase::Standard), Some(&Minor::new(1_000)));
    }

    #[test]
    fn a_balance_names_what_came_before() {
        let earlier = vec!["2026-0001".to_owned(), "2026-0002".to_owned()];
        let text = label((Stage::Balance, None), Language::En, "Website", &earlier);
        assert_eq!(text, "Balance: Website (already invoiced: 2026-0001, 2026-0002)");
        let text = label((Stage::Deposit, Some(Ppm(300_000))), Language::Fr, "Site", &[]);
        assert_eq!(text, "Acompte 30 % : Site");
    }
}
