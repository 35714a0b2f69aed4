//! What follows a formal demand: its letter is drawn once, kept, and mailed to the client.

use chrono::Duration;

use super::laws::Citations;
use super::{ActionRow, StepKind, TrackKind, store};
use crate::access::{self, LinkPurpose};
use crate::archive::{self, Kind, NewFile};
use crate::formats::invoice_pdf::demand::{ClaimLine, Demand, claim_label, legal_basis, letter};
use crate::formats::invoice_pdf::reminder::{OpenInvoice, ReminderFacts, render};
use crate::formats::invoice_pdf::{DocumentKind, InvoiceFacts};
use crate::formats::letters::Letter;
use crate::invoicing::{self, jobs::Attached};
use crate::kernel::ids::CollectionActionId;
use crate::kernel::interest::Segment;
use crate::kernel::language::Language;
use crate::kernel::money::{Minor, Money, Ppm};
use crate::outbox::QueuedLetter;
use crate::platform::db::{Actor, Db, Tx};
use crate::platform::error::{Error, Result};

/// How long the link of the mail shows the invoice to its client.
const LINK_LIFE: Duration = Duration::days(365);
/// The media type of the letter.
const PDF: &str = "application/pdf";

/// Draws the demand once, keeps it, and answers the mail with it. Safe to repeat: the kept bytes are used again.
///
/// # Errors
/// Fails with the database, or when the letter cannot be made.
pub fn prepare(db: &Db, id: CollectionActionId) -> Result<(QueuedLetter, Attached)> {
    let (row, before, about, to, link, rests_on) = db.write_blocking(&Actor::System, |tx| {
        let row = store::find_action(tx, id)?;
        let before = store::actions_of(tx, row.invoice_id)?;
        let invoice = invoicing::find(tx, row.invoice_id)?;
        let to = invoicing::issued(tx, row.invoice_id)?.email;
        let link = access::keep_link(tx, LinkPurpose::Invoice, row.invoice_id.0, LINK_LIFE)?;
        let about = invoicing::jobs::facts(tx, &invoice)?;
        let rests_on = rests_on(tx, &row, about.language)?;
        Ok((row, before, about, to, link, rests_on))
    })?;
    let name = format!("{}-demand.pdf", about.number);
    let bytes = match db.write_blocking(&Actor::System, |tx| archive::find_of(tx, id.0, Kind::FormalDemand))? {
        Some(kept) => kept.bytes,
        None => keep(db, &row, &name, &render(&facts(&row, &before, &about, &rests_on)?).map_err(Error::internal)?)?,
    };
    let payment = about.payment.ok_or_else(|| Error::internal("an invoice says how to pay"))?;
    let money = |amount_minor| Money { amount_minor, currency: row.currency };
    let added = Minor::sum([row.interest_minor, row.compensation_minor, row.costs_minor])?;
    let letter = Letter::FormalDemand {
        entity: about.seller.name,
        number: about.number,
        open: money(row.open_minor),
        added: money(added),
        total: money(row.total_minor),
        pay_by: row.pay_by.ok_or_else(|| Error::internal("a demand says until when"))?,
        reference: payment.reference,
        iban: payment.iban,
        link: access::link_reference(LinkPurpose::Invoice, link),
    };
    let mail = QueuedLetter { to, language: about.language, letter, subject: id.0, owner: Some(row.member_id) };
    Ok((mail, (name, PDF.to_owned(), bytes.into())))
}

/// Keeps the letter, and answers the bytes that are kept.
fn keep(db: &Db, row: &ActionRow, name: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    db.write_blocking(&Actor::System, |tx| {
        // Another worker may have been faster after a lost lease: what is kept is what is sent.
        if let Some(kept) = archive::find_of(tx, row.id.0, Kind::FormalDemand)? {
            return Ok(kept.bytes);
        }
        let kind = Kind::FormalDemand;
        let owner = Some(row.member_id);
        archive::keep(tx, &NewFile { kind, subject: row.id.0, owner, name, media_type: PDF, bytes })?;
        Ok(bytes.to_vec())
    })
}

/// Where the rates and the compensation of a claim are written, as the client's language names it.
#[derive(Debug)]
struct RestsOn {
    rates: Vec<(Ppm, String)>,
    law: Option<String>,
}

fn rests_on(tx: &mut Tx<'_>, row: &ActionRow, language: Language) -> Result<RestsOn> {
    let named = |citations: &Citations, source: &str| citations.in_language(language).unwrap_or(source).to_owned();
    let word = |name: &str| row.computation.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    let (country, track) = (word("country"), word("track").parse::<TrackKind>());
    let track = track.map_err(|_none| Error::internal("a claim says by which rules it was made"))?;
    // Newest first, of a day the one that counts.
    let known = store::list_rates(tx, Some(country))?;
    let mut rates: Vec<(Ppm, String)> = Vec::new();
    for segment in segments(row)? {
        let found = known.iter().find(|rate| rate.track == track && rate.valid_from <= segment.from);
        let basis = found.map(|rate| (Ppm(rate.rate_ppm), named(&rate.citations, &rate.source)));
        rates.extend(basis.filter(|basis| !rates.contains(basis)));
    }
    let law = store::law_on(tx, country, track, row.done_on)?.filter(|_| row.compensation_minor > Minor::ZERO);
    Ok(RestsOn { rates, law: law.map(|law| named(&law.citations, &law.source)) })
}

fn segments(row: &ActionRow) -> Result<Vec<Segment>> {
    Ok(serde_json::from_value(row.computation.get("segments").cloned().unwrap_or_default())?)
}

/// What the letter says: who the two are as the invoice has them, what is claimed and by which days and rates.
fn facts(row: &ActionRow, all: &[ActionRow], about: &InvoiceFacts, on: &RestsOn) -> Result<ReminderFacts> {
    let language = about.language;
    let second = about.more.design.second_language.filter(|second| *second != language);
    let segments = segments(row)?;
    let reminded_on: Vec<_> = all.iter().filter(|it| it.kind == StepKind::Reminder).map(|it| it.done_on).collect();
    let demand = Demand {
        number: &about.number,
        due_on: row.due_on,
        reminded_on: &reminded_on,
        pay_by: row.pay_by.ok_or_else(|| Error::internal("a demand says until when"))?,
        rate: segments.last().map(|last| Ppm(last.rate_ppm)),
    };
    let say = |language| letter(language, &demand);
    Ok(ReminderFacts {
        kind: DocumentKind::FormalDemand,
        language,
        number: about.number.clone(),
        issued_on: row.done_on,
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
        costs: lines(language, row, &segments),
        total: row.total_minor,
        pay_by: row.pay_by,
        payment: about.payment.clone(),
        mentions: legal_basis(language, &on.rates, on.law.as_deref()),
        design: about.more.design.clone(),
    })
}

/// What is claimed beside the invoice, line by line.
fn lines(language: Language, row: &ActionRow, segments: &[Segment]) -> Vec<(String, Minor)> {
    let interest = segments
        .iter()
        .map(|segment| (claim_label(language, ClaimLine::Interest(segment, row.currency)), segment.interest_minor));
    let rest = [(ClaimLine::Compensation, row.compensation_minor), (ClaimLine::Reminders, row.costs_minor)];
    let rest = rest.into_iter().filter(|(_, amount)| *amount > Minor::ZERO);
    interest.chain(rest.map(|(line, amount)| (claim_label(language, line), amount))).collect()
}
