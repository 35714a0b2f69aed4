//! A year of late clients: two nights of daylight saving, a leap day, a year's end, three days of downtime, and two
//! workers at the same time on all other days.
//!
//! Every invoice is followed by a model that shares nothing with the program but the tracks: when each step was due,
//! and on which days nothing might be sent.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use diesel::RunQueryDsl;
use serde_json::{Value, json};
use umbel::demo::{Cast, Invoiced, MemberCast};
use umbel::kernel::money::Minor;
use umbel::platform::clock::Clock;
use umbel::platform::faults::Faults;

use super::collection::track;
use super::support::{ADMIN, TestApp, TestDatabase};

/// Days after the step before, and whether it is the demand.
const STEPS: [(u64, bool); 3] = [(5, false), (15, false), (20, true)];

/// The year's days on which nobody worked: over the leap day.
const DOWN: [&str; 3] = ["2028-02-28", "2028-02-29", "2028-03-01"];

/// A small generator, so that a failing year can be lived again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[derive(diesel::QueryableByName)]
struct Taken {
    #[diesel(sql_type = diesel::sql_types::Text)]
    invoice: String,
    #[diesel(sql_type = diesel::sql_types::Integer)]
    step: i32,
    #[diesel(sql_type = diesel::sql_types::Date)]
    logical_on: NaiveDate,
    #[diesel(sql_type = diesel::sql_types::Date)]
    done_on: NaiveDate,
}

/// What happens to an invoice.
struct Life {
    invoiced: Invoiced,
    due_on: NaiveDate,
    pays_on: Option<NaiveDate>,
    disputed: Option<(NaiveDate, NaiveDate)>,
    held: Option<(NaiveDate, NaiveDate)>,
}

impl Life {
    /// Whether something may be sent on a day: it is after the last day to pay, nothing is in the way, somebody works.
    fn is_free(&self, day: NaiveDate) -> bool {
        // Money and disputes come after the work of a day.
        let is_unpaid = self.pays_on.is_none_or(|paid| day <= paid);
        let within = |span: Option<(NaiveDate, NaiveDate)>| span.is_some_and(|(from, to)| day > from && day <= to);
        is_unpaid && !within(self.disputed) && !within(self.held) && !DOWN.contains(&day.to_string().as_str())
    }

    /// When each step was due and when it must have been taken.
    fn expected(&self, last: NaiveDate) -> Vec<(i32, NaiveDate, NaiveDate)> {
        let (mut steps, mut from, mut n) = (Vec::new(), self.due_on, 0);
        for (days, is_demand) in STEPS {
            let mut due = from + Days::new(days);
            n += 1;
            if is_demand {
                // The member is asked a week before, on a day when something may be done, and never answers.
                let mut asked = (due - Days::new(7)).max(from + Days::new(1));
                while asked <= last && !self.is_free(asked) {
                    asked = asked + Days::new(1);
                }
                due = due.max(asked + Days::new(7));
            }
            let mut on = due;
            while on <= last && !self.is_free(on) {
                on = on + Days::new(1);
            }
            if on > last {
                break;
            }
            steps.push((n, due, on));
            from = on;
        }
        steps
    }
}

