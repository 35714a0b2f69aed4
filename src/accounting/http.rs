//! The counter for balances, journals, months and proofs.

use std::collections::BTreeMap;

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{JournalFormat, Period, PeriodRow, Violation, rules};
use crate::access::{Accountant, BooksReader};
use crate::archive::{self, KeptFile, KeptFilter, RetentionRule};
use crate::kernel::ids::{EntityId, FileId, PersonId};
use crate::kernel::money::{Currency, Minor, Money, MoneyError};
use crate::ledger::{JournalRow, TrialRow};
use crate::platform::db::{Actor, Db};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf, attachment, hex};

crate::endpoints!(
    show_trial_balance,
    list_journal,
    export_journal_csv,
    export_journal_hledger,
    export_journal_beancount,
    list_periods,
    close_period,
    check_invariants,
    list_archived_files,
    list_retention_rules,
);

/// An account in a trial balance.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrialAccountView {
    /// The account.
    pub account: String,
    /// `asset`, `liability`, `equity`, `income`, `expense` or `off_balance`.
    pub kind: String,
    /// The sum of its debits.
    pub debit: Money,
    /// The sum of its credits, as a positive amount.
    pub credit: Money,
    /// Debits less credits.
    pub balance: Money,
}

/// The sums of one currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrialTotalView {
    /// The sum of all debits.
    pub debit: Money,
    /// The sum of all credits, as a positive amount.
    pub credit: Money,
    /// Debits less credits: zero.
    pub balance: Money,
}

/// Debits and credits per account.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrialBalanceView {
    /// Whose books.
    pub entity_id: EntityId,
    /// Up to the end of this month; of all time when absent.
    #[schema(example = "2026-11")]
    pub through: Option<String>,
    /// Each account that has postings, by its code.
    pub accounts: Vec<TrialAccountView>,
    /// The sums, by currency.
    pub totals: Vec<TrialTotalView>,
}

impl TrialBalanceView {
    fn new(entity_id: EntityId, through: Option<Period>, rows: Vec<TrialRow>) -> Result<Self, MoneyError> {
        let mut sums: BTreeMap<Currency, (Minor, Minor)> = BTreeMap::new();
        let mut accounts = Vec::with_capacity(rows.len());
        for row in rows {
            let money = |amount_minor| Money { amount_minor, currency: row.currency };
            let (debit, credit) = sums.entry(row.currency).or_default();
            (*debit, *credit) = (debit.plus(row.debit_minor)?, credit.plus(row.credit_minor)?);
            accounts.push(TrialAccountView {
                debit: money(row.debit_minor),
                credit: money(row.credit_minor),
                balance: money(row.debit_minor.minus(row.credit_minor)?),
                account: row.account,
                kind: row.kind,
            });
        }
        let mut totals = Vec::with_capacity(sums.len());
        for (currency, (debit, credit)) in sums {
            let money = |amount_minor| Money { amount_minor, currency };
            totals.push(TrialTotalView {
                debit: money(debit),
                credit: money(credit),
                balance: money(debit.minus(credit)?),
            });
        }
        Ok(Self { entity_id, through: through.map(|period| period.to_string()), accounts, totals })
    }
}

/// One posting of an entry.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostingView {
    /// The account.
    pub account: String,
    /// The kind of the account.
    pub kind: String,
    /// Debit positive, credit negative.
    pub amount: Money,
    /// Whose budget.
    pub activity_id: Option<Uuid>,
    /// Whose debt.
    pub client_id: Option<Uuid>,
    /// The number of the invoice, or the id of what else it is about.
    pub document: Option<String>,
    /// The VAT case.
    pub tax_code: Option<String>,
}

/// An entry with its postings, which sum to zero.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryView {
    /// Grows with every entry.
    pub id: i64,
    /// The day it counts.
    pub booked_on: NaiveDate,
    /// What happened.
    pub event: String,
    /// What kind of fact is behind it.
    pub source_kind: String,
    /// Which one.
    pub source_id: Uuid,
    /// The entry that it reverses.
    pub reverses_id: Option<i64>,
    /// Its postings.
    pub postings: Vec<PostingView>,
}

