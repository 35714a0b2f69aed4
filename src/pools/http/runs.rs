//! Runs: previewed, booked, read part by part, taken back.

use std::collections::BTreeMap;

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::access::{Member, MemberOrDesk, Reviewer};
use crate::kernel::ids::{ActivityId, CostId, PersonId, PoolId, PoolRunId};
use crate::kernel::money::{Minor, Money, Ppm};
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Listing, Page, QueryOf};
use crate::pools::{
    self, Booked, DividedSplit, NameRow, NewRun, PartRow, PoolBasis, RunCostRow, RunKind, RunRow, RunState, SplitRow,
};

crate::endpoints!(
    allocate_pool,
    list_pool_runs,
    show_pool_run,
    list_pool_run_parts,
    reverse_pool_run,
    list_my_pool_parts,
);

/// One division of a run: what one part of the key divides, and by what.
#[derive(Debug, Serialize, ToSchema)]
pub struct SplitView {
    /// The how manieth part of the key, from 1.
    pub n: i16,
    /// By what.
    pub basis: PoolBasis,
    /// Its share of the whole.
    pub share: String,
    /// What it divides.
    pub amount: Money,
    /// The sum of all weights; usage and fixed shares count in ten-thousandths.
    pub weight_sum: i64,
}

/// A cost that a run divides.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunCostView {
    /// The cost.
    pub cost_id: CostId,
    /// How much of it.
    pub amount: Money,
}

/// What an activity bears of one division: `amount x weight / weight_sum = floor + remainder / weight_sum`.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartSplitView {
    /// The division.
    pub n: i16,
    /// Its weight; usage and fixed shares count in ten-thousandths.
    pub weight: i64,
    /// The quota without its fraction.
    pub floor: Money,
    /// The numerator of the fraction, over the sum of all weights.
    pub remainder: i64,
    /// Whether one of the missing cents went here.
    pub has_missing_cent: bool,
    /// The part.
    pub amount: Money,
}

