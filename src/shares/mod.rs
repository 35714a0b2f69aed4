//! What becomes of shares after they were paid: the register, certificates, whether they are current, giving them back.
//!
//! Owns `redemption_policy`, `redemption` and `redemption_run`; the register itself, `share`, is of `members`. Where
//! the rules say that a share is a year of use, the calendar makes a member inactive on the day after the last that
//! is covered, and a payment makes them active again. A share is given back at the smaller of its nominal value and
//! its part of the net assets at a closing (31 December) after notice, first come, first served, under a yearly
//! ceiling. Notice may be for some of the shares of a certificate: the rest stays, with a certificate of its own. It may
//! be taken back until the closing at which it counts. Deliberately absent: votes.

pub mod http;
pub mod jobs;
mod rules;
mod store;

use chrono::NaiveDate;
pub use rules::{NetAssets, RedemptionState};
pub use store::{PolicyRow, RedemptionRow, RunRow};
use uuid::Uuid;

use crate::archive::{self, ArchivedFile, Kind, NewFile};
use crate::formats::letters::Letter;
use crate::formats::share_certificate::CertificateFacts;
use crate::kernel::ids::{BankLineId, EntityId, PersonId, RedemptionId, RedemptionPolicyId, RedemptionRunId, ShareId};
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::kernel::refusal::Checks;
use crate::ledger::{self, events};
use crate::members::{self, HeldShare, ShareRow, ShareState};
use crate::outbox::{self, QueuedLetter};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::{access, charter};
use rules::{Ceiling, ClosingFacts, Terms, Waiting};

/// The daily look at which shares are current.
const CURRENCY_JOB: &str = "share_currency";

/// A certificate that was made before, or what it is to say.
#[derive(Debug, Clone)]
pub enum Certificate {
    /// Its bytes, as they were kept.
    Kept(ArchivedFile),
    /// What to draw.
    ToMake(Box<CertificateFacts>),
}

/// The certificate of shares that were paid, or of what is left of them. It is in the language of their member.
///
/// # Errors
/// 404 for shares of somebody else; 409 `share_not_paid`.
pub fn certificate(tx: &mut Tx<'_>, id: ShareId) -> Result<Certificate> {
    let share = members::share(tx, id)?;
    let given_back = last_given_back(tx, &share)?;
    let subject = given_back.as_ref().map_or(id.0, |last| last.id.0);
    if let Some(file) = archive::find_of(tx, subject, Kind::ShareCertificate)? {
        return Ok(Certificate::Kept(file));
    }
    let paid_on = match share.state {
        ShareState::Paid | ShareState::Redeeming => share.paid_on,
        ShareState::Subscribed | ShareState::Redeemed => None,
    };
    let paid_on = paid_on.ok_or_else(|| Error::conflict("share_not_paid").with("state", share.state))?;
    let member = members::member(tx, share.member_id)?;
    let person = access::person(tx, share.member_id)?;
    let entity = charter::entity(tx, share.entity_id)?;
    let address = [
        format!("{} {}", entity.street, entity.building_number).trim().to_owned(),
        format!("{} {}", entity.postcode, entity.town),
    ];
    Ok(Certificate::ToMake(Box::new(CertificateFacts {
        language: person.language,
        number: share.certificate,
        entity: entity.name,
        legal_form: entity.legal_form,
        address: address.to_vec(),
        enterprise_number: entity.enterprise_number,
        register: entity.register,
        member: person.name,
        member_number: member.number,
        quantity: share.held(),
        nominal: Money { amount_minor: share.nominal_minor, currency: share.currency },
        amount: Money { amount_minor: share.nominal_minor.times(share.held().into())?, currency: share.currency },
        paid_on,
        given_back: given_back.and_then(|last| Some((share.redeemed_quantity, last.decided_on?))),
    })))
}

/// The last of the decisions that took some shares of a certificate back. Each of them leaves a rest, which has its
/// own certificate.
fn last_given_back(tx: &mut Tx<'_>, share: &ShareRow) -> Result<Option<RedemptionRow>> {
    if share.redeemed_quantity == 0 {
        return Ok(None);
    }
    Ok(store::list_redemptions_of(tx, share.id)?.into_iter().find(|row| row.run_id.is_some()))
}