/// The rows of one entry follow each other.
fn entries(rows: Vec<JournalRow>) -> Vec<EntryView> {
    let mut entries: Vec<EntryView> = Vec::new();
    for row in rows {
        let posting = PostingView {
            account: row.account,
            kind: row.kind,
            amount: Money { amount_minor: row.amount_minor, currency: row.currency },
            activity_id: row.activity_id,
            client_id: row.client_id,
            document: row.document,
            tax_code: row.tax_code,
        };
        match entries.last_mut().filter(|entry| entry.id == row.entry_id) {
            Some(entry) => entry.postings.push(posting),
            None => entries.push(EntryView {
                id: row.entry_id,
                booked_on: row.booked_on,
                event: row.event,
                source_kind: row.source_kind,
                source_id: row.source_id,
                reverses_id: row.reverses_id,
                postings: vec![posting],
            }),
        }
    }
    entries
}

/// An accounting month.
#[derive(Debug, Serialize, ToSchema)]
pub struct PeriodView {
    /// Whose books.
    pub entity_id: EntityId,
    /// The month.
    #[schema(example = "2026-11")]
    pub period: String,
    /// `open` or `closed`.
    pub state: &'static str,
    /// How many entries it has.
    pub entry_count: i64,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// By whom.
    pub closed_by: Option<PersonId>,
    /// SHA-256 over its entries and postings, in hexadecimal.
    pub sha256: Option<String>,
}

impl From<PeriodRow> for PeriodView {
    fn from(row: PeriodRow) -> Self {
        Self {
            entity_id: row.entity_id,
            period: row.period,
            state: if row.closed_at.is_some() { "closed" } else { "open" },
            entry_count: row.entry_count,
            closed_at: row.closed_at,
            closed_by: row.closed_by,
            sha256: row.sha256.as_deref().map(hex),
        }
    }
}

/// Something that must always be true and is not.
#[derive(Debug, Serialize, ToSchema)]
pub struct ViolationView {
    /// The invariant.
    pub invariant: String,
    /// What breaks it.
    pub subject: String,
    /// How.
    pub detail: String,
}

impl From<Violation> for ViolationView {
    fn from(it: Violation) -> Self {
        Self { invariant: it.invariant, subject: it.subject, detail: it.detail }
    }
}

/// Whether all holds that must always hold.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvariantsView {
    /// Whether nothing is violated.
    pub holds: bool,
    /// Everything that was checked.
    pub checked: Vec<String>,
    /// What is violated.
    pub violations: Vec<ViolationView>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Through {
    /// Up to the end of this month; of all time when absent.
    #[param(example = "2026-11", pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$")]
    through: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct OfPeriod {
    /// Of this month; of all time when absent.
    #[param(example = "2026-11", pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$")]
    period: Option<String>,
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct JournalFilter {
    /// Of this month; of all time when absent.
    #[param(example = "2026-11", pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$")]
    period: Option<String>,
    /// Entries a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Shows debits and credits per account. Their sums are equal, always.
#[utoipa::path(tag = "accounting", params(("id" = EntityId, Path), Through), responses((status = 200, body = TrialBalanceView)),
    extensions(("x-roles" = json!(["accountant", "administrator"]))))]
#[get("/v1/entities/{id}/trial_balance")]
async fn show_trial_balance(
    who: BooksReader,
    db: Data<Db>,
    id: Path<EntityId>,
    query: QueryOf<Through>,
) -> Result<Json<TrialBalanceView>> {
    let id = id.into_inner();
    let through = rules::optional(query.0.through.as_deref(), "/through")?;
    let rows = db.write(who.into(), move |tx| super::trial_balance(tx, id, through)).await?;
    Ok(Json(TrialBalanceView::new(id, through, rows)?))
}

/// Lists entries with their postings, oldest first.
#[utoipa::path(tag = "accounting", params(("id" = EntityId, Path), JournalFilter), responses((status = 200, body = Page<EntryView>)),
    extensions(("x-roles" = json!(["accountant", "administrator"]))))]
#[get("/v1/entities/{id}/journal")]
async fn list_journal(
    who: BooksReader,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<EntityId>,
    filter: QueryOf<JournalFilter>,
) -> Result<Json<Page<EntryView>>> {
    let (id, filter) = (id.into_inner(), filter.0);
    let period = rules::optional(filter.period.as_deref(), "/period")?;
    let bound = (id, &filter);
    let listing = Listing::new(&keys, who.person(), "journal", &bound, filter.limit, filter.cursor.as_deref())?;
    // Entries are numbered; the number travels in the cursor as if it were an id.
    let after = listing.after.and_then(|id| i64::try_from(id.as_u128()).ok()).unwrap_or_default();
    let page = db
        .write(who.into(), move |tx| {
            let rows = entries(super::journal(tx, id, period, after, listing.fetch)?);
            Ok(listing.page(rows, |entry| Uuid::from_u128(u128::try_from(entry.id).unwrap_or_default()), |entry| entry))
        })
        .await?;
    Ok(Json(page))
}

