//! The rulebook of the bank.

use super::*;
use crate::kernel::ids::PersonId;
use uuid::Uuid;

const HOUSE: EntityId = EntityId(Uuid::from_u128(1));
const OTHER: EntityId = EntityId(Uuid::from_u128(2));

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn movement(amount: i64) -> Line {
    Line {
        entry: 1,
        entry_reference: None,
        amount: Minor::new(amount),
        booked_on: day("2026-11-16"),
        valued_on: None,
        bank_reference: Some("B1".to_owned()),
        bank_code: None,
        is_reversal: false,
        payment_id: None,
        end_to_end_id: None,
        creditor_reference: None,
        remittance: None,
        counterparty_name: None,
        counterparty_iban: Some("BE68539007547034".to_owned()),
        return_reason: None,
    }
}

pub(super) fn kept(of: &Line) -> LineRow {
    let place = Place {
        id: BankLineId(Uuid::from_u128(10)),
        statement: StatementId(Uuid::from_u128(11)),
        account: BankAccountId(Uuid::from_u128(12)),
        currency: Currency::EUR,
    };
    line(of, place, 1, 1, chrono::DateTime::UNIX_EPOCH)
}

fn payout(state: &str) -> Facts {
    let payout = PayoutFact {
        id: PayoutId(Uuid::from_u128(20)),
        entity: HOUSE,
        amount: Minor::new(92_500),
        currency: Currency::EUR,
        state: state.parse().unwrap(),
    };
    Facts { payout: Some(payout), ..Facts::default() }
}

fn invoice(open: i64) -> InvoiceFact {
    let id = InvoiceId(Uuid::from_u128(21));
    InvoiceFact { id, entity: HOUSE, currency: Currency::EUR, open: Minor::new(open), payer: Payer::Fits }
}

fn share(due: i64) -> ShareFact {
    let id = ShareId(Uuid::from_u128(22));
    ShareFact { id, entity: HOUSE, currency: Currency::EUR, due: Minor::new(due) }
}

fn decide(amount: i64, facts: &Facts) -> Decision {
    judge(&kept(&movement(amount)), HOUSE, facts)
}

#[test]
fn a_payout_settles_with_the_exact_debit_and_comes_back_only_after_it() {
    let id = PayoutId(Uuid::from_u128(20));
    let cases = [
        (-92_500, "released", Decision::SettlePayout(id)),
        (-92_400, "released", Decision::Wait),
        (-92_500, "settled", Decision::Wait), // the bank carried it out twice: a person looks
        (-92_500, "approved", Decision::Wait),
        (92_500, "settled", Decision::ReturnPayout(id)),
        (92_400, "settled", Decision::Wait),  // the bank kept a charge
        (92_500, "released", Decision::Wait), // no debit was seen
        (92_500, "returned", Decision::Wait),
    ];
    for (amount, state, expected) in cases {
        assert_eq!(decide(amount, &payout(state)), expected, "{amount} {state}");
    }
}

#[test]
fn an_invoice_takes_what_it_needs_and_the_rest_waits() {
    let paid = |amount, rest| Decision::PayInvoice {
        invoice: InvoiceId(Uuid::from_u128(21)),
        amount: Minor::new(amount),
        rest: Minor::new(rest),
    };
    let cases = [
        (121_000, 121_000, paid(121_000, 0)),
        (50_000, 121_000, paid(50_000, 0)),
        (121_005, 121_000, paid(121_000, 5)),
        (121_000, 0, Decision::Wait),
        (-121_000, 121_000, Decision::Wait),
    ];
    for (amount, open, expected) in cases {
        let facts = Facts { invoice: Some(invoice(open)), ..Facts::default() };
        assert_eq!(decide(amount, &facts), expected, "{amount} of {open}");
    }
}

#[test]
fn a_share_is_paid_exactly_and_once() {
    let of = |due| Facts { share: Some(share(due)), ..Facts::default() };
    assert_eq!(decide(5_000, &of(5_000)), Decision::PayShare(ShareId(Uuid::from_u128(22))));
    assert_eq!(decide(4_999, &of(5_000)), Decision::Wait);
    assert_eq!(decide(5_000, &of(0)), Decision::Wait);
}