/// Keeps a certificate that was made. If somebody was faster, theirs is the one.
///
/// # Errors
/// 404 for shares of somebody else.
pub fn keep_certificate(tx: &mut Tx<'_>, id: ShareId, bytes: &[u8]) -> Result<ArchivedFile> {
    let share = members::lock_share(tx, id)?;
    let subject = last_given_back(tx, &share)?.map_or(id.0, |last| last.id.0);
    if let Some(file) = archive::find_of(tx, subject, Kind::ShareCertificate)? {
        return Ok(file);
    }
    let file = NewFile {
        kind: Kind::ShareCertificate,
        subject,
        owner: Some(share.member_id),
        name: &format!("share-{}.pdf", share.certificate),
        media_type: "application/pdf",
        bytes,
    };
    let id = archive::keep(tx, &file)?;
    archive::find(tx, id)
}

/// Whether the shares of a member are current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether each share is a year of use.
    pub lapses: bool,
    /// The last day that is covered; none where shares do not lapse, and without a share.
    pub through: Option<NaiveDate>,
    /// Whether today is covered.
    pub is_current: bool,
}

/// Whether the shares of a member are current today.
///
/// # Errors
/// 404 for somebody else.
pub fn standing(tx: &mut Tx<'_>, of: PersonId) -> Result<Standing> {
    let member = members::member(tx, of)?;
    let zone = charter::entity(tx, member.entity_id)?.zone();
    let today = tx.today(zone);
    let since = charter::shares_lapse_since(tx, member.entity_id, today)?;
    let held = members::shares(tx, of)?;
    let mut paid: Vec<(NaiveDate, i32)> = held
        .iter()
        .filter(|share| matches!(share.state, ShareState::Paid | ShareState::Redeeming))
        .filter_map(|share| Some((share.paid_on?, share.held())))
        .collect();
    paid.sort_unstable();
    let is_current = !matches!(rules::currency(&paid, since, today), rules::Currency::Lapsed(_));
    let through = since.and_then(|since| rules::covered_through(&paid, since));
    Ok(Standing { lapses: since.is_some(), through, is_current })
}

/// The work of a day: members whose shares lapsed the day before become inactive, those who are covered active again,
/// and whoever's last share ends in thirty days is told. Does nothing the second time. Answers how many changed.
///
/// # Errors
/// Fails with the database.
pub fn run_day(tx: &mut Tx<'_>, entity: EntityId, day: NaiveDate) -> Result<usize> {
    if outbox::last_run(tx, CURRENCY_JOB, entity)?.is_some_and(|last| last >= day) {
        return Ok(0);
    }
    let since = charter::shares_lapse_since(tx, entity, day)?;
    let held = members::held_shares(tx, entity, None)?;
    let mut changed = 0_usize;
    for of_one in held.chunk_by(|left, right| left.member_id == right.member_id) {
        changed = changed.saturating_add(usize::from(look_at(tx, of_one, since, day)?));
    }
    outbox::finish_run(tx, CURRENCY_JOB, entity, day, changed)?;
    Ok(changed)
}

fn look_at(tx: &mut Tx<'_>, of_one: &[HeldShare], since: Option<NaiveDate>, day: NaiveDate) -> Result<bool> {
    let Some(HeldShare { member_id, state, .. }) = of_one.first().cloned() else { return Ok(false) };
    let paid: Vec<(NaiveDate, i32)> =
        of_one.iter().filter_map(|held| Some((held.paid_on?, held.quantity?))).filter(|(on, _)| *on <= day).collect();
    match rules::currency(&paid, since, day) {
        rules::Currency::Current if state == members::MemberState::Active => Ok(false),
        rules::Currency::Lapsed(_) if state == members::MemberState::Inactive => Ok(false),
        rules::Currency::Current => members::set_current(tx, member_id, true),
        rules::Currency::Ending(through) => {
            tell(tx, member_id, Letter::ShareEnding { through }, &through.to_string())?;
            members::set_current(tx, member_id, true)
        }
        rules::Currency::Lapsed(through) => {
            let has_changed = members::set_current(tx, member_id, false)?;
            if let Some(through) = through.filter(|_| has_changed) {
                tell(tx, member_id, Letter::ShareLapsed { through }, &through.to_string())?;
            }
            Ok(has_changed)
        }
    }
}

