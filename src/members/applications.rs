//! The desk for applications. A file of its own beside `mod.rs`, which is the desk for who has been accepted.

use chrono::{Duration, NaiveDate};

use super::rules::{self, ApplicationCommand, ApplicationState, Evidence, IdentityProofKind};
use super::store::{self, ApplicationDetails, ApplicationRow, MemberRow, PayeeAccountRow};
use super::{price, subscribe};
use crate::access::{self, LinkPurpose, NewPerson, PersonRow};
use crate::archive::{self, FileInfo, Kind, NewFile};
use crate::charter;
use crate::formats::letters::Letter;
use crate::kernel::identifiers;
use crate::kernel::ids::{AgreementId, ApplicationId, EntityId, FileId, PayeeAccountId, PersonId};
use crate::kernel::patch::Patch;
use crate::kernel::references::Ogm;
use crate::kernel::refusal::Checks;
use crate::kernel::roles::Role;
use crate::outbox::{self, QueuedLetter};
use crate::platform::db::{Locked, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;

/// How long a link in a mail confirms an address.
const CONFIRMATION_LIFE: Duration = Duration::days(7);

/// Somebody who wants to become a member, before they have an account.
#[derive(Debug, Clone)]
pub struct NewApplicant {
    /// Of the application, made by the sender.
    pub id: ApplicationId,
    /// To which entity.
    pub entity: EntityId,
    /// Their address of mail.
    pub email: String,
    /// Their name.
    pub name: String,
    /// What they read.
    pub language: crate::kernel::language::Language,
    /// The hash of their password.
    pub password_hash: String,
}

/// What an applicant changes; what is absent stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields are those of ApplicationRow")]
pub struct ApplicationPatch {
    pub birth_date: Patch<NaiveDate>,
    pub phone: Patch<String>,
    pub trade: Patch<String>,
    pub enterprise_number: Patch<String>,
    pub street: Patch<String>,
    pub building_number: Patch<String>,
    pub postcode: Patch<String>,
    pub town: Patch<String>,
    pub country: Patch<String>,
}

/// Where an applicant wants to be paid, as they typed it.
#[derive(Debug, Clone)]
pub struct NewPayeeAccount {
    /// Made by the sender.
    pub id: PayeeAccountId,
    /// The IBAN.
    pub iban: String,
    /// In whose name the bank keeps it.
    pub holder: String,
}

/// An application with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct Dossier {
    /// The application.
    pub application: ApplicationRow,
    /// Who applies.
    pub person: PersonRow,
    /// Where they want to be paid.
    pub account: Option<PayeeAccountRow>,
    /// Whether somebody else gave the same IBAN; for reviewers only.
    pub is_iban_elsewhere: Option<bool>,
    /// What is still missing, as pointers.
    pub missing: Vec<String>,
}

fn letter_to(person: &PersonRow, letter: Letter, subject: uuid::Uuid) -> QueuedLetter {
    QueuedLetter { to: person.email.clone(), language: person.language, letter, subject, owner: Some(person.id) }
}

/// Begins an application of somebody without an account: a person, a draft, a mail with a link.
///
/// Whether an address has an account is nobody's business, so the caller answers the same in both cases. When it
/// has one, nothing is begun and its owner gets a mail with which to sign in. The id is used up either way, and two
/// attempts at the same moment wait for each other, so that a second attempt cannot find out either.
///
/// # Errors
/// 404 for an unknown entity; 409 `id_unavailable`; 422 for what is not acceptable.
pub fn apply(tx: &mut Tx<'_>, new: &NewApplicant) -> Result<()> {
    let mut checks = Checks::default();
    checks.require(identifiers::is_email(&new.email), "/email", "invalid");
    checks.text(&new.name, "/name", 1, 200);
    checks.done()?;
    charter::entity(tx, new.entity)?;
    store::lock_names(tx, new.id, &new.email)?;
    if store::is_id_taken(tx, new.id)? {
        return Err(Error::conflict("id_unavailable"));
    }
    if access::person_by_email(tx, &new.email)?.is_some() {
        return access::request_password_reset(tx, &new.email);
    }
    let person = NewPerson {
        id: tx.new_id(),
        email: new.email.clone(),
        name: new.name.clone(),
        language: new.language,
        password_hash: new.password_hash.clone(),
    };
    let person = access::add_person(tx, &person)?;
    store::insert_application(tx, new.id, person.id, new.entity)?;
    let link = access::open_link(tx, LinkPurpose::ConfirmEmail, person.id.0, CONFIRMATION_LIFE)?;
    let reference = access::link_reference(LinkPurpose::ConfirmEmail, link);
    let letter = Letter::ConfirmEmail { name: person.name.clone(), link: reference };
    outbox::queue_letter(tx, letter_to(&person, letter, link), "applied")
}

