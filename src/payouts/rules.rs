//! What may happen to payouts and batches, and what the bank is told.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

use super::results::{DecisionKind, Effect, ReportLine};
use super::store::gathering::Free;
use super::store::policy::AmountRow;
use super::store::remittances::{AuthorityRow, RemittanceRow};
use super::store::texts::TextRow;
use super::store::{BatchRow, PayoutRow};
use crate::charter::{BankAccountRow, EntityRow};
use crate::formats::pain001::{Address, CreditTransferFile, Party, Transfer};
use crate::formats::pain002::{REJECTED, Reason, Report};
use crate::formats::sepa_text::to_sepa;
use crate::kernel::ids::{BankReportId, FileId, PayoutId, RemittanceId};
use crate::kernel::money::Minor;
use crate::kernel::references::Ogm;
use crate::kernel::refusal::Refusal;
use crate::members::MemberRow;
use crate::named;
use crate::platform::error::{Error, Result};

/// The largest amount of one SEPA transfer, in cents (EPC115-06).
pub(super) const AMOUNT_MAX: i64 = 99_999_999_999;

named! {
    /// Where a payout stands.
    PayoutState {
        /// Asked for; its money is set aside.
        Requested = "requested",
        /// Reviewed; its account is frozen.
        Approved = "approved",
        /// Refused; its money is back.
        Refused = "refused",
        /// Taken back; its money is back.
        Cancelled = "cancelled",
        /// In a batch.
        Batched = "batched",
        /// On its way.
        Released = "released",
        /// Carried out by the bank.
        Settled = "settled",
        /// Given back by the bank; its money is back.
        Returned = "returned",
        /// Refused by the bank; its money is held until two people decide.
        Rejected = "rejected",
        /// The bank says nothing of it; a person asks.
        Unknown = "unknown",
        /// Two people saw that it arrived; the bank has not shown it.
        Confirmed = "confirmed",
        /// It did not leave; another one is sent in its place.
        Replaced = "replaced",
        /// It did not leave; its money is back.
        GivenBack = "given_back",
    }
}

impl PayoutState {
    /// Whether a debit of the bank would show that it was carried out.
    #[must_use]
    pub fn awaits_bank(self) -> bool {
        may(self, PayoutCommand::Settle).is_ok()
    }
}

named! {
    /// Where a batch stands.
    BatchState {
        /// Being gathered.
        Open = "open",
        /// Written to bytes.
        Sealed = "sealed",
        /// Another person stands for the bytes.
        Approved = "approved",
        /// Sent, once.
        Released = "released",
        /// Given up; its payouts are free.
        Dissolved = "dissolved",
    }
}

/// What may be done with a payout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayoutCommand {
    /// A reviewer says yes.
    Approve,
    /// A reviewer says no.
    Refuse,
    /// Its member takes it back.
    Cancel,
    /// The bank carried it out.
    Settle,
    /// The bank gave it back.
    Return,
    /// The bank refused it.
    Reject,
    /// Two people take it for carried out.
    Confirm,
    /// Two people send another one in its place.
    Resend,
    /// Two people give its money back.
    GiveBack,
}

pub(super) fn may(state: PayoutState, command: PayoutCommand) -> Result<(), Refusal> {
    use PayoutState::{Approved, Confirmed, Rejected, Released, Requested, Settled, Unknown};
    let (name, allowed): (_, &[PayoutState]) = match command {
        PayoutCommand::Approve => ("approve", &[Requested]),
        PayoutCommand::Refuse => ("refuse", &[Requested]),
        PayoutCommand::Cancel => ("cancel", &[Requested, Approved]),
        PayoutCommand::Settle => ("settle", &[Released, Unknown, Confirmed]),
        PayoutCommand::Return => ("return", &[Settled]),
        PayoutCommand::Reject => ("reject", &[Released, Unknown, Confirmed]),
        PayoutCommand::Confirm => ("confirm", &[Released, Unknown]),
        PayoutCommand::Resend => ("resend", &[Rejected, Unknown, Confirmed]),
        PayoutCommand::GiveBack => ("give_back", &[Rejected, Unknown, Confirmed]),
    };
    if allowed.contains(&state) {
        return Ok(());
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", name))
}

/// The command by which a decision is done.
pub(super) const fn command_of(kind: DecisionKind) -> PayoutCommand {
    match kind {
        DecisionKind::Resend => PayoutCommand::Resend,
        DecisionKind::GiveBack => PayoutCommand::GiveBack,
        DecisionKind::Confirm => PayoutCommand::Confirm,
    }
}

/// A transfer of a file: to a person or to an office.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ItemId {
    Payout(PayoutId),
    Remittance(RemittanceId),
}

