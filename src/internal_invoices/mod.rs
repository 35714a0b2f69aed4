//! Invoices between members of one legal person.
//!
//! Owns `internal_invoice`. Inside one legal person nothing is sold in law, so there is no VAT: the document says why,
//! and has a number of a series of its own. The maker sends it, the other side accepts or refuses it; accepting pays it
//! at once by a transfer out of available money. It is corrected by giving that transfer back. Between activities of
//! two entities an ordinary invoice is made.

pub mod http;
mod rules;
mod store;

use uuid::Uuid;

pub use rules::{InternalState, Line};
pub use store::InternalRow;

use crate::archive::{self, ArchivedFile, Kind, NewFile};
use crate::formats::invoice_pdf::{self, DocumentKind, InvoiceFacts, More, Party, VatSummary, render};
use crate::formats::letters::Letter;
use crate::invoicing::office::internal_number;
use crate::kernel::ids::{ActivityId, InternalInvoiceId, TransferId};
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::outbox::{self, Job, QueuedLetter};
use crate::platform::db::{Actor, Db, Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::transfers::{self, NewTransfer};
use crate::{activities, charter, members};
use store::PartyRow;

/// What a member writes into an internal invoice.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Whose work it was.
    pub activity: ActivityId,
    /// Who pays.
    pub to: ActivityId,
    /// One line.
    pub title: String,
    /// What was done.
    pub lines: Vec<Line>,
}

/// An internal invoice and the transfer that gave its money back, if it was.
#[derive(Debug, Clone)]
pub struct InternalInvoice {
    /// Its row.
    pub row: InternalRow,
    /// The transfer that gave its money back.
    pub returned_by: Option<TransferId>,
}

/// Makes a draft.
///
/// # Errors
/// 404 and 403 as activities; 409 `activity_closed`; 422 for every field that is not acceptable: `internal_other_entity`
/// for an activity of another legal person.
pub fn create(tx: &mut Tx<'_>, id: InternalInvoiceId, draft: &Draft) -> Result<InternalInvoice> {
    let me = tx.person()?;
    let activity = activities::require_open(tx, draft.activity)?;
    if activity.member_id != me {
        return Err(Error::field("/activity_id", "invalid"));
    }
    members::require_active(tx, me)?;
    let total = rules::check(draft)?;
    let from = store::find_party(tx, draft.activity)?.ok_or_else(Error::not_found)?;
    let to = store::find_party(tx, draft.to)?.ok_or_else(|| Error::field("/to_activity_id", "invalid"))?;
    rules::check_ends(&from, &to)?;
    let row = store::insert(tx, id, draft, (&from, &to), total)?;
    Ok(InternalInvoice { row, returned_by: None })
}

fn lock(tx: &mut Tx<'_>, id: InternalInvoiceId, expected: i32) -> Result<Locked<InternalRow>> {
    let row = store::lock(tx, id)?;
    if row.version == expected { Ok(row) } else { Err(Error::version_stale(row.version)) }
}

/// Sends a draft: it gets its number, its PDF follows, and the other side is told.
///
/// # Errors
/// 404; 403 unless one made it; 409 in another state; 412.
pub fn send(tx: &mut Tx<'_>, id: InternalInvoiceId, expected: i32) -> Result<InternalInvoice> {
    let row = lock(tx, id, expected)?;
    rules::may(&row, rules::Command::Send, tx.person()?)?;
    activities::require_open(tx, row.activity_id)?;
    let to = party(tx, row.to_activity_id)?;
    if to.is_closed {
        return Err(Error::conflict("activity_closed"));
    }
    let entity = charter::entity(tx, row.entity_id)?;
    let today = tx.today(entity.zone());
    // From here on nobody else numbers in this series; what is left is one row, one job and one mail.
    let number = internal_number(tx, row.entity_id, today)?;
    let sent = store::mark_sent(tx, &row, &number, today)?;
    outbox::queue(tx, &Job::DrawInternalInvoice { invoice: id }, id.0, &format!("draw_internal_invoice:{id}"))?;
    let letter = Letter::InternalInvoiceReceived {
        from: sent.from_name.clone(),
        number: number.text.clone(),
        title: sent.title.clone(),
        total: total(&sent),
    };
    tell(tx, &sent, &to, letter, "sent")?;
    find(tx, id)
}

