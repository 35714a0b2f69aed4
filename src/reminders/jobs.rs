//! What follows a reminder: its letter is drawn once, kept, and mailed to the client.

use chrono::Duration;

use super::ReminderRow;
use crate::access::{self, LinkPurpose};
use crate::archive::{self, Kind, NewFile};
use crate::formats::invoice_pdf::demand::{ClaimLine, announcement, claim_label};
use crate::formats::invoice_pdf::reminder::{OpenInvoice, ReminderFacts, letter, render};
use crate::formats::invoice_pdf::{DocumentKind, InvoiceFacts};
use crate::formats::letters::Letter;
use crate::invoicing::{self, jobs::Attached};
use crate::kernel::ids::ReminderId;
use crate::kernel::money::{Minor, Money, Ppm};
use crate::outbox::QueuedLetter;
use crate::platform::db::{Actor, Db};
use crate::platform::error::{Error, Result};

/// How long the link of the mail shows the invoice to its client.
const LINK_LIFE: Duration = Duration::days(365);
/// The media type of the letter.
const PDF: &str = "application/pdf";

/// Draws the letter once, keeps it, and answers the mail with it. Safe to repeat: the kept bytes are used again.
///
/// # Errors
/// Fails with the database, or when the letter cannot be made.
pub fn prepare(db: &Db, id: ReminderId) -> Result<(QueuedLetter, Attached)> {
    let (row, about, to, link) = db.write_blocking(&Actor::System, |tx| {
        let row = super::find(tx, id)?;
        let invoice = invoicing::find(tx, row.invoice_id)?;
        let to = invoicing::issued(tx, row.invoice_id)?.email;
        let link = access::keep_link(tx, LinkPurpose::Invoice, row.invoice_id.0, LINK_LIFE)?;
        Ok((row, invoicing::jobs::facts(tx, &invoice)?, to, link))
    })?;
    let name = format!("{}-{}.pdf", about.number, row.level);
    let bytes = match db.write_blocking(&Actor::System, |tx| archive::find_of(tx, id.0, Kind::PaymentReminder))? {
        Some(kept) => kept.bytes,
        None => keep(db, &row, &name, render(&facts(&row, &about)?).map_err(Error::internal)?)?,
    };
    let payment = about.payment.ok_or_else(|| Error::internal("an invoice says how to pay"))?;
    let money = |amount_minor| Money { amount_minor, currency: row.currency };
    let letter = Letter::PaymentReminder {
        entity: about.seller.name,
        number: about.number,
        open: money(row.open_minor),
        cost: (row.cost_minor > Minor::ZERO).then(|| money(row.cost_minor)),
        pay_by: row.pay_by,
        due_on: row.due_on,
        days: row.days_late.unwrap_or_default(),
        level: row.level,
        reference: payment.reference,
        iban: payment.iban,
        link: access::link_reference(LinkPurpose::Invoice, link),
    };
    let mail = QueuedLetter { to, language: about.language, letter, subject: id.0, owner: Some(row.member_id) };
    Ok((mail, (name, PDF.to_owned(), bytes.into())))
}

/// Keeps the letter, and answers the bytes that are kept.
fn keep(db: &Db, row: &ReminderRow, name: &str, bytes: Vec<u8>) -> Result<Vec<u8>> {
    db.write_blocking(&Actor::System, |tx| {
        // Another worker may have been faster after a lost lease: what is kept is what is sent.
        if let Some(kept) = archive::find_of(tx, row.id.0, Kind::PaymentReminder)? {
            return Ok(kept.bytes);
        }
        let new = NewFile {
            kind: Kind::PaymentReminder,
            subject: row.id.0,
            owner: Some(row.member_id),
            name,
            media_type: PDF,
            bytes: &bytes,
        };
        archive::keep(tx, &new)?;
        Ok(bytes.clone())
    })
}

/// What the letter says: who the two are as the invoice has them, and what was open on the day of the reminder.
fn facts(row: &ReminderRow, about: &InvoiceFacts) -> Result<ReminderFacts> {
    let language = about.language;
    let more = &about.more;
    let second = more.design.second_language.filter(|second| *second != language);
    let days = row.days_late.unwrap_or_default();
    let added = (row.late_rate_ppm.map(Ppm), row.late_compensation_minor, row.currency);
    let say = |language| {
        let mut said = letter(language, row.level, (&about.number, row.due_on, days));
        said.extend(row.pay_by.map(|pay_by| announcement(language, pay_by, added)));
        said
    };
    let costs = (row.cost_minor > Minor::ZERO).then(|| (claim_label(language, ClaimLine::Reminders), row.cost_minor));
    Ok(ReminderFacts {
        kind: DocumentKind::Reminder,
        language,
        number: format!("{}/{}", about.number, row.level),
        issued_on: row.reminded_on,
        seller: about.seller.clone(),
        buyer: about.buyer.clone(),
        currency: row.currency,
        letter: say(language).into_iter().chain(second.map(say).unwrap_or_default()).collect(),
        invoices: vec![OpenInvoice {
            number: about.number.clone(),
            issued_on: about.issued_on,
            due_on: row.due_on,
            total: about.gross,
            open: row.open_minor,
        }],
        total: row.open_minor.plus(row.cost_minor)?,
        costs: costs.into_iter().collect(),
        pay_by: row.pay_by,
        payment: about.payment.clone(),
        mentions: Vec::new(),
        design: more.design.clone(),
    })
}