/// A transfer of a file as a bank's answer meets it.
#[derive(Debug, Clone)]
pub(super) struct SentItem {
    pub(super) id: ItemId,
    pub(super) end_to_end_id: String,
    pub(super) state: PayoutState,
}

/// What a line of a bank's answer says and does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JudgedLine {
    /// What of ours it is about.
    pub(super) item: Option<ItemId>,
    /// Our name for the transfer.
    pub(super) end_to_end_id: String,
    /// The bank's word.
    pub(super) status: String,
    /// Why.
    pub(super) reason: Reason,
    /// What it does.
    pub(super) effect: Effect,
}

impl JudgedLine {
    /// As it is kept.
    pub(super) fn row(&self, report: BankReportId, n: i32) -> ReportLine {
        ReportLine {
            report_id: report,
            n,
            payout_id: match self.item {
                Some(ItemId::Payout(id)) => Some(id),
                Some(ItemId::Remittance(_)) | None => None,
            },
            remittance_id: match self.item {
                Some(ItemId::Remittance(id)) => Some(id),
                Some(ItemId::Payout(_)) | None => None,
            },
            end_to_end_id: self.end_to_end_id.clone(),
            status: self.status.chars().take(4).collect(),
            reason_code: self.reason.code.clone(),
            reason: self.reason.text.clone(),
            effect: self.effect,
        }
    }
}

/// What each line of a bank's answer does to the transfers of the batch that it answers. A file that is refused as a whole
/// refuses every transfer of which nothing else is said. Of two lines about one transfer the first "no" counts.
pub(super) fn judge_report(report: &Report, items: &[SentItem]) -> Vec<JudgedLine> {
    let by_name: BTreeMap<&str, &SentItem> = items.iter().map(|it| (it.end_to_end_id.as_str(), it)).collect();
    let mut refused = BTreeSet::new();
    let mut judge = |item: Option<&SentItem>, name: &str, status: &str, reason: &Reason| {
        let effect = match item {
            None => Effect::NotOurs,
            Some(_) if status != REJECTED => Effect::Accepted,
            Some(item) if may(item.state, PayoutCommand::Reject).is_ok() && refused.insert(item.id) => Effect::Rejected,
            Some(_) => Effect::Late,
        };
        JudgedLine {
            item: item.map(|item| item.id),
            end_to_end_id: name.to_owned(),
            status: status.to_owned(),
            reason: reason.clone(),
            effect,
        }
    };
    let mut lines: Vec<JudgedLine> = report
        .transactions
        .iter()
        .map(|it| {
            let item = by_name.get(it.end_to_end_id.as_str()).copied();
            judge(item, &it.end_to_end_id, &it.status, &it.reason)
        })
        .collect();
    if report.is_rejected() {
        let said: BTreeSet<&str> = report.transactions.iter().map(|it| it.end_to_end_id.as_str()).collect();
        let rest = items.iter().filter(|item| !said.contains(item.end_to_end_id.as_str()));
        lines.extend(rest.map(|item| judge(Some(item), &item.end_to_end_id, REJECTED, &report.reason)));
    }
    lines
}

/// What may be done with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchCommand {
    /// Take payouts out.
    Edit,
    /// Write the file.
    Seal,
    /// Open it again.
    Unseal,
    /// Stand for the bytes.
    Approve,
    /// Send it.
    Release,
    /// Give its payouts free.
    Dissolve,
}