/// What the client owes is on its way, disputes begin and end, somebody holds something back.
fn live(app: &TestApp, cast: &mut Cast, lives: &[Life], day: NaiveDate) {
    let is_due = |on: Option<NaiveDate>| on == Some(day);
    let paying: Vec<&Life> = lives.iter().filter(|life| is_due(life.pays_on)).collect();
    let opening: Vec<&Life> = lives.iter().filter(|life| is_due(life.disputed.map(|it| it.0))).collect();
    let closing: Vec<&Life> = lives.iter().filter(|life| is_due(life.disputed.map(|it| it.1))).collect();
    let holding: Vec<&Life> = lives.iter().filter(|life| is_due(life.held.map(|it| it.0))).collect();
    if paying.is_empty() && opening.is_empty() && closing.is_empty() && holding.is_empty() {
        return;
    }
    app.stage.office_returns(cast, ADMIN).unwrap();
    let reviewer = cast.staff.reviewer.clone();
    let change = |life: &Life, what: &str, body: &Value| {
        let seen = reviewer.get(&format!("/v1/invoices/{}", life.invoiced.id)).unwrap().expect(200).unwrap();
        let path = format!("/v1/invoices/{}/{what}", life.invoiced.id);
        reviewer.change(&path, seen["version"].as_i64().unwrap(), body).unwrap().expect(200).unwrap();
    };
    for life in opening {
        change(life, "dispute", &json!({"reason": "Not what we ordered"}));
    }
    for life in closing {
        change(life, "resolve_dispute", &json!({"resolution": "It was"}));
    }
    for life in holding {
        let body =
            json!({"id": reviewer.new_id(), "kind": "hold", "reason": "Holidays", "until_on": life.held.unwrap().1});
        let path = format!("/v1/invoices/{}/collection_pauses", life.invoiced.id);
        reviewer.post(&path, &body).unwrap().expect(201).unwrap();
    }
    if !paying.is_empty() {
        for life in paying {
            cast.bank.receives(Minor::new(life.invoiced.gross), &life.invoiced.reference, "Client", day);
        }
        app.stage.import(cast).unwrap();
    }
}

/// The first day from one on on which somebody works.
fn awake(mut day: NaiveDate) -> NaiveDate {
    while DOWN.contains(&day.to_string().as_str()) {
        day = day + Days::new(1);
    }
    day
}

/// Nights in which the clocks of Brussels change: an hour comes twice, an hour never comes.
const NIGHTS: [&str; 2] = ["2027-10-31", "2028-03-26"];

/// Two workers at the same time: each does the work of the day and sends what there is to send.
fn two_work(app: &TestApp) {
    let together = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let worker = app.stage.worker.clone();
                together.wait();
                worker.run_calendar().unwrap();
                worker.run_until_idle().unwrap();
            });
        }
    });
}

/// The next day comes, at the hour of the one before; in the nights of the clocks somebody works every half hour.
fn day_comes(app: &TestApp, next: NaiveDate) {
    let now = app.stage.clock.now();
    if NIGHTS.contains(&next.to_string().as_str()) {
        // From half past eleven to half past three by our own clocks.
        let midnight = next.and_hms_opt(0, 0, 0).unwrap().and_utc() - chrono::Duration::hours(2);
        for half in 0..10 {
            app.stage.clock.set(midnight + chrono::Duration::minutes(30 * half - 30));
            two_work(app);
        }
    }
    app.stage.clock.set(now + chrono::Duration::days(1));
    two_work(app);
    app.stage.settle().unwrap();
}

fn issue(app: &TestApp, cast: &mut Cast, member: &MemberCast, dice: &mut Dice, count: usize) -> Vec<Life> {
    app.stage.office_returns(cast, ADMIN).unwrap();
    let member = MemberCast { client: app.stage.sign_in(&member.email).unwrap(), ..member.clone() };
    (0..count)
        .map(|_| {
            let cents = i64::try_from(1_000 + dice.below(500_000)).unwrap();
            let submitted = app.stage.submitted_invoice(&member, None, cents).unwrap();
            let invoiced = app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
            let due_on: NaiveDate = invoiced.view["due_on"].as_str().unwrap().parse().unwrap();
            let after = |dice: &mut Dice, range: u64| due_on + Days::new(dice.below(range));
            let pays_on = (dice.below(3) > 0).then(|| awake(after(dice, 60) - Days::new(10)));
            let span = |dice: &mut Dice| {
                let from = after(dice, 40) + Days::new(1);
                (awake(from), awake(awake(from) + Days::new(1 + dice.below(20))))
            };
            let kind = dice.below(4);
            let disputed = (kind == 0 && pays_on.is_none()).then(|| span(dice));
            let held = (kind == 1 && pays_on.is_none()).then(|| span(dice));
            Life { invoiced, due_on, pays_on, disputed, held }
        })
        .collect()
}

