//! The applicant's side: apply, fill in, prove, submit.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, patch, post, put};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::http::DoneView;
use crate::access::{self, Passwords, SignedIn, Visitor};
use crate::archive::FileInfo;
use crate::kernel::ids::{AgreementId, ApplicationId, EntityId, FileId, PayeeAccountId, PersonId};
use crate::kernel::language::Language;
use crate::kernel::patch::Patch;
use crate::members::{
    self, ApplicationPatch, ApplicationState, Dossier, IdentityProofKind, NewApplicant, NewPayeeAccount,
    PayeeAccountRow,
};
use crate::platform::db::{Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, QueryOf, Upload, attachment, hex, unhex};

crate::endpoints!(
    create_application,
    confirm_email,
    create_my_application,
    show_application,
    change_application,
    set_application_bank_account,
    add_application_document,
    list_application_documents,
    download_document,
    accept_agreement,
    submit_application,
    withdraw_application,
);

/// Where somebody is paid, as much of it as is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct PayeeAccountView {
    /// Its id.
    pub id: PayeeAccountId,
    /// In whose name the bank keeps it.
    pub holder: String,
    /// The country of the IBAN.
    pub iban_country: String,
    /// The last four characters of the IBAN.
    pub iban_last4: String,
    /// When somebody of the office verified it.
    pub verified_at: Option<DateTime<Utc>>,
}

impl From<PayeeAccountRow> for PayeeAccountView {
    fn from(row: PayeeAccountRow) -> Self {
        Self {
            id: row.id,
            holder: row.holder,
            iban_country: row.iban_country,
            iban_last4: row.iban_last4,
            verified_at: row.verified_at,
        }
    }
}

/// An address that is being filled in.
#[derive(Debug, Serialize, ToSchema)]
pub struct DraftAddress {
    /// Street.
    pub street: Option<String>,
    /// Building number.
    pub building_number: Option<String>,
    /// Postcode.
    pub postcode: Option<String>,
    /// Town.
    pub town: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
}

/// An application and what belongs to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApplicationView {
    /// Its id.
    pub id: ApplicationId,
    /// Who applies.
    pub person_id: PersonId,
    /// To which entity.
    pub entity_id: EntityId,
    /// Where it stands.
    pub state: ApplicationState,
    /// The applicant's name.
    pub name: String,
    /// Their address of mail.
    pub email: String,
    /// Whether they showed that they read mail there.
    pub email_verified: bool,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
    /// Telephone.
    pub phone: Option<String>,
    /// What they do.
    pub trade: Option<String>,
    /// Their own enterprise number, if they have one.
    pub enterprise_number: Option<String>,
    /// Where they live.
    pub address: DraftAddress,
    /// Where they want to be paid.
    pub bank_account: Option<PayeeAccountView>,
    /// Whether somebody else gave the same IBAN; shown to reviewers only.
    pub iban_used_elsewhere: Option<bool>,
    /// The text that they accepted.
    pub agreement_id: Option<AgreementId>,
    /// When.
    pub agreement_accepted_at: Option<DateTime<Utc>>,
    /// The last words of the office to the applicant.
    pub message: Option<String>,
    /// What is still missing, as JSON pointers.
    pub missing: Vec<String>,
    /// When it was last submitted.
    pub submitted_at: Option<DateTime<Utc>>,
    /// Who decided.
    pub decided_by: Option<PersonId>,
    /// When.
    pub decided_at: Option<DateTime<Utc>>,
    /// Grows with every change.
    pub version: i32,
}

impl From<Dossier> for ApplicationView {
    fn from(dossier: Dossier) -> Self {
        let row = dossier.application;
        Self {
            id: row.id,
            person_id: row.person_id,
            entity_id: row.entity_id,
            state: row.state,
            name: dossier.person.name,
            email: dossier.person.email,
            email_verified: dossier.person.email_verified_at.is_some(),
            birth_date: row.birth_date,
            phone: row.phone,
            trade: row.trade,
            enterprise_number: row.enterprise_number,
            address: DraftAddress {
                street: row.street,
                building_number: row.building_number,
                postcode: row.postcode,
                town: row.town,
                country: row.country,
            },
            bank_account: dossier.account.map(PayeeAccountView::from),
            iban_used_elsewhere: dossier.is_iban_elsewhere,
            agreement_id: row.agreement_id,
            agreement_accepted_at: row.agreement_accepted_at,
            message: row.message,
            missing: dossier.missing,
            submitted_at: row.submitted_at,
            decided_by: row.decided_by,
            decided_at: row.decided_at,
            version: row.version,
        }
    }
}