/// Begins another application of somebody who has an account: after a refusal, or from the office.
///
/// # Errors
/// 404 for an unknown entity; 409 `application_open`.
pub fn apply_again(tx: &mut Tx<'_>, id: ApplicationId, entity: EntityId) -> Result<ApplicationRow> {
    let me = tx.person()?;
    charter::entity(tx, entity)?;
    store::insert_application(tx, id, me, entity)
}

/// Confirms an address of mail with the link that went there.
///
/// # Errors
/// 404 `link_invalid`; 409 `link_used`, `link_expired`.
pub fn confirm_email(tx: &mut Tx<'_>, keys: &Keys, token: &str) -> Result<()> {
    let (link, subject) = access::follow_link(tx, keys, LinkPurpose::ConfirmEmail, token)?;
    access::use_link(tx, link)?;
    access::confirm_email(tx, PersonId(subject))?;
    Ok(())
}

/// An application.
///
/// # Errors
/// 404 when there is none, or when it is somebody else's.
pub fn application(tx: &mut Tx<'_>, id: ApplicationId) -> Result<ApplicationRow> {
    store::find_application(tx, id)
}

/// Applications with who applies, newest first.
///
/// # Errors
/// Fails with the database.
pub fn applications(
    tx: &mut Tx<'_>,
    state: Option<ApplicationState>,
    after: Option<uuid::Uuid>,
    limit: i64,
) -> Result<Vec<(ApplicationRow, Option<PersonRow>)>> {
    let rows = store::list_applications(tx, state, after, limit)?;
    let ids: Vec<PersonId> = rows.iter().map(|row| row.person_id).collect();
    let people = access::people_of(tx, &ids)?;
    let find = |id: PersonId| people.iter().find(|person| person.id == id).cloned();
    Ok(rows.into_iter().map(|row| (row.clone(), find(row.person_id))).collect())
}

/// An application with everything that belongs to it.
///
/// # Errors
/// 404 as [`application`].
pub fn dossier(tx: &mut Tx<'_>, id: ApplicationId) -> Result<Dossier> {
    let application = store::find_application(tx, id)?;
    let person = access::person(tx, application.person_id)?;
    let account = store::find_live_payee_account(tx, person.id)?;
    let is_iban_elsewhere = match &account {
        Some(account) if tx.has_role(Role::Reviewer) => {
            Some(store::is_iban_elsewhere(tx, &account.iban_index, person.id)?)
        }
        Some(_) | None => None,
    };
    let has = evidence(tx, &application)?;
    let missing = match rules::check_complete(&application, has) {
        Ok(()) => Vec::new(),
        Err(refusal) => refusal.fields.into_iter().map(|field| field.pointer).collect(),
    };
    Ok(Dossier { application, person, account, is_iban_elsewhere, missing })
}

