//! What a payout that is a wage was computed to, as figures and on paper.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse, get};

use crate::access::MemberOrDesk;
use crate::kernel::ids::PayoutId;
use crate::payouts;
use crate::payroll::http::SlipView;
use crate::payroll::jobs;
use crate::platform::db::{Actor, Db};
use crate::platform::error::Result;
use crate::platform::web::{self, attachment};

/// Shows what a payout that is a wage was computed to, when it was approved.
#[utoipa::path(tag = "payouts", params(("id" = PayoutId, Path)), responses((status = 200, body = SlipView)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payouts/{id}/pay_slip")]
pub(super) async fn show_pay_slip(
    who: MemberOrDesk,
    db: Data<Db>,
    request: HttpRequest,
    id: Path<PayoutId>,
) -> Result<Json<SlipView>> {
    let (id, language) = (id.into_inner(), web::language(&request));
    Ok(Json(db.write(who.into(), move |tx| SlipView::new(&payouts::slip(tx, id)?, language)).await?))
}

/// Downloads the payslip of a payout, in the language of its member; the same bytes every time.
#[utoipa::path(tag = "payouts", params(("id" = PayoutId, Path)),
    responses((status = 200, content_type = "application/pdf", body = Vec<u8>)),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/payouts/{id}/payslip")]
pub(super) async fn download_payslip(who: MemberOrDesk, db: Data<Db>, id: Path<PayoutId>) -> Result<HttpResponse> {
    let (id, actor) = (id.into_inner(), Actor::from(who));
    db.write(actor.clone(), move |tx| payouts::slip(tx, id)).await?;
    let file = jobs::payslip(&db, actor, id).await?;
    Ok(attachment(&file.name, &file.media_type, &file.sha256, file.bytes))
}
