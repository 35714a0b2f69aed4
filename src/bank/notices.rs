//! Notes of the bank beside its statements (camt.052, camt.054): kept, never booked. One verb in a file of its own.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::files::BankFile;
use super::import::{keep_file, lock_accounts};
use super::lumps;
use super::rules::Place;
use super::store::{self, NoticeLineRow, NoticeRow};
use crate::formats::bank_statement::Kind;
use crate::kernel::ids::{BankLineId, BankNoticeId};
use crate::kernel::money::Minor;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// Lines that one statement of SQL brings.
const CHUNK: usize = 1_000;

/// Keeps the notes of one file. Lines that an earlier note brought are counted and left out. Where a line of a statement
/// waits that they come to, what they say with certainty is paid by it.
///
/// # Errors
/// 422 `statement_account_unknown`, `statement_currency_differs`; 409 `duplicate_statement`. One refused note refuses the
/// file.
pub fn keep_notices(tx: &mut Tx<'_>, bank_file: &BankFile) -> Result<Vec<NoticeRow>> {
    let importer = tx.person()?;
    let accounts = lock_accounts(tx, &bank_file.statements)?;
    let mut file = None;
    let mut rows = Vec::with_capacity(accounts.len());
    for (index, (notice, account)) in bank_file.statements.iter().zip(&accounts).enumerate() {
        let at = format!("[{}]/Id", index.saturating_add(1));
        if !(1..=140).contains(&notice.id.chars().count()) || notice.id.chars().any(char::is_control) {
            return Err(Error::value("statement_field_missing").with("at", at));
        }
        if notice.currency != account.currency {
            let refused = Error::value("statement_currency_differs").with("at", at);
            return Err(refused.with("expected", account.currency).with("found", notice.currency));
        }
        let kind = match notice.kind {
            Kind::Report => "report",
            Kind::Notification | Kind::Statement => "notification",
        };
        if store::is_notice_known(tx, account.id, kind, &notice.id)? {
            return Err(Error::conflict("duplicate_statement").with("statement", &notice.id));
        }
        let id: BankNoticeId = tx.new_id();
        let place = Place {
            id: BankLineId(Uuid::nil()),
            statement: Uuid::nil().into(),
            account: account.id,
            currency: account.currency,
        };
        let mut lines: Vec<NoticeLineRow> = Vec::new();
        let mut times: BTreeMap<Vec<u8>, i32> = BTreeMap::new();
        bank_file.lines(index, &mut |line| {
            if line.amount == Minor::ZERO {
                return Ok(());
            }
            let n = i32::try_from(lines.len()).unwrap_or(i32::MAX).saturating_add(1);
            let mut row = lumps::notice_line(tx, line, (place, id), n);
            let occurrence = times.entry(row.fingerprint.clone()).or_default();
            *occurrence = occurrence.saturating_add(1);
            row.occurrence = *occurrence;
            lines.push(row);
            Ok(())
        })?;
        let fingerprints: Vec<Vec<u8>> = lines.iter().map(|line| line.fingerprint.clone()).collect();
        let mut known: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
        for chunk in fingerprints.chunks(CHUNK) {
            known.extend(store::count_noticed(tx, account.id, chunk)?);
        }
        let all = lines.len();
        lines.retain(|line| known.get(&line.fingerprint).is_none_or(|known| i64::from(line.occurrence) > *known));
        let file_id = match file {
            Some(file) => file,
            None => *file.insert(keep_file(tx, id.0, &notice.id, bank_file)?),
        };
        let row = NoticeRow {
            id,
            entity_id: account.entity_id,
            bank_account_id: account.id,
            kind: kind.to_owned(),
            reference: notice.id.clone(),
            lines_new: i32::try_from(lines.len()).unwrap_or(i32::MAX),
            lines_known: i32::try_from(all.saturating_sub(lines.len())).unwrap_or(i32::MAX),
            file_id,
            imported_by: importer,
            created_at: tx.now(),
        };
        store::insert_notice(tx, &row, &lines)?;
        let mut entries: Vec<String> = lines.iter().map(|line| line.entry_reference.clone()).collect();
        entries.retain(|entry| !entry.is_empty());
        entries.sort_unstable();
        entries.dedup();
        lumps::explain_waiting(tx, account.id, &entries)?;
        rows.push(row);
    }
    Ok(rows)
}

/// Notes, the last kept first.
///
/// # Errors
/// Fails with the database.
pub fn notices(tx: &mut Tx<'_>, after: Option<Uuid>, limit: i64) -> Result<Vec<NoticeRow>> {
    store::list_notices(tx, after, limit)
}

/// A note.
///
/// # Errors
/// 404.
pub fn notice(tx: &mut Tx<'_>, id: BankNoticeId) -> Result<NoticeRow> {
    store::find_notice(tx, id)
}

/// The lines of a note that were new with it, in their order, after the place `after`.
///
/// # Errors
/// 404.
pub fn notice_lines(tx: &mut Tx<'_>, id: BankNoticeId, after: Option<Uuid>, limit: i64) -> Result<Vec<NoticeLineRow>> {
    store::find_notice(tx, id)?;
    store::list_lines_of_notice(tx, id, after, limit)
}
