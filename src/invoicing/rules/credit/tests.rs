//! Worked numbers of credit notes, and whole lives of generated invoices.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::*;
use crate::kernel::vat::{self, Priced};

fn rates() -> BTreeMap<VatCase, Ppm> {
    BTreeMap::from([(VatCase::Standard, Ppm(210_000)), (VatCase::ReverseCharge, Ppm(0))])
}

/// An invoice of lines as it stands right after its issue.
fn invoice(lines: &[(i64, VatCase)], levies: &[(LevyKind, i64)]) -> Rest {
    let priced: Vec<Priced> =
        lines.iter().map(|(net, case)| Priced::plain(Decimal::ONE, Minor::new(*net), *case)).collect();
    let totals = vat::totals(&priced, &[], &rates()).unwrap();
    let line = |(n, (net, case)): (i32, &(i64, VatCase))| RestLine {
        n,
        kind: LineKind::Line,
        case: *case,
        net: Minor::new(*net),
    };
    Rest {
        lines: (1..).zip(lines).map(line).collect(),
        taxes: totals
            .taxes
            .iter()
            .map(|tax| RestTax {
                case: tax.case,
                category: "S".to_owned(),
                rate: tax.rate,
                base: tax.base,
                tax: tax.tax,
            })
            .collect(),
        levies: levies.iter().map(|(kind, rate)| levy(*kind, Ppm(*rate), totals.net)).collect(),
    }
}

fn levy(kind: LevyKind, rate: Ppm, net: Minor) -> RestLevy {
    RestLevy {
        kind,
        charge: ChargeId(Uuid::nil()),
        of: LevyBase::InvoicedNet,
        rule_set: RuleSetId(Uuid::nil()),
        rate: Some(rate),
        base: net,
        amount: net.share(rate).unwrap(),
        uncapped: None,
    }
}

/// What is left after a credit note.
fn after(rest: &Rest, given: &Credited) -> Rest {
    let mut rest = rest.clone();
    for line in &mut rest.lines {
        for (_, net) in given.lines.iter().filter(|(n, _)| *n == line.n) {
            line.net = line.net.minus(*net).unwrap();
        }
    }
    for tax in &mut rest.taxes {
        for of in given.taxes.iter().filter(|of| of.case == tax.case) {
            tax.base = tax.base.minus(of.base).unwrap();
            tax.tax = tax.tax.minus(of.tax).unwrap();
        }
    }
    for levy in &mut rest.levies {
        for of in given.levies.iter().filter(|of| of.kind == levy.kind) {
            levy.base = levy.base.minus(of.base).unwrap();
            levy.amount = levy.amount.minus(of.amount).unwrap();
        }
    }
    rest
}

fn parts(wanted: &[(i32, i64)]) -> Wanted {
    Wanted::Lines(wanted.iter().map(|(n, net)| (*n, Minor::new(*net))).collect())
}

fn amounts(given: &Credited) -> Vec<i64> {
    given.levies.iter().map(|of| of.amount.get()).collect()
}

#[test]
fn a_full_credit_copies_what_was_booked() {
    let rest = invoice(&[(123_456, VatCase::Standard)], &[(LevyKind::Fee, 65_000), (LevyKind::Guarantee, 20_000)]);
    let given = credit(&rest, &Wanted::Full).unwrap();
    assert_eq!(amounts(&given), [8_025, 2_469]);
    assert_eq!((given.net.get(), given.tax.get(), given.gross.get()), (123_456, 25_926, 149_382));
    assert_eq!(given.share.get(), 123_456 - 8_025 - 2_469);
    // Booked at an amount that no rate gives any more: it is copied, not recomputed.
    let mut odd = rest;
    odd.levies[0].amount = Minor::new(7_777);
    assert_eq!(amounts(&credit(&odd, &Wanted::Full).unwrap()), [7_777, 2_469]);
}

#[test]
fn parts_take_their_share_and_the_last_one_the_residual() {
    // Three times a third of 10.01 net: 21 % is 2.1021, the levies are 0.55055 and 0.2002.
    let mut rest = invoice(&[(1_001, VatCase::Standard)], &[(LevyKind::Fee, 55_000), (LevyKind::Guarantee, 20_000)]);
    let first = credit(&rest, &parts(&[(1, 334)])).unwrap();
    assert_eq!((first.tax.get(), amounts(&first)), (70, vec![18, 7]));
    rest = after(&rest, &first);
    let second = credit(&rest, &parts(&[(1, 334)])).unwrap();
    assert_eq!((second.tax.get(), amounts(&second)), (70, vec![19, 7]));
    rest = after(&rest, &second);
    let last = credit(&rest, &Wanted::Full).unwrap();
    assert_eq!((last.net.get(), last.tax.get(), amounts(&last)), (333, 70, vec![18, 6]));
    assert_eq!(credit(&after(&rest, &last), &Wanted::Full).unwrap_err().code, "already_credited");
}

