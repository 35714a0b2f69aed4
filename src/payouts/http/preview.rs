//! What to look at before standing for a batch.

use actix_web::get;
use actix_web::web::{Data, Json, Path};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ApprovalView, BatchItemView, RemittanceView};
use crate::access::ViewBatches;
use crate::kernel::ids::{BankAccountId, BatchId};
use crate::kernel::money::{Minor, Money};
use crate::payouts::BatchState;
use crate::payouts::batches::{self, Preview};
use crate::platform::db::Db;
use crate::platform::error::Result;

/// How many of the largest payouts are named.
const TOP: usize = 5;

/// What a batch takes from a bank account.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountPreview {
    /// Which account of the entity.
    pub bank_account_id: BankAccountId,
    /// How many payouts.
    pub payout_count: usize,
    /// Their sum.
    pub total: Money,
    /// What the last statement says is there.
    pub held: Money,
    /// What was released before and the bank has not shown yet.
    pub on_the_way: Money,
    /// What would be there after all of it.
    pub after: Money,
}

/// A batch beside the one that was released before it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComparedView {
    /// The batch before.
    pub batch_id: BatchId,
    /// When it was released.
    pub released_at: DateTime<Utc>,
    /// So many payouts more, or fewer.
    pub payout_count_difference: i64,
    /// So much more, or less.
    pub total_difference: Money,
    /// So many people more, or fewer.
    pub payee_count_difference: i64,
    /// People who are paid now and were not then.
    pub payees_added: i64,
    /// People who were paid then and are not now.
    pub payees_gone: i64,
}

/// What to look at before standing for a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewView {
    /// The batch.
    pub batch_id: BatchId,
    /// Where it stands.
    pub state: BatchState,
    /// How many payouts.
    pub payout_count: usize,
    /// How many people are paid.
    pub payee_count: i64,
    /// Their sum.
    pub total: Money,
    /// What it takes from which account.
    pub accounts: Vec<AccountPreview>,
    /// Payees who were never paid before into this account.
    pub new_payees: Vec<BatchItemView>,
    /// Payees who were paid into another account the last time.
    pub changed_payees: Vec<BatchItemView>,
    /// The five largest.
    pub top: Vec<BatchItemView>,
    /// What it pays to offices instead of people.
    pub remittances: Vec<RemittanceView>,
    /// How many approved payouts are in no batch and stay for the next one.
    pub left_count: i64,
    /// Their sum.
    pub left_total: Money,
    /// Beside the batch that was released before; none for the first.
    pub compared: Option<ComparedView>,
    /// How many people must approve.
    pub approvals_needed: i32,
    /// Who approved since the seal.
    pub approvals: Vec<ApprovalView>,
}

fn view(of: Preview) -> Result<PreviewView> {
    let money = |amount_minor| Money { amount_minor, currency: of.batch.currency };
    let total = of.total;
    let count = of.items.len().saturating_add(of.remittances.len());
    let payees: std::collections::BTreeSet<_> = of.items.iter().map(|item| item.payout.member_id).collect();
    let payee_count = i64::try_from(payees.len()).unwrap_or(i64::MAX);
    // A released batch is among what is on its way, or already gone from the account.
    let taken = if of.batch.state == BatchState::Released { Minor::ZERO } else { total };
    let account = AccountPreview {
        bank_account_id: of.batch.bank_account_id,
        payout_count: count,
        total: money(total),
        held: money(of.held),
        on_the_way: money(of.on_the_way),
        after: money(of.held.minus(of.on_the_way)?.minus(taken)?),
    };
    let compared = match of.last {
        None => None,
        Some(last) => Some(ComparedView {
            batch_id: last.id,
            released_at: last.released_at,
            payout_count_difference: i64::try_from(count).unwrap_or(i64::MAX).saturating_sub(last.payout_count),
            total_difference: money(total.minus(last.total_minor)?),
            payee_count_difference: payee_count.saturating_sub(last.payee_count),
            payees_added: payee_count.saturating_sub(last.payees_again),
            payees_gone: last.payee_count.saturating_sub(last.payees_again),
        }),
    };
    let mut largest = of.items.clone();
    largest
        .sort_by(|left, right| right.payout.sent().cmp(&left.payout.sent()).then(left.payout.id.cmp(&right.payout.id)));
    let shown = |items: Vec<batches::Item>| items.into_iter().map(BatchItemView::from).collect::<Vec<_>>();
    Ok(PreviewView {
        batch_id: of.batch.id,
        state: of.batch.state,
        payout_count: count,
        payee_count,
        total: money(total),
        accounts: vec![account],
        new_payees: shown(of.items.iter().filter(|item| item.is_new).cloned().collect()),
        changed_payees: shown(of.items.iter().filter(|item| item.is_changed).cloned().collect()),
        top: shown(largest.into_iter().take(TOP).collect()),
        remittances: of.remittances.into_iter().map(|item| item.row.into()).collect(),
        left_count: of.left.count,
        left_total: of.left.total,
        compared,
        approvals_needed: of.standing.needed,
        approvals: of.standing.approvals.into_iter().map(ApprovalView::from).collect(),
    })
}

/// Shows what to look at before standing for a batch: count, total, new and changed payees, the largest, and what is
/// different from the batch before.
#[utoipa::path(tag = "batches", params(("id" = BatchId, Path)), responses((status = 200, body = PreviewView)),
    extensions(("x-roles" = json!(["reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payout_batches/{id}/preview")]
pub(super) async fn preview_batch(who: ViewBatches, db: Data<Db>, id: Path<BatchId>) -> Result<Json<PreviewView>> {
    let id = id.into_inner();
    let found = db.write(who.into(), move |tx| batches::preview(tx, id)).await?;
    view(found).map(Json)
}