fn tell(tx: &mut Tx<'_>, member: PersonId, letter: Letter, occasion: &str) -> Result<()> {
    let person = access::person(tx, member)?;
    let owner = Some(person.id);
    let mail = QueuedLetter { to: person.email, language: person.language, letter, subject: member.0, owner };
    outbox::queue_letter(tx, mail, occasion)
}

/// A new policy of giving shares back.
#[derive(Debug, Clone)]
pub struct NewPolicy {
    /// Made by the sender.
    pub id: RedemptionPolicyId,
    /// Whose.
    pub entity: EntityId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// Months from the notice to the first closing that counts.
    pub notice_months: i32,
    /// Whether one more closing must pass.
    pub waits_a_closing: bool,
    /// What is given back at one closing, at most.
    pub ceiling: Option<Money>,
    /// The same as a part of the share capital.
    pub ceiling_rate: Option<Ppm>,
    /// Who decided it, in words.
    pub decision: String,
    /// When it was decided.
    pub decided_on: NaiveDate,
}

/// Adds a policy. It holds for notices from its first day on, its ceiling for closings from then on.
///
/// # Errors
/// 404 for an unknown entity; 422 for what is not acceptable; 409 `rule_set_missing`, `not_unique` when one begins on
/// that day.
pub fn add_policy(tx: &mut Tx<'_>, new: &NewPolicy) -> Result<PolicyRow> {
    let entity = charter::entity(tx, new.entity)?;
    let today = tx.today(entity.zone());
    let mut checks = Checks::default();
    checks.require(new.decided_on <= today, "/decided_on", "out_of_range");
    checks.require(new.decided_on <= new.valid_from, "/valid_from", "out_of_range");
    let currency = charter::rule_set_on(tx, new.entity, today)?.currency;
    let fits = new.ceiling.is_none_or(|ceiling| ceiling.currency == currency);
    checks.require(fits, "/ceiling/currency", "currency_mismatch");
    let ceiling = new.ceiling.map(|ceiling| ceiling.amount_minor);
    rules::check_policy(new.notice_months, (ceiling, new.ceiling_rate), &new.decision, checks)?;
    let by = tx.person()?;
    store::insert_policy(tx, new, currency, by)
}

/// The policies of an entity, newest first.
///
/// # Errors
/// 404 for an unknown entity.
pub fn policies(tx: &mut Tx<'_>, of: EntityId) -> Result<Vec<PolicyRow>> {
    charter::entity(tx, of)?;
    store::list_policies(tx, of)
}

/// The terms that hold on a day. Without a policy: the next closing, without a ceiling.
fn terms_on(tx: &mut Tx<'_>, of: EntityId, on: NaiveDate) -> Result<Terms> {
    let Some(row) = store::find_policy_on(tx, of, on)? else { return Ok(Terms::default()) };
    let ceiling = row.ceiling_minor.map(Ceiling::Amount).or(row.ceiling_ppm.map(|ppm| Ceiling::OfCapital(Ppm(ppm))));
    let notice_months = u32::try_from(row.notice_months).unwrap_or_default();
    Ok(Terms { notice_months, waits_a_closing: row.waits_a_closing, ceiling })
}