async fn export(
    actor: Actor,
    db: &Db,
    id: EntityId,
    period: Option<&str>,
    format: JournalFormat,
) -> Result<HttpResponse> {
    let period = rules::optional(period, "/period")?;
    let db = db.clone();
    let job = move || super::export_as(&db, &actor, id, period, format);
    let bytes = tokio::task::spawn_blocking(job).await.map_err(Error::internal)??;
    let months = period.map_or_else(|| "all".to_owned(), |period| period.to_string());
    let name = format!("journal-{months}.{}", format.name());
    Ok(attachment(&name, format.media_type(), &archive::sha256(&bytes), bytes))
}

/// Exports the journal as CSV: one line per posting, no limit on rows.
#[utoipa::path(tag = "accounting", params(("id" = EntityId, Path), OfPeriod),
    responses((status = 200, content_type = "text/csv", body = String)),
    extensions(("x-roles" = json!(["accountant", "administrator"]))))]
#[get("/v1/entities/{id}/journal.csv")]
async fn export_journal_csv(
    who: BooksReader,
    db: Data<Db>,
    id: Path<EntityId>,
    query: QueryOf<OfPeriod>,
) -> Result<HttpResponse> {
    export(who.into(), &db, id.into_inner(), query.0.period.as_deref(), JournalFormat::Csv).await
}

/// Exports the journal for hledger; `hledger check --strict` accepts it.
#[utoipa::path(tag = "accounting", params(("id" = EntityId, Path), OfPeriod),
    responses((status = 200, content_type = "text/plain", body = String)),
    extensions(("x-roles" = json!(["accountant", "administrator"]))))]
#[get("/v1/entities/{id}/journal.hledger")]
async fn export_journal_hledger(
    who: BooksReader,
    db: Data<Db>,
    id: Path<EntityId>,
    query: QueryOf<OfPeriod>,
) -> Result<HttpResponse> {
    export(who.into(), &db, id.into_inner(), query.0.period.as_deref(), JournalFormat::Hledger).await
}

/// Exports the journal for beancount; `bean-check` accepts it.
#[utoipa::path(tag = "accounting", params(("id" = EntityId, Path), OfPeriod),
    responses((status = 200, content_type = "text/plain", body = String)),
    extensions(("x-roles" = json!(["accountant", "administrator"]))))]
#[get("/v1/entities/{id}/journal.beancount")]
async fn export_journal_beancount(
    who: BooksReader,
    db: Data<Db>,
    id: Path<EntityId>,
    query: QueryOf<OfPeriod>,
) -> Result<HttpResponse> {
    export(who.into(), &db, id.into_inner(), query.0.period.as_deref(), JournalFormat::Beancount).await
}

/// Lists the months that have entries or are closed, newest first.
#[utoipa::path(tag = "accounting", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<PeriodView>)),
    extensions(("x-roles" = json!(["accountant", "administrator"]))))]
#[get("/v1/entities/{id}/periods")]
async fn list_periods(who: BooksReader, db: Data<Db>, id: Path<EntityId>) -> Result<Json<Vec<PeriodView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| super::periods(tx, id)).await?;
    Ok(Json(rows.into_iter().map(PeriodView::from).collect()))
}

/// Closes a month for ever: nothing is booked into it any more, and its hash is kept.
#[utoipa::path(tag = "accounting",
    params(("id" = EntityId, Path), ("period" = String, Path, pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$", example = "2026-11")),
    request_body = Empty, responses((status = 200, body = PeriodView)), extensions(("x-roles" = json!(["accountant"]))))]
#[post("/v1/entities/{id}/periods/{period}/close")]
async fn close_period(
    who: Accountant,
    db: Data<Db>,
    path: Path<(EntityId, String)>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let (id, text) = path.into_inner();
    let period: Period = text.parse().map_err(|_not_a_period| Error::field("/period", "invalid"))?;
    command
        .run(&db, who.into(), "close_period", move |tx, _| super::close_period(tx, id, period).map(PeriodView::from))
        .await
}

/// Checks everything that must always be true, now.
#[utoipa::path(tag = "accounting", responses((status = 200, body = InvariantsView)),
    extensions(("x-roles" = json!(["accountant", "administrator"]))))]