#[test]
fn nothing_of_another_entity_or_currency_is_matched() {
    let sek: Currency = "SEK".parse().unwrap();
    let released = payout("released").payout.unwrap();
    let strangers = [
        (-92_500, Facts { payout: Some(PayoutFact { entity: OTHER, ..released.clone() }), ..Facts::default() }),
        (-92_500, Facts { payout: Some(PayoutFact { currency: sek, ..released }), ..Facts::default() }),
        (100, Facts { invoice: Some(InvoiceFact { entity: OTHER, ..invoice(100) }), ..Facts::default() }),
        (100, Facts { invoice: Some(InvoiceFact { currency: sek, ..invoice(100) }), ..Facts::default() }),
        (5_000, Facts { share: Some(ShareFact { entity: OTHER, ..share(5_000) }), ..Facts::default() }),
        (5_000, Facts { share: Some(ShareFact { currency: sek, ..share(5_000) }), ..Facts::default() }),
    ];
    for (amount, facts) in strangers {
        assert_eq!(decide(amount, &facts), Decision::Wait, "{facts:?}");
    }
    assert_eq!(decide(100, &Facts::default()), Decision::Wait);
}

#[test]
fn a_reference_is_the_structured_one_or_the_only_one_that_the_text_prints() {
    let cases = [
        (Some("123456789002"), None, true),
        (Some("RF18539007547034"), Some("+++123/4567/89002+++"), true),
        (None, Some("123456789002"), true),
        (None, Some("Facture 2026-1 +++123/4567/89002+++ merci"), true),
        (None, Some("***123/4567/89002*** ***123/4567/89002***"), true),
        (None, Some("123/4567/89002."), true),
        (None, Some("invoice 123456789002 of May"), false), // may be anything
        (None, Some("+++123/4567/89002+++ and +++000/0000/09797+++"), false),
        (None, Some("+++123/4567/89003+++"), false),
        (None, None, false),
    ];
    for (structured, text, is_found) in cases {
        let of = Line {
            creditor_reference: structured.map(str::to_owned),
            remittance: text.map(str::to_owned),
            ..movement(100)
        };
        let found = reference(&kept(&of));
        assert_eq!(found.as_ref().map(Ogm::digits), is_found.then_some("123456789002"), "{structured:?} {text:?}");
    }
}

#[test]
fn only_what_can_be_ours_is_looked_up_as_a_payout() {
    for (text, is_ours) in
        [("P0197F3A26C1E", true), ("", false), ("order-7", false), ("abc", false), (&"A".repeat(36), false)]
    {
        assert_eq!(is_end_to_end_id(text), is_ours, "{text}");
    }
}

#[test]
fn a_line_keeps_what_the_bank_said_without_what_could_harm() {
    let of =
        Line { remittance: Some("a\u{0}b\nc".to_owned()), counterparty_name: Some("x".repeat(500)), ..movement(-5) };
    let row = kept(&of);
    assert_eq!((row.remittance.as_str(), row.counterparty.len()), ("a b c", 140));
    assert_eq!((row.counterparty_iban_last4.as_str(), row.bank_reference.as_str()), ("7034", "B1"));
    let hex: Vec<String> = row.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex.concat(), bank_statement::fingerprint(&of));
}

fn statement(opening: Option<i64>, closing: Option<i64>) -> bank_statement::Statement {
    let balance = |amount: i64| Balance { amount: Minor::new(amount), on: day("2026-11-16") };
    bank_statement::Statement {
        kind: bank_statement::Kind::Statement,
        line_count: 0,
        sum: Minor::ZERO,
        id: "2026-11".to_owned(),
        sequence: None,
        account: "BE68539007547034".to_owned(),
        currency: Currency::EUR,
        from_on: None,
        to_on: None,
        opening: opening.map(balance),
        closing: closing.map(balance),
        lines: Vec::new(),
        unbooked_count: 0,
    }
}

