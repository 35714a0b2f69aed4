#![expect(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]

use proptest::prelude::*;

use super::*;

fn euros(amount: i64) -> Minor {
    Minor::new(amount * 100)
}

fn flat(rate: i64) -> Term {
    Term::plain(Levy::flat(LevyKind::Fee, Ppm(rate)))
}

/// 11, 10 and 9 % up to 40,000, to 80,000 and above, over the year.
fn astrolabe() -> Term {
    let band = |from: i64, rate: i64| Band { from_minor: euros(from), rate_ppm: Ppm(rate) };
    let bands = vec![band(0, 110_000), band(40_000, 100_000), band(80_000, 90_000)];
    let levy = Levy { rate_ppm: None, bands, running: Some(Running::YearToDate), ..flat(0).levy };
    Term::plain(levy)
}

/// 12 % of the margin, at least 40 a month, at most 8,400 a year.
fn mosaique() -> Term {
    let levy = Levy {
        base: LevyBase::GrossMargin,
        running: Some(Running::YearToDate),
        floor_minor: Some(euros(40)),
        cap_minor: Some(euros(8_400)),
        ..flat(120_000).levy
    };
    Term::plain(levy)
}

fn at(year_base: Minor) -> Standing {
    Standing { year_base, lifetime_base: year_base, ..Standing::default() }
}

/// Applies amounts one after the other and answers what each came to.
fn run(term: &Term, nets: &[Minor]) -> Vec<i64> {
    let mut standing = Standing::default();
    let mut amounts = Vec::new();
    for net in nets {
        let charge = apply(term, *net, &standing).unwrap();
        standing = standing.after(&charge).unwrap();
        amounts.push(charge.amount.get());
    }
    amounts
}

#[test]
fn a_thousand_leaves_nine_hundred_and_twenty_five() {
    let kept: i64 = [55_000, 20_000].iter().map(|rate| run(&flat(*rate), &[euros(1_000)])[0]).sum();
    assert_eq!(100_000 - kept, 92_500);
}

#[test]
fn a_flat_share_is_rounded_once_and_told_exactly() {
    let charge = apply(&flat(65_000), Minor::new(123_456), &Standing::default()).unwrap();
    assert_eq!(charge.amount.get(), 8_025);
    assert_eq!(charge.basis.exact_minor, "8024.64");
    assert_eq!(charge.basis.pieces[0].rate, "0.065");
    assert_eq!(apply(&flat(65_000), Minor::new(-123_456), &Standing::default()).unwrap().amount.get(), -8_025);
}

#[test]
fn bands_are_the_difference_of_two_totals() {
    let charge = apply(&astrolabe(), euros(5_000), &at(euros(38_000))).unwrap();
    assert_eq!(charge.amount, euros(520));
    assert_eq!(charge.rate, None);
    let basis = &charge.basis;
    assert_eq!(basis.before.as_ref().unwrap().rounded_minor, euros(4_180));
    assert_eq!(basis.after.as_ref().unwrap().rounded_minor, euros(4_700));
    let pieces: Vec<_> = basis.pieces.iter().map(|piece| (piece.base_minor, piece.rate.as_str())).collect();
    assert_eq!(pieces, [(euros(2_000), "0.11"), (euros(3_000), "0.1")]);
    assert_eq!(apply(&astrolabe(), euros(90_000), &Standing::default()).unwrap().amount, euros(9_300));
}

#[test]
fn a_cap_of_the_year_leaves_nothing_above_it() {
    let charge = apply(&mosaique(), euros(80_000), &Standing::default()).unwrap();
    assert_eq!((charge.amount, charge.uncapped), (euros(8_400), Some(euros(9_600))));
    assert_eq!(charge.basis.cap.unwrap().cut_minor, euros(1_200));
    // A cost of 5,000 takes 600 off what the cap had cut away already: nothing is given back.
    assert_eq!(run(&mosaique(), &[euros(80_000), euros(-5_000), euros(-10_000)]), [840_000, 0, -60_000]);
}

