use super::*;
use crate::kernel::money::Currency;

fn now() -> DateTime<Utc> {
    "2026-05-20T10:00:00Z".parse().unwrap()
}

/// A payout about which nothing is odd.
fn quiet() -> Facts {
    Facts {
        payout: Uuid::from_u128(1),
        member: Uuid::from_u128(2),
        activity: Uuid::from_u128(3),
        amount: Money { amount_minor: Minor::new(50_000), currency: Currency::EUR },
        change: None,
        changed_at: None,
        name_check: None,
        paid_to_account: 4,
        earlier: vec![40_000, 60_000, 50_000, 45_000],
        same_day: 1,
        available: Minor::new(100_000),
        reserved: Minor::new(50_000),
        has_new_money: false,
        advances: Minor::ZERO,
        unpaid_invoice: None,
        country: "BE".to_owned(),
        iban_country: Some("BE".to_owned()),
        shared_with_member: None,
        shared_with_staff: None,
        contact_changed_at: None,
        is_device_new: false,
        device_of: None,
        is_reviewer_caller: false,
        disputed_invoice: None,
        limit: None,
    }
}

fn codes(facts: &Facts) -> Vec<RiskCode> {
    flags(facts, now()).into_iter().map(|found| found.code).collect()
}

fn before(hours: i64) -> Option<DateTime<Utc>> {
    now().checked_sub_signed(Duration::hours(hours))
}

#[test]
fn every_kind_of_flag_has_one_rule() {
    let mut with_rule: Vec<RiskCode> = RULES.iter().map(|(code, _)| *code).collect();
    with_rule.sort();
    assert_eq!(with_rule, RiskCode::ALL);
    assert!(with_rule.len() >= 12);
    assert_eq!(codes(&quiet()), []);
}

/// For each rule: the least that raises it, and the most that does not.
#[test]
fn each_rule_speaks_and_is_silent() {
    let id = Some(Uuid::from_u128(9));
    let changed = |hours| Facts { change: id, changed_at: before(hours), ..quiet() };
    let named = |outcome: &str| Facts { change: id, name_check: Some(outcome.to_owned()), ..quiet() };
    let amount = |minor| Money { amount_minor: Minor::new(minor), currency: Currency::EUR };
    let cases: Vec<(RiskCode, Facts, Facts)> = vec![
        (RiskCode::FirstPayout, Facts { earlier: Vec::new(), ..quiet() }, Facts { earlier: vec![1], ..quiet() }),
        (RiskCode::FirstToAccount, Facts { paid_to_account: 0, ..quiet() }, Facts { paid_to_account: 1, ..quiet() }),
        (RiskCode::AccountChanged, changed(719), changed(720)),
        (RiskCode::IbanOfMember, Facts { shared_with_member: id, ..quiet() }, quiet()),
        (RiskCode::IbanOfStaff, Facts { shared_with_staff: id, ..quiet() }, quiet()),
        (
            RiskCode::AmountUnusual,
            Facts { amount: amount(225_001), ..quiet() },
            Facts { amount: amount(225_000), ..quiet() },
        ),
        (
            RiskCode::AmountUnusual,
            Facts { amount: amount(900_000), earlier: vec![1, 1, 1], ..quiet() },
            Facts { amount: amount(900_000), earlier: vec![1, 1], ..quiet() },
        ),
        (RiskCode::ManyInADay, Facts { same_day: 3, ..quiet() }, Facts { same_day: 2, ..quiet() }),
        (
            RiskCode::AllAtOnce,
            Facts { has_new_money: true, available: Minor::new(2_500), ..quiet() },
            Facts { has_new_money: true, available: Minor::new(2_501), ..quiet() },
        ),
        (
            RiskCode::AllAtOnce,
            Facts { has_new_money: true, available: Minor::ZERO, ..quiet() },
            Facts { available: Minor::ZERO, ..quiet() },
        ),
        (
            RiskCode::MostlyAdvanced,
            Facts { advances: Minor::new(75_001), ..quiet() },
            Facts { advances: Minor::new(75_000), ..quiet() },
        ),
        (RiskCode::ClientUnproven, Facts { unpaid_invoice: id, ..quiet() }, quiet()),
        (RiskCode::CountryDiffers, Facts { iban_country: Some("DE".to_owned()), ..quiet() }, quiet()),
        (RiskCode::NameMismatch, named("no_match"), named("match")),
        (RiskCode::NameClose, named("close_match"), named("not_available")),
        (
            RiskCode::ContactChanged,
            Facts { contact_changed_at: before(71), ..quiet() },
            Facts { contact_changed_at: before(72), ..quiet() },
        ),
        (RiskCode::NewDevice, Facts { is_device_new: true, ..quiet() }, quiet()),
        (RiskCode::SharedDevice, Facts { device_of: id, ..quiet() }, quiet()),
        (
            RiskCode::ReviewerChangedAccount,
            Facts { change: id, is_reviewer_caller: true, ..quiet() },
            Facts { change: id, ..quiet() },
        ),
        (
            RiskCode::LimitNearlyUsed,
            Facts { limit: Some(("member_day".to_owned(), 80, 100)), ..quiet() },
            Facts { limit: Some(("member_day".to_owned(), 79, 100)), ..quiet() },
        ),
        (RiskCode::InvoiceDisputed, Facts { disputed_invoice: id, ..quiet() }, quiet()),
    ];
    for code in RiskCode::ALL {
        assert!(cases.iter().any(|(of, _, _)| of == code), "{code}");
    }
    for (code, odd, even) in cases {
        assert_eq!(codes(&odd), [code], "{odd:?}");
        assert_eq!(codes(&even), [], "{code}");
        for found in flags(&odd, now()) {
            assert!(!found.evidence.is_empty() && found.evidence.iter().all(|at| at.starts_with("/v1/")), "{found:?}");
        }
    }
}

#[test]
fn only_what_is_medium_or_high_blocks() {
    assert!(!RiskLevel::Low.blocks() && RiskLevel::Medium.blocks() && RiskLevel::High.blocks());
    assert_eq!(RiskSetting::Off.level(), None);
    assert_eq!(median(&[5, 1, 3]), Some(3));
    assert_eq!(median(&[4, 1, 3, 2]), Some(2), "the lower of two");
    assert_eq!(median(&[]), None);
}
