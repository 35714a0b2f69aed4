//! The fund: what it holds, what is claimed of it and how claims are paid. A part of the desk, long enough for a file.
//!
//! Whoever takes money out of the fund of an entity holds its lock first: after the documents, before the balances. No
//! claim changes without it. PostgreSQL takes the same lock in the posting trigger and refuses what the fund does not
//! hold.
//!
//! A fund is in one currency, the euro: money moves by SEPA credit transfer, so `charter` admits no rules and no bank
//! account in another, and nothing can be invoiced, contributed or claimed in one. The trigger would guard each currency
//! by itself; the figures of the page are of the one that there is.

use chrono::{Months, NaiveDate};
use uuid::Uuid;

use super::store::{self, ClaimRow, DrawRow, DrawRunRow};
use super::{Limits, rules};
use crate::charter;
use crate::kernel::ids::{
    ActivityId, ClientId, DrawId, DrawRunId, EntityId, InvoiceId, PersonId, RuleSetId, WriteOffId,
};
use crate::kernel::money::{Currency, Minor, Ppm};
use crate::ledger::{self, Entry, Held, events};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
pub use store::FundFigures;

/// Takes the fund of an entity until the end of the transaction, so that nobody else takes out of it meanwhile.
///
/// # Errors
/// Fails with the database.
pub fn lock_fund(tx: &mut Tx<'_>, entity: EntityId) -> Result<()> {
    store::lock_fund(tx, entity)
}

/// What the fund of an entity holds now, and what came and went since a day. Sums only: anybody may read them.
///
/// # Errors
/// Fails with the database.
pub fn figures(tx: &mut Tx<'_>, entity: EntityId, since: NaiveDate) -> Result<FundFigures> {
    store::fund_figures(tx, entity, since)
}

/// What the fund of an entity holds.
///
/// # Errors
/// Fails with the database.
pub fn balance(tx: &mut Tx<'_>, entity: EntityId) -> Result<Minor> {
    Ok(figures(tx, entity, NaiveDate::MAX)?.fund_minor)
}

/// What was advanced and is not paid by clients yet.
///
/// # Errors
/// Fails with the database.
pub fn advances_open(tx: &mut Tx<'_>, entity: EntityId) -> Result<Minor> {
    Ok(figures(tx, entity, NaiveDate::MAX)?.advances_minor)
}

/// What the fund gave since a day.
///
/// # Errors
/// Fails with the database.
pub fn draws_since(tx: &mut Tx<'_>, entity: EntityId, since: NaiveDate) -> Result<Minor> {
    Ok(figures(tx, entity, since)?.drawn_minor)
}

/// What is claimed of the fund and not paid yet.
///
/// # Errors
/// Fails with the database.
pub fn claims_open(tx: &mut Tx<'_>, entity: EntityId) -> Result<Minor> {
    Ok(figures(tx, entity, NaiveDate::MAX)?.claims_minor)
}

/// What everybody may know of a fund.
#[derive(Debug, Clone)]
pub struct FundPage {
    /// Whose.
    pub entity: EntityId,
    /// Of all its amounts.
    pub currency: Currency,
    /// The first of the twelve months.
    pub since: NaiveDate,
    /// What it holds, and what came and went since then.
    pub figures: FundFigures,
    /// What it owes of contributions that credit notes gave back.
    pub contributions_owed: Minor,
    /// How many times the fund the open advances are, in parts per million; none when the fund is empty.
    pub multiple_used: Option<Ppm>,
    /// What the rules of today allow; none while there are none.
    pub limits: Option<Limits>,
    /// Those rules.
    pub rule_set: Option<RuleSetId>,
}

/// The fund of an entity over the last twelve months, by the rules of today.
///
/// # Errors
/// 404 for an unknown entity.
pub fn page(tx: &mut Tx<'_>, entity: EntityId) -> Result<FundPage> {
    let zone = charter::entity(tx, entity)?.zone();
    let today = tx.today(zone);
    let since = today.checked_sub_months(Months::new(12)).unwrap_or(today);
    let figures = figures(tx, entity, since)?;
    let in_force = match charter::rule_set_on(tx, entity, today) {
        Ok(rule_set) => Some(rule_set),
        Err(error) if error.code == "rule_set_missing" => None,
        Err(error) => return Err(error),
    };
    Ok(FundPage {
        entity,
        currency: in_force.as_ref().map_or(Currency::EUR, |it| it.currency),
        since,
        contributions_owed: super::contributions_owed(tx, entity)?,
        multiple_used: rules::multiple(figures.advances_minor, figures.fund_minor),
        figures,
        limits: in_force.as_ref().map(Limits::from),
        rule_set: in_force.map(|it| it.id),
    })
}

/// A claim to open.
#[derive(Debug, Clone, Copy)]
pub struct NewClaim {
    /// Whose fund.
    pub entity: EntityId,
    /// For this loss.
    pub write_off: WriteOffId,
    /// Of this invoice.
    pub invoice: InvoiceId,
    /// On this activity.
    pub activity: ActivityId,
    /// Of this member.
    pub member: PersonId,
    /// Its client.
    pub client: ClientId,
    /// How much.
    pub amount: Minor,
    /// In which currency.
    pub currency: Currency,
    /// The day of the loss.
    pub on: NaiveDate,
}