#[test]
fn a_floor_is_topped_up_at_the_end_of_the_month_by_the_days() {
    let top_up = |days, charged: i64, standing: &Standing| {
        let month = Month { name: "2026-11".to_owned(), days, of_days: 30, charged: euros(charged) };
        close(&mosaique(), &month, standing).unwrap()[0].amount.get()
    };
    assert_eq!(run(&mosaique(), &[euros(200)]), [2_400]);
    assert_eq!(top_up(30, 24, &Standing::default()), 1_600);
    assert_eq!(top_up(15, 24, &Standing::default()), 0);
    assert_eq!(top_up(19, 24, &Standing::default()), 133); // 40.00 x 19 / 30 = 25.33
    assert_eq!(top_up(30, 50, &Standing::default()), 0);
    assert_eq!(top_up(30, -10, &Standing::default()), 5_000);
    let nearly = Standing { year_amount: euros(8_390), year_uncapped: euros(8_390), ..Standing::default() };
    assert_eq!(top_up(30, 24, &nearly), 1_000);
}

#[test]
fn a_fixed_amount_stands_beside_the_share() {
    let levy = Levy { base: LevyBase::GrossMargin, running: Some(Running::YearToDate), ..flat(135_000).levy };
    let mut term = Term::plain(Levy { fixed_minor: Some(euros(30)), ..levy });
    assert_eq!(run(&term, &[euros(1_000), euros(-200)]), [13_500, -2_700]);
    let month = Month { name: "2026-11".to_owned(), days: 30, of_days: 30, charged: euros(108) };
    assert_eq!(close(&term, &month, &Standing::default()).unwrap()[0].amount, euros(30));
    term.exempt = vec![Exempt { id: Uuid::nil(), part: ExemptPart::Fixed }];
    let exempt = &close(&term, &month, &Standing::default()).unwrap()[0];
    assert_eq!((exempt.amount, exempt.basis.exemption_id), (Minor::ZERO, Some(Uuid::nil())));
    assert_eq!(run(&term, &[euros(1_000)]), [13_500], "only the fixed amount is forgiven");
    term.exempt = vec![Exempt { id: Uuid::nil(), part: ExemptPart::All }];
    assert_eq!(run(&term, &[euros(1_000)]), [0]);
}

#[test]
fn a_margin_below_zero_costs_nothing_and_gives_nothing() {
    assert_eq!(run(&mosaique(), &[euros(100), euros(-300), euros(200), euros(100)]), [1_200, -1_200, 0, 1_200]);
}

#[test]
fn the_gross_up_never_eats_into_what_is_wanted() {
    let found = |wanted: i64, terms: &[Term]| {
        let terms: Vec<_> = terms.iter().map(|term| (term.clone(), Standing::default())).collect();
        gross_up(Minor::new(wanted), &terms).unwrap().map(|found| found.net.get())
    };
    assert_eq!(found(78_700, &[flat(90_000)]), Some(86_484));
    assert_eq!(found(92_500, &[flat(55_000), flat(20_000)]), Some(100_000));
    assert_eq!(found(1, &[flat(1_000_000)]), None);
    assert_eq!(found(8_070_000, &[astrolabe()]), Some(9_000_000));
    assert_eq!(found(50_000_000, &[mosaique()]), Some(50_840_000));
}

#[test]
fn exact_numbers_are_written_in_full() {
    let cases = [
        (8_024_640_000, "8024.64"),
        (-500_000, "-0.5"),
        (0, "0"),
        (1, "0.000001"),
        (-8_000_000, "-8"),
        (10_000_000, "10"),
    ];
    for (millionths, expected) in cases {
        assert_eq!(basis::exact_text(millionths), expected);
    }
}

fn any_term() -> impl Strategy<Value = Term> {
    let bands = (0_i64..500_000, 1_i64..5_000_000, 1_i64..5_000_000, [0_i64..500_000, 0..500_000, 0..500_000])
        .prop_map(|(_, first, second, rates)| {
            let from = [0, first, first + second];
            let bands = from
                .into_iter()
                .zip(rates)
                .map(|(from, rate)| Band { from_minor: Minor::new(from), rate_ppm: Ppm(rate) });
            Term::plain(Levy {
                rate_ppm: None,
                bands: bands.collect(),
                running: Some(Running::YearToDate),
                ..flat(0).levy
            })
        });
    (bands, any::<bool>(), proptest::option::of(1_i64..2_000_000), 0_i64..500_000).prop_map(
        |(mut term, is_flat, cap, rate)| {
            if is_flat {
                term.levy.bands = Vec::new();
                term.levy.rate_ppm = Some(Ppm(rate));
            }
            term.levy.cap_minor = cap.map(Minor::new);
            term
        },
    )
}

fn sum(amounts: &[i64]) -> i64 {
    amounts.iter().sum()
}

