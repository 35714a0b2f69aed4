//! The counter for what banks take in one file.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Administrator, ViewBatches};
use crate::kernel::ids::{BankAccountId, BankLimitId, PersonId};
use crate::kernel::money::Money;
use crate::payouts::limits::{self, LimitRow, NewLimit};
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::web::Command;

/// What a bank takes in one file from a day on.
#[derive(Debug, Serialize, ToSchema)]
pub struct BankLimitView {
    /// Its id.
    pub id: BankLimitId,
    /// Of which account of an entity.
    pub bank_account_id: BankAccountId,
    /// From this day on.
    pub valid_from: NaiveDate,
    /// So many payouts at most; null for any number.
    pub payouts_max: Option<i32>,
    /// So much at most; null for any sum.
    pub total_max: Option<Money>,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub decided_by: PersonId,
}

impl From<LimitRow> for BankLimitView {
    fn from(row: LimitRow) -> Self {
        Self {
            id: row.id,
            bank_account_id: row.bank_account_id,
            valid_from: row.valid_from,
            payouts_max: row.payouts_max,
            total_max: row.total_max_minor.map(Money::eur),
            reason: row.reason,
            decided_by: row.decided_by,
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DecideBankLimit {
    /// Made by the sender.
    id: BankLimitId,
    /// From this day on.
    valid_from: NaiveDate,
    /// So many payouts at most in one file; without it any number.
    #[serde(default)]
    payouts_max: Option<i32>,
    /// So much at most in one file, in euro; without it any sum.
    #[serde(default)]
    total_max: Option<Money>,
    /// What the bank says.
    #[schema(max_length = 2000)]
    reason: String,
}

/// Decides what the bank of an account takes in one file, from a day on. Earlier decisions stay readable.
#[utoipa::path(tag = "batches", params(("id" = BankAccountId, Path)), request_body = DecideBankLimit,
    responses((status = 201, body = BankLimitView)), extensions(("x-roles" = json!(["administrator"]))))]
#[post("/v1/bank_accounts/{id}/file_limits")]
pub(super) async fn decide_bank_limit(
    who: Administrator,
    db: Data<Db>,
    id: Path<BankAccountId>,
    command: Command<DecideBankLimit>,
) -> Result<HttpResponse> {
    let account = id.into_inner();
    let place = format!("/v1/bank_accounts/{account}/file_limits");
    command
        .create(&db, who.into(), "decide_bank_limit", &place, move |tx, body| {
            let new = NewLimit {
                id: body.id,
                account,
                valid_from: body.valid_from,
                payouts_max: body.payouts_max,
                total_max: body.total_max,
                reason: body.reason,
            };
            limits::decide(tx, &new).map(BankLimitView::from)
        })
        .await
}

/// Lists what was decided about an account, the oldest first.
#[utoipa::path(tag = "batches", params(("id" = BankAccountId, Path)), responses((status = 200, body = Vec<BankLimitView>)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/bank_accounts/{id}/file_limits")]
pub(super) async fn list_bank_limits(
    who: ViewBatches,
    db: Data<Db>,
    id: Path<BankAccountId>,
) -> Result<Json<Vec<BankLimitView>>> {
    let id = id.into_inner();
    let rows = db.write(who.into(), move |tx| limits::decided(tx, id)).await?;
    Ok(Json(rows.into_iter().map(BankLimitView::from).collect()))
}