/// What an application has beside its own fields.
fn evidence(tx: &mut Tx<'_>, application: &ApplicationRow) -> Result<Evidence> {
    let person = access::person(tx, application.person_id)?;
    let files = archive::list_of(tx, application.id.0)?;
    let has = |kind: Kind| files.iter().any(|file| file.kind == kind.name());
    // What was accepted counts for a submission while it is in force, and from then on for the decision.
    let is_agreement_current = match (application.agreement_id, application.state) {
        (None, _) => false,
        (Some(id), ApplicationState::Draft | ApplicationState::InfoRequested) => is_in_force(tx, application, id)?,
        (
            Some(_),
            ApplicationState::Submitted
            | ApplicationState::InReview
            | ApplicationState::Accepted
            | ApplicationState::Rejected
            | ApplicationState::Withdrawn,
        ) => true,
    };
    Ok(Evidence {
        is_email_verified: person.email_verified_at.is_some(),
        has_bank_account: store::find_live_payee_account(tx, person.id)?.is_some(),
        has_identity_proof: has(Kind::IdentityProof),
        has_bank_proof: has(Kind::BankProof),
        is_agreement_current,
    })
}

/// Whether a text is the one that the entity of an application asks for today, in its language.
fn is_in_force(tx: &mut Tx<'_>, application: &ApplicationRow, id: AgreementId) -> Result<bool> {
    let text = charter::agreement(tx, id)?;
    if text.entity_id != application.entity_id {
        return Ok(false);
    }
    let current = charter::agreement_in_force(tx, application.entity_id, text.language)?;
    Ok(current.is_some_and(|current| current.id == id))
}

/// Locks the signed-in person's own application, as they saw it.
fn lock_own(tx: &mut Tx<'_>, id: ApplicationId, expected: i32) -> Result<Locked<ApplicationRow>> {
    let row = store::lock_application(tx, id)?;
    if row.person_id != tx.person()? {
        return Err(Error::forbidden("role_forbidden"));
    }
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    Ok(row)
}

/// Locks somebody else's application for the signed-in reviewer, as they saw it.
fn lock_for_review(tx: &mut Tx<'_>, id: ApplicationId, expected: i32) -> Result<Locked<ApplicationRow>> {
    let row = store::lock_application(tx, id)?;
    if row.person_id == tx.person()? {
        return Err(Error::forbidden("self_approval_forbidden"));
    }
    if row.version != expected {
        return Err(Error::version_stale(row.version));
    }
    Ok(row)
}

/// Changes what the signed-in person's application says.
///
/// # Errors
/// 409 when it is with the office; 412 for another version; 422 for what is not acceptable.
pub fn change(tx: &mut Tx<'_>, id: ApplicationId, expected: i32, patch: ApplicationPatch) -> Result<ApplicationRow> {
    let row = lock_own(tx, id, expected)?;
    rules::check_editable(row.state, "change")?;
    let zone = charter::entity(tx, row.entity_id)?.zone();
    let details: ApplicationDetails = rules::details(&row, patch, tx.today(zone))?;
    store::save_application(tx, &row, &details)
}

/// Sets where the signed-in applicant wants to be paid. An account of somebody else with the same IBAN is no
/// reason to refuse (couples share accounts); the reviewer is told.
///
/// # Errors
/// 409 when the application is with the office; 412 for another version; 422 for what is not acceptable.
pub fn set_bank_account(
    tx: &mut Tx<'_>,
    keys: &Keys,
    (id, expected): (ApplicationId, i32),
    new: NewPayeeAccount,
) -> Result<ApplicationRow> {
    let row = lock_own(tx, id, expected)?;
    rules::check_editable(row.state, "set_bank_account")?;
    let account = super::seal_account(keys, row.person_id, &new)?;
    let last4 = account.iban_last4.clone();
    store::replace_payee_account(tx, &account)?;
    let person = access::person(tx, row.person_id)?;
    outbox::queue_letter(tx, letter_to(&person, Letter::BankDetailsSet { last4 }, new.id.0), "set")?;
    store::touch_application(tx, &row)
}