/// Makes the PDF of a numbered invoice once and keeps it. Safe to repeat.
///
/// # Errors
/// Fails with the database, or when the file cannot be made.
pub fn draw(db: &Db, id: InternalInvoiceId) -> Result<()> {
    let found = db.write_blocking(&Actor::System, |tx| {
        if archive::find_of(tx, id.0, Kind::InternalInvoicePdf)?.is_some() {
            return Ok(None);
        }
        let row = store::find(tx, id)?;
        let to = party(tx, row.to_activity_id)?;
        Ok(Some((facts(tx, &row, to.language)?, row.member_id)))
    })?;
    let Some((facts, owner)) = found else { return Ok(()) };
    let bytes = render(&facts).map_err(Error::internal)?;
    let name = format!("{}.pdf", facts.number);
    let file = NewFile {
        kind: Kind::InternalInvoicePdf,
        subject: id.0,
        owner: Some(owner),
        name: &name,
        media_type: "application/pdf",
        bytes: &bytes,
    };
    db.write_blocking(&Actor::System, |tx| match archive::find_of(tx, id.0, Kind::InternalInvoicePdf)? {
        Some(_) => Ok(()),
        None => archive::keep(tx, &file).map(drop),
    })
}

/// Takes one's own invoice back before it is accepted.
///
/// # Errors
/// 404; 403 unless one made it; 409 in another state; 412.
pub fn withdraw(tx: &mut Tx<'_>, id: InternalInvoiceId, expected: i32) -> Result<InternalInvoice> {
    let row = lock(tx, id, expected)?;
    rules::may(&row, rules::Command::Withdraw, tx.person()?)?;
    let withdrawn = store::set_state(tx, &row, InternalState::Withdrawn)?;
    if let Some(number) = withdrawn.number.clone() {
        let to = party(tx, row.to_activity_id)?;
        let letter = Letter::InternalInvoiceWithdrawn { from: row.from_name.clone(), number, total: total(&withdrawn) };
        tell(tx, &withdrawn, &to, letter, "withdrawn")?;
    }
    find(tx, id)
}

/// Accepts an invoice and pays it at once, out of what the activity has available.
///
/// # Errors
/// 404; 403 unless it is for one; 409 in another state, `insufficient_available` and as transfers; 412.
pub fn accept(tx: &mut Tx<'_>, id: InternalInvoiceId, expected: i32) -> Result<InternalInvoice> {
    let row = lock(tx, id, expected)?;
    rules::may(&row, rules::Command::Accept, tx.person()?)?;
    let number = row.number.clone().unwrap_or_default();
    let new = NewTransfer {
        id: tx.new_id(),
        from: row.to_activity_id,
        to: row.activity_id,
        amount: total(&row),
        invoice: None,
        reason: format!("{number}: {}", row.title),
    };
    let paid = transfers::transfer(tx, &new)?;
    let accepted = store::mark_accepted(tx, &row, paid.id)?;
    let maker = party(tx, row.activity_id)?;
    let letter = Letter::InternalInvoicePaid { from: row.to_name.clone(), number, total: total(&row) };
    tell(tx, &accepted, &maker, letter, "accepted")?;
    find(tx, id)
}

/// Refuses an invoice, with the reason.
///
/// # Errors
/// 404; 403 unless it is for one; 409 in another state; 412; 422 for the reason.
pub fn refuse(tx: &mut Tx<'_>, id: InternalInvoiceId, expected: i32, reason: &str) -> Result<InternalInvoice> {
    let row = lock(tx, id, expected)?;
    rules::may(&row, rules::Command::Refuse, tx.person()?)?;
    rules::check_reason(reason)?;
    tx.reason(reason.trim())?;
    let refused = store::mark_refused(tx, &row, reason.trim())?;
    let maker = party(tx, row.activity_id)?;
    let number = row.number.clone().unwrap_or_default();
    let (from, reason) = (row.to_name.clone(), reason.trim().to_owned());
    let letter = Letter::InternalInvoiceRefused { from, number, total: total(&row), reason };
    tell(tx, &refused, &maker, letter, "refused")?;
    find(tx, id)
}