/// An application as it is now.
pub(super) fn load(tx: &mut Tx<'_>, id: ApplicationId) -> Result<ApplicationView> {
    members::dossier(tx, id).map(ApplicationView::from)
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateApplication {
    /// Made by the sender.
    id: ApplicationId,
    /// To which entity.
    entity_id: EntityId,
    /// Address of mail; a link to confirm it goes there.
    #[schema(max_length = 254)]
    email: String,
    /// Name.
    #[schema(max_length = 200)]
    name: String,
    /// What they read.
    language: Language,
    /// At least twelve characters.
    #[schema(min_length = 12, max_length = 256)]
    password: String,
}

/// That an application was taken in.
#[derive(Debug, Serialize, ToSchema)]
struct ApplicationBegun {
    /// Its id.
    id: ApplicationId,
    /// Always `draft`.
    state: ApplicationState,
}

/// Applies for membership: makes an account and a draft, and mails a link that confirms the address for seven days.
///
/// The answer never tells whether an address has an account. If it has one, nothing is made and its owner gets a mail
/// with which to sign in, from where they can apply.
#[utoipa::path(tag = "applications", request_body = CreateApplication, responses((status = 201, body = ApplicationBegun)),
    security(()), extensions(("x-roles" = json!([]))))]
#[post("/v1/applications")]
async fn create_application(
    visitor: Visitor,
    db: Data<Db>,
    passwords: Data<Passwords>,
    command: Command<CreateApplication>,
) -> Result<HttpResponse> {
    access::check_password(&command.body.password, &command.body.email)?;
    let hash = passwords.hash(command.body.password.clone()).await?;
    command
        .create(&db, visitor.into(), "create_application", "/v1/applications", move |tx, body| {
            let new = NewApplicant {
                id: body.id,
                entity: body.entity_id,
                email: body.email,
                name: body.name,
                language: body.language,
                password_hash: hash.clone(),
            };
            members::apply(tx, &new)?;
            Ok(ApplicationBegun { id: new.id, state: ApplicationState::Draft })
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ConfirmEmail {
    /// From the link.
    #[schema(max_length = 200)]
    token: String,
}

/// Confirms an address of mail with the link that went there.
#[utoipa::path(tag = "applications", request_body = ConfirmEmail, responses((status = 200, body = DoneView)),
    security(()), extensions(("x-roles" = json!([]))))]
#[post("/v1/email_confirmations")]
async fn confirm_email(
    visitor: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    command: Command<ConfirmEmail>,
) -> Result<HttpResponse> {
    command
        .run(&db, visitor.with_link(), "confirm_email", move |tx, body| {
            members::confirm_email(tx, &keys, &body.token)?;
            Ok(DoneView { done: true })
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateMyApplication {
    /// Made by the sender.
    id: ApplicationId,
    /// To which entity.
    entity_id: EntityId,
}

/// Applies with the account that you have: after a refusal, or from the office.
#[utoipa::path(tag = "applications", request_body = CreateMyApplication, responses((status = 201, body = ApplicationView)),
    extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/me/applications")]
async fn create_my_application(
    who: SignedIn,
    db: Data<Db>,
    command: Command<CreateMyApplication>,
) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "create_my_application", "/v1/applications", |tx, body| {
            let row = members::apply_again(tx, body.id, body.entity_id)?;
            load(tx, row.id)
        })
        .await
}

/// Shows an application: your own, or any for the office.
#[utoipa::path(tag = "applications", params(("id" = ApplicationId, Path)), responses((status = 200, body = ApplicationView)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/applications/{id}")]
async fn show_application(who: SignedIn, db: Data<Db>, id: Path<ApplicationId>) -> Result<Json<ApplicationView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeDraftAddress {
    /// Street.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 70)]
    street: Patch<String>,
    /// Building number.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 16)]
    building_number: Patch<String>,
    /// Postcode.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 16)]
    postcode: Patch<String>,
    /// Town.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 35)]
    town: Patch<String>,
    /// ISO 3166-1 alpha-2.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2, pattern = "^[A-Z]{2}$")]
    country: Patch<String>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeApplication {
    /// Born on; of age today.
    #[serde(default)]
    #[schema(value_type = Option<NaiveDate>)]
    birth_date: Patch<NaiveDate>,
    /// Telephone.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 40)]
    phone: Patch<String>,
    /// What you do.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 200)]
    trade: Patch<String>,
    /// Your own Belgian enterprise number, if you have one.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 20)]
    enterprise_number: Patch<String>,
    /// Where you live; `null` clears all of it.
    #[serde(default)]
    #[schema(value_type = Option<ChangeDraftAddress>)]
    address: Patch<ChangeDraftAddress>,
}

impl From<ChangeApplication> for ApplicationPatch {
    fn from(body: ChangeApplication) -> Self {
        let address = match body.address {
            Patch::Keep => ChangeDraftAddress::default(),
            Patch::Set(address) => address,
            Patch::Clear => ChangeDraftAddress {
                street: Patch::Clear,
                building_number: Patch::Clear,
                postcode: Patch::Clear,
                town: Patch::Clear,
                country: Patch::Clear,
            },
        };
        Self {
            birth_date: body.birth_date,
            phone: body.phone,
            trade: body.trade,
            enterprise_number: body.enterprise_number,
            street: address.street,
            building_number: address.building_number,
            postcode: address.postcode,
            town: address.town,
            country: address.country,
        }
    }
}

/// Fills in your application (RFC 7396), while it is with you.
#[utoipa::path(tag = "applications", params(("id" = ApplicationId, Path)),
    request_body(content = ChangeApplication, content_type = "application/merge-patch+json"),
    responses((status = 200, body = ApplicationView)), extensions(("x-roles" = json!(["any"]))))]
#[patch("/v1/applications/{id}")]
async fn change_application(
    who: SignedIn,
    db: Data<Db>,
    id: Path<ApplicationId>,
    command: Command<ChangeApplication>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "change_application", id, load, |tx, id, expected, body| {
            members::change(tx, id, expected, body.into())?;
            load(tx, id)
        })
        .await
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetBankAccount {
    /// Of the account, made by the sender.
    id: PayeeAccountId,
    /// IBAN; kept sealed and shown as its last four characters.
    #[schema(max_length = 50)]
    iban: String,
    /// In whose name the bank keeps it.
    #[schema(max_length = 70)]
    holder: String,
}

/// Sets where you want to be paid.
#[utoipa::path(tag = "applications", params(("id" = ApplicationId, Path)), request_body = SetBankAccount,
    responses((status = 200, body = ApplicationView)), extensions(("x-roles" = json!(["any"]))))]
