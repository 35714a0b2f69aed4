//! Who is paid by a batch: the bank file that says so, what is kept of it, and what they are told.

use std::collections::BTreeMap;

use super::store::texts::{self, TextRow};
use super::store::{BatchRow, PayoutRow};
use super::{mail, remittances, rules};
use crate::formats::letters::Letter;
use crate::formats::pain001::{self, CreditTransferFile};
use crate::kernel::ids::{FileId, PayeeAccountId, PersonId};
use crate::kernel::money::Money;
use crate::kernel::refusal::Refusal;
use crate::kernel::schemes::Method;
use crate::outbox::{self, Job, Queued};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::{access, charter, members};
use chrono::{DateTime, Utc};

/// The accounts of some payouts, by account.
pub(super) fn accounts_of(
    tx: &mut Tx<'_>,
    payouts: &[PayoutRow],
) -> Result<BTreeMap<PayeeAccountId, members::PayeeAccountRow>> {
    let ids: Vec<PayeeAccountId> = payouts.iter().filter_map(|payout| payout.payee_account_id).collect();
    Ok(members::payee_accounts(tx, &ids)?.into_iter().map(|account| (account.id, account)).collect())
}

/// A payout with who is paid and where.
pub(super) struct Payee<'a> {
    pub(super) payout: &'a PayoutRow,
    pub(super) account: members::PayeeAccountRow,
    pub(super) member: members::MemberRow,
}

/// Who is paid by some payouts, in the order of the payouts.
pub(super) fn list<'a>(tx: &mut Tx<'_>, items: &'a [PayoutRow]) -> Result<Vec<Payee<'a>>> {
    let accounts = accounts_of(tx, items)?;
    let ids: Vec<PersonId> = items.iter().map(|payout| payout.member_id).collect();
    let people: BTreeMap<PersonId, members::MemberRow> =
        members::members_by(tx, &ids)?.into_iter().map(|member| (member.id, member)).collect();
    let of = |payout: &'a PayoutRow| {
        let account = payout.payee_account_id.and_then(|id| accounts.get(&id).cloned());
        let account = account.ok_or_else(|| Error::internal("an approved payout has an account"))?;
        let member = people.get(&payout.member_id).cloned().ok_or_else(Error::not_found)?;
        Ok(Payee { payout, account, member })
    };
    items.iter().map(of).collect()
}

/// The file of a batch by what its rows say now. The same rows, name and moment give the same bytes.
pub(super) fn written(
    tx: &mut Tx<'_>,
    keys: &Keys,
    batch: &BatchRow,
    payees: &[Payee<'_>],
    owed: &[remittances::Item],
    (message_id, at): (&str, DateTime<Utc>),
) -> Result<CreditTransferFile> {
    let entity = charter::entity(tx, batch.entity_id)?;
    let account = charter::bank_account_by_id(tx, batch.bank_account_id)?;
    let mut transfers = Vec::with_capacity(payees.len().saturating_add(owed.len()));
    for payee in payees {
        let iban = members::open_iban(keys, &payee.account)?;
        transfers.push(rules::transfer(payee.payout, &payee.account.holder, &iban, &payee.member, &entity.name)?);
    }
    transfers.extend(remittances::transfers(owed)?);
    rules::file(message_id, at, batch.execute_on, &entity, &account, transfers)
}

/// Keeps, for each payout of a sealed file, what the file says beside what is known.
pub(super) fn keep_texts(
    tx: &mut Tx<'_>,
    batch: &BatchRow,
    payees: &[Payee<'_>],
    file: &CreditTransferFile,
    file_id: FileId,
) -> Result<()> {
    let from = charter::entity(tx, batch.entity_id)?.name;
    let texts_of = |(payee, transfer): (&Payee<'_>, _)| {
        let place = (file_id, file.message_id.as_str());
        rules::texts(payee.payout, &payee.account.holder, &payee.member, &from, transfer, place)
    };
    let rows: Vec<TextRow> = payees.iter().zip(&file.transfers).map(texts_of).collect();
    texts::insert(tx, &rows)
}

/// The bytes of a file, in the form that the bank checks.
pub(super) fn bytes(file: &CreditTransferFile) -> Result<Vec<u8>> {
    Ok(pain001::write(file).map_err(|refused| {
        Refusal::state("payout_not_payable").with("reason", refused.code()).with("detail", refused)
    })?)
}

/// Queues a mail for each payee, and for each wage its payslip.
pub(super) fn tell_sent(tx: &mut Tx<'_>, payees: &[Payee<'_>]) -> Result<()> {
    let ids: Vec<PersonId> = payees.iter().map(|payee| payee.payout.member_id).collect();
    let people: BTreeMap<PersonId, access::PersonRow> =
        access::people_of(tx, &ids)?.into_iter().map(|person| (person.id, person)).collect();
    let mut jobs = Vec::with_capacity(payees.len());
    for Payee { payout, account, .. } in payees {
        let member = people.get(&payout.member_id).ok_or_else(Error::not_found)?;
        let amount = Money { amount_minor: payout.sent(), currency: payout.currency };
        if payout.scheme == Method::Salary {
            let key = format!("send_payslip:{}", payout.id);
            jobs.push(Queued { job: Job::SendPayslip { payout: payout.id }, subject: payout.id.0, key });
        }
        let letter = Letter::PayoutSent { amount, last4: account.iban_last4.clone() };
        jobs.push(Queued::letter(mail(payout, member, letter), "once"));
    }
    outbox::queue_all(tx, &jobs)
}
