//! The slip of a payout that is a wage: computed once, at its approval, and what follows from it.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::rules::{self, Basis, Kept};
use super::store::{self, SlipRow};
use super::{Beside, in_force};
use crate::archive::{self, ArchivedFile, Kind, NewFile};
use crate::formats::payslip::PayslipFacts;
use crate::kernel::ids::{ActivityId, PaySchemeVersionId, PayoutId};
use crate::kernel::levies::LevyKind;
use crate::kernel::money::{Minor, Money};
use crate::kernel::refusal::Checks;
use crate::kernel::schemes::{self, Pay};
use crate::levies::ChargeRow;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::{access, activities, charter, levies, members};

/// Levies that are looked through for one slip at most.
const CHARGES_MAX: i64 = 10_000;

/// A payout whose slip is wanted.
#[derive(Debug, Clone, Copy)]
pub struct SlipOf {
    /// The payout.
    pub payout: PayoutId,
    /// From which activity.
    pub activity: ActivityId,
    /// Its amount.
    pub budget: Money,
    /// What of it is paid beside the wage.
    pub beside: Beside,
}

/// A pay, with the version of the scheme that it was computed by.
struct Computed {
    version: PaySchemeVersionId,
    withholding_ppm: i64,
    on: NaiveDate,
    pay: Pay,
}

fn compute(
    tx: &mut Tx<'_>,
    activity: &activities::ActivityRow,
    budget: Money,
    beside: Beside,
) -> Result<Option<Computed>> {
    let mut checks = Checks::default();
    rules::check_beside(beside, &mut checks);
    checks.done()?;
    let zone = charter::entity(tx, activity.entity_id)?.zone();
    let on = tx.today(zone);
    let paid = in_force(tx, activity, on, beside)?;
    if beside.rights != Minor::ZERO && !store::has_proof(tx, activity.member_id, on)? {
        return Err(Error::conflict("rights_proof_missing").with("on", on));
    }
    let Some(version) = paid.version else { return Ok(None) };
    let needs_rate = paid.scheme.components.iter().any(|component| component.is_personal);
    if needs_rate && !paid.has_rate {
        return Err(Error::conflict("withholding_rate_missing").with("on", on));
    }
    let pay = schemes::from_budget(&paid.scheme, &paid.of, budget.amount_minor).map_err(rules::refuse)?;
    if pay.net == Minor::ZERO {
        return Err(Error::value("pay_too_small"));
    }
    Ok(Some(Computed { version: version.id, withholding_ppm: paid.of.withholding.0.0, on, pay }))
}

/// What a payout would become today, so that one that cannot be paid is refused when it is asked for. Writes nothing.
///
/// # Errors
/// 409 `pay_scheme_missing`, `withholding_rate_missing`; 422 for amounts that make no pay.
pub fn try_out(tx: &mut Tx<'_>, activity: &activities::ActivityRow, budget: Money, beside: Beside) -> Result<()> {
    compute(tx, activity, budget, beside).map(|_computed| ())
}

/// Computes and keeps the slip of a payout; none when it is a plain transfer.
///
/// # Errors
/// As [`try_out`].
pub fn fix(tx: &mut Tx<'_>, of: &SlipOf) -> Result<Option<SlipRow>> {
    let activity = activities::activity(tx, of.activity)?;
    super::true_ups::take_instalments(tx, of.payout, activity.id)?;
    if of.beside.rights != Minor::ZERO {
        // What a year allows is shared by all payouts of a person.
        store::lock_rights(tx, activity.member_id)?;
    }
    let Some(computed) = compute(tx, &activity, of.budget, of.beside)? else { return Ok(None) };
    let new = store::NewSlip {
        payout: of.payout,
        entity: activity.entity_id,
        activity: activity.id,
        member: activity.member_id,
        version: computed.version,
        on: computed.on,
        withholding_ppm: computed.withholding_ppm,
        currency: of.budget.currency,
    };
    store::insert_slip(tx, &new, &computed.pay).map(Some)
}

/// The slip of a payout.
///
/// # Errors
/// 404 for a payout of somebody else, and for one that is no wage.
pub fn slip(tx: &mut Tx<'_>, payout: PayoutId) -> Result<SlipRow> {
    store::find_slip(tx, payout)?.ok_or_else(Error::not_found)
}

/// The slips of those of some payouts that are wages, by payout.
///
/// # Errors
/// Fails with the database.
pub fn slips(tx: &mut Tx<'_>, payouts: &[PayoutId]) -> Result<BTreeMap<PayoutId, SlipRow>> {
    Ok(store::list_slips(tx, payouts)?.into_iter().map(|slip| (slip.payout_id, slip)).collect())
}

