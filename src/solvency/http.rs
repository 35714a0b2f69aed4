//! The counter for proofs, the fund page and solidarity statements.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Fund, ProofRow, Solidarity, SolidarityKind, SolidarityRow};
use crate::access::{MemberOrDesk, SignedIn, Visitor};
use crate::archive;
use crate::formats::solvency::{Inclusion, Proof, hex, line};
use crate::kernel::ids::{ActivityId, EntityId, InvoiceId, PersonId, ProofId};
use crate::kernel::money::{Currency, Minor, Money, Ppm, to_plain};
use crate::platform::db::{Actor, Db};
use crate::platform::error::{Error, Result};
use crate::platform::keys::Keys;
use crate::platform::web::{Listing, Page, PageInfo, QueryOf, attachment};

crate::endpoints!(list_proofs, download_chain, show_inclusion, show_fund_page, show_solidarity, export_solidarity,);

/// Links that one block of a download reads.
const BLOCK: i64 = 500;

/// A link of the chain.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProofView {
    /// Its id.
    pub id: ProofId,
    /// What it says. What is hashed is its canonical text: sorted keys, no blanks.
    pub body: Proof,
    /// SHA-256 of the proof before it, in hexadecimal; zeros before the first.
    pub prev_sha256: String,
    /// SHA-256 over the bytes of `prev_sha256` and the canonical text of `body`, in hexadecimal.
    pub sha256: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl ProofView {
    fn new(row: &ProofRow) -> Result<Self> {
        Ok(Self {
            id: row.id,
            body: super::read(row)?,
            prev_sha256: hex(&row.prev_sha256),
            sha256: hex(&row.sha256),
            created_at: row.created_at,
        })
    }
}

/// The newest proofs, and a page of all.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProofsView {
    /// The newest proof of each entity and currency.
    pub latest: Vec<ProofView>,
    /// Proofs, newest first.
    pub data: Vec<ProofView>,
    /// Where the page ends.
    pub page: PageInfo,
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ProofFilter {
    /// Of one entity.
    entity_id: Option<EntityId>,
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists the daily proofs that the mutual can pay what it owes. Public.
#[utoipa::path(tag = "solvency", params(ProofFilter), responses((status = 200, body = ProofsView)), security(()),
    extensions(("x-roles" = json!([]))))]
#[get("/v1/solvency")]
async fn list_proofs(
    who: Visitor,
    db: Data<Db>,
    keys: Data<Keys>,
    filter: QueryOf<ProofFilter>,
) -> Result<Json<ProofsView>> {
    let filter = filter.0;
    let nobody = PersonId(Uuid::nil());
    let listing = Listing::new(&keys, nobody, "solvency", &filter, filter.limit, filter.cursor.as_deref())?;
    let view = db
        .write(who.into(), move |tx| {
            let latest = super::latest(tx, filter.entity_id)?.iter().map(ProofView::new).collect::<Result<_>>()?;
            // Proofs are numbered; the number travels in the cursor as if it were an id.
            let before = listing.after.and_then(|key| i64::try_from(key.as_u128()).ok());
            let rows = super::proofs(tx, filter.entity_id, before, listing.fetch)?;
            let key = |row: &ProofRow| Uuid::from_u128(u128::try_from(row.position).unwrap_or_default());
            let Page { data, page } = listing.page(rows, key, |row| row);
            let data = data.iter().map(ProofView::new).collect::<Result<_>>()?;
            Ok(ProofsView { latest, data, page })
        })
        .await?;
    Ok(Json(view))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct OfEntity {
    /// Of one entity.
    entity_id: Option<EntityId>,
}

/// Downloads the whole chain, one canonical JSON a line, oldest first; `umbel verify` checks it. Public.
#[utoipa::path(tag = "solvency", params(OfEntity), security(()),
    responses((status = 200, content_type = "application/jsonl", body = String)), extensions(("x-roles" = json!([]))))]
