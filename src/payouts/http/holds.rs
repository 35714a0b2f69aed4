//! The counter where one payout is stopped.

use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, post};

use crate::access::BatchDesk;
use crate::kernel::ids::PayoutId;
use crate::payouts;
use crate::platform::db::Db;
use crate::platform::error::Result;
use crate::platform::web::Command;
use crate::risk::http::{PayoutHoldView, PlaceHold};
use crate::risk::{self, HoldOn};

/// Lets one payout wait.
#[utoipa::path(tag = "risk", params(("id" = PayoutId, Path)), request_body = PlaceHold,
    responses((status = 201, body = PayoutHoldView)), extensions(("x-roles" = json!(["reviewer", "payout_approver"]))))]
#[post("/v1/payouts/{id}/hold")]
pub(super) async fn hold_payout(
    who: BatchDesk,
    db: Data<Db>,
    id: Path<PayoutId>,
    command: Command<PlaceHold>,
) -> Result<HttpResponse> {
    let id = id.into_inner();
    command
        .create(&db, who.into(), "hold_payout", "/v1/payout_holds", move |tx, body| {
            let payout = payouts::find(tx, id)?;
            risk::place_hold(tx, body.id, HoldOn::Payout(id, payout.member_id), &body.reason).map(PayoutHoldView::from)
        })
        .await
}
