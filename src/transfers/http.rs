//! The counter for transfers between activities, and for dividing the money of collectives.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{NewRule, NewSplit, NewTransfer, Part, PartRow, RuleRow, RunRow, SplitKind, TransferFilter, TransferRow};
use crate::access::{Member, MemberOrDesk};
use crate::kernel::ids::{ActivityId, EntityId, InvoiceId, PersonId, SplitRuleId, SplitRunId, TransferId};
use crate::kernel::money::{Money, Ppm};
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Listing, Page, QueryOf};

crate::endpoints!(
    make_transfer,
    list_transfers,
    show_transfer,
    return_transfer,
    make_split_rule,
    list_split_rules,
    split_collective,
    list_splits,
);

/// Money that moved between activities.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransferView {
    /// Its id.
    pub id: TransferId,
    /// In which entity.
    pub entity_id: EntityId,
    /// From which activity.
    pub from_activity_id: ActivityId,
    /// To which activity.
    pub to_activity_id: ActivityId,
    /// How much.
    pub amount: Money,
    /// The invoice that the money waits for; absent for available money.
    pub invoice_id: Option<InvoiceId>,
    /// The part of it that the guarantee advanced and no client had paid when it moved.
    pub advanced: Money,
    /// What the giver wrote.
    pub reason: String,
    /// The division of a collective's money that it is part of.
    pub split_id: Option<SplitRunId>,
    /// The transfer that it gives back.
    pub returns_id: Option<TransferId>,
    /// Who made it.
    pub made_by: PersonId,
    /// On which day.
    pub made_on: NaiveDate,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<TransferRow> for TransferView {
    fn from(row: TransferRow) -> Self {
        Self {
            id: row.id,
            entity_id: row.entity_id,
            from_activity_id: row.from_activity_id,
            to_activity_id: row.to_activity_id,
            amount: Money { amount_minor: row.amount_minor, currency: row.currency },
            invoice_id: row.invoice_id,
            advanced: Money { amount_minor: row.advanced_minor, currency: row.currency },
            reason: row.reason,
            split_id: row.split_run_id,
            returns_id: row.returns_id,
            made_by: row.made_by,
            made_on: row.made_on,
            created_at: row.created_at,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MakeTransfer {
    /// Made by the sender.
    id: TransferId,
    /// From which activity, that you own or manage.
    from_activity_id: ActivityId,
    /// To which activity of the same entity.
    to_activity_id: ActivityId,
    /// How much, more than nothing.
    amount: Money,
    /// Move money that waits for this invoice; without it, available money.
    invoice_id: Option<InvoiceId>,
    /// What the other side should know.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: String,
}

/// Moves money between activities: no fee, and what waits for a client goes on waiting.
#[utoipa::path(tag = "transfers", params(("dry_run" = Option<bool>, Query)), request_body = MakeTransfer,
    responses((status = 201, body = TransferView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/transfers")]
async fn make_transfer(who: Member, db: Data<Db>, command: Command<MakeTransfer>) -> Result<HttpResponse> {
    command
        .about_money()
        .create(&db, who.into(), "make_transfer", "/v1/transfers", |tx, body| {
            let new = NewTransfer {
                id: body.id,
                from: body.from_activity_id,
                to: body.to_activity_id,
                amount: body.amount,
                invoice: body.invoice_id,
                reason: body.reason,
            };
            super::transfer(tx, &new).map(TransferView::from)
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct TransferQuery {
    /// Only from or to this activity, that you own or share.
    activity_id: Option<ActivityId>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists transfers that you gave or were given, newest first; all of them for the office.
#[utoipa::path(tag = "transfers", params(TransferQuery), responses((status = 200, body = Page<TransferView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/transfers")]
async fn list_transfers(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<TransferQuery>,
) -> Result<Json<Page<TransferView>>> {
    let query = query.0;
    let filter = TransferFilter { activity_id: query.activity_id };
    let listing = Listing::new(&keys, who.person(), "transfers", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = super::list(tx, &filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |row| row.id.0, TransferView::from))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a transfer.
#[utoipa::path(tag = "transfers", params(("id" = TransferId, Path)), responses((status = 200, body = TransferView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/transfers/{id}")]
async fn show_transfer(who: MemberOrDesk, db: Data<Db>, id: Path<TransferId>) -> Result<Json<TransferView>> {
    let id = id.into_inner();
    Ok(Json(db.write(who.into(), move |tx| super::find(tx, id).map(TransferView::from)).await?))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReturnTransfer {
    /// The id of the transfer back, made by the sender.
    id: TransferId,
    /// What the other side should know.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: String,
}

/// Gives back what you received by a transfer, once and in full, as a transfer of its own.
#[utoipa::path(tag = "transfers", params(("id" = TransferId, Path), ("dry_run" = Option<bool>, Query)),
    request_body = ReturnTransfer, responses((status = 201, body = TransferView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/transfers/{id}/return")]
async fn return_transfer(
    who: Member,
    db: Data<Db>,
    id: Path<TransferId>,
    command: Command<ReturnTransfer>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .about_money()
        .create(&db, who.into(), "return_transfer", "/v1/transfers", move |tx, body| {
            super::give_back(tx, id, body.id, &body.reason).map(TransferView::from)
        })
        .await
}

/// What one member gets by a split rule.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitPart {
    /// Who; they share the collective.
    pub member_id: PersonId,
    /// By percent: the share of the whole as a fraction, `"0.5"`; all of them make exactly `"1"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "0.5", max_length = 8)]
    pub share: Option<String>,
    /// By fixed amounts: how much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

/// One version of how a collective divides its money.
#[derive(Debug, Serialize, ToSchema)]
pub struct SplitRuleView {
    /// Its id.
    pub id: SplitRuleId,
    /// The collective.
    pub activity_id: ActivityId,
    /// Which version: 1 is the first.
    pub version_number: i32,
    /// `percent`, `equal` or `fixed`.
    pub kind: SplitKind,
    /// From which day.
    pub valid_from: NaiveDate,
    /// Who gets what; empty for equal shares.
    pub parts: Vec<SplitPart>,
    /// Who made it.
    pub made_by: PersonId,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl SplitRuleView {
    fn new((row, parts): (RuleRow, Vec<PartRow>)) -> Self {
        let parts = parts.into_iter().map(|part| SplitPart {
            member_id: part.member_id,
            share: part.share_ppm.map(|share| Ppm(share).to_fraction()),
            amount: part.amount_minor.map(|amount_minor| Money { amount_minor, currency: part.currency }),
        });
        Self {
            id: row.id,
            activity_id: row.activity_id,
            version_number: row.n,
            kind: row.kind,
            valid_from: row.valid_from,
            parts: parts.collect(),
            made_by: row.made_by,
            created_at: row.created_at,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MakeSplitRule {
    /// Made by the sender.
    id: SplitRuleId,
    /// By which key.
    kind: SplitKind,
    /// From which day, not in the past.
    valid_from: NaiveDate,
    /// Who gets what; none for equal shares.
    #[serde(default)]
    #[schema(max_items = 200)]
    parts: Vec<SplitPart>,
}

/// Says how a collective that you manage divides its money from a day on; what was divided before stays.
#[utoipa::path(tag = "transfers", params(("id" = ActivityId, Path)), request_body = MakeSplitRule,
    responses((status = 201, body = SplitRuleView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/activities/{id}/split_rules")]
async fn make_split_rule(
    who: Member,
    db: Data<Db>,
    id: Path<ActivityId>,
    command: Command<MakeSplitRule>,
) -> Result<HttpResponse> {
    let activity = id.into_inner();
    let place = format!("/v1/activities/{activity}/split_rules");
    command
        .create(&db, who.into(), "make_split_rule", &place, move |tx, body| {
            let parts = body.parts.into_iter().map(|part| Part {
                member: part.member_id,
                // A share that is none is refused with its place, as one that is out of range.
                share: part.share.map(|text| Ppm::from_fraction(&text).unwrap_or(Ppm(0))),
                amount: part.amount,
            });
            let new =
                NewRule { id: body.id, activity, kind: body.kind, valid_from: body.valid_from, parts: parts.collect() };
            super::make_rule(tx, &new).map(SplitRuleView::new)
        })
        .await
}

/// Lists the versions of how a collective divides its money, newest first.
#[utoipa::path(tag = "transfers", params(("id" = ActivityId, Path)), responses((status = 200, body = Vec<SplitRuleView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/activities/{id}/split_rules")]
async fn list_split_rules(who: MemberOrDesk, db: Data<Db>, id: Path<ActivityId>) -> Result<Json<Vec<SplitRuleView>>> {
    let id = id.into_inner();
    let rules = db.write(who.into(), move |tx| super::rules_of(tx, id)).await?;
    Ok(Json(rules.into_iter().map(SplitRuleView::new).collect()))
}

/// One division of a collective's money.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransferSplitView {
    /// Its id.
    pub id: SplitRunId,
    /// The collective.
    pub activity_id: ActivityId,
    /// By which version.
    pub rule_id: SplitRuleId,
    /// The invoice that the money waits for; absent for available money.
    pub invoice_id: Option<InvoiceId>,
    /// What was to be divided.
    pub amount: Money,
    /// What fixed amounts left where it was.
    pub rest: Money,
    /// Who divided it.
    pub made_by: PersonId,
    /// On which day.
    pub made_on: NaiveDate,
    /// When.
    pub created_at: DateTime<Utc>,
    /// One for each member who got something, lowest member id first.
    pub transfers: Vec<TransferView>,
}

impl TransferSplitView {
    fn new((row, transfers): (RunRow, Vec<TransferRow>)) -> Self {
        let money = |amount_minor| Money { amount_minor, currency: row.currency };
        Self {
            id: row.id,
            activity_id: row.activity_id,
            rule_id: row.rule_id,
            invoice_id: row.invoice_id,
            amount: money(row.amount_minor),
            rest: money(row.rest_minor),
            made_by: row.made_by,
            made_on: row.made_on,
            created_at: row.created_at,
            transfers: transfers.into_iter().map(TransferView::from).collect(),
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SplitCollective {
    /// Made by the sender.
    id: SplitRunId,
    /// How much; all there is when absent.
    amount: Option<Money>,
    /// Divide money that waits for this invoice; without it, available money.
    invoice_id: Option<InvoiceId>,
    /// What the members should know.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: String,
}

/// Divides money of a collective that you manage by the rule in force: one transfer for each member, all or none.
#[utoipa::path(tag = "transfers", params(("id" = ActivityId, Path), ("dry_run" = Option<bool>, Query)),
    request_body = SplitCollective, responses((status = 201, body = TransferSplitView)), extensions(("x-roles" = json!(["member"]))))]
#[post("/v1/activities/{id}/splits")]
async fn split_collective(
    who: Member,
    db: Data<Db>,
    id: Path<ActivityId>,
    command: Command<SplitCollective>,
) -> Result<HttpResponse> {
    let activity = id.into_inner();
    let place = format!("/v1/activities/{activity}/splits");
    command
        .about_money()
        .create(&db, who.into(), "split_collective", &place, move |tx, body| {
            let new =
                NewSplit { id: body.id, activity, amount: body.amount, invoice: body.invoice_id, reason: body.reason };
            super::divide(tx, &new).map(TransferSplitView::new)
        })
        .await
}

#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct SplitQuery {
    /// Rows a page, 1 to 200.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Lists the divisions of a collective's money, newest first.
#[utoipa::path(tag = "transfers", params(("id" = ActivityId, Path), SplitQuery), responses((status = 200, body = Page<TransferSplitView>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/activities/{id}/splits")]
async fn list_splits(
    who: MemberOrDesk,
    db: Data<Db>,
    keys: Data<Keys>,
    id: Path<ActivityId>,
    query: QueryOf<SplitQuery>,
) -> Result<Json<Page<TransferSplitView>>> {
    let (id, query) = (id.into_inner(), query.0);
    let listing = Listing::new(&keys, who.person(), "splits", &id, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let runs = super::runs_of(tx, id, listing.after, listing.fetch)?;
            Ok(listing.page(runs, |(run, _)| run.id.0, TransferSplitView::new))
        })
        .await?;
    Ok(Json(page))
}