/// Notes that the signed-in member gives shares back, with the date of today: so many of a certificate, or all that
/// they hold by it.
///
/// # Errors
/// 404 for shares of somebody else; 409 `state_conflict` unless they are paid; 422 for more than are held.
pub fn give_notice(tx: &mut Tx<'_>, share: ShareId, id: RedemptionId, quantity: Option<i32>) -> Result<RedemptionRow> {
    let (share, quantity) = members::begin_redemption(tx, share, quantity)?;
    let zone = charter::entity(tx, share.entity_id)?.zone();
    let noticed_on = tx.today(zone);
    let terms = terms_on(tx, share.entity_id, noticed_on)?;
    store::insert_redemption(
        tx,
        &store::NewRedemption {
            id,
            entity_id: share.entity_id,
            member_id: share.member_id,
            share_id: share.id,
            noticed_on,
            due_on: rules::first_closing(noticed_on, terms)?,
            quantity,
            nominal_minor: share.nominal_minor,
            currency: share.currency,
        },
    )
}

/// Takes a notice of the signed-in member back: the shares stay, and others move up. Until the closing at which it
/// counts; from then on it is owed.
///
/// # Errors
/// 404; 409 `state_conflict` when it was decided or taken back, `notice_already_due`; 412 for another version.
pub fn withdraw(tx: &mut Tx<'_>, id: RedemptionId, expected: i32) -> Result<RedemptionRow> {
    let row = store::lock_redemption(tx, id)?;
    if row.member_id != tx.person()? {
        return Err(Error::not_found());
    }
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    let zone = charter::entity(tx, row.entity_id)?.zone();
    let today = tx.today(zone);
    rules::check_withdrawal(row.state, row.due_on, today)?;
    members::end_redemption(tx, row.share_id, 0)?;
    store::save_withdrawn(tx, &row, today)
}

/// A redemption.
///
/// # Errors
/// 404.
pub fn redemption(tx: &mut Tx<'_>, id: RedemptionId) -> Result<RedemptionRow> {
    store::find_redemption(tx, id)
}

/// Which redemptions.
#[derive(Debug, Clone, Copy, Default)]
pub struct RedemptionFilter {
    /// Of one entity.
    pub entity: Option<EntityId>,
    /// In one state.
    pub state: Option<RedemptionState>,
    /// Of one decision.
    pub run: Option<RedemptionRunId>,
}

