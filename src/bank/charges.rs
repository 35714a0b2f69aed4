//! What a bank charges and the interest that it pays, and lines that carry a payout out or back without saying its name as
//! we wrote it. Long verbs of the desk.

use uuid::Uuid;

use super::rules;
use super::store::{self, ChargeRow, ChargeState, LineRow, StatementRow};
use super::{LineSummary, find_line, locked_at};
use crate::charter;
use crate::kernel::ids::{BankChargeId, BankLineId, PayoutId, RemittanceId};
use crate::kernel::money::Minor;
use crate::kernel::refusal::Checks;
use crate::ledger;
use crate::ledger::events::{self, Arrival, Booking};
use crate::payouts::{self, PayoutState, remittances};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};

/// Characters of the reason of a charge.
const CHARGE_REASON_MAX: usize = 500;
/// Characters of how it is known which payment a line is about: what came back keeps it as the reason of its bank.
const MATCH_REASON_MAX: usize = 300;

/// A reason, checked.
fn checked(reason: &str, max: usize) -> Result<()> {
    let mut checks = Checks::default();
    checks.text(reason, "/reason", 1, max);
    Ok(checks.done()?)
}

/// The statement of a line and the booking of what is done with it: on its own day, or on the first open one.
fn place(tx: &mut Tx<'_>, line: &LineRow) -> Result<(StatementRow, Booking)> {
    let statement = store::find_statement(tx, line.statement_id)?;
    let on = rules::counts_on(line.booked_on, ledger::first_open_day(tx, statement.entity_id)?);
    let at = Booking { entity: statement.entity_id, on, currency: line.currency };
    Ok((statement, at))
}

fn matched(line: &LineRow, kind: &str, id: Uuid) -> LineRow {
    LineRow {
        state: "matched".to_owned(),
        matched_kind: Some(kind.to_owned()),
        matched_id: Some(id),
        owner_id: None,
        ..line.clone()
    }
}

/// Books a line whole as what the bank charges us, or as interest when it came in. Above what one person books alone it
/// is a proposal, and the line waits for another person.
///
/// # Errors
/// 404; 409 `bank_line_already_matched`, `bank_charge_open` while another proposal waits; 412; 422 for the reason.
pub fn charge_line(
    tx: &mut Tx<'_>,
    id: BankLineId,
    expected: i32,
    charge: BankChargeId,
    reason: &str,
) -> Result<LineSummary> {
    checked(reason, CHARGE_REASON_MAX)?;
    let line = locked_at(tx, id, expected)?;
    if line.state != "suspense" {
        return Err(Error::conflict("bank_line_already_matched"));
    }
    let (_, at) = place(tx, &line)?;
    let amount = line.amount_minor.negated()?;
    let is_small = rules::is_small(amount);
    let row = ChargeRow {
        id: charge,
        entity_id: at.entity,
        bank_line_id: id,
        payout_id: None,
        amount_minor: amount,
        currency: at.currency,
        reason: reason.to_owned(),
        state: if is_small { ChargeState::Booked } else { ChargeState::Proposed },
        proposed_by: tx.person()?,
        decided_by: None,
        booked_on: is_small.then_some(at.on),
        reversed_by: None,
        reversed_on: None,
        reversal_reason: None,
        created_at: tx.now(),
        version: 1,
    };
    store::insert_charge(tx, &row)?;
    if is_small {
        let changed = matched(&line, "bank_charge", charge.0);
        store::save_line(tx, line, &changed)?;
        ledger::post(tx, &events::bank_charged(at, charge, id, amount)?)?;
    }
    find_line(tx, id)
}

/// A charge.
///
/// # Errors
/// 404.
pub fn charge(tx: &mut Tx<'_>, id: BankChargeId) -> Result<ChargeRow> {
    store::find_charge(tx, id)
}

/// Charges, the newest first.
///
/// # Errors
/// Fails with the database.
pub fn charges(tx: &mut Tx<'_>, state: Option<ChargeState>, after: Option<Uuid>, limit: i64) -> Result<Vec<ChargeRow>> {
    store::list_charges(tx, state, after, limit)
}

