//! The public page of the proofs: a sixth kind of file because it is read without the API, by anybody.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Deserialize;

use super::{Fund, ProofRow};
use crate::access::Visitor;
use crate::charter;
use crate::formats::pages::{FundFigures, ProofPage, ProvenDay, proof_page};
use crate::formats::solvency::hex;
use crate::kernel::ids::EntityId;
use crate::platform::db::{Db, Tx};
use crate::platform::error::{Error, Result};
use crate::platform::web::page;

/// Days that the page lists.
const DAYS: i64 = 30;

/// Registers the page.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(show);
}

#[derive(Debug, Default, Deserialize)]
struct Shown {
    lang: Option<String>,
    entity: Option<EntityId>,
}

/// Everything the page shows of one entity.
struct Facts {
    entity: charter::EntityRow,
    days: Vec<ProofRow>,
    fund: Fund,
}

fn facts(tx: &mut Tx<'_>, wanted: Option<EntityId>) -> Result<Facts> {
    let entity = match wanted {
        Some(id) => charter::entity(tx, id)?,
        None => charter::entities(tx)?.into_iter().next().ok_or_else(Error::not_found)?,
    };
    let days = super::proofs(tx, Some(entity.id), None, DAYS)?;
    let currency = days.first().map_or(crate::kernel::money::Currency::EUR, |row| row.currency);
    let fund = super::fund(tx, entity.id, currency)?;
    Ok(Facts { entity, days, fund })
}

#[get("/solvency")]
async fn show(request: HttpRequest, who: Visitor, db: Data<Db>, query: Query<Shown>) -> Result<HttpResponse> {
    let query = query.into_inner();
    let wanted = query.entity;
    let language = page::language(&request, query.lang.as_deref());
    let it = db.write(who.into(), move |tx| facts(tx, wanted)).await?;
    let nonce = page::nonce(db.clock());
    let proven = |row: &ProofRow| Ok(ProvenDay { proof: super::read(row)?, sha256: hex(&row.sha256) });
    let facts = ProofPage {
        entity: it.entity.name,
        address: wanted.map_or_else(|| "/solvency".to_owned(), |id| format!("/solvency?entity={id}")),
        chain: format!("/v1/solvency/chain?entity_id={}", it.entity.id),
        days: it.days.iter().map(proven).collect::<Result<_>>()?,
        fund: FundFigures {
            balance: it.fund.balance,
            open_advances: it.fund.open_advances,
            loss_rate_ppm: it.fund.loss_rate_ppm,
            largest_exposures: it.fund.largest_exposures,
            after_three_failures: it.fund.after_three_failures,
            payout_days: it.fund.payout_days,
        },
    };
    let body = proof_page(&facts, language, &nonce).map_err(Error::internal)?;
    Ok(page::html(StatusCode::OK, body, &nonce))
}