#[put("/v1/applications/{id}/bank_account")]
async fn set_application_bank_account(
    who: SignedIn,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<ApplicationId>,
    command: Command<SetBankAccount>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "set_application_bank_account", id, load, move |tx, id, expected, body| {
            let new = NewPayeeAccount { id: body.id, iban: body.iban, holder: body.holder };
            members::set_bank_account(tx, &keys, (id, expected), new)?;
            load(tx, id)
        })
        .await
}

/// A file that an applicant gave.
#[derive(Debug, Serialize, ToSchema)]
struct DocumentView {
    /// Its id.
    id: FileId,
    /// What it shows.
    kind: String,
    /// What it is called when it is downloaded.
    name: String,
    /// What it is, told by its first bytes.
    media_type: String,
    /// How many bytes it has.
    size: i64,
    /// SHA-256 of its bytes, in hexadecimal.
    sha256: String,
    /// When it was given.
    created_at: DateTime<Utc>,
}

impl From<FileInfo> for DocumentView {
    fn from(file: FileInfo) -> Self {
        Self {
            id: file.id,
            kind: file.kind,
            name: file.name,
            media_type: file.media_type,
            size: file.size,
            sha256: hex(&file.sha256),
            created_at: file.created_at,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DocumentKind {
    /// What the file shows.
    #[param(inline)]
    kind: IdentityProofKind,
}

/// Adds a proof to your application: a PDF, JPEG or PNG of at most 10 MiB, as the body of the request.
#[utoipa::path(tag = "applications", params(("id" = ApplicationId, Path), DocumentKind),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = DocumentView)), extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/applications/{id}/documents")]
async fn add_application_document(
    who: SignedIn,
    db: Data<Db>,
    id: Path<ApplicationId>,
    kind: QueryOf<DocumentKind>,
    upload: Upload,
) -> Result<HttpResponse> {
    let (id, kind) = (id.into_inner(), kind.0.kind);
    upload
        .command
        .create(&db, who.into(), "add_application_document", "/v1/documents", move |tx, bytes| {
            members::add_document(tx, id, kind, &bytes).map(DocumentView::from)
        })
        .await
}

/// Lists the proofs of an application, oldest first.
#[utoipa::path(tag = "applications", params(("id" = ApplicationId, Path)), responses((status = 200, body = Vec<DocumentView>)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/applications/{id}/documents")]
async fn list_application_documents(
    who: SignedIn,
    db: Data<Db>,
    id: Path<ApplicationId>,
) -> Result<Json<Vec<DocumentView>>> {
    let id = id.into_inner();
    let files = db.write(who.into(), move |tx| members::documents(tx, id)).await?;
    Ok(Json(files.into_iter().map(DocumentView::from).collect()))
}

/// Downloads a proof: for who gave it, and for reviewers. A browser saves it and never shows it.
#[utoipa::path(tag = "applications", params(("id" = FileId, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/documents/{id}")]
async fn download_document(who: SignedIn, db: Data<Db>, id: Path<FileId>) -> Result<HttpResponse> {
    let id = id.into_inner();
    let file = db.write(who.into(), move |tx| members::document(tx, id)).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptAgreement {
    /// The text.
    agreement_id: AgreementId,
    /// Its SHA-256 in hexadecimal, as you computed or read it.
    #[schema(min_length = 64, max_length = 64, pattern = "^[0-9a-fA-F]{64}$")]
    sha256: String,
}

/// Accepts the agreement in force for your application; text, time and address are kept.
#[utoipa::path(tag = "applications", params(("id" = ApplicationId, Path)), request_body = AcceptAgreement,
    responses((status = 200, body = ApplicationView)), extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/applications/{id}/accept_agreement")]
async fn accept_agreement(
    who: SignedIn,
    db: Data<Db>,
    id: Path<ApplicationId>,
    command: Command<AcceptAgreement>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "accept_agreement", id, load, |tx, id, expected, body| {
            let sha256 = unhex(&body.sha256).ok_or_else(|| Error::field("/sha256", "invalid"))?;
            members::accept_agreement(tx, (id, expected), body.agreement_id, &sha256)?;
            load(tx, id)
        })
        .await
}

/// Hands your application to the office. Everything that is missing is named at once.
#[utoipa::path(tag = "applications", params(("id" = ApplicationId, Path)), request_body = Empty,
    responses((status = 200, body = ApplicationView)), extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/applications/{id}/submit")]
async fn submit_application(
    who: SignedIn,
    db: Data<Db>,
    id: Path<ApplicationId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "submit_application", id, load, |tx, id, expected, _| {
            members::submit(tx, id, expected)?;
            load(tx, id)
        })
        .await
}

/// Takes your application back.
#[utoipa::path(tag = "applications", params(("id" = ApplicationId, Path)), request_body = Empty,
    responses((status = 200, body = ApplicationView)), extensions(("x-roles" = json!(["any"]))))]
#[post("/v1/applications/{id}/withdraw")]
async fn withdraw_application(
    who: SignedIn,
    db: Data<Db>,
    id: Path<ApplicationId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .change(&db, who.into(), "withdraw_application", id, load, |tx, id, expected, _| {
            members::withdraw(tx, id, expected)?;
            load(tx, id)
        })
        .await
}
