//! What moved on an activity in a period, to read and to take home.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::MemberOrDesk;
use crate::activities::statements::{self, Parts, Statement};
use crate::archive;
use crate::formats::statement::{self as files, Amounts, StatementFacts, StatementMove};
use crate::kernel::ids::ActivityId;
use crate::kernel::language::Language;
use crate::kernel::money::{Currency, Money};
use crate::named;
use crate::platform::db::Db;
use crate::platform::error::{Error, Result};
use crate::platform::web::{QueryOf, attachment, language};

crate::endpoints!(show_activity_statement);

named! {
    /// How a statement is written.
    StatementFormat {
        /// To be read by a program.
        Json = "json",
        /// A table.
        Csv = "csv",
        /// For people.
        Pdf = "pdf",
    }
}

/// Amounts by the parts of an activity.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementAmounts {
    /// Waits for clients or the guarantee.
    pub pending: Money,
    /// Can be paid out.
    pub available: Money,
    /// Set aside for payouts.
    pub reserved: Money,
    /// Owed by the activity.
    pub arrears: Money,
    /// The first three less the last.
    pub total: Money,
}

impl StatementAmounts {
    fn new(amounts: &Amounts, currency: Currency) -> Self {
        let money = |amount_minor| Money { amount_minor, currency };
        Self {
            pending: money(amounts.pending),
            available: money(amounts.available),
            reserved: money(amounts.reserved),
            arrears: money(amounts.arrears),
            total: money(amounts.total),
        }
    }
}

/// One movement.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementMoveView {
    /// The day it counts.
    pub on: NaiveDate,
    /// What happened, by its name in the books.
    pub event: String,
    /// What happened, in the language of the reader.
    pub text: String,
    /// The number of the document behind it, where the reader may know it.
    pub document: Option<String>,
    /// By how much each part grew.
    pub amounts: StatementAmounts,
    /// What was there after it, all parts together.
    pub running: Money,
}

/// The sum of the movements of one kind.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementTotalView {
    /// What happened, by its name in the books.
    pub event: String,
    /// What happened, in the language of the reader.
    pub text: String,
    /// By how much each part grew.
    pub amounts: StatementAmounts,
}

/// What moved on an activity in a period.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivityStatementView {
    /// The activity.
    pub activity_id: ActivityId,
    /// How it is called.
    pub activity_name: String,
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// What was there before the first day.
    pub opening: StatementAmounts,
    /// What moved, in the order of the books.
    pub moves: Vec<StatementMoveView>,
    /// The sum of the moves of each kind.
    pub totals: Vec<StatementTotalView>,
    /// What was there at the end of the last day: the opening and all moves.
    pub closing: StatementAmounts,
}

impl ActivityStatementView {
    fn new(id: ActivityId, facts: StatementFacts) -> Self {
        let currency = facts.currency;
        let amounts = |it: &Amounts| StatementAmounts::new(it, currency);
        let text = |event: &str| files::event(facts.language, event);
        Self {
            activity_id: id,
            from: facts.first,
            to: facts.last,
            opening: amounts(&facts.opening),
            closing: amounts(&facts.closing),
            totals: facts
                .totals
                .iter()
                .map(|(event, it)| StatementTotalView { text: text(event), amounts: amounts(it), event: event.clone() })
                .collect(),
            moves: facts
                .moves
                .iter()
                .map(|it| StatementMoveView {
                    on: it.on,
                    text: text(&it.event),
                    event: it.event.clone(),
                    document: it.document.clone(),
                    amounts: amounts(&it.amounts),
                    running: Money { amount_minor: it.running, currency },
                })
                .collect(),
            activity_name: facts.activity,
        }
    }
}

/// What the files of a statement show.
fn facts(statement: Statement) -> Result<StatementFacts> {
    let amounts = |parts: Parts| -> Result<Amounts> {
        let Parts { pending, available, reserved, arrears } = parts;
        Ok(Amounts { pending, available, reserved, arrears, total: parts.total()? })
    };
    let mut moves = Vec::with_capacity(statement.moves.len());
    for it in statement.moves {
        moves.push(StatementMove {
            on: it.row.booked_on.unwrap_or(statement.span.first),
            event: it.row.event.unwrap_or_default(),
            document: it.row.document,
            amounts: amounts(it.moved)?,
            running: it.after.total()?,
        });
    }
    let totals = statement.totals.into_iter().map(|(event, parts)| Ok((event, amounts(parts)?)));
    Ok(StatementFacts {
        language: statement.language,
        entity: statement.entity,
        member: statement.member,
        activity: statement.activity.name,
        currency: statement.currency,
        first: statement.span.first,
        last: statement.span.last,
        opening: amounts(statement.opening)?,
        moves,
        totals: totals.collect::<Result<_>>()?,
        closing: amounts(statement.closing)?,
    })
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct StatementQuery {
    /// The first month; that of `to` when absent.
    #[param(example = "2026-05")]
    from: Option<String>,
    /// The last month, at most 36 months in all; the present one when absent.
    #[param(example = "2026-06")]
    to: Option<String>,
    /// `json`, `csv` or `pdf`.
    #[param(inline)]
    format: Option<StatementFormat>,
}

/// Shows what moved on an activity: what was there, every movement, what is there. As CSV or PDF it is a file in the
/// language of the member who asks.
#[utoipa::path(tag = "activities", params(("id" = ActivityId, Path), StatementQuery),
    responses((status = 200, content((ActivityStatementView = "application/json"), (String = "text/csv"), (Vec<u8> = "application/pdf")))),
    extensions(("x-roles" = json!(["member", "reviewer", "payout_approver", "accountant", "administrator"]))))]
#[get("/v1/activities/{id}/statement")]
async fn show_activity_statement(
    who: MemberOrDesk,
    db: Data<Db>,
    request: HttpRequest,
    id: Path<ActivityId>,
    query: QueryOf<StatementQuery>,
) -> Result<HttpResponse> {
    let (id, query, asked) = (id.into_inner(), query.0, language(&request));
    let format = query.format.unwrap_or(StatementFormat::Json);
    let facts = db
        .write(who.into(), move |tx| {
            let own = tx.principal().map(|who| who.language);
            let language = reader(format, own, asked);
            let statement = statements::statement(tx, id, query.from.as_deref(), query.to.as_deref(), language)?;
            facts(statement)
        })
        .await?;
    let name = format!("statement-{}-{}.{format}", facts.first.format("%Y-%m"), facts.last.format("%Y-%m"));
    let (media_type, bytes) = match format {
        StatementFormat::Json => return Ok(HttpResponse::Ok().json(ActivityStatementView::new(id, facts))),
        StatementFormat::Csv => ("text/csv; charset=utf-8; header=present", files::csv(&facts)),
        StatementFormat::Pdf => {
            let job = move || files::pdf(&facts).map_err(Error::internal);
            ("application/pdf", tokio::task::spawn_blocking(job).await.map_err(Error::internal)??)
        }
    };
    Ok(attachment(&name, media_type, &archive::sha256(&bytes), bytes))
}

/// A file is in the language of whoever is signed in; an answer to a program in the one it asks for.
fn reader(format: StatementFormat, own: Option<Language>, asked: Language) -> Language {
    match format {
        StatementFormat::Json => asked,
        StatementFormat::Csv | StatementFormat::Pdf => own.unwrap_or(asked),
    }
}