#[test]
fn what_was_levied_on_collected_money_goes_back_only_when_the_client_gets_it_back() {
    // 1,000.00 invoiced, 600.00 of it collected, 5.5 % of that kept.
    let mut rest = invoice(&[(100_000, VatCase::Standard)], &[(LevyKind::Fee, 55_000)]);
    rest.levies[0] = RestLevy { base: Minor::new(60_000), amount: Minor::new(3_300), ..rest.levies[0] };
    let unpaid = credit(&rest, &parts(&[(1, 40_000)])).unwrap();
    assert_eq!((amounts(&unpaid), unpaid.share.get()), (vec![], 40_000));
    let rest = after(&rest, &unpaid);
    let paid = credit(&rest, &parts(&[(1, 15_000)])).unwrap();
    assert_eq!((amounts(&paid), paid.share.get()), (vec![825], 14_175));
    assert_eq!(amounts(&credit(&after(&rest, &paid), &Wanted::Full).unwrap()), [2_475]);
}

#[test]
fn a_capped_levy_goes_back_as_it_was_charged() {
    let mut rest = invoice(&[(100_000, VatCase::Standard)], &[(LevyKind::Fee, 55_000)]);
    rest.levies[0] = RestLevy { amount: Minor::new(2_000), uncapped: Some(Minor::new(5_500)), ..rest.levies[0] };
    let given = credit(&rest, &parts(&[(1, 50_000)])).unwrap();
    assert_eq!((amounts(&given), given.levies[0].uncapped), (vec![1_000], Some(Minor::new(2_750))));
    let reversed = given.levies[0].reversed().unwrap();
    assert_eq!(
        (reversed.base.get(), reversed.amount.get(), reversed.uncapped),
        (-50_000, -1_000, Some(Minor::new(-2_750)))
    );
    // Somebody who was exempt paid nothing, but their base goes down.
    rest.levies[0] = RestLevy { amount: Minor::ZERO, uncapped: None, ..rest.levies[0] };
    let exempt = credit(&rest, &Wanted::Full).unwrap();
    assert_eq!((exempt.levies[0].base.get(), exempt.levies[0].amount.get(), exempt.share.get()), (100_000, 0, 100_000));
}

#[test]
fn the_tax_of_parts_never_exceeds_the_tax_that_was_invoiced() {
    // 0.03 at 21 % is 0.01, but each cent of it would be 0.00, and three times 0.05 of 0.15 (0.03) would be 0.03.
    let mut rest = invoice(&[(15, VatCase::Standard)], &[]);
    let mut taxes = Vec::new();
    for _ in 0..5 {
        let given = credit(&rest, &parts(&[(1, 3)])).unwrap();
        taxes.push(given.tax.get());
        rest = after(&rest, &given);
    }
    assert_eq!(taxes, [1, 1, 1, 0, 0], "capped by what is left");
}

#[test]
fn every_wrong_line_is_named() {
    let rest = invoice(&[(1_000, VatCase::Standard), (500, VatCase::Standard)], &[]);
    let refused = |wanted: &Wanted| {
        let refusal = credit(&rest, wanted).unwrap_err();
        refusal.fields.iter().map(|field| format!("{} {}", field.pointer, field.code)).collect::<Vec<_>>()
    };
    assert_eq!(refused(&parts(&[])), ["/lines required"]);
    let wanted = parts(&[(1, 1_001), (2, 0), (3, 5), (2, -1)]);
    let expected = [
        "/lines/0/net out_of_range",
        "/lines/1/net out_of_range",
        "/lines/2/n invalid",
        "/lines/3/n not_unique",
        "/lines/3/net out_of_range",
    ];
    assert_eq!(refused(&wanted), expected);
    let many: Vec<(i32, i64)> = (0..1_001).map(|n| (n, 1)).collect();
    assert!(refused(&parts(&many)).contains(&"/lines too_long".to_owned()));
    let may = |state, written_off, reason| may_credit(state, Minor::new(written_off), reason).unwrap_err();
    assert_eq!(may(InvoiceState::Draft, 0, "Wrong").code, "state_conflict");
    assert_eq!(may(InvoiceState::Issued, 1, "Wrong").code, "invoice_written_off");
    assert_eq!(may(InvoiceState::Issued, 0, " ").fields[0].pointer, "/reason");
}

fn activity(n: u128) -> ActivityId {
    ActivityId(Uuid::from_u128(n))
}

fn waiting(n: u128, amount: i64) -> Waiting {
    Waiting { activity: activity(n), owner: PersonId(Uuid::from_u128(n)), amount: Minor::new(amount) }
}

fn taken(net: i64, open: i64, pending: &[Waiting], advanced: i64) -> Taking {
    let rest = invoice(&[(100_000, VatCase::Standard)], &[(LevyKind::Fee, 55_000), (LevyKind::Guarantee, 20_000)]);
    let given = credit(&rest, &parts(&[(1, net)])).unwrap();
    let at =
        Standing { activity: activity(1), open: Minor::new(open), waiting: pending, advanced: Minor::new(advanced) };
    take(&given, at).unwrap()
}