/// Keeps a proof for the signed-in person's application. What it is, its first bytes say.
///
/// # Errors
/// 403 `limit_exceeded` after many; 409 when the application is with the office; 415 `upload_type_unsupported`;
/// 422 for an empty file.
pub fn add_document(tx: &mut Tx<'_>, id: ApplicationId, kind: IdentityProofKind, bytes: &[u8]) -> Result<FileInfo> {
    let row = store::lock_application(tx, id)?;
    if row.person_id != tx.person()? {
        return Err(Error::forbidden("role_forbidden"));
    }
    rules::check_editable(row.state, "add_document")?;
    if bytes.is_empty() {
        return Err(Error::field("/", "required"));
    }
    let Some(media_type) = archive::recognise(bytes) else {
        return Err(Error::new(actix_web::http::StatusCode::UNSUPPORTED_MEDIA_TYPE, "upload_type_unsupported"));
    };
    let kept = archive::list_of(tx, id.0)?;
    if kept.len() >= rules::DOCUMENTS_MAX {
        return Err(Error::forbidden("limit_exceeded").with("limit", rules::DOCUMENTS_MAX));
    }
    let kind = match kind {
        IdentityProofKind::Identity => Kind::IdentityProof,
        IdentityProofKind::Bank => Kind::BankProof,
    };
    // The name is ours: what the sender calls a file may say too much, or not be a name at all.
    let name = format!("{}-{}.{}", kind.name(), kept.len().saturating_add(1), media_type.ending());
    let file =
        NewFile { kind, subject: id.0, owner: Some(row.person_id), name: &name, media_type: media_type.name(), bytes };
    let file = archive::keep(tx, &file)?;
    archive::list_of(tx, id.0)?.into_iter().find(|info| info.id == file).ok_or_else(Error::not_found)
}

/// The proofs of an application, oldest first.
///
/// # Errors
/// 404 as [`application`].
pub fn documents(tx: &mut Tx<'_>, id: ApplicationId) -> Result<Vec<FileInfo>> {
    store::find_application(tx, id)?;
    archive::list_of(tx, id.0)
}

/// A proof with its bytes: for who gave it and for reviewers. Other files have doors of their own.
///
/// # Errors
/// 404 for anybody else, and for other kinds of files.
pub fn document(tx: &mut Tx<'_>, id: FileId) -> Result<archive::ArchivedFile> {
    let file = archive::find(tx, id)?;
    let is_proof = IdentityProofKind::ALL.iter().any(|kind| kind.name() == file.kind);
    let may_read = file.owner_id == Some(tx.person()?) || tx.has_role(Role::Reviewer);
    if is_proof && may_read { Ok(file) } else { Err(Error::not_found()) }
}

/// Accepts the agreement in force for the signed-in person's application: which text, when, from which address.
///
/// # Errors
/// 409 `agreement_outdated` for another text than the one in force, or another hash than its own; 412 for another
/// version.
pub fn accept_agreement(
    tx: &mut Tx<'_>,
    (id, expected): (ApplicationId, i32),
    agreement: AgreementId,
    sha256: &[u8],
) -> Result<ApplicationRow> {
    let row = lock_own(tx, id, expected)?;
    rules::check_editable(row.state, "accept_agreement")?;
    let text = charter::agreement(tx, agreement)
        .map_err(|error| if error.code == "not_found" { Error::field("/agreement_id", "invalid") } else { error })?;
    if !is_in_force(tx, &row, agreement)? || text.sha256 != sha256 {
        return Err(Error::conflict("agreement_outdated").with("version", text.version_number));
    }
    store::save_agreement(tx, &row, agreement)
}

/// Hands the signed-in person's application to the office.
///
/// # Errors
/// 409 in another state; 412 for another version; 422 `application_incomplete` naming all that is missing.
pub fn submit(tx: &mut Tx<'_>, id: ApplicationId, expected: i32) -> Result<ApplicationRow> {
    let row = lock_own(tx, id, expected)?;
    rules::next(row.state, ApplicationCommand::Submit)?;
    let has = evidence(tx, &row)?;
    rules::check_complete(&row, has)?;
    let submitted = store::save_submitted(tx, &row)?;
    let person = access::person(tx, row.person_id)?;
    let letter = letter_to(&person, Letter::ApplicationReceived, id.0);
    outbox::queue_letter(tx, letter, &format!("v{}", submitted.version))?;
    Ok(submitted)
}

