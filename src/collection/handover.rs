//! What goes to a collection agency: one file for programs and one table, both kept with their hashes.
//!
//! The form is `umbel-collection-file`, version 1: creditor and debtor as the invoice names them, the claim with every
//! segment of its interest, the steps, the diary, and the documents by address and SHA-256. Amounts are minor units.

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::cases::{Case, case};
use super::rules::{Claim, StepKind};
use super::{ActionRow, Done, Filter, cases, store, take, today};
use crate::archive::{self, ArchivedFile, FileInfo, Kind, NewFile};
use crate::formats::claim_csv::{self, ClaimRow};
use crate::kernel::ids::{CollectionActionId, InvoiceId};
use crate::kernel::money::Minor;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::platform::web::hex;

/// Entries of the diary that go into a file.
const DIARY_MAX: i64 = 1_000;

/// Hands a late invoice over to an agency: the step is taken, and its two files are made and kept.
///
/// # Errors
/// 404; 409 `collection_paused`, `collection_step_not_due`, `late_rate_missing`; 403 for one's own.
pub fn hand_over(tx: &mut Tx<'_>, id: CollectionActionId, invoice: InvoiceId) -> Result<ActionRow> {
    let open = crate::invoicing::open_invoice(tx, invoice)?;
    let by = tx.person()?;
    if by == open.member_id {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    let case = case(tx, invoice)?;
    let today = today(tx, open.entity_id)?;
    if open.open_minor <= Minor::ZERO {
        return Err(Error::conflict("reminder_nothing_open"));
    }
    if case.is_paused() {
        return Err(Error::conflict("collection_paused"));
    }
    let next = case.next.filter(|next| next.step.kind == StepKind::Agency);
    let not_due = |on: Option<NaiveDate>| {
        let error = Error::conflict("collection_step_not_due");
        if let Some(on) = on { error.with("on", on) } else { error }
    };
    let next = next.ok_or_else(|| not_due(None))?;
    if today < next.on {
        return Err(not_due(Some(next.on)));
    }
    let claim = cases::claim(tx, &case, today)?;
    cases::must_be_published(&case, &claim)?;
    let done = Done { today, reminder: None, grace: None, pay_by: None, by: Some(by) };
    let action = take(tx, id, &case, next, &claim, done)?;
    let file = file(tx, &case, &claim, today)?;
    let bytes = serde_json::to_vec_pretty(&file)?;
    let table = claim_csv::write(&rows(&case, &claim)).map_err(Error::internal)?;
    let number = case.invoice.row.number.clone().unwrap_or_default();
    for (kind, ending, media_type, bytes) in [
        (Kind::AgencyHandover, "json", "application/json", bytes),
        (Kind::AgencyHandoverCsv, "csv", "text/csv; charset=utf-8; header=present", table),
    ] {
        let name = format!("{number}-claim.{ending}");
        archive::keep(
            tx,
            &NewFile { kind, subject: action.id.0, owner: None, name: &name, media_type, bytes: &bytes },
        )?;
    }
    Ok(action)
}

/// A file of a handover.
///
/// # Errors
/// 404; 409 `state_conflict` for a step that is none.
pub fn kept(tx: &mut Tx<'_>, id: CollectionActionId, kind: Kind) -> Result<ArchivedFile> {
    let row = store::find_action(tx, id)?;
    if row.kind != StepKind::Agency {
        return Err(Error::state_conflict(row.kind, "download"));
    }
    archive::find_of(tx, id.0, kind)?.ok_or_else(Error::not_found)
}

/// The lines of a claim: the invoice, its interest by segment, what else is added.
fn rows(case: &Case, claim: &Claim) -> Vec<ClaimRow> {
    let number = case.invoice.row.number.clone().unwrap_or_default();
    let plain = |kind: &str, amount: Minor| ClaimRow {
        invoice: number.clone(),
        kind: kind.to_owned(),
        from: None,
        through: None,
        days: None,
        base_minor: None,
        rate_ppm: None,
        amount_minor: amount,
    };
    let mut rows = vec![plain("principal", claim.open)];
    rows.extend(claim.segments.iter().map(|it| ClaimRow {
        from: Some(it.from),
        through: Some(it.through),
        days: Some(it.days),
        base_minor: Some(it.base_minor),
        rate_ppm: Some(it.rate_ppm),
        ..plain("interest", it.interest_minor)
    }));
    rows.push(plain("compensation", claim.compensation));
    rows.push(plain("reminder_costs", claim.costs));
    rows
}

/// What is known about a claim, for whoever goes on with it.
pub(super) fn file(tx: &mut Tx<'_>, case: &Case, claim: &Claim, on: NaiveDate) -> Result<Value> {
    let row = &case.invoice.row;
    let filter = Filter { invoice_id: Some(row.id), ..Filter::default() };
    let diary: Vec<Value> = store::list_contacts(tx, &filter, None, DIARY_MAX)?
        .into_iter()
        .map(|it| json!({"on": it.contacted_on, "kind": it.kind, "note": it.note}))
        .collect();
    let mut steps = Vec::new();
    for done in store::actions_of(tx, row.id)? {
        let posted = store::posting_of(tx, done.id)?;
        steps.push(json!({
            "n": done.step_n, "kind": done.kind, "on": done.done_on, "logical_on": done.logical_on,
            "open_minor": done.open_minor, "total_minor": done.total_minor, "pay_by": done.pay_by,
            "registered": posted.map(|it| json!({"carrier": it.carrier, "tracking_number": it.tracking_number, "on": it.posted_on})),
        }));
    }
    Ok(json!({
        "format": "umbel-collection-file",
        "version": 1,
        "made_on": on,
        "currency": row.currency,
        "creditor": row.seller_snapshot,
        "debtor": row.buyer_snapshot,
        "invoice": {
            "number": row.number, "issued_on": row.issued_on, "due_on": row.due_on, "title": row.title,
            "payment_reference": row.payment_reference, "gross_minor": row.gross_minor, "tax_minor": row.tax_minor,
        },
        "claim": {
            "law": case.country, "track": case.kind, "open_minor": claim.open, "interest_minor": claim.interest,
            "interest": claim.segments, "compensation_minor": claim.compensation, "reminder_costs_minor": claim.costs,
            "total_minor": claim.total()?,
        },
        "steps": steps,
        "diary": diary,
        "documents": documents(tx, case)?,
    }))
}

/// The papers of a case by address and hash.
fn documents(tx: &mut Tx<'_>, case: &Case) -> Result<Vec<Value>> {
    let row = &case.invoice.row;
    let shown = |file: FileInfo, address: String| json!({"kind": file.kind, "name": file.name, "address": address, "sha256": hex(&file.sha256), "kept_at": file.created_at});
    let mut found = Vec::new();
    for file in archive::list_of(tx, row.id.0)? {
        let address = match file.kind.as_str() {
            "invoice_pdf" => format!("/v1/invoices/{}/pdf", row.id),
            "invoice_ubl" => format!("/v1/invoices/{}/ubl", row.id),
            "invoice_cii" => format!("/v1/invoices/{}/cii", row.id),
            _ => continue,
        };
        found.push(shown(file, address));
    }
    if let Some(order) = row.order_id {
        for file in archive::list_of(tx, order.0)? {
            found.push(shown(file, format!("/v1/orders/{order}/pdf")));
        }
    }
    for done in store::actions_of(tx, row.id)? {
        let subject = done.reminder_id.map_or(done.id.0, |reminder| reminder.0);
        for file in archive::list_of(tx, subject)? {
            if matches!(file.kind.as_str(), "payment_reminder" | "formal_demand") {
                found.push(shown(file, format!("/v1/collection_actions/{}/pdf", done.id)));
            }
        }
    }
    Ok(found)
}
