//! The part of the story that is about a client who pays late, a plan that pays by itself, and money that is too much.

use serde_json::{Value, json};
use umbel::demo::{Cast, DemoError, Invoiced, MemberCast, Stage};
use umbel::kernel::money::Minor;

use super::{ADMIN, Teller, amount, euros, field};

/// Where the step before can be looked at.
fn look_at(stage: &Stage, path: &str) {
    println!("     {:<14} {}{path}", "", stage.base);
}

/// The administrator decides how late enterprises are pursued.
pub fn decide_a_track(stage: &Stage, teller: &mut Teller, cast: &Cast) -> Result<(), DemoError> {
    let administrator = &cast.staff.administrator;
    let track = json!({
        "id": administrator.new_id(), "track": "b2b", "valid_from": stage.today(), "claims_interest": true,
        "claims_compensation": true, "question_days": 7, "wait_max_days": 30, "source": "Board of the day",
        "steps": [{"kind": "reminder", "after_days": 5}, {"kind": "formal_demand", "after_days": 15, "pay_days": 8}],
    });
    let place = format!("/v1/entities/{}/collection_tracks", cast.entity_id);
    administrator.post(&place, &track)?.expect(201)?;
    teller.says(
        "administrator",
        "decides how late enterprises are pursued: a reminder after 5 days, a demand after 15 more",
    );
    Ok(())
}

/// A member works for a client that will not pay in time, and lets a plan pay them out.
pub fn work_for_a_slow_client(
    stage: &Stage,
    teller: &mut Teller,
    cast: &Cast,
    member: &MemberCast,
) -> Result<Invoiced, DemoError> {
    let submitted = stage.submitted_invoice(member, None, 60_000)?;
    let slow = stage.issue(&cast.staff.reviewer, &submitted)?;
    stage.settle()?;
    teller.says("member", &format!("invoices {} without an order: {} to pay", slow.number, euros(slow.gross)));
    Ok(slow)
}

/// The last day to pay is over: what was done about it, what may be claimed, and when the member can expect the money.
/// Then the client pays, more than was asked for.
pub fn pursue(
    stage: &Stage,
    teller: &mut Teller,
    cast: &mut Cast,
    password: &str,
    slow: &Invoiced,
) -> Result<(), DemoError> {
    stage.days_pass(20)?;
    stage.office_returns(cast, (ADMIN, password))?;
    let member = stage.sign_in(super::MEMBER)?;
    let place = format!("/v1/invoices/{}/collection", slow.id);
    let standing = member.get(&place)?.expect(200)?;
    let days = standing
        .pointer("/claim/segments")
        .and_then(Value::as_array)
        .map_or(0, |segments| segments.iter().filter_map(|segment| segment.get("days").and_then(Value::as_i64)).sum());
    teller.says(
        "collection",
        &format!(
            "{}: {} sent on {}; {days} days of interest {}, compensation {}: {} in all",
            slow.number,
            field(&standing, "/actions/0/kind"),
            field(&standing, "/actions/0/done_on"),
            euros(amount(&standing, "/claim/interest")),
            euros(amount(&standing, "/claim/compensation")),
            euros(amount(&standing, "/claim/total")),
        ),
    );
    look_at(stage, &place);
    let activity = field(&slow.view, "/activity_id");
    let plan = json!({"id": member.new_id(), "activity_id": activity,
        "terms": {"kind": "weekly", "count": 5, "on_closed": "before", "minimum": {"amount_minor": 5_000, "currency": "EUR"}}});
    let plan = member.post("/v1/payout_plans", &plan)?.expect(201)?;
    let said = member.get(&format!("/v1/invoices/{}/forecast", slow.id))?.expect(200)?;
    teller.says("member", &format!("has a plan, every Friday from 50.00 on: next on {}", field(&plan, "/next_on")));
    look_at(stage, &format!("/v1/payout_plans/{}", field(&plan, "/id")));
    teller.says(
        "forecast",
        &format!(
            "money of {}: likely on {}; {} ({} must act)",
            slow.number,
            field(&said, "/likely_on"),
            field(&said, "/blocked_by/reason"),
            field(&said, "/blocked_by/who")
        ),
    );
    look_at(stage, &format!("/v1/invoices/{}/forecast", slow.id));
    pays_too_much(stage, teller, cast, (slow, amount(&standing, "/claim/total")))
}

/// The client pays what the letter claims: the invoice takes its part, the rest is kept for the client.
fn pays_too_much(
    stage: &Stage,
    teller: &mut Teller,
    cast: &mut Cast,
    (slow, cents): (&Invoiced, i64),
) -> Result<(), DemoError> {
    cast.bank.receives(Minor::new(cents), &slow.reference, "Łukasz Øster-Ñuñez & Fils SPRL", stage.today());
    stage.import(cast)?;
    let reviewer = &cast.staff.reviewer;
    let waiting = reviewer.get("/v1/bank_lines?state=suspense")?.expect(200)?;
    let place = format!("/v1/bank_lines/{}", field(&waiting, "/data/0/id"));
    let line = reviewer.get(&place)?.expect(200)?;
    let at = |seen: &Value| seen.get("version").and_then(Value::as_i64).unwrap_or_default();
    let credit = reviewer.new_id();
    let client = field(&slow.view, "/client_id");
    let body = json!({"id": credit, "client_id": client, "reason": "Interest and compensation, paid with the invoice"});
    let left = amount(&line, "/waiting");
    reviewer.change(&format!("{place}/credit_client"), at(&line), &body)?.expect(200)?;
    teller.says(
        "bank",
        &format!("reports {}: {} is settled, {} are kept for the client", euros(cents), slow.number, euros(left)),
    );
    look_at(stage, &format!("/v1/client_credits/{credit}"));
    Ok(())
}