/// Takes the signed-in person's application back.
///
/// # Errors
/// 409 when it is decided; 412 for another version.
pub fn withdraw(tx: &mut Tx<'_>, id: ApplicationId, expected: i32) -> Result<ApplicationRow> {
    let row = lock_own(tx, id, expected)?;
    let state = rules::next(row.state, ApplicationCommand::Withdraw)?;
    store::save_application_state(tx, &row, state, None)
}

/// Takes an application up for review.
///
/// # Errors
/// 403 `self_approval_forbidden`; 409 in another state; 412 for another version. So for all that follow.
pub fn start_review(tx: &mut Tx<'_>, id: ApplicationId, expected: i32) -> Result<ApplicationRow> {
    let row = lock_for_review(tx, id, expected)?;
    let state = rules::next(row.state, ApplicationCommand::StartReview)?;
    store::save_application_state(tx, &row, state, None)
}

/// Asks the applicant for something.
///
/// # Errors
/// As [`start_review`]; 422 for an empty message.
pub fn request_info(tx: &mut Tx<'_>, id: ApplicationId, expected: i32, message: &str) -> Result<ApplicationRow> {
    let row = lock_for_review(tx, id, expected)?;
    let state = rules::next(row.state, ApplicationCommand::RequestInfo)?;
    check_words(message, "/message")?;
    tx.reason(message)?;
    let asked = store::save_application_state(tx, &row, state, Some(message))?;
    let person = access::person(tx, row.person_id)?;
    let letter = letter_to(&person, Letter::ApplicationInfoRequested { message: message.to_owned() }, id.0);
    outbox::queue_letter(tx, letter, &format!("v{}", asked.version))?;
    Ok(asked)
}

/// Refuses an application, with a reason that the applicant reads.
///
/// # Errors
/// As [`start_review`]; 422 for an empty reason.
pub fn reject(tx: &mut Tx<'_>, id: ApplicationId, expected: i32, reason: &str) -> Result<ApplicationRow> {
    let row = lock_for_review(tx, id, expected)?;
    let state = rules::next(row.state, ApplicationCommand::Reject)?;
    check_words(reason, "/reason")?;
    tx.reason(reason)?;
    let by = tx.person()?;
    let rejected = store::save_decision(tx, &row, state, (by, Some(reason)))?;
    let person = access::person(tx, row.person_id)?;
    let letter = letter_to(&person, Letter::ApplicationRejected { reason: reason.to_owned() }, id.0);
    outbox::queue_letter(tx, letter, "rejected")?;
    Ok(rejected)
}

fn check_words(text: &str, pointer: &str) -> Result<()> {
    let mut checks = Checks::default();
    checks.text(text, pointer, 1, 2000);
    Ok(checks.done()?)
}

/// Accepts an application: its bank account counts as verified by this reviewer, the applicant becomes a member
/// with one share to pay, and is told how.
///
/// # Errors
/// As [`start_review`]; 409 `rule_set_missing`, `bank_account_missing`; 422 `application_incomplete`.
pub fn accept(tx: &mut Tx<'_>, id: ApplicationId, expected: i32) -> Result<ApplicationRow> {
    let row = lock_for_review(tx, id, expected)?;
    let state = rules::next(row.state, ApplicationCommand::Accept)?;
    let has = evidence(tx, &row)?;
    rules::check_complete(&row, has)?;
    let by = tx.person()?;
    let account = store::find_live_payee_account(tx, row.person_id)?.ok_or_else(Error::not_found)?;
    store::save_account_verified(tx, account.id, by)?;
    let accepted = store::save_decision(tx, &row, state, (by, None))?;
    let member: MemberRow = store::insert_member(tx, &accepted)?;
    let share = tx.new_id();
    let share = subscribe(tx, &member, share, 1)?;
    let reference = share.payment_reference.as_deref().and_then(Ogm::parse);
    let letter = Letter::ApplicationAccepted {
        share_amount: price(&share)?,
        reference: reference.map(|ogm| ogm.printed()).unwrap_or_default(),
        iban: charter::bank_account(tx, row.entity_id)?.iban,
    };
    let person = access::person(tx, row.person_id)?;
    outbox::queue_letter(tx, letter_to(&person, letter, id.0), "accepted")?;
    Ok(accepted)
}