/// Redemptions, newest first.
///
/// # Errors
/// Fails with the database.
pub fn redemptions(
    tx: &mut Tx<'_>,
    filter: &RedemptionFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<RedemptionRow>> {
    store::list_redemptions(tx, filter, after, limit)
}

/// What shares would bring, and when.
#[derive(Debug, Clone)]
pub struct Projection {
    /// The shares.
    pub share: ShareRow,
    /// How many of them: those of the notice, without one all that are held.
    pub quantity: i32,
    /// Computed with what the books say on this day.
    pub as_of: NaiveDate,
    /// What the mutual owns for its shares.
    pub assets: NetAssets,
    /// Net assets for one share.
    pub per_share: Minor,
    /// What all of these shares would bring.
    pub amount: Minor,
    /// When notice was given; none while there is none, and the dates are as if it were given today.
    pub noticed_on: Option<NaiveDate>,
    /// The first closing at which the notice counts.
    pub due_on: NaiveDate,
    /// The closing at which it would be their turn; none within fifty years under the ceiling of today.
    pub closing_on: Option<NaiveDate>,
    /// What is given back at one closing, at most.
    pub ceiling: Option<Minor>,
}

/// What shares would bring, and when: from the books of today, or as it was decided.
///
/// # Errors
/// 404 for shares of somebody else; 409 `share_not_paid` for shares that were not paid or are given back.
pub fn projection(tx: &mut Tx<'_>, id: ShareId) -> Result<Projection> {
    let share = members::share(tx, id)?;
    match share.state {
        ShareState::Paid | ShareState::Redeeming => {}
        ShareState::Subscribed | ShareState::Redeemed => {
            return Err(Error::conflict("share_not_paid").with("state", share.state));
        }
    }
    let zone = charter::entity(tx, share.entity_id)?.zone();
    let today = tx.today(zone);
    let terms = terms_on(tx, share.entity_id, today)?;
    let assets = store::net_assets(tx, share.entity_id, today)?;
    let per_share = assets.per_share()?;
    let given = store::list_redemptions_of(tx, id)?.into_iter().find(|row| row.state == RedemptionState::Noticed);
    let quantity = given.as_ref().map_or(share.held(), |row| row.quantity);
    let mut queue = store::list_queue(tx, share.entity_id)?;
    let (redemption, due_on) = match &given {
        Some(row) => (row.id, row.due_on),
        None => {
            let due_on = rules::first_closing(today, terms)?;
            let redemption: RedemptionId = tx.new_id();
            queue.push(Waiting { id: redemption, due_on, quantity, nominal: share.nominal_minor });
            (redemption, due_on)
        }
    };
    let ceiling = terms.ceiling.map(|ceiling| ceiling.amount(assets.capital)).transpose()?;
    let first = queue.iter().map(|waiting| waiting.due_on).min().unwrap_or(due_on);
    let used = store::redeemed_at(tx, share.entity_id, first)?;
    let closing_on = rules::projected_closing(queue, redemption, per_share, ceiling, (first, used))?;
    Ok(Projection {
        as_of: today,
        assets,
        per_share,
        amount: rules::worth(quantity, share.nominal_minor, per_share)?,
        quantity,
        noticed_on: given.map(|row| row.noticed_on),
        due_on,
        closing_on,
        ceiling,
        share,
    })
}

/// A decision with what it is about.
#[derive(Debug, Clone)]
pub struct Run {
    /// The decision.
    pub row: RunRow,
    /// What it gives back.
    pub redemptions: Vec<RedemptionRow>,
    /// How many notices count at its closing and still wait.
    pub still_waiting: i64,
}

/// A new decision.
#[derive(Debug, Clone, Copy)]
pub struct NewRun {
    /// Made by the sender.
    pub id: RedemptionRunId,
    /// Of which entity.
    pub entity: EntityId,
    /// At the closing of which year.
    pub year: i32,
}

/// Decides what is given back at the closing of a year: to whoever gave notice first, as far as the ceiling goes.
///
/// # Errors
/// 404 for an unknown entity; 403 `self_approval_forbidden` when a share of the one who decides is among them; 409
/// `closing_still_open`, `nothing_to_redeem`, `redemption_ceiling_reached`; 422 for a year out of range.
pub fn decide(tx: &mut Tx<'_>, new: NewRun) -> Result<Run> {
    let closing = rules::closing_of(new.year)
        .filter(|_| (2000..3000).contains(&new.year))
        .ok_or_else(|| Error::field("/year", "out_of_range"))?;
    let entity = charter::entity(tx, new.entity)?;
    store::lock_decisions(tx, new.entity)?;
    let due = store::lock_due(tx, new.entity, closing)?;
    let first_open = ledger::first_open_day(tx, new.entity)?;
    rules::check_closing(ClosingFacts { closing, first_open, waiting: due.len() })?;
    let today = tx.today(entity.zone());
    let assets = store::net_assets(tx, new.entity, closing)?;
    let per_share = assets.per_share()?;
    let ceiling = terms_on(tx, new.entity, closing)?.ceiling;
    let ceiling = ceiling.map(|ceiling| ceiling.amount(assets.capital)).transpose()?;
    let used = store::redeemed_at(tx, new.entity, closing)?;
    let queue: Vec<Waiting> = due
        .iter()
        .map(|row| Waiting { id: row.id, due_on: row.due_on, quantity: row.quantity, nominal: row.nominal_minor })
        .collect();
    let served = rules::serve(&queue, closing, per_share, ceiling, used)?;
    let Some(currency) = due.first().filter(|_| !served.is_empty()).map(|row| row.currency) else {
        return Err(Error::conflict("redemption_ceiling_reached").with("closing_on", closing));
    };
    let me = tx.person()?;
    let row = RunRow {
        id: new.id,
        entity_id: new.entity,
        closing_on: closing,
        capital_minor: assets.capital,
        retained_minor: assets.retained,
        result_minor: assets.result,
        share_count: assets.shares,
        value_minor: per_share,
        ceiling_minor: ceiling,
        redeemed_minor: Minor::sum(served.iter().map(|(_, amount)| *amount))?,
        currency,
        decided_by: me,
        decided_on: today,
    };
    store::insert_run(tx, &row)?;
    let mut redemptions = Vec::with_capacity(served.len());
    let still_waiting = i64::try_from(due.len().saturating_sub(served.len())).unwrap_or(i64::MAX);
    for (notice, (_, amount)) in due.into_iter().zip(served) {
        if notice.member_id == me {
            return Err(Error::forbidden("self_approval_forbidden"));
        }
        redemptions.push(take_back(tx, &notice, &row, amount)?);
    }
    Ok(Run { row, redemptions, still_waiting })
}

/// Books one share that is given back, and tells its member. One that is worth nothing is paid with that.
fn take_back(
    tx: &mut Tx<'_>,
    notice: &crate::platform::db::Locked<RedemptionRow>,
    run: &RunRow,
    amount: Minor,
) -> Result<RedemptionRow> {
    members::end_redemption(tx, notice.share_id, notice.quantity)?;
    let decided = store::save_decided(tx, notice, run, amount)?;
    let nominal = notice.nominal_minor.times(notice.quantity.into())?;
    let at = events::Booking { entity: run.entity_id, on: run.decided_on, currency: run.currency };
    let of = events::RedeemedShare { redemption: notice.id, member: notice.member_id, nominal, value: amount };
    ledger::post(tx, &events::share_redeemed(at, of)?)?;
    let letter = Letter::ShareRedeemed {
        amount: Money { amount_minor: amount, currency: run.currency },
        nominal: Money { amount_minor: nominal, currency: run.currency },
        closing_on: run.closing_on,
    };
    tell(tx, notice.member_id, letter, &notice.id.to_string())?;
    if amount == Minor::ZERO { store::save_paid(tx, notice.id, run.decided_on) } else { Ok(decided) }
}

/// A decision.
///
/// # Errors
/// 404.
pub fn run(tx: &mut Tx<'_>, id: RedemptionRunId) -> Result<Run> {
    let row = store::find_run(tx, id)?;
    let filter = RedemptionFilter { run: Some(id), ..RedemptionFilter::default() };
    let redemptions = store::list_redemptions(tx, &filter, None, i64::MAX)?;
    let waiting = store::list_queue(tx, row.entity_id)?.iter().filter(|it| it.due_on <= row.closing_on).count();
    Ok(Run { row, redemptions, still_waiting: i64::try_from(waiting).unwrap_or(i64::MAX) })
}

/// Decisions, newest first.
///
/// # Errors
/// Fails with the database.
pub fn runs(tx: &mut Tx<'_>, of: Option<EntityId>, after: Option<Uuid>, limit: i64) -> Result<Vec<RunRow>> {
    store::list_runs(tx, of, after, limit)
}

/// Money that left the bank and waits to be explained.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing {
    /// The bank line.
    pub line: BankLineId,
    /// From an account of this entity.
    pub entity: EntityId,
    /// How much, as a positive amount.
    pub amount: Minor,
    /// In which currency.
    pub currency: Currency,
    /// On which day it counts.
    pub on: NaiveDate,
}

/// Books that the bank paid a redemption.
///
/// # Errors
/// 403 `self_approval_forbidden` for one's own; 409 `state_conflict`, `redemption_amount_mismatch`; 422 for a
/// redemption that this line cannot pay.
pub fn pay(tx: &mut Tx<'_>, id: RedemptionId, with: Outgoing) -> Result<RedemptionRow> {
    let unfit = |code| Error::field("/redemption_id", code);
    let row = store::lock_redemption(tx, id).map_err(|error| match error.code {
        "not_found" => unfit("invalid"),
        _ => error,
    })?;
    if row.member_id == tx.person()? {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    if row.entity_id != with.entity || row.currency != with.currency {
        return Err(unfit("not_allowed"));
    }
    rules::check_payment(row.state, row.amount_minor.unwrap_or_default(), with.amount)?;
    let at = events::Booking { entity: row.entity_id, on: with.on, currency: row.currency };
    ledger::post(tx, &events::redemption_paid(at, id, row.member_id, with.amount, with.line)?)?;
    store::save_paid(tx, id, with.on)
}