/// What an activity bears of a run.
#[derive(Debug, Serialize, ToSchema)]
pub struct PoolPartView {
    /// The run.
    pub run_id: PoolRunId,
    /// The activity.
    pub activity_id: ActivityId,
    /// How its member calls it.
    pub activity_name: Option<String>,
    /// Its member.
    pub member_name: Option<String>,
    /// All its parts of the run together.
    pub amount: Money,
    /// How they came about, division by division.
    pub splits: Vec<PartSplitView>,
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunView {
    /// Its id.
    pub id: PoolRunId,
    /// Grows with every change.
    pub version: i32,
    /// `booked` or `reversed`.
    pub state: RunState,
    /// Its pool.
    pub pool_id: PoolId,
    /// `costs`, `instalment` or `refund`.
    pub kind: RunKind,
    /// The first day of its period.
    pub from_on: NaiveDate,
    /// The last day of its period.
    pub to_on: NaiveDate,
    /// What it divided; negative when given back.
    pub amount: Money,
    /// The key that divided it.
    pub key_id: Option<Uuid>,
    /// Its divisions.
    pub splits: Vec<SplitView>,
    /// The costs that it divides; those of an instalment come later.
    pub costs: Vec<RunCostView>,
    /// What of it activities did not have and owe; said when it is previewed or booked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrears: Option<Money>,
    /// All parts; said when it is previewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<PoolPartView>>,
    /// Who booked it.
    pub booked_by: PersonId,
    /// When.
    pub booked_on: NaiveDate,
    /// Who took it back.
    pub reversed_by: Option<PersonId>,
    /// When.
    pub reversed_on: Option<NaiveDate>,
    /// Why.
    pub reason: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl RunView {
    fn new(row: RunRow, splits: Vec<SplitView>, costs: &[RunCostRow]) -> Self {
        let money = |amount_minor: Minor| Money { amount_minor, currency: row.currency };
        Self {
            id: row.id,
            version: row.version,
            state: row.state,
            pool_id: row.pool_id,
            kind: row.kind,
            from_on: row.from_on,
            to_on: row.to_on,
            amount: money(row.amount_minor),
            key_id: row.key_id,
            splits,
            costs: costs
                .iter()
                .map(|cost| RunCostView { cost_id: cost.cost_id, amount: money(cost.amount_minor) })
                .collect(),
            arrears: None,
            parts: None,
            booked_by: row.booked_by,
            booked_on: row.booked_on,
            reversed_by: row.reversed_by,
            reversed_on: row.reversed_on,
            reason: row.reason,
            created_at: row.created_at,
        }
    }

    fn of_rows(tx: &mut Tx<'_>, rows: Vec<RunRow>) -> Result<Vec<Self>> {
        let ids: Vec<PoolRunId> = rows.iter().map(|row| row.id).collect();
        let (splits, costs) = pools::splits_and_costs(tx, &ids)?;
        let view = |row: RunRow| {
            let currency = row.currency;
            let shown = |split: &SplitRow| SplitView {
                n: split.n,
                basis: split.basis,
                share: Ppm(split.share_ppm).to_fraction(),
                amount: Money { amount_minor: split.amount_minor, currency },
                weight_sum: split.weight_sum,
            };
            let own: Vec<SplitView> = splits.iter().filter(|split| split.run_id == row.id).map(shown).collect();
            let paid: Vec<RunCostRow> = costs.iter().filter(|cost| cost.run_id == row.id).cloned().collect();
            Self::new(row, own, &paid)
        };
        Ok(rows.into_iter().map(view).collect())
    }

    fn booked(tx: &mut Tx<'_>, it: Booked, with_parts: bool) -> Result<Self> {
        let currency = it.run.currency;
        let pool = it.run.pool_id;
        let parts = if with_parts { Some(all_parts(tx, pool, &it.run, &it.splits)?) } else { None };
        let shown = |split: &DividedSplit| SplitView {
            n: split.n,
            basis: split.basis,
            share: split.share.to_fraction(),
            amount: Money { amount_minor: split.amount, currency },
            weight_sum: split.weight_sum,
        };
        let splits = it.splits.iter().map(shown).collect();
        let arrears = Some(Money { amount_minor: it.arrears, currency });
        Ok(Self { arrears, parts, ..Self::new(it.run, splits, &it.costs) })
    }
}

fn load(tx: &mut Tx<'_>, id: PoolRunId) -> Result<RunView> {
    let row = pools::run(tx, id)?;
    RunView::of_rows(tx, vec![row])?.pop().ok_or_else(crate::platform::error::Error::not_found)
}

fn part(run: &RunRow, activity: ActivityId, name: Option<&NameRow>, rows: &[PartRow]) -> Result<PoolPartView> {
    let money = |amount_minor: Minor| Money { amount_minor, currency: run.currency };
    let shown = |row: &PartRow| PartSplitView {
        n: row.n,
        weight: row.weight,
        floor: money(row.floor_minor),
        remainder: row.remainder,
        has_missing_cent: row.amount_minor != row.floor_minor,
        amount: money(row.amount_minor),
    };
    Ok(PoolPartView {
        run_id: run.id,
        activity_id: activity,
        activity_name: name.map(|name| name.activity_name.clone()),
        member_name: name.map(|name| name.member_name.clone()),
        amount: money(Minor::sum(rows.iter().map(|row| row.amount_minor))?),
        splits: rows.iter().map(shown).collect(),
    })
}

/// Every part of a run that is previewed, by activity.
fn all_parts(tx: &mut Tx<'_>, pool: PoolId, run: &RunRow, splits: &[DividedSplit]) -> Result<Vec<PoolPartView>> {
    let mut rows: BTreeMap<ActivityId, Vec<PartRow>> = BTreeMap::new();
    for split in splits {
        for part in &split.parts {
            rows.entry(part.activity).or_default().push(PartRow {
                run_id: run.id,
                n: split.n,
                activity_id: part.activity,
                weight: part.weight,
                floor_minor: part.quota.floor,
                remainder: i64::try_from(part.quota.remainder).unwrap_or(i64::MAX),
                amount_minor: part.quota.part,
            });
        }
    }
    let activities: Vec<ActivityId> = rows.keys().copied().collect();
    let names = pools::names(tx, pool, &activities)?;
    rows.into_iter().map(|(activity, rows)| part(run, activity, names.get(&activity), &rows)).collect()
}

fn costs_kind() -> RunKind {
    RunKind::Costs
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AllocatePool {
    /// Made by the sender.
    id: PoolRunId,
    /// The first day of the period.
    from_on: NaiveDate,
    /// The last day of the period; costs invoiced up to it are divided, by the key of this day.
    to_on: NaiveDate,
    /// `costs`, or `instalment` ahead of them within the budget.
    #[serde(default = "costs_kind")]
    kind: RunKind,
    /// How much; without, everything that is not yet divided.
    amount: Option<Money>,
}

/// Divides the cost of a pool among its activities and books it. `dry_run=true` shows every part and books nothing.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path), ("dry_run" = Option<bool>, Query)), request_body = AllocatePool,
    responses((status = 201, body = RunView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/pools/{id}/runs")]
async fn allocate_pool(
    who: Reviewer,
    db: Data<Db>,
    id: Path<PoolId>,
    command: Command<AllocatePool>,
) -> Result<HttpResponse> {
    let pool = id.into_inner();
    let with_parts = command.is_dry_run();
    command
        .about_money()
        .create(&db, who.into(), "allocate_pool", "/v1/pool_runs", move |tx, body| {
            let new = NewRun { id: body.id, from: body.from_on, to: body.to_on, kind: body.kind, amount: body.amount };
            let booked = pools::allocate(tx, pool, &new)?;
            RunView::booked(tx, booked, with_parts)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists the runs of a pool, newest first.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path), PageQuery), responses((status = 200, body = Page<RunView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/pools/{id}/runs")]
async fn list_pool_runs(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<PoolId>,
    query: QueryOf<PageQuery>,
) -> Result<Json<Page<RunView>>> {
    let (id, query) = (id.into_inner(), query.0);
    let listing = Listing::new(&keys, who.person(), "pool_runs", &id, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = pools::runs(tx, id, listing.after, listing.fetch)?;
            let views = RunView::of_rows(tx, rows)?;
            Ok(listing.page(views, |view| view.id.0, |view| view))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a run.
#[utoipa::path(tag = "pools", params(("id" = PoolRunId, Path)), responses((status = 200, body = RunView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/pool_runs/{id}")]
async fn show_pool_run(who: MemberOrDesk, db: Data<Db>, id: Path<PoolRunId>) -> Result<Json<RunView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| load(tx, id)).await?))
}

/// Lists what each activity bears of a run, by activity, for whoever is or was in the pool, and for the office.
#[utoipa::path(tag = "pools", params(("id" = PoolRunId, Path), PageQuery), responses((status = 200, body = Page<PoolPartView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/pool_runs/{id}/parts")]
async fn list_pool_run_parts(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<PoolRunId>,
    query: QueryOf<PageQuery>,
) -> Result<Json<Page<PoolPartView>>> {
    let (id, query) = (id.into_inner(), query.0);
    let listing = Listing::new(&keys, who.person(), "pool_run_parts", &id, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let run = pools::run(tx, id)?;
            let rows = pools::parts(tx, id, listing.after, listing.fetch)?;
            let activities: Vec<ActivityId> = rows.iter().map(|(activity, _)| *activity).collect();
            let names = pools::names(tx, run.pool_id, &activities)?;
            let views = rows
                .iter()
                .map(|(activity, rows)| part(&run, *activity, names.get(activity), rows))
                .collect::<Result<Vec<_>>>()?;
            Ok(listing.page(views, |view| view.activity_id.0, |view| view))
        })
        .await?;
    Ok(Json(page))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReverseRun {
    /// Why it is taken back.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Takes a run back that somebody else booked: everybody gets their part back, and its costs may be divided again.
#[utoipa::path(tag = "pools", params(("id" = PoolRunId, Path), ("dry_run" = Option<bool>, Query)), request_body = ReverseRun,
    responses((status = 200, body = RunView)), extensions(("x-roles" = json!(["reviewer"]))))]
#[post("/v1/pool_runs/{id}/reverse")]
async fn reverse_pool_run(
    who: Reviewer,
    db: Data<Db>,
    id: Path<PoolRunId>,
    command: Command<ReverseRun>,
) -> Result<HttpResponse> {
    command
        .about_money()
        .change(&db, who.into(), "reverse_pool_run", id.into_inner(), load, |tx, id, expected, body| {
            let row = pools::reverse(tx, id, expected, &body.reason)?;
            load(tx, row.id)
        })
        .await
}

/// What you bear of a run.
#[derive(Debug, Serialize, ToSchema)]
pub struct MyPartsView {
    /// The run.
    pub id: PoolRunId,
    /// `booked` or `reversed`.
    pub state: RunState,
    /// The first day of its period.
    pub from_on: NaiveDate,
    /// The last day of its period.
    pub to_on: NaiveDate,
    /// What the run divided among all.
    pub total: Money,
    /// Your part of it.
    pub amount: Money,
    /// Activity by activity.
    pub parts: Vec<PoolPartView>,
}

/// Lists what you bear of a pool, run by run, newest first.
#[utoipa::path(tag = "pools", params(("id" = PoolId, Path), PageQuery), responses((status = 200, body = Page<MyPartsView>)),
    extensions(("x-roles" = json!(["member"]))))]
#[get("/v1/pools/{id}/my_parts")]
async fn list_my_pool_parts(
    who: Member,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<PoolId>,
    query: QueryOf<PageQuery>,
) -> Result<Json<Page<MyPartsView>>> {
    let (id, query) = (id.into_inner(), query.0);
    let listing = Listing::new(&keys, who.person(), "my_pool_parts", &id, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = pools::my_parts(tx, id, listing.after, listing.fetch)?;
            let mut views = Vec::with_capacity(rows.len());
            for (run, parts) in rows {
                let mut by_activity: BTreeMap<ActivityId, Vec<PartRow>> = BTreeMap::new();
                for part in parts {
                    by_activity.entry(part.activity_id).or_default().push(part);
                }
                let parts = by_activity
                    .iter()
                    .map(|(activity, rows)| part(&run, *activity, None, rows))
                    .collect::<Result<Vec<_>>>()?;
                let amount_minor = Minor::sum(parts.iter().map(|part| part.amount.amount_minor))?;
                views.push(MyPartsView {
                    id: run.id,
                    state: run.state,
                    from_on: run.from_on,
                    to_on: run.to_on,
                    total: Money { amount_minor: run.amount_minor, currency: run.currency },
                    amount: Money { amount_minor, currency: run.currency },
                    parts,
                });
            }
            Ok(listing.page(views, |view| view.id.0, |view| view))
        })
        .await?;
    Ok(Json(page))
}