/// A payslip that was made before, or what it is to say.
#[derive(Debug, Clone)]
pub enum Payslip {
    /// Its bytes, as they were kept.
    Kept(ArchivedFile),
    /// What to draw.
    ToMake(Box<PayslipFacts>),
}

/// The payslip of a payout, in the language of its member.
///
/// # Errors
/// 404 for a payout of somebody else, and for one that is no wage.
pub fn payslip(tx: &mut Tx<'_>, payout: PayoutId) -> Result<Payslip> {
    let slip = slip(tx, payout)?;
    if let Some(file) = archive::find_of(tx, payout.0, Kind::Payslip)? {
        return Ok(Payslip::Kept(file));
    }
    let pay = slip.pay()?;
    let before = since_the_last(tx, &slip)?;
    let mut steps = rules::before_budget(&before)?;
    let left = Minor::sum(before.kept.iter().map(|one| one.amount)).and_then(|kept| before.net.minus(kept))?;
    let mut rest = pay.budget.minus(left)?;
    for part in super::true_ups::taken_by(tx, payout)? {
        rest = rest.plus(part.amount_minor)?;
        steps.push(rules::true_up(part.amount_minor));
    }
    steps.extend(rules::carried(rest));
    steps.extend(rules::pay_steps(&pay));
    let version = store::find_version(tx, slip.scheme_version_id)?;
    let scheme = store::find_scheme(tx, version.scheme_id)?;
    let entity = charter::entity(tx, slip.entity_id)?;
    let person = access::person(tx, slip.member_id)?;
    let member = members::member(tx, slip.member_id)?;
    let activity = activities::activity(tx, slip.activity_id)?;
    Ok(Payslip::ToMake(Box::new(PayslipFacts {
        language: person.language,
        entity: entity.name,
        address: format!("{} {}, {} {}", entity.street, entity.building_number, entity.postcode, entity.town),
        enterprise_number: entity.enterprise_number,
        member: person.name,
        member_number: member.number,
        activity: activity.name,
        payout: payout.0.simple().to_string().to_uppercase(),
        on: slip.computed_on,
        scheme: scheme.name,
        scheme_from: version.valid_from,
        currency: slip.currency,
        steps,
    })))
}

/// What was invoiced on the activity since its last slip, and what the mutual kept of it.
fn since_the_last(tx: &mut Tx<'_>, slip: &SlipRow) -> Result<Basis> {
    let since = store::slip_before(tx, slip)?;
    let rows = levies::charges(tx, slip.activity_id, None, None, CHARGES_MAX)?;
    let is_within =
        |row: &&ChargeRow| row.created_at < slip.created_at && since.is_none_or(|since| row.created_at >= since);
    let rows: Vec<&ChargeRow> = rows.iter().filter(is_within).filter(|row| row.invoice_id.is_some()).collect();
    let mut kept = Vec::new();
    for kind in LevyKind::ALL {
        let of: Vec<_> = rows.iter().filter(|row| row.kind == *kind).collect();
        if of.is_empty() {
            continue;
        }
        let base = Minor::sum(of.iter().map(|row| row.base_minor))?;
        let amount = Minor::sum(of.iter().map(|row| row.amount_minor))?;
        kept.push(Kept { kind: *kind, base, rate: None, amount });
    }
    // Each levy names what it was computed on; one that a member is exempt from runs on the same base.
    let net = kept.iter().map(|one| one.base).max().unwrap_or_default();
    Ok(Basis { tax: None, net, kept })
}

/// Keeps a payslip that was made. If somebody was faster, theirs is the one.
///
/// # Errors
/// 404 for a payout of somebody else.
pub fn keep_payslip(tx: &mut Tx<'_>, payout: PayoutId, bytes: &[u8]) -> Result<ArchivedFile> {
    let slip = slip(tx, payout)?;
    store::lock_rights(tx, slip.member_id)?;
    if let Some(file) = archive::find_of(tx, payout.0, Kind::Payslip)? {
        return Ok(file);
    }
    let file = NewFile {
        kind: Kind::Payslip,
        subject: payout.0,
        owner: Some(slip.member_id),
        name: &format!("payslip-{}.pdf", slip.computed_on),
        media_type: "application/pdf",
        bytes,
    };
    let id = archive::keep(tx, &file)?;
    archive::find(tx, id)
}