#[test]
fn the_share_is_taken_from_where_it_is() {
    let plain = |taking: &Taking| (taking.pending.get(), taking.charged.get(), taking.advance_closed.get());
    // Nothing paid: all of it waits.
    let half = taken(50_000, 121_000, &[waiting(1, 92_500)], 0);
    assert_eq!((plain(&half), half.freed.len()), ((46_250, 0, 0), 0));
    // Half paid: what the client still owed goes, and a cent that rounding left there comes to rest.
    let other = taken(50_000, 60_500, &[waiting(1, 46_251)], 0);
    assert_eq!((plain(&other), other.freed), ((46_250, 0, 0), vec![waiting(1, 1)]));
    // All paid, or advanced: it is available, or was.
    assert_eq!(plain(&taken(100_000, 0, &[], 0)), (0, 92_500, 0));
    assert_eq!(plain(&taken(10_000, 121_000, &[], 92_500)), (0, 9_250, 9_250));
    assert_eq!(plain(&taken(100_000, 121_000, &[], 92_500)), (0, 92_500, 92_500));
    // Advanced but for what the levies on payments will take: both shrink in proportion.
    let part_of = taken(25_000, 121_000, &[waiting(1, 5_500)], 87_000);
    assert_eq!((plain(&part_of), part_of.freed.len()), ((1_375, 21_750, 21_750), 0));
    // Moved to another activity: that one keeps it, and it waits no longer once the client owes nothing.
    let moved = taken(100_000, 121_000, &[waiting(1, 50_000), waiting(2, 42_500)], 0);
    assert_eq!((plain(&moved), moved.freed), ((50_000, 42_500, 0), vec![waiting(2, 42_500)]));
}

fn lines() -> impl Strategy<Value = Vec<(i64, VatCase)>> {
    let case = prop_oneof![Just(VatCase::Standard), Just(VatCase::ReverseCharge)];
    proptest::collection::vec((0_i64..500_000, case), 1..8)
        .prop_filter("an invoice is about something", |lines| lines.iter().any(|(net, _)| *net > 0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_parts_and_then_the_rest_leave_exactly_nothing(
        lines in lines(),
        fee in 0_i64..200_000,
        guarantee in 0_i64..50_000,
        steps in proptest::collection::vec(proptest::collection::vec(0_i64..=1_000, 8), 0..9),
        paid in 0_i64..=1_000,
    ) {
        let whole = invoice(&lines, &[(LevyKind::Fee, fee), (LevyKind::Guarantee, guarantee)]);
        let levied: i64 = whole.levies.iter().map(|of| of.amount.get()).sum();
        let net: i64 = lines.iter().map(|(net, _)| *net).sum();
        let gross = net + whole.taxes.iter().map(|of| of.tax.get()).sum::<i64>();
        // Part of it was paid before, and freed in proportion.
        let (mut open, all) = (gross - gross * paid / 1_000, net - levied);
        let mut pending = all - all * paid / 1_000;
        let mut available = all - pending;
        let mut rest = whole;
        for step in steps {
            let some: Vec<(i32, i64)> = rest.lines.iter().zip(&step)
                .map(|(line, per_mille)| (line.n, line.net.get() * per_mille / 1_000))
                .filter(|(_, net)| *net > 0).collect();
            if some.is_empty() {
                continue;
            }
            let given = credit(&rest, &parts(&some)).unwrap();
            book(&given, &mut open, &mut pending, &mut available)?;
            rest = after(&rest, &given);
            prop_assert!(rest.lines.iter().all(|line| line.net >= Minor::ZERO));
            prop_assert!(rest.taxes.iter().all(|tax| tax.tax >= Minor::ZERO && tax.base >= Minor::ZERO));
            prop_assert!(rest.levies.iter().all(|levy| levy.amount >= Minor::ZERO && levy.base >= Minor::ZERO));
        }
        if let Ok(given) = credit(&rest, &Wanted::Full) {
            book(&given, &mut open, &mut pending, &mut available)?;
            rest = after(&rest, &given);
        }
        prop_assert!(rest.lines.iter().all(|line| line.net == Minor::ZERO));
        prop_assert!(rest.taxes.iter().all(|tax| tax.tax == Minor::ZERO && tax.base == Minor::ZERO));
        prop_assert!(rest.levies.iter().all(|levy| levy.amount == Minor::ZERO));
        prop_assert_eq!((open, pending, available), (-(gross * paid / 1_000), 0, 0), "what was paid is the client's again");
    }
}

/// Moves what a credit note moves.
fn book(given: &Credited, open: &mut i64, pending: &mut i64, available: &mut i64) -> Result<(), TestCaseError> {
    let there = [waiting(1, *pending)];
    let at = Standing { activity: activity(1), open: Minor::new(*open), waiting: &there, advanced: Minor::ZERO };
    let taking = take(given, at).unwrap();
    prop_assert_eq!(taking.pending.plus(taking.charged).unwrap(), given.share);
    let freed: i64 = taking.freed.iter().map(|of| of.amount.get()).sum();
    *open -= given.gross.get();
    *pending -= taking.pending.get() + freed;
    *available += freed - taking.charged.get();
    prop_assert!(*pending >= 0);
    prop_assert!(*open > 0 || *pending == 0, "nothing waits for a client who owes nothing");
    Ok(())
}
