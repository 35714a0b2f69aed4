//! The counter for flags: what they say, who opened them, how serious they are.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::access::{Approver, Desk, RiskDesk};
use crate::kernel::ids::{BatchId, EntityId, PayoutId, PersonId, RiskFlagId, RiskLevelId};
use crate::kernel::language::Language;
use crate::platform::db::{Db, Tx};
use crate::platform::error::Result;
use crate::platform::i18n;
use crate::platform::keys::Keys;
use crate::platform::web::{Command, Empty, Listing, Page, QueryOf};
use crate::risk::{self, FlagFilter, KnownFlag, LevelRow, NewSetting, OpeningRow, RiskCode, RiskLevel, RiskSetting};

crate::endpoints!(
    list_risk_flags,
    show_risk_flag,
    open_risk_flag,
    decide_risk_level,
    confirm_risk_level,
    list_risk_levels,
);

/// That somebody opened a flag.
#[derive(Debug, Serialize, ToSchema)]
struct OpeningView {
    /// Who.
    opened_by: PersonId,
    /// When.
    at: DateTime<Utc>,
    /// What they found.
    note: String,
}

impl From<OpeningRow> for OpeningView {
    fn from(row: OpeningRow) -> Self {
        Self { opened_by: row.opened_by, at: row.at, note: row.note }
    }
}

/// Something about a payout that somebody should look at.
#[derive(Debug, Serialize, ToSchema)]
struct RiskFlagView {
    /// Its id.
    id: RiskFlagId,
    /// About which payout.
    payout_id: PayoutId,
    /// Its kind.
    code: RiskCode,
    /// `low`, `medium` or `high`.
    level: RiskLevel,
    /// Whether a batch waits until its approver has opened it.
    blocks: bool,
    /// What it is, in the reader's language.
    text: String,
    /// What the sentence says, as values.
    facts: Value,
    /// Where to look: addresses of this API.
    evidence: Value,
    /// When it was raised.
    at: DateTime<Utc>,
    /// Who opened it, oldest first.
    openings: Vec<OpeningView>,
}