/// An internal invoice that one wrote or that one was sent.
///
/// # Errors
/// 404.
pub fn find(tx: &mut Tx<'_>, id: InternalInvoiceId) -> Result<InternalInvoice> {
    let row = store::find(tx, id)?;
    let returned_by = match row.transfer_id {
        Some(transfer) => transfers::returned_by(tx, transfer)?,
        None => None,
    };
    Ok(InternalInvoice { row, returned_by })
}

/// Internal invoices, newest first: those that one wrote or was sent; for the office, all of them.
///
/// # Errors
/// Fails with the database.
pub fn list(
    tx: &mut Tx<'_>,
    state: Option<InternalState>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<InternalRow>> {
    store::list(tx, state, after, limit)
}

/// The PDF as it was sent: the same bytes for ever.
///
/// # Errors
/// 404; also before it is sent.
pub fn pdf(tx: &mut Tx<'_>, id: InternalInvoiceId) -> Result<ArchivedFile> {
    store::find(tx, id)?;
    archive::find_shared(tx, id.0, Kind::InternalInvoicePdf)
}

fn total(row: &InternalRow) -> Money {
    Money { amount_minor: row.total_minor, currency: row.currency }
}

fn party(tx: &mut Tx<'_>, activity: ActivityId) -> Result<PartyRow> {
    store::find_party(tx, activity)?.ok_or_else(Error::not_found)
}

fn tell(tx: &mut Tx<'_>, row: &InternalRow, to: &PartyRow, letter: Letter, what: &str) -> Result<()> {
    let owner = Some(to.member_id);
    let mail = QueuedLetter { to: to.email.clone(), language: to.language, letter, subject: row.id.0, owner };
    outbox::queue_letter(tx, mail, what)
}

/// What the document shows. Both sides are the same legal person: its address and numbers stand with the one who asks.
fn facts(tx: &mut Tx<'_>, row: &InternalRow, language: Language) -> Result<InvoiceFacts> {
    let entity = charter::entity(tx, row.entity_id)?;
    let street = format!("{} {}", entity.street, entity.building_number);
    let lines = rules::read(&row.lines)?;
    let line = |line: Line| {
        Ok(invoice_pdf::Line {
            net: line.net()?,
            label: line.label,
            quantity: line.quantity.normalize(),
            unit: None,
            unit_price: line.unit_price.amount_minor,
            vat_category: "O".to_owned(),
            vat_rate: Ppm(0),
            exact_price: None,
            adjustments: Vec::new(),
        })
    };
    Ok(InvoiceFacts {
        language,
        kind: DocumentKind::Internal,
        number: row.number.clone().unwrap_or_default(),
        issued_on: row.sent_on.ok_or_else(|| Error::internal("what was sent has a day"))?,
        due_on: None,
        corrects: None,
        supply: None,
        seller: Party {
            name: row.from_name.clone(),
            lines: vec![entity.name.clone(), street.trim().to_owned(), format!("{} {}", entity.postcode, entity.town)],
            enterprise_number: Some(entity.enterprise_number.clone()),
            ..Party::default()
        },
        buyer: Party { name: row.to_name.clone(), lines: vec![entity.name.clone()], ..Party::default() },
        currency: row.currency,
        lines: lines.into_iter().map(line).collect::<Result<_>>()?,
        vat: vec![VatSummary {
            category: "O".to_owned(),
            rate: Ppm(0),
            base: row.total_minor,
            tax: Minor::ZERO,
            mention: None,
        }],
        net: row.total_minor,
        tax: Minor::ZERO,
        gross: row.total_minor,
        payment: None,
        mentions: vec![rules::mention(language).to_owned()],
        buyer_reference: None,
        order_reference: None,
        member_name: None,
        more: More { design: charter::design::design(tx, row.entity_id)?, ..More::default() },
    })
}

/// Internal invoices are in the currency of the books.
const CURRENCY: Currency = Currency::EUR;