#[test]
fn a_year_of_late_clients_takes_each_step_once_on_its_day_and_none_in_a_pause() {
    let start: DateTime<Utc> = "2027-09-06T08:00:00Z".parse().unwrap();
    let app = TestApp::on(TestDatabase::new(), Clock::simulated(start), Faults::default());
    let (mut cast, member) = app.with_member();
    let steps = json!([
        {"kind": "reminder", "after_days": 5},
        {"kind": "reminder", "after_days": 15},
        {"kind": "formal_demand", "after_days": 20, "pay_days": 8},
    ]);
    track(&app, &cast, "b2b", &steps).expect(201).unwrap();
    let mut dice = Dice(20_260_504);
    let mut lives: Vec<Life> = Vec::new();
    let last: NaiveDate = "2028-09-05".parse().unwrap();
    while app.stage.today() < last {
        let day = app.stage.today();
        if !DOWN.contains(&day.to_string().as_str()) {
            if (lives.len() < 44) && (day - start.date_naive()).num_days() % 21 == 0 {
                let made = issue(&app, &mut cast, &member, &mut dice, 4);
                lives.extend(made);
            }
            live(&app, &mut cast, &lives, day);
        }
        let next = day + Days::new(1);
        if DOWN.contains(&next.to_string().as_str()) {
            // Three days on which nobody works; the clock goes on.
            app.stage.clock.advance(chrono::Duration::days(1));
        } else {
            day_comes(&app, next);
        }
    }
    judge(&app, &lives, last);
}

fn judge(app: &TestApp, lives: &[Life], last: NaiveDate) {
    let taken: Vec<Taken> = diesel::sql_query(
        "SELECT invoice_id::text AS invoice, step_n AS step, logical_on, done_on FROM collection_action ORDER BY invoice_id, step_n",
    )
    .load(&mut app.database.owner())
    .unwrap();
    let mut by_invoice: BTreeMap<String, Vec<(i32, NaiveDate, NaiveDate)>> = BTreeMap::new();
    for it in &taken {
        by_invoice.entry(it.invoice.clone()).or_default().push((it.step, it.logical_on, it.done_on));
    }
    let mut wrong = Vec::new();
    for life in lives {
        // What falls due on days of downtime is done on the first day after, and never two at once.
        let seen = by_invoice.remove(&life.invoiced.id).unwrap_or_default();
        let expected = life.expected(last);
        if seen != expected {
            wrong.push(format!(
                "{} due {} paid {:?} disputed {:?} held {:?}: {seen:?}, expected {expected:?}",
                life.invoiced.number, life.due_on, life.pays_on, life.disputed, life.held
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), lives.len(), wrong.join("\n"));
    assert!(by_invoice.is_empty() && taken.len() > 40, "{} steps", taken.len());
    // No mail twice: one for each letter, one for each question.
    let mails = app.stage.mails.messages();
    let header = |raw: &[u8], name: &str| {
        let raw = String::from_utf8_lossy(raw).into_owned();
        raw.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned))
    };
    let mut ids: Vec<String> = mails.iter().filter_map(|mail| header(&mail.raw, "Message-ID: ")).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), mails.len()), (count, count));
    for (topic, table) in [
        ("send_reminder", "collection_action WHERE kind = 'reminder'"),
        ("send_formal_demand", "collection_action WHERE kind = 'formal_demand'"),
    ] {
        let sent = app.count(&format!("SELECT count(*) FROM outbox WHERE topic = '{topic}' AND state = 'done'"));
        assert_eq!(sent, app.count(&format!("SELECT count(*) FROM {table}")), "{topic}");
    }
    let questions = app.count("SELECT count(*) FROM collection_question");
    let asked =
        app.count("SELECT count(*) FROM outbox WHERE dedup_key LIKE 'letter:collection_question:%' AND state = 'done'");
    assert_eq!(questions, asked);
    println!("{} invoices, {} steps, {questions} questions, {count} mails", lives.len(), taken.len());
}