fn view(tx: &Tx<'_>, known: KnownFlag) -> RiskFlagView {
    let language = tx.principal().map_or(Language::En, |who| who.language);
    let flag = known.flag;
    let said = flag.facts.as_object().cloned().unwrap_or_default();
    RiskFlagView {
        id: flag.id,
        payout_id: flag.payout_id,
        code: flag.code,
        level: flag.level,
        blocks: flag.level.blocks(),
        text: i18n::risk(language, flag.code.name(), &said),
        facts: flag.facts,
        evidence: flag.evidence,
        at: flag.at,
        openings: known.openings.into_iter().map(OpeningView::from).collect(),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct FlagQuery {
    /// Only about this payout.
    payout_id: Option<PayoutId>,
    /// Only about payouts of this batch.
    batch_id: Option<BatchId>,
    /// Only of this level.
    #[param(inline)]
    level: Option<RiskLevel>,
    /// Only those that you have opened, or have not.
    opened: Option<bool>,
    /// Rows a page, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// From the page before.
    cursor: Option<String>,
}

/// Lists flags, newest first.
#[utoipa::path(tag = "risk", params(FlagQuery), responses((status = 200, body = Page<RiskFlagView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/risk_flags")]
async fn list_risk_flags(
    who: Desk,
    db: Data<Db>,
    keys: Data<Keys>,
    query: QueryOf<FlagQuery>,
) -> Result<Json<Page<RiskFlagView>>> {
    let query = query.0;
    let filter =
        FlagFilter { payout_id: query.payout_id, batch_id: query.batch_id, level: query.level, opened: query.opened };
    let listing = Listing::new(&keys, who.person(), "risk_flags", &filter, query.limit, query.cursor.as_deref())?;
    let page = db
        .write(who.into(), move |tx| {
            let rows = risk::flags(tx, &filter, listing.after, listing.fetch)?;
            Ok(listing.page(rows, |known| known.flag.id.0, |known| view(tx, known)))
        })
        .await?;
    Ok(Json(page))
}

/// Shows a flag.
#[utoipa::path(tag = "risk", params(("id" = RiskFlagId, Path)), responses((status = 200, body = RiskFlagView)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/risk_flags/{id}")]
async fn show_risk_flag(who: Desk, db: Data<Db>, id: Path<RiskFlagId>) -> Result<Json<RiskFlagView>> {
    let id = id.into_inner();
    let shown = db
        .write(who.into(), move |tx| {
            let known = risk::flag(tx, id)?;
            Ok(view(tx, known))
        })
        .await?;
    Ok(Json(shown))
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OpenFlag {
    /// What you found.
    #[schema(min_length = 1, max_length = 2000)]
    note: String,
}

/// Notes that you looked at a flag, and what you found. The first note stays.
#[utoipa::path(tag = "risk", params(("id" = RiskFlagId, Path)), request_body = OpenFlag,
    responses((status = 200, body = RiskFlagView)), extensions(("x-roles" = json!(["payout_approver"]))))]
#[post("/v1/risk_flags/{id}/open")]
async fn open_risk_flag(
    who: Approver,
    db: Data<Db>,
    id: Path<RiskFlagId>,
    command: Command<OpenFlag>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .run(&db, who.into(), "open_risk_flag", move |tx, body| {
            let known = risk::open(tx, id, &body.note)?;
            Ok(view(tx, known))
        })
        .await
}

/// How serious an entity takes a kind of flag, from a day on.
#[derive(Debug, Serialize, ToSchema)]
struct RiskLevelView {
    /// Its id.
    id: RiskLevelId,
    /// Grows with every change.
    version: i32,
    /// Of which entity.
    entity_id: EntityId,
    /// Of which kind.
    code: RiskCode,
    /// `off`, `low`, `medium` or `high`.
    level: RiskSetting,
    /// What held before.
    before: RiskSetting,
    /// Whether it holds from its day on: one that is less serious waits for a second person.
    in_force: bool,
    /// From this day on.
    valid_from: NaiveDate,
    /// Why.
    reason: String,
    /// Who decided.
    decided_by: PersonId,
    /// Who confirmed it.
    confirmed_by: Option<PersonId>,
}

impl From<LevelRow> for RiskLevelView {
    fn from(row: LevelRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            entity_id: row.entity_id,
            code: row.code,
            level: row.level,
            before: row.before,
            in_force: !row.is_looser || row.confirmed_by.is_some(),
            valid_from: row.valid_from,
            reason: row.reason,
            decided_by: row.decided_by,
            confirmed_by: row.confirmed_by,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DecideLevel {
    /// Made by the sender.
    id: RiskLevelId,
    /// Of which entity.
    entity_id: EntityId,
    /// Of which kind.
    code: RiskCode,
    /// How serious: `off`, `low`, `medium` or `high`.
    level: RiskSetting,
    /// From this day on, today at the earliest.
    valid_from: NaiveDate,
    /// Why.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
}

/// Decides how serious a kind of flag is taken from a day on. Less serious than before waits for a second person.
#[utoipa::path(tag = "risk", request_body = DecideLevel, responses((status = 201, body = RiskLevelView)),
    extensions(("x-roles" = json!(["payout_approver", "administrator"]))))]
#[post("/v1/risk_levels")]
async fn decide_risk_level(who: RiskDesk, db: Data<Db>, command: Command<DecideLevel>) -> Result<HttpResponse> {
    command
        .create(&db, who.into(), "decide_risk_level", "/v1/risk_levels", |tx, body| {
            let new = NewSetting {
                id: body.id,
                entity: body.entity_id,
                code: body.code,
                level: body.level,
                valid_from: body.valid_from,
                reason: body.reason,
            };
            risk::decide_level(tx, &new).map(RiskLevelView::from)
        })
        .await
}

/// Confirms that a kind of flag is taken less seriously, as another person than who decided.
#[utoipa::path(tag = "risk", params(("id" = RiskLevelId, Path)), request_body = Empty,
    responses((status = 200, body = RiskLevelView)), extensions(("x-roles" = json!(["payout_approver", "administrator"]))))]
#[post("/v1/risk_levels/{id}/confirm")]
async fn confirm_risk_level(
    who: RiskDesk,
    db: Data<Db>,
    id: Path<RiskLevelId>,
    command: Command<Empty>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    let expected = command.expected()?;
    command
        .run(&db, who.into(), "confirm_risk_level", move |tx, _| {
            risk::confirm_level(tx, id, expected).map(RiskLevelView::from)
        })
        .await
}

/// Shows every decision of an entity about its flags, oldest day first.
#[utoipa::path(tag = "risk", params(("id" = EntityId, Path)), responses((status = 200, body = Vec<RiskLevelView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/entities/{id}/risk_levels")]
async fn list_risk_levels(who: Desk, db: Data<Db>, id: Path<EntityId>) -> Result<Json<Vec<RiskLevelView>>> {
    let entity = id.into_inner();
    let rows = db.write(who.into(), move |tx| risk::levels(tx, entity)).await?;
    Ok(Json(rows.into_iter().map(RiskLevelView::from).collect()))
}