/// Opens a claim. The caller holds the fund.
///
/// # Errors
/// Fails with the database.
pub fn open_claim(tx: &mut Tx<'_>, new: &NewClaim) -> Result<ClaimRow> {
    store::insert_claim(tx, new)
}

/// The claim of a write-off, if it has one.
///
/// # Errors
/// Fails with the database.
pub fn claim_of(tx: &mut Tx<'_>, write_off: WriteOffId) -> Result<Option<ClaimRow>> {
    store::find_claim_of(tx, write_off)
}

/// Claims, newest first.
///
/// # Errors
/// Fails with the database.
pub fn claims(tx: &mut Tx<'_>, is_open: bool, after: Option<Uuid>, limit: i64) -> Result<Vec<ClaimRow>> {
    store::list_claims(tx, is_open, after, limit)
}

/// Draws, newest first.
///
/// # Errors
/// Fails with the database.
pub fn draws(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<DrawRow>> {
    store::list_draws(tx, after, limit)
}

/// What of the money of an invoice that still waits becomes available when `paid` of the `open` claim is paid, in
/// proportion to what each activity holds.
///
/// # Errors
/// Fails with the database.
pub fn free_pending(tx: &mut Tx<'_>, invoice: InvoiceId, paid: Minor, open: Minor) -> Result<Vec<Held>> {
    let holders = ledger::holders(tx, invoice)?;
    Ok(holders.divide(rules::freed(holders.pending_total()?, paid, open)?)?)
}

/// Draws for one claim, and answers the entry that books it. The caller holds the fund, knows that it suffices, and
/// posts.
///
/// # Errors
/// Fails with the database.
pub fn draw_now(tx: &mut Tx<'_>, claim: &ClaimRow, amount: Minor, on: NaiveDate) -> Result<Entry> {
    let (_, entry) = draw(tx, claim, amount, None, on)?;
    Ok(entry)
}

fn draw(
    tx: &mut Tx<'_>,
    claim: &ClaimRow,
    amount: Minor,
    run: Option<DrawRunId>,
    on: NaiveDate,
) -> Result<(DrawRow, Entry)> {
    let id: DrawId = tx.new_id();
    let freed = free_pending(tx, claim.invoice_id, amount, claim.open()?)?;
    let row = store::insert_draw(tx, id, claim, amount, run, on)?;
    let at = events::Booking { entity: claim.entity_id, on, currency: claim.currency };
    let of = events::InvoiceFunds {
        invoice: claim.invoice_id,
        activity: claim.activity_id,
        member: claim.member_id,
        client: claim.client_id,
    };
    Ok((row, events::guarantee_drawn(at, id, of, amount, &freed)?))
}

/// Pays all open claims of an entity: in full when the fund suffices, else in proportion by largest remainder, ties to
/// the lower id. What is not paid stays a claim. What the fund owes of contributions is not there to be drawn.
///
/// # Errors
/// 404 for an unknown entity; 409 `nothing_to_draw` without an open claim or with an empty fund; 403 for whoever has a
/// claim of their own in it.
pub fn draw_run(tx: &mut Tx<'_>, id: DrawRunId, entity: EntityId) -> Result<(DrawRunRow, Vec<DrawRow>)> {
    let zone = charter::entity(tx, entity)?.zone();
    let on = tx.today(zone);
    // Documents before the fund: what waits of an invoice moves with transfers and recoveries. A claim that is opened
    // in between waits for the next run.
    let mut invoices: Vec<InvoiceId> =
        store::list_open_claims(tx, entity)?.into_iter().map(|claim| claim.invoice_id).collect();
    invoices.sort_unstable();
    ledger::lock_invoices(tx, &invoices)?;
    lock_fund(tx, entity)?;
    let mut open = store::list_open_claims(tx, entity)?;
    open.retain(|claim| invoices.contains(&claim.invoice_id));
    let by = tx.person()?;
    if open.iter().any(|claim| claim.member_id == by) {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let fund = super::free_balance(tx, entity)?;
    let Some(first) = open.first().filter(|_| fund > Minor::ZERO) else {
        return Err(Error::conflict("nothing_to_draw"));
    };
    let amounts = open.iter().map(ClaimRow::open).collect::<Result<Vec<_>>>()?;
    let shares = rules::share_out(fund, &amounts)?;
    let run = DrawRunRow {
        id,
        entity_id: entity,
        currency: first.currency,
        drawn_on: on,
        fund_minor: fund,
        claimed_minor: Minor::sum(amounts)?,
        paid_minor: Minor::sum(shares.iter().copied())?,
        claim_count: i32::try_from(open.len()).unwrap_or(i32::MAX),
        made_by: by,
        created_at: tx.now(),
    };
    store::insert_draw_run(tx, &run)?;
    let mut draws = Vec::with_capacity(open.len());
    let mut entries = Vec::with_capacity(open.len());
    for (claim, share) in open.iter().zip(shares) {
        // A claim so small beside the others that not a cent falls to it waits for the next run.
        if share > Minor::ZERO {
            let (row, entry) = draw(tx, claim, share, Some(id), on)?;
            draws.push(row);
            entries.push(entry);
        }
    }
    // One statement: the balances of all activities are locked in the order of their ids.
    ledger::post_all(tx, &entries)?;
    Ok((run, draws))
}

impl ClaimRow {
    /// What of it is neither drawn nor recovered.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn open(&self) -> Result<Minor> {
        Ok(self.amount_minor.minus(self.drawn_minor)?.minus(self.recovered_minor)?)
    }
}