pub(super) fn may_batch(state: BatchState, command: BatchCommand) -> Result<(), Refusal> {
    use BatchState::{Approved, Open, Released, Sealed};
    let (name, allowed): (_, &[BatchState]) = match command {
        BatchCommand::Edit => ("edit", &[Open]),
        BatchCommand::Seal => ("seal", &[Open]),
        BatchCommand::Unseal => ("unseal", &[Sealed, Approved]),
        BatchCommand::Approve => ("approve", &[Sealed, Approved]),
        BatchCommand::Release => ("release", &[Approved]),
        BatchCommand::Dissolve => ("dissolve", &[Open]),
    };
    if allowed.contains(&state) {
        return Ok(());
    }
    let is_closed_to_edits = matches!(command, BatchCommand::Edit | BatchCommand::Dissolve);
    if is_closed_to_edits && matches!(state, Sealed | Approved | Released) {
        return Err(Refusal::state("batch_sealed").with("state", state));
    }
    if command == BatchCommand::Release && matches!(state, Sealed | Open) {
        return Err(Refusal::state("approval_missing").with("state", state));
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", name))
}

/// How many people must approve a batch of a total on a day: of each threshold the newest row in force counts, and of
/// all thresholds up to the total the highest number. One at least.
pub(super) fn approvals_needed(rows: &[AmountRow], total: Minor, day: NaiveDate) -> i32 {
    let mut newest: BTreeMap<Minor, &AmountRow> = BTreeMap::new();
    let is_in_force = |row: &&AmountRow| {
        row.from_minor <= total && row.valid_from <= day && (!row.loosens || row.agreed_by.is_some())
    };
    for row in rows.iter().filter(is_in_force) {
        let kept = newest.entry(row.from_minor).or_insert(row);
        if (row.valid_from, row.seq) > (kept.valid_from, kept.seq) {
            *kept = row;
        }
    }
    newest.values().map(|row| row.approvers).max().unwrap_or(1).max(1)
}

/// The first moment after a day in a zone.
pub(super) fn end_of_day(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let next = day.succ_opt().unwrap_or(day).and_time(NaiveTime::MIN);
    // No zone of the tables begins a day twice; where one is skipped the day begins with its first hour.
    let begins = |at| zone.from_local_datetime(&at).earliest();
    let begin = begins(next).or_else(|| begins(next.checked_add_signed(Duration::hours(1))?));
    begin.map_or_else(|| next.and_utc(), |at| at.to_utc())
}

/// The name of the message: unique for ever, because a batch that is opened and sealed again is another message.
pub(super) fn message_id(batch: &BatchRow, now: DateTime<Utc>) -> String {
    let id = batch.id.0.simple().to_string().to_uppercase();
    let tail = id.get(id.len().saturating_sub(14)..).unwrap_or(&id);
    format!("UMBEL{}V{}{tail}", now.format("%y%m%d"), batch.version)
}

/// What a bank takes in one file; without a number any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FileLimit {
    pub(super) count: Option<usize>,
    pub(super) total: Option<Minor>,
}

impl FileLimit {
    pub(super) fn takes(&self, count: usize, total: Minor) -> bool {
        self.count.is_none_or(|most| count <= most) && self.total.is_none_or(|most| total <= most)
    }
}

/// Which of the free payouts, the oldest first, fill a file: up to the first that does not fit any more. One that alone is
/// more than the bank takes is passed over, so that it keeps nobody waiting.
pub(super) fn fill(free: &[Free], limit: &FileLimit) -> Result<Vec<PayoutId>> {
    let mut taken = Vec::new();
    let mut total = Minor::ZERO;
    for payout in free.iter().filter(|payout| limit.takes(1, payout.sent)) {
        let with = total.plus(payout.sent)?;
        if !limit.takes(taken.len().saturating_add(1), with) {
            break;
        }
        total = with;
        taken.push(payout.id);
    }
    Ok(taken)
}

/// How a name stands in the file: in the letters that banks carry.
pub(super) fn name_in_file(holder: &str) -> String {
    to_sepa(holder, 70).text
}

/// One transfer of the file, in the letters that banks carry.
pub(super) fn transfer(
    payout: &PayoutRow,
    holder: &str,
    iban: &str,
    member: &MemberRow,
    from: &str,
) -> Result<Transfer> {
    Ok(Transfer {
        end_to_end_id: payout.end_to_end_id.clone(),
        instruction_id: None,
        amount: payout.sent(),
        creditor: Party {
            name: name_in_file(holder),
            address: address(&member.street, &member.building_number, &member.postcode, &member.town, &member.country),
            iban: parse_iban(iban)?,
            bic: None,
        },
        remittance: Some(to_sepa(&remittance(payout, from), 140).text),
        structured: None,
    })
}

/// The transfer of a payment to an office. A Belgian structured communication stands in it as one.
pub(super) fn remittance_transfer(row: &RemittanceRow, to: &AuthorityRow) -> Result<Transfer> {
    let structured = Ogm::parse(&row.reference).map(|ogm| ogm.digits().to_owned());
    let text = to_sepa(&row.reference, 140).text;
    Ok(Transfer {
        end_to_end_id: row.end_to_end_id.clone(),
        instruction_id: None,
        amount: row.amount_minor,
        creditor: Party {
            name: name_in_file(&to.name),
            address: address(&to.street, "", &to.postcode, &to.town, &to.country),
            iban: parse_iban(&to.iban)?,
            bic: None,
        },
        remittance: structured.is_none().then_some(text),
        structured,
    })
}

/// What the payee should read.
fn remittance(payout: &PayoutRow, from: &str) -> String {
    format!("{from} {}", payout.end_to_end_id)
}