#[test]
fn a_statement_needs_its_name_both_balances_and_the_currency_of_the_account() {
    assert!(frame(&statement(Some(0), Some(0)), 1, Currency::EUR).is_ok());
    let sek: Currency = "SEK".parse().unwrap();
    let unnamed = bank_statement::Statement { id: "x".repeat(141), ..statement(Some(0), Some(0)) };
    let cases = [
        (frame(&statement(None, Some(0)), 2, Currency::EUR), "statement_field_missing", "Stmt[2]/Bal[OPBD]"),
        (frame(&statement(Some(0), None), 1, Currency::EUR), "statement_field_missing", "Stmt[1]/Bal[CLBD]"),
        (frame(&unnamed, 1, Currency::EUR), "statement_field_missing", "Stmt[1]/Id"),
        (frame(&statement(Some(0), Some(0)), 1, sek), "statement_currency_differs", "Stmt[1]/Acct/Ccy"),
    ];
    for (outcome, code, at) in cases {
        let refusal = outcome.unwrap_err();
        assert_eq!((refusal.code, refusal.params.first().unwrap().1.as_str()), (code, at));
    }
}

#[test]
fn a_statement_that_does_not_continue_names_both_figures() {
    let previous = StatementRow {
        id: StatementId(Uuid::from_u128(1)),
        entity_id: HOUSE,
        bank_account_id: BankAccountId(Uuid::from_u128(12)),
        reference: "2026-10".to_owned(),
        currency: Currency::EUR,
        from_on: day("2026-10-01"),
        to_on: day("2026-10-31"),
        opening_minor: Minor::ZERO,
        closing_minor: Minor::new(100_000),
        file_id: crate::kernel::ids::FileId(Uuid::from_u128(3)),
        position: 1,
        imported_by: PersonId(Uuid::from_u128(4)),
        created_at: chrono::DateTime::UNIX_EPOCH,
        lines_known: 0,
    };
    let opens = |amount| frame(&statement(Some(amount), Some(0)), 1, Currency::EUR).unwrap();
    assert_eq!(follows(None, opens(500)), Ok(()));
    assert_eq!(follows(Some(&previous), opens(100_000)), Ok(()));
    let refusal = follows(Some(&previous), opens(99_999)).unwrap_err();
    let figures: Vec<_> = refusal.params.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!((refusal.code, figures), ("statement_out_of_order", vec!["2026-10", "1000.00 EUR", "999.99 EUR"]));
}

#[test]
fn what_comes_after_its_month_was_closed_counts_on_the_first_open_day() {
    let late = day("2026-10-30");
    assert_eq!(counts_on(late, None), late);
    assert_eq!(counts_on(late, Some(day("2026-11-01"))), day("2026-11-01"));
    assert_eq!(counts_on(day("2026-11-16"), Some(day("2026-11-01"))), day("2026-11-16"));
}

#[test]
fn only_what_waits_can_be_given_to_an_invoice() {
    let suspense = kept(&movement(121_005));
    let matched =
        |kind: &str| LineRow { state: "matched".to_owned(), matched_kind: Some(kind.to_owned()), ..suspense.clone() };
    assert_eq!(waiting(&suspense, Minor::ZERO), Minor::new(121_005));
    assert_eq!(waiting(&matched("invoice"), Minor::new(121_000)), Minor::new(5));
    assert_eq!(waiting(&matched("share"), Minor::ZERO), Minor::ZERO);
    assert_eq!(allot(&suspense, HOUSE, Minor::new(121_005), invoice(121_000)), Ok(Minor::new(121_000)));
    assert_eq!(allot(&suspense, HOUSE, Minor::new(5), invoice(121_000)), Ok(Minor::new(5)));
    let refused = |waiting, it| allot(&suspense, HOUSE, Minor::new(waiting), it).unwrap_err().code;
    assert_eq!(refused(0, invoice(100)), "bank_line_already_matched");
    assert_eq!(refused(-5, invoice(100)), "validation_failed");
    assert_eq!(refused(5, InvoiceFact { entity: OTHER, ..invoice(100) }), "validation_failed");
    assert_eq!(refused(5, InvoiceFact { currency: "SEK".parse().unwrap(), ..invoice(100) }), "currency_mismatch");
    assert_eq!(refused(5, invoice(0)), "allocation_exceeds");
}