/// A charge in this state at the version that the person saw, with its line: the line is locked first, as by every command.
fn lock(
    tx: &mut Tx<'_>,
    id: BankChargeId,
    expected: i32,
    (state, command): (ChargeState, &'static str),
) -> Result<(Locked<LineRow>, Locked<ChargeRow>)> {
    let line = store::find_charge(tx, id)?.bank_line_id;
    let line = store::lock_line(tx, line)?;
    let row = store::lock_charge(tx, id)?;
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    if row.state != state {
        return Err(Error::state_conflict(row.state, command));
    }
    Ok((line, row))
}

/// Agrees to a charge as another person than who proposed it, and books it; or refuses it.
///
/// # Errors
/// 403 for who proposed it; 404; 409 in another state, `bank_line_already_matched` when the line went elsewhere since; 412.
pub fn decide_charge(tx: &mut Tx<'_>, id: BankChargeId, expected: i32, is_agreed: bool) -> Result<ChargeRow> {
    let command = if is_agreed { "agree" } else { "refuse" };
    let (line, row) = lock(tx, id, expected, (ChargeState::Proposed, command))?;
    let me = tx.person()?;
    if me == row.proposed_by {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    if !is_agreed {
        let refused = ChargeRow { state: ChargeState::Refused, decided_by: Some(me), ..(*row).clone() };
        return store::save_charge(tx, row, &refused);
    }
    if line.state != "suspense" {
        return Err(Error::conflict("bank_line_already_matched"));
    }
    let (_, at) = place(tx, &line)?;
    let amount = row.amount_minor;
    let booked =
        ChargeRow { state: ChargeState::Booked, decided_by: Some(me), booked_on: Some(at.on), ..(*row).clone() };
    let line_id = line.id;
    let changed = matched(&line, "bank_charge", id.0);
    store::save_line(tx, line, &changed)?;
    let booked = store::save_charge(tx, row, &booked)?;
    ledger::post(tx, &events::bank_charged(at, id, line_id, amount)?)?;
    Ok(booked)
}

/// Undoes a charge that was none: the money of its line waits again, with whoever undid it.
///
/// # Errors
/// 404; 409 in another state, `bank_charge_of_payout` for what came with a payout; 412; 422 for the reason.
pub fn reverse_charge(tx: &mut Tx<'_>, id: BankChargeId, expected: i32, reason: &str) -> Result<ChargeRow> {
    checked(reason, CHARGE_REASON_MAX)?;
    let (line, row) = lock(tx, id, expected, (ChargeState::Booked, "reverse"))?;
    if row.payout_id.is_some() {
        return Err(Error::conflict("bank_charge_of_payout"));
    }
    let me = tx.person()?;
    let zone = charter::entity(tx, row.entity_id)?.zone();
    let on = rules::counts_on(tx.today(zone), ledger::first_open_day(tx, row.entity_id)?);
    let at = Booking { entity: row.entity_id, on, currency: row.currency };
    let (line_id, amount) = (line.id, row.amount_minor);
    let reversed = ChargeRow {
        state: ChargeState::Reversed,
        reversed_by: Some(me),
        reversed_on: Some(on),
        reversal_reason: Some(reason.to_owned()),
        ..(*row).clone()
    };
    let reversed = store::save_charge(tx, row, &reversed)?;
    let changed = LineRow {
        state: "suspense".to_owned(),
        matched_kind: None,
        matched_id: None,
        owner_id: Some(me),
        ..(*line).clone()
    };
    store::save_line(tx, line, &changed)?;
    ledger::post(tx, &events::bank_charge_reversed(at, id, line_id, amount)?)?;
    Ok(reversed)
}

/// Matches a line with the payout that a person names: money that left carried it out, money that came gave it back. What
/// the bank kept on the way is its charge, as far as one person books one alone.
///
/// # Errors
/// 403 for one's own payout; 404; 409 `bank_line_already_matched`, `state_conflict` for a payout that is not on its way, or
/// not carried out when it came back, `payout_amount_differs`; 412; 422 for a payout that this line cannot be about.
pub fn match_payout(
    tx: &mut Tx<'_>,
    id: BankLineId,
    expected: i32,
    (payout, charge): (PayoutId, BankChargeId),
    reason: &str,
) -> Result<LineSummary> {
    checked(reason, MATCH_REASON_MAX)?;
    let line = locked_at(tx, id, expected)?;
    if line.state != "suspense" {
        return Err(Error::conflict("bank_line_already_matched"));
    }
    let (_, at) = place(tx, &line)?;
    let found = payouts::find(tx, payout).map_err(|error| match error.code {
        "not_found" => Error::field("/payout_id", "invalid"),
        _ => error,
    })?;
    let me = tx.person()?;
    if me == found.member_id {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    if found.entity_id != at.entity || found.currency != line.currency {
        return Err(Error::field("/payout_id", "not_allowed"));
    }
    let is_out = line.amount_minor < Minor::ZERO;
    let possible = if is_out { found.state.awaits_bank() } else { found.state == PayoutState::Settled };
    if !possible {
        return Err(Error::state_conflict(found.state, if is_out { "settle" } else { "return" }));
    }
    let kept = rules::kept_on_the_way(line.amount_minor, found.sent())?;
    tx.reason(reason)?;
    let line_id = line.id;
    let kind = if is_out { "payout_settled" } else { "payout_returned" };
    let changed = matched(&line, kind, payout.0);
    store::save_line(tx, line, &changed)?;
    let from = Arrival::Suspense(line_id);
    if is_out {
        payouts::settle(tx, payout, at.on, from)?;
    } else {
        payouts::return_to_activity(tx, payout, at.on, reason, from, me)?;
    }
    if kept != Minor::ZERO {
        let row = ChargeRow {
            id: charge,
            entity_id: at.entity,
            bank_line_id: line_id,
            payout_id: Some(payout),
            amount_minor: kept,
            currency: at.currency,
            reason: reason.to_owned(),
            state: ChargeState::Booked,
            proposed_by: me,
            decided_by: None,
            booked_on: Some(at.on),
            reversed_by: None,
            reversed_on: None,
            reversal_reason: None,
            created_at: tx.now(),
            version: 1,
        };
        store::insert_charge(tx, &row)?;
        ledger::post(tx, &events::bank_charged(at, charge, line_id, kept)?)?;
    }
    find_line(tx, id)
}

/// Matches a line with the remittance that a person names, to the cent: money that left carried it out, money that came gave
/// it back.
///
/// # Errors
/// 404; 409 `bank_line_already_matched`, `state_conflict` for a remittance that is not on its way, or not carried out when it
/// came back, `remittance_amount_differs`; 412; 422 for a remittance that this line cannot be about.
pub fn match_remittance(
    tx: &mut Tx<'_>,
    id: BankLineId,
    expected: i32,
    remittance: RemittanceId,
    reason: &str,
) -> Result<LineSummary> {
    checked(reason, MATCH_REASON_MAX)?;
    let line = locked_at(tx, id, expected)?;
    if line.state != "suspense" {
        return Err(Error::conflict("bank_line_already_matched"));
    }
    let (_, at) = place(tx, &line)?;
    let found = remittances::find(tx, remittance).map_err(|error| match error.code {
        "not_found" => Error::field("/remittance_id", "invalid"),
        _ => error,
    })?;
    if found.entity_id != at.entity || found.currency != line.currency {
        return Err(Error::field("/remittance_id", "not_allowed"));
    }
    let is_out = line.amount_minor < Minor::ZERO;
    let possible = if is_out { found.state.awaits_bank() } else { found.state == PayoutState::Settled };
    if !possible {
        return Err(Error::state_conflict(found.state, if is_out { "settle" } else { "return" }));
    }
    let sent = found.amount_minor;
    if line.amount_minor != if is_out { sent.negated()? } else { sent } {
        return Err(Error::conflict("remittance_amount_differs").with("sent_minor", sent.get()));
    }
    tx.reason(reason)?;
    let line_id = line.id;
    let changed = matched(&line, if is_out { "remittance_settled" } else { "remittance_returned" }, remittance.0);
    store::save_line(tx, line, &changed)?;
    let from = Arrival::Suspense(line_id);
    if is_out {
        remittances::settle(tx, remittance, at.on, from)?;
    } else {
        remittances::take_back(tx, remittance, at.on, reason, from)?;
    }
    find_line(tx, id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::rules::ALONE_MAX;

    #[test]
    fn one_person_books_small_charges_alone() {
        assert!(rules::is_small(ALONE_MAX) && rules::is_small(ALONE_MAX.negated().unwrap()));
        assert!(!rules::is_small(ALONE_MAX.plus(Minor::new(1)).unwrap()));
    }

    #[test]
    fn what_the_bank_kept_is_what_is_missing_and_never_more_than_a_small_charge() {
        let kept = |line: i64, sent: i64| rules::kept_on_the_way(Minor::new(line), Minor::new(sent)).map(Minor::get);
        assert_eq!(kept(-92_500, 92_500).unwrap(), 0);
        assert_eq!(kept(-92_535, 92_500).unwrap(), 35, "it took more than the payout");
        assert_eq!(kept(91_000, 92_500).unwrap(), 1_500, "it gave less of it back");
        for (line, sent) in [(-92_499, 92_500), (92_501, 92_500), (-97_501, 92_500), (87_499, 92_500), (-4_000, 2_000)]
        {
            assert!(kept(line, sent).is_err(), "{line} {sent}");
        }
    }
}