#[get("/v1/solvency/chain")]
async fn download_chain(who: Visitor, db: Data<Db>, filter: QueryOf<OfEntity>) -> Result<HttpResponse> {
    let actor: Actor = who.into();
    let entity = filter.0.entity_id;
    let db = db.get_ref().clone();
    let read = move || {
        let mut text = String::new();
        let mut after = 0;
        loop {
            let rows = db.write_blocking(&actor, |tx| super::chain(tx, entity, after, BLOCK))?;
            let Some(last) = rows.last() else { return Ok::<_, Error>(text.into_bytes()) };
            after = last.position;
            text.extend(rows.iter().map(|row| line(&row.body, &row.prev_sha256, &row.sha256)));
        }
    };
    let bytes = tokio::task::spawn_blocking(read).await.map_err(Error::internal)??;
    Ok(attachment("solvency-chain.jsonl", "application/jsonl", &archive::sha256(&bytes), bytes))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct InclusionOf {
    /// One of your activities; all of them when absent.
    activity_id: Option<ActivityId>,
    /// Of one entity.
    entity_id: Option<EntityId>,
}

/// Shows how your activities are counted in the proof of a day: the way from each to the published root.
#[utoipa::path(tag = "solvency", params(("day" = NaiveDate, Path, example = "2026-11-21"), InclusionOf),
    responses((status = 200, body = Inclusion)), extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/solvency/{day}/inclusion")]
async fn show_inclusion(
    who: SignedIn,
    db: Data<Db>,
    keys: Data<Keys>,
    day: Path<String>,
    query: QueryOf<InclusionOf>,
) -> Result<Json<Inclusion>> {
    let day: NaiveDate = day.parse().map_err(|_not_a_day| Error::not_found())?;
    let of = query.0;
    let keys = keys.into_inner();
    let found = db.write(who.into(), move |tx| super::inclusion(tx, &keys, day, of.entity_id, of.activity_id)).await?;
    Ok(Json(found))
}

/// The guarantee fund of an entity.
#[derive(Debug, Serialize, ToSchema)]
pub struct FundPageView {
    /// Whose.
    pub entity_id: EntityId,
    /// What is in it.
    pub balance: Money,
    /// What was advanced and clients have not paid yet.
    pub open_advances: Money,
    /// For how many invoices.
    pub open_advance_count: i64,
    /// Drawn in the last twelve months.
    pub drawn: Money,
    /// Invoiced without VAT under the guarantee in the last twelve months.
    pub covered_net: Money,
    /// Drawn divided by invoiced, as a decimal fraction; null when nothing was invoiced.
    #[schema(example = "0.0187")]
    pub loss_rate: Option<String>,
    /// What the fund would bear for each of the three largest clients, if they failed; the largest first.
    pub largest_exposures: Vec<Money>,
    /// The fund after all three have failed.
    pub after_three_failures: Money,
    /// Whether it would survive that.
    pub survives_three_failures: bool,
    /// For how many days of average payouts (of the last 90 days) the bank balance lasts; null when nothing was paid out.
    pub payout_days: Option<i64>,
}

impl FundPageView {
    fn new(entity_id: EntityId, currency: Currency, fund: Fund) -> Self {
        let money = |amount_minor| Money { amount_minor, currency };
        Self {
            entity_id,
            balance: money(fund.balance),
            open_advances: money(fund.open_advances),
            open_advance_count: fund.open_advance_count,
            drawn: money(fund.drawn),
            covered_net: money(fund.covered_net),
            loss_rate: fund.loss_rate_ppm.map(|rate| Ppm(rate).to_fraction()),
            largest_exposures: fund.largest_exposures.into_iter().map(money).collect(),
            after_three_failures: money(fund.after_three_failures),
            survives_three_failures: fund.after_three_failures >= Minor::ZERO,
            payout_days: fund.payout_days,
        }
    }
}

/// Shows the guarantee fund: what is in it, what it carries, what it lost, what it would survive.
#[utoipa::path(tag = "solvency", params(("id" = EntityId, Path)), responses((status = 200, body = FundPageView)),
    extensions(("x-roles" = json!(["any"]))))]
#[get("/v1/entities/{id}/fund_page")]
async fn show_fund_page(who: SignedIn, db: Data<Db>, id: Path<EntityId>) -> Result<Json<FundPageView>> {
    let id = id.into_inner();
    let currency = Currency::EUR;
    let fund = db.write(who.into(), move |tx| super::fund(tx, id, currency)).await?;
    Ok(Json(FundPageView::new(id, currency, fund)))
}

/// A line of a solidarity statement.
#[derive(Debug, Serialize, ToSchema)]
pub struct SolidarityLineView {
    /// What it is.
    pub kind: SolidarityKind,
    /// On which day.
    pub on: NaiveDate,
    /// How much; negative when it was taken back.
    pub amount: Money,
    /// The number of its invoice.
    pub document: Option<String>,
    /// Its invoice.
    pub invoice_id: Option<InvoiceId>,
    /// For an advance: how many days the mutual carried it.
    pub days_carried: Option<i32>,
    /// Why it is this amount.
    pub trace: String,
}