/// What is known of a payee, beside what a transfer says.
pub(super) fn texts(
    payout: &PayoutRow,
    holder: &str,
    member: &MemberRow,
    from: &str,
    transfer: &Transfer,
    (file_id, message_id): (FileId, &str),
) -> TextRow {
    let written = &transfer.creditor.address;
    let street = one_line([written.street.as_deref(), written.building.as_deref()], " ");
    let town = one_line([written.post_code.as_deref(), Some(&written.town)], " ");
    let known_street = one_line([Some(member.street.as_str()), Some(&member.building_number)], " ");
    let known_town = one_line([Some(member.postcode.as_str()), Some(&member.town)], " ");
    TextRow {
        file_id,
        payout_id: payout.id,
        member_id: payout.member_id,
        message_id: message_id.to_owned(),
        name: holder.to_owned(),
        name_in_file: transfer.creditor.name.clone(),
        address: one_line([Some(known_street.as_str()), Some(&known_town), Some(&member.country)], ", "),
        address_in_file: one_line([Some(street.as_str()), Some(&town), Some(&written.country)], ", "),
        remittance: remittance(payout, from),
        remittance_in_file: transfer.remittance.clone().unwrap_or_default(),
    }
}

fn one_line<'a>(parts: impl IntoIterator<Item = Option<&'a str>>, between: &str) -> String {
    let parts: Vec<&str> = parts.into_iter().flatten().map(str::trim).filter(|part| !part.is_empty()).collect();
    parts.join(between)
}

fn parse_iban(text: &str) -> Result<iban::Iban> {
    text.parse().map_err(|_malformed| Error::internal("a stored IBAN cannot be read"))
}

fn address(street: &str, building: &str, postcode: &str, town: &str, country: &str) -> Address {
    let some = |text: &str, max: usize| Some(to_sepa(text.trim(), max).text).filter(|text| !text.is_empty());
    Address {
        street: some(street, 70),
        building: some(building, 16),
        post_code: some(postcode, 16),
        town: to_sepa(town, 35).text,
        country: country.to_owned(),
    }
}

pub(super) fn file(
    message_id: &str,
    now: DateTime<Utc>,
    execute_on: NaiveDate,
    entity: &EntityRow,
    account: &BankAccountRow,
    transfers: Vec<Transfer>,
) -> Result<CreditTransferFile> {
    let name = to_sepa(&entity.name, 70).text;
    Ok(CreditTransferFile {
        message_id: message_id.to_owned(),
        created_at: now,
        initiator_name: name.clone(),
        payment_id: message_id.to_owned(),
        execution_on: execute_on,
        batch_booking: false,
        debtor: Party {
            name,
            address: address(&entity.street, &entity.building_number, &entity.postcode, &entity.town, &entity.country),
            iban: parse_iban(&account.iban)?,
            bic: account.bic.clone(),
        },
        transfers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_the_oldest_until_a_limit_is_met_and_passes_over_what_never_fits() {
        let cents = [500, 9_000, 300, 400, 100];
        let free: Vec<Free> = (1..)
            .zip(cents)
            .map(|(n, it)| Free { id: PayoutId(uuid::Uuid::from_u128(n)), sent: Minor::new(it) })
            .collect();
        let taken = |count, total: Option<i64>| -> Vec<i64> {
            let limit = FileLimit { count, total: total.map(Minor::new) };
            let taken = fill(&free, &limit).unwrap();
            free.iter().filter(|it| taken.contains(&it.id)).map(|it| it.sent.get()).collect()
        };
        assert_eq!(taken(None, None), cents);
        assert_eq!(taken(Some(2), None), [500, 9_000]);
        assert_eq!(taken(None, Some(1_000)), [500, 300], "400 more do not fit, and nobody younger goes before them");
        assert_eq!(taken(None, Some(1_200)), [500, 300, 400]);
        assert_eq!(taken(Some(1), Some(1_200)), [500]);
        assert!(taken(None, Some(50)).is_empty());
    }

    #[test]
    fn each_command_has_its_states() {
        use BatchState::{Approved, Open, Sealed};
        let cases = [
            (BatchCommand::Edit, vec![Open]),
            (BatchCommand::Seal, vec![Open]),
            (BatchCommand::Unseal, vec![Sealed, Approved]),
            (BatchCommand::Approve, vec![Sealed, Approved]),
            (BatchCommand::Release, vec![Approved]),
            (BatchCommand::Dissolve, vec![Open]),
        ];
        for (command, allowed) in cases {
            let found: Vec<_> =
                BatchState::ALL.iter().copied().filter(|state| may_batch(*state, command).is_ok()).collect();
            assert_eq!(found, allowed, "{command:?}");
        }
        assert_eq!(may_batch(BatchState::Sealed, BatchCommand::Edit).unwrap_err().code, "batch_sealed");
        assert_eq!(may_batch(BatchState::Sealed, BatchCommand::Release).unwrap_err().code, "approval_missing");
        assert_eq!(may_batch(BatchState::Released, BatchCommand::Release).unwrap_err().code, "state_conflict");
    }
}
