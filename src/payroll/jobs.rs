//! The payslip: drawn once, with no transaction open, and kept; mailed to its member when the pay has left.

use super::Payslip;
use crate::archive::ArchivedFile;
use crate::formats::letters::Letter;
use crate::formats::payslip::render;
use crate::kernel::ids::PayoutId;
use crate::kernel::money::Money;
use crate::outbox::QueuedLetter;
use crate::platform::db::{Actor, Db};
use crate::platform::error::{Error, Result};
use crate::{access, payroll};

/// The payslip of a payout: as it was kept, or made now. Whoever asks again gets the same bytes.
///
/// # Errors
/// 404 for a payout of somebody else, and for one that is no wage.
pub async fn payslip(db: &Db, actor: Actor, id: PayoutId) -> Result<ArchivedFile> {
    let facts = match db.write(actor.clone(), move |tx| payroll::payslip(tx, id)).await? {
        Payslip::Kept(file) => return Ok(file),
        Payslip::ToMake(facts) => facts,
    };
    let bytes = tokio::task::spawn_blocking(move || render(&facts)).await.map_err(Error::internal)?;
    let bytes = bytes.map_err(Error::internal)?;
    db.write(actor, move |tx| payroll::keep_payslip(tx, id, &bytes)).await
}

/// The payslip of a payout and the mail that carries it, for the worker. Safe to repeat: the kept bytes are used again.
///
/// # Errors
/// Fails with the database, or when the file cannot be made.
pub fn prepare(db: &Db, id: PayoutId) -> Result<(QueuedLetter, ArchivedFile)> {
    let file = match db.write_blocking(&Actor::System, |tx| payroll::payslip(tx, id))? {
        Payslip::Kept(file) => file,
        Payslip::ToMake(facts) => {
            let bytes = render(&facts).map_err(Error::internal)?;
            db.write_blocking(&Actor::System, |tx| payroll::keep_payslip(tx, id, &bytes))?
        }
    };
    db.write_blocking(&Actor::System, |tx| {
        let slip = payroll::slip(tx, id)?;
        let person = access::person(tx, slip.member_id)?;
        let amount = Money { amount_minor: slip.net_minor, currency: slip.currency };
        let letter = Letter::Payslip { amount, on: slip.computed_on };
        let letter = QueuedLetter {
            to: person.email,
            language: person.language,
            letter,
            subject: id.0,
            owner: Some(slip.member_id),
        };
        Ok((letter, file.clone()))
    })
}
