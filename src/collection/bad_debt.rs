//! What becomes of a claim that is lost: it is proposed to be given up with what was tried, and proved to the tax office.

use chrono::{Datelike, NaiveDate};
use serde_json::json;

use super::cases::case;
use super::rules::StepKind;
pub use super::store::{DossierRow, RefundRuleRow};
use super::{ActionRow, handover, store, today};
use crate::archive::{self, ArchivedFile, Kind, NewFile};
use crate::charter;
use crate::kernel::identifiers;
use crate::kernel::ids::{FileId, InvoiceId, OrderId, VatDossierId, VatRefundRuleId, WriteOffId};
use crate::kernel::refusal::Checks;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::platform::web::hex;
use crate::write_offs::{self, NewWriteOff, WriteOff, WriteOffState};

crate::named! {
    /// What makes a loss certain for the tax office.
    ProofKind {
        /// A court declared the client bankrupt.
        BankruptcyJudgment = "bankruptcy_judgment",
        /// A reorganisation of the client that a court approved gave the claim up.
        ApprovedReorganisation = "approved_reorganisation",
        /// All means were used and nothing came.
        AllMeansUsed = "all_means_used",
    }
}

/// Where VAT on a lost claim is taken back, from a day on.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are those of the table")]
pub struct NewRefundRule {
    pub id: VatRefundRuleId,
    pub country: String,
    pub valid_from: NaiveDate,
    pub return_box: String,
    pub deadline_years: i32,
    pub source: String,
    pub needs_review_on: NaiveDate,
    pub reason: Option<String>,
}

/// What proves a loss.
#[derive(Debug, Clone)]
pub struct NewDossier {
    /// Made by the sender.
    pub id: VatDossierId,
    /// Of this write-off.
    pub write_off: WriteOffId,
    /// What makes it certain.
    pub proof_kind: ProofKind,
    /// The day of the judgment, or the day on which nothing was left to try.
    pub proof_on: NaiveDate,
    /// The paper: a judgment, a notice of the curator, the answer of an agency.
    pub evidence: Option<FileId>,
}

/// Proposes to give up what is open, with everything that was tried as evidence. Another person decides.
///
/// # Errors
/// As `write_offs::propose`.
pub fn propose(tx: &mut Tx<'_>, id: WriteOffId, invoice: InvoiceId, reason: &str) -> Result<WriteOff> {
    let case = case(tx, invoice)?;
    let mut evidence = Vec::new();
    for done in &case.actions {
        let posted = store::posting_of(tx, done.id)?;
        let posted = posted.map(|it| format!(", {} {}", it.carrier, it.tracking_number)).unwrap_or_default();
        evidence.push(format!(
            "{} {}: {} /v1/collection_actions/{}{posted}",
            done.done_on, done.kind, done.step_n, done.id
        ));
    }
    let filter = store::Filter { invoice_id: Some(invoice), ..store::Filter::default() };
    for contact in store::list_contacts(tx, &filter, None, 200)?.iter().filter(|contact| contact.action_id.is_none()) {
        evidence.push(format!("{} {}: {}", contact.contacted_on, contact.kind, contact.note));
    }
    if evidence.is_empty() {
        evidence.push("-".to_owned());
    }
    let evidence: String = evidence.join("\n").chars().take(4000).collect();
    write_offs::propose(
        tx,
        &NewWriteOff { id, invoice, reason: reason.to_owned(), evidence: evidence.trim().to_owned() },
    )
}

/// Enters where VAT on a lost claim is taken back. One for the same day stays, and counts no more.
///
/// # Errors
/// 422 for every field that is not acceptable.
pub fn add_refund_rule(tx: &mut Tx<'_>, new: &NewRefundRule) -> Result<RefundRuleRow> {
    let mut checks = Checks::default();
    checks.require(identifiers::is_country(&new.country), "/country", "invalid");
    checks.text(&new.return_box, "/return_box", 1, 20);
    checks.require((0..=10).contains(&new.deadline_years), "/deadline_years", "out_of_range");
    checks.require(new.needs_review_on > new.valid_from, "/needs_review_on", "out_of_range");
    checks.text(&new.source, "/source", 1, 400);
    if let Some(reason) = &new.reason {
        checks.text(reason, "/reason", 1, 500);
    }
    checks.done()?;
    let by = tx.person()?;
    store::insert_refund_rule(tx, new, by)
}

/// Where VAT on lost claims is taken back, by country, the last day first.
///
/// # Errors
/// Fails with the database.
pub fn refund_rules(tx: &mut Tx<'_>) -> Result<Vec<RefundRuleRow>> {
    store::list_refund_rules(tx)
}