#[get("/v1/invariants")]
async fn check_invariants(who: BooksReader, db: Data<Db>) -> Result<Json<InvariantsView>> {
    let view = db
        .write(who.into(), |tx| {
            let checked = super::invariants(tx)?;
            let violations: Vec<_> = super::check(tx)?.into_iter().map(ViolationView::from).collect();
            Ok(InvariantsView { holds: violations.is_empty(), checked, violations })
        })
        .await?;
    Ok(Json(view))
}

/// Why a file is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetentionClass {
    /// Invoices and what the VAT return rests on.
    TaxDocument,
    /// What the books rest on.
    Accounting,
    /// What the pay of a person rests on.
    PayAccount,
    /// Papers that prove nothing to others.
    Internal,
}

impl RetentionClass {
    const fn name(self) -> &'static str {
        match self {
            Self::TaxDocument => "tax_document",
            Self::Accounting => "accounting",
            Self::PayAccount => "pay_account",
            Self::Internal => "internal",
        }
    }
}

/// A kept file.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeptFileView {
    /// Its id.
    pub id: FileId,
    /// What it is, as in `invoice_pdf`.
    pub kind: String,
    /// The id of what it belongs to.
    pub subject_id: Uuid,
    /// What it is called when it is downloaded.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// How many bytes it has.
    pub size: i64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Why it is kept.
    pub retention_class: String,
    /// The last day on which it must be there.
    pub keep_until: NaiveDate,
    /// When it was kept.
    pub created_at: DateTime<Utc>,
}

impl From<KeptFile> for KeptFileView {
    fn from(it: KeptFile) -> Self {
        Self {
            id: it.id,
            kind: it.kind,
            subject_id: it.subject_id,
            name: it.name,
            media_type: it.media_type,
            size: it.size,
            sha256: hex(&it.sha256),
            retention_class: it.retention_class,
            keep_until: it.keep_until,
            created_at: it.created_at,
        }
    }
}

/// Which files to list.
#[derive(Debug, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct KeptFilesFilter {
    /// Kept for this reason.
    #[param(inline)]
    retention_class: Option<RetentionClass>,
    /// Of this kind, as in `invoice_pdf`.
    #[param(max_length = 40)]
    kind: Option<String>,
    /// That need not stay until this day.
    keep_until_before: Option<NaiveDate>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists kept files with their hash and until when they must stay, the last kept first. Nothing is deleted by it.
#[utoipa::path(tag = "accounting", params(KeptFilesFilter), responses((status = 200, body = Page<KeptFileView>)),
    extensions(("x-roles" = json!(["accountant", "administrator"]))))]
#[get("/v1/archived_files")]
async fn list_archived_files(
    who: BooksReader,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<KeptFilesFilter>,
) -> Result<Json<Page<KeptFileView>>> {
    let filter = filter.0;
    let listing = Listing::new(&keys, who.person(), "archived_files", &filter, filter.limit, filter.cursor.as_deref())?;
    let wanted = KeptFilter {
        class: filter.retention_class.map(|class| class.name().to_owned()),
        kind: filter.kind,
        keep_until_before: filter.keep_until_before,
    };
    let page = db
        .write(who.into(), move |tx| {
            let rows = archive::kept(tx, &wanted, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |it| it.id.0, KeptFileView::from))
        })
        .await?;
    Ok(Json(page))
}

/// For how long files of a class must stay.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetentionRuleView {
    /// Why they are kept.
    pub class: String,
    /// Whose law it is.
    pub country: String,
    /// For files from this day on.
    pub valid_from: NaiveDate,
    /// Full years, from 1 January after the year of the file.
    pub years: i32,
    /// Where that is written.
    pub source: String,
    /// When somebody should look whether it still is.
    pub needs_review_on: NaiveDate,
}

impl From<RetentionRule> for RetentionRuleView {
    fn from(it: RetentionRule) -> Self {
        Self {
            class: it.class,
            country: it.country,
            valid_from: it.valid_from,
            years: it.years,
            source: it.source,
            needs_review_on: it.needs_review_on,
        }
    }
}

/// Lists for how long files must stay, by class and country. Of the countries of the mutual the longest counts.
#[utoipa::path(tag = "accounting", responses((status = 200, body = Vec<RetentionRuleView>)),
    extensions(("x-roles" = json!(["accountant", "administrator"]))))]
#[get("/v1/retention_rules")]
async fn list_retention_rules(who: BooksReader, db: Data<Db>) -> Result<Json<Vec<RetentionRuleView>>> {
    let rules = db.write(who.into(), archive::retention_rules).await?;
    Ok(Json(rules.into_iter().map(RetentionRuleView::from).collect()))
}