proptest! {
    #[test]
    fn the_order_of_invoices_does_not_matter(term in any_term(), nets in proptest::collection::vec(1_i64..2_000_000, 1..12), seed in any::<u64>()) {
        let nets: Vec<Minor> = nets.into_iter().map(Minor::new).collect();
        let mut other = nets.clone();
        other.sort_by_key(|net| net.get().unsigned_abs().wrapping_mul(seed | 1));
        prop_assert_eq!(sum(&run(&term, &nets)), sum(&run(&term, &other)));
    }

    #[test]
    fn ten_parts_come_to_the_same_as_the_whole(term in any_term(), total in 10_i64..50_000_000, weights in proptest::collection::vec(1_u64..1_000, 10)) {
        let parts = crate::kernel::money::split(Minor::new(total), &weights).unwrap();
        prop_assert_eq!(sum(&run(&term, &parts)), sum(&run(&term, &[Minor::new(total)])));
    }

    #[test]
    fn costs_come_to_the_same_whenever_they_come(term in any_term(), nets in proptest::collection::vec(-500_000_i64..2_000_000, 1..12)) {
        let (mut first, mut last) = (nets.clone(), nets.clone());
        first.sort_unstable();
        last.sort_unstable_by(|a, b| b.cmp(a));
        let total = |nets: &[i64]| sum(&run(&term, &nets.iter().copied().map(Minor::new).collect::<Vec<_>>()));
        prop_assert_eq!(total(&first), total(&last));
        prop_assert_eq!(total(&nets), total(&last));
    }

    #[test]
    fn more_costs_more_and_never_more_than_it_is(term in any_term(), before in 0_i64..10_000_000, net in 0_i64..5_000_000, more in 0_i64..5_000_000) {
        let standing = at(Minor::new(before));
        let less = apply(&term, Minor::new(net), &standing).unwrap().amount.get();
        let amount = apply(&term, Minor::new(net + more), &standing).unwrap().amount.get();
        prop_assert!(0 <= less && less <= amount && amount <= net + more);
    }

    #[test]
    fn a_year_never_exceeds_its_cap(term in any_term(), nets in proptest::collection::vec(-500_000_i64..5_000_000, 1..20)) {
        let charged = sum(&run(&term, &nets.into_iter().map(Minor::new).collect::<Vec<_>>()));
        prop_assert!(charged >= 0);
        if let Some(cap) = term.levy.cap_minor {
            prop_assert!(charged <= cap.get());
        }
    }

    #[test]
    fn the_gross_up_is_the_smallest(terms in proptest::collection::vec(any_term(), 1..3), before in 0_i64..10_000_000, wanted in 1_i64..3_000_000) {
        let mut terms: Vec<_> = terms.into_iter().map(|term| (term, at(Minor::new(before)))).collect();
        for (term, _) in &mut terms {
            // Two levies keep at most nine tenths together.
            term.levy.rate_ppm = term.levy.rate_ppm.map(|rate| Ppm(rate.0 * 9 / 10));
            term.levy.bands.iter_mut().for_each(|band| band.rate_ppm = Ppm(band.rate_ppm.0 * 9 / 10));
        }
        let left = |net: i64| net - terms.iter().map(|(term, standing)| apply(term, Minor::new(net), standing).unwrap().amount.get()).sum::<i64>();
        let found = gross_up(Minor::new(wanted), &terms).unwrap().unwrap();
        prop_assert_eq!(found.left.get(), left(found.net.get()));
        prop_assert!(found.left.get() >= wanted);
        for below in (found.net.get() - 300).max(0)..found.net.get() {
            let exact = gross_up::exact_left(Minor::new(below), &terms).unwrap();
            let is_enough = left(below) >= wanted && exact >= i128::from(wanted) * 1_000_000;
            prop_assert!(!is_enough, "{} leaves {}, exactly {}", below, left(below), exact);
        }
    }

    #[test]
    fn pieces_are_the_whole(term in any_term(), before in 0_i64..10_000_000, net in 1_i64..5_000_000) {
        let charge = apply(&term, Minor::new(net), &at(Minor::new(before))).unwrap();
        prop_assert_eq!(charge.basis.pieces.iter().map(|piece| piece.base_minor.get()).sum::<i64>(), net);
        let json = serde_json::to_value(&charge.basis).unwrap();
        prop_assert_eq!(serde_json::from_value::<Basis>(json).unwrap(), charge.basis);
    }
}