impl From<SolidarityRow> for SolidarityLineView {
    fn from(row: SolidarityRow) -> Self {
        Self {
            kind: row.kind,
            on: row.on,
            amount: Money { amount_minor: row.amount_minor, currency: row.currency },
            document: row.document,
            invoice_id: row.invoice_id,
            days_carried: row.days_carried,
            trace: format!("/v1/postings/{}/trace", row.posting_id),
        }
    }
}

/// The sum of one kind.
#[derive(Debug, Serialize, ToSchema)]
pub struct SolidaritySumView {
    /// What was paid or drawn.
    pub kind: SolidarityKind,
    /// How much.
    pub sum: Money,
}

/// What a member paid into what is shared in a year, and what they drew.
#[derive(Debug, Serialize, ToSchema)]
pub struct SolidarityView {
    /// Whose.
    pub member_id: PersonId,
    /// Of which year.
    pub year: i32,
    /// Paid in all: fees, contributions, parts of shared costs.
    pub paid: Money,
    /// Drawn for good in all: losses borne by the fund, refunds. Advances are given back and do not count.
    pub drawn: Money,
    /// What the mutual carried: each advance times the days until its client paid, in minor units times days.
    pub carried_minor_days: i64,
    /// The sum of each kind that occurs.
    pub sums: Vec<SolidaritySumView>,
    /// Line by line, oldest first.
    pub lines: Vec<SolidarityLineView>,
}

impl From<Solidarity> for SolidarityView {
    fn from(it: Solidarity) -> Self {
        let money = |amount_minor| Money { amount_minor, currency: it.currency };
        Self {
            member_id: it.member,
            year: it.year,
            paid: money(it.paid),
            drawn: money(it.drawn),
            carried_minor_days: it.carried_minor_days,
            sums: it.sums.into_iter().map(|(kind, sum)| SolidaritySumView { kind, sum: money(sum) }).collect(),
            lines: it.lines.into_iter().map(SolidarityLineView::from).collect(),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct OfYear {
    /// Of this year; the present one when absent.
    #[param(minimum = 2000, maximum = 2999)]
    year: Option<i32>,
}

/// Shows what a member paid into what is shared in a year, and what they drew, each line with its trace.
#[utoipa::path(tag = "solvency", params(("id" = PersonId, Path), OfYear), responses((status = 200, body = SolidarityView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/members/{id}/solidarity")]
async fn show_solidarity(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<PersonId>,
    query: QueryOf<OfYear>,
) -> Result<Json<SolidarityView>> {
    let (id, year) = (id.into_inner(), query.0.year);
    Ok(Json(db.write(who.into(), move |tx| super::solidarity(tx, id, year)).await?.into()))
}

/// Downloads the same statement as CSV: one line each, then the sums.
#[utoipa::path(tag = "solvency", params(("id" = PersonId, Path), OfYear),
    responses((status = 200, content_type = "text/csv", body = String)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/members/{id}/solidarity.csv")]
async fn export_solidarity(
    who: MemberOrDesk,
    db: Data<Db>,
    id: Path<PersonId>,
    query: QueryOf<OfYear>,
) -> Result<HttpResponse> {
    let (id, year) = (id.into_inner(), query.0.year);
    let it = db.write(who.into(), move |tx| super::solidarity(tx, id, year)).await?;
    let bytes = csv_of(&it).map_err(Error::internal)?;
    let name = format!("solidarity-{}.csv", it.year);
    Ok(attachment(&name, "text/csv; charset=utf-8; header=present", &archive::sha256(&bytes), bytes))
}

fn csv_of(it: &Solidarity) -> std::result::Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let plain = |amount: Minor| to_plain(amount, it.currency.exponent());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["on", "kind", "amount", "currency", "document", "days_carried", "posting"])?;
    for line in &it.lines {
        writer.write_record([
            line.on.to_string(),
            line.kind.to_string(),
            plain(line.amount_minor),
            it.currency.to_string(),
            line.document.clone().unwrap_or_default(),
            line.days_carried.map(|days| days.to_string()).unwrap_or_default(),
            line.posting_id.to_string(),
        ])?;
    }
    for (kind, sum) in &it.sums {
        let total = format!("sum_of_{kind}");
        writer.write_record([
            it.year.to_string(),
            total,
            plain(*sum),
            it.currency.to_string(),
            String::new(),
            String::new(),
            String::new(),
        ])?;
    }
    Ok(writer.into_inner()?)
}