/// Makes the dossier of a write-off: what was confirmed, what was tried, what proves the loss, where and until when the
/// VAT is taken back. Kept for ever, with its hash.
///
/// # Errors
/// 404; 409 `state_conflict` for a write-off that is not approved, `vat_refund_rule_missing`, `not_unique`; 422 for what
/// is not acceptable.
pub fn make_dossier(tx: &mut Tx<'_>, new: &NewDossier) -> Result<DossierRow> {
    let write_off = write_offs::find(tx, new.write_off)?;
    let row = &write_off.row;
    if row.state != WriteOffState::Approved {
        return Err(Error::state_conflict(row.state, "make_dossier"));
    }
    let today = today(tx, row.entity_id)?;
    let case = case(tx, row.invoice_id)?;
    let mut checks = Checks::default();
    checks.require((case.due_on..=today).contains(&new.proof_on), "/proof_on", "out_of_range");
    archive::check_evidence(tx, new.evidence, &mut checks);
    let is_proved = new.proof_kind == ProofKind::AllMeansUsed || new.evidence.is_some();
    checks.require(is_proved, "/evidence_id", "required");
    let has_demanded = case.actions.iter().any(|done| done.kind == StepKind::FormalDemand);
    let was_tried = new.proof_kind != ProofKind::AllMeansUsed || has_demanded || new.evidence.is_some();
    checks.require(was_tried, "/proof_kind", "not_allowed");
    checks.done()?;
    let entity = charter::entity(tx, row.entity_id)?;
    let rule = store::refund_rule_on(tx, &entity.country, new.proof_on)?
        .ok_or_else(|| Error::conflict("vat_refund_rule_missing").with("country", &entity.country))?;
    let year = new.proof_on.year().checked_add(rule.deadline_years);
    let deadline_on = year.and_then(|year| NaiveDate::from_ymd_opt(year, 12, 31));
    let deadline_on = deadline_on.ok_or_else(|| Error::value("date_out_of_range"))?;
    let claim = super::Claim {
        open: row.amount_minor,
        segments: Vec::new(),
        interest: crate::kernel::money::Minor::ZERO,
        compensation: crate::kernel::money::Minor::ZERO,
        costs: crate::kernel::money::Minor::ZERO,
    };
    let mut file = handover::file(tx, &case, &claim, today)?;
    let evidence = match new.evidence {
        Some(id) => Some(archive::find_evidence(tx, id)?),
        None => None,
    };
    if let Some(parts) = file.as_object_mut() {
        parts.insert("format".to_owned(), json!("umbel-vat-dossier"));
        parts.insert(
            "loss".to_owned(),
            json!({
                "write_off_id": row.id, "written_off_on": row.written_off_on, "amount_minor": row.amount_minor,
                "vat_minor": row.vat_minor, "reason": row.reason, "evidence": row.evidence,
                "proposed_by": row.proposed_by, "decided_by": row.decided_by,
            }),
        );
        parts.insert(
            "proof".to_owned(),
            json!({
                "kind": new.proof_kind, "on": new.proof_on, "evidence_id": new.evidence,
                "sha256": evidence.as_ref().map(|file| hex(&file.sha256)),
            }),
        );
        parts.insert(
            "return".to_owned(),
            json!({"country": rule.country, "box": rule.return_box, "deadline_on": deadline_on, "source": rule.source}),
        );
        parts.insert("confirmed".to_owned(), json!({"order_id": case.invoice.row.order_id, "covered": row.is_covered}));
    }
    let bytes = serde_json::to_vec_pretty(&file)?;
    let name = format!("{}-vat-dossier.json", write_off.number);
    let media_type = "application/json";
    let kept =
        NewFile { kind: Kind::VatDossier, subject: new.id.0, owner: None, name: &name, media_type, bytes: &bytes };
    let file_id = archive::keep(tx, &kept)?;
    let dossier = DossierRow {
        id: new.id,
        write_off_id: row.id,
        entity_id: row.entity_id,
        member_id: row.member_id,
        proof_kind: new.proof_kind,
        proof_on: new.proof_on,
        evidence_id: new.evidence,
        rule_id: rule.id,
        return_box: rule.return_box,
        deadline_on,
        currency: row.currency,
        vat_minor: row.vat_minor.unwrap_or_default(),
        file_id,
        sha256: archive::sha256(&bytes).to_vec(),
        made_by: tx.person()?,
        created_at: tx.now(),
    };
    store::insert_dossier(tx, &dossier)
}

/// What there is for the dossier of a write-off, and the dossier once it is made.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The write-off.
    pub write_off: WriteOff,
    /// The order that the client confirmed.
    pub order: Option<OrderId>,
    /// What was tried, in order.
    pub actions: Vec<ActionRow>,
    /// The dossier.
    pub dossier: Option<DossierRow>,
}

/// What there is for the dossier of a write-off.
///
/// # Errors
/// 404.
pub fn standing(tx: &mut Tx<'_>, of: WriteOffId) -> Result<Standing> {
    let write_off = write_offs::find(tx, of)?;
    let case = case(tx, write_off.row.invoice_id)?;
    let dossier = store::find_dossier(tx, of)?;
    Ok(Standing { order: case.invoice.row.order_id, actions: case.actions, write_off, dossier })
}

/// The file of a dossier, byte for byte.
///
/// # Errors
/// 404; 409 `state_conflict` until it is made.
pub fn dossier_file(tx: &mut Tx<'_>, of: WriteOffId) -> Result<ArchivedFile> {
    let write_off = write_offs::find(tx, of)?;
    let made = store::find_dossier(tx, of)?;
    let row = made.ok_or_else(|| Error::state_conflict(write_off.row.state, "download"))?;
    archive::find_of(tx, row.id.0, Kind::VatDossier)?.ok_or_else(Error::not_found)
}
