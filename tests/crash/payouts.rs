//! The way of money out and in, killed on both sides of each commit and between the commits of the work that follows:
//! build, seal, approve, release, a bank's answers, its statements, taking back, dates of plans, steps about late invoices.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use serde_json::{Value, json};
use umbel::demo::Client;
use umbel::kernel::money::Minor;

use super::house::{House, IDLE, QUIET, Start};
use super::wish::{Wish, id_of};
use super::{ONE_AT_A_TIME, PATIENCE, Retry, Tally, kill_times, kills_or, print_head};

/// There are many points here.
fn kills() -> usize {
    kills_or(3)
}

fn eur(cents: i64) -> Value {
    json!({"amount_minor": cents, "currency": "EUR"})
}

/// A command about an object as it was seen, which is to be done.
fn done(who: &Client, path: &str, seen: &Value, body: &Value) -> Value {
    who.change(path, seen["version"].as_i64().unwrap(), body).unwrap().expect(200).unwrap()
}

/// How often an event is booked of a payout.
fn booked(event: &str, payout: &Value) -> String {
    format!("SELECT count(*) FROM journal_entry WHERE event = '{event}' AND source_id = '{}'", id_of(payout))
}

impl House {
    /// How many names of transfers are in more than one released file. Read from the bytes, not from the rows.
    pub fn sent_twice(&self) -> i64 {
        self.count(
            "SELECT count(*) FROM (SELECT found.name FROM payout_batch b JOIN archived_file f ON f.id = b.file_id, \
                 regexp_matches(convert_from(f.bytes, 'UTF8'), '<EndToEndId>([^<]+)', 'g') found (name) \
             WHERE b.state = 'released' GROUP BY 1 HAVING count(*) > 1) twice",
        )
    }

    fn requested_payout(&mut self) -> Value {
        self.cents += 1;
        let client = &self.member.client;
        let body = json!({"id": client.new_id(), "activity_id": self.member.activity_id, "amount": eur(self.cents)});
        client.post("/v1/payouts", &body).unwrap().expect(201).unwrap()
    }

    fn approved_payout(&mut self) -> Value {
        let payout = self.requested_payout();
        done(&self.cast.staff.reviewer, &format!("/v1/payouts/{}/approve", id_of(&payout)), &payout, &json!({}))
    }

    fn batch_body(&self) -> Value {
        json!({"id": self.cast.staff.reviewer.new_id(), "entity_id": self.cast.entity_id})
    }

    /// An approved payout in a batch of its own.
    fn batch(&mut self) -> Value {
        self.approved_payout();
        self.cast.staff.reviewer.post("/v1/payout_batches", &self.batch_body()).unwrap().expect(201).unwrap()
    }

    fn sealed(&mut self) -> Value {
        let built = self.batch();
        done(&self.cast.staff.reviewer, &format!("/v1/payout_batches/{}/seal", id_of(&built)), &built, &json!({}))
    }

    /// What the approver shows with an approval of sealed bytes.
    fn approval(&self, sealed: &Value) -> Value {
        let sha256 = sealed["content_sha256"].as_str().unwrap();
        json!({"content_sha256": sha256, "total": sealed["total"], "payout_count": sealed["payout_count"],
               "second_factor": self.prove("approve_batch", sha256)})
    }

    fn approved(&mut self) -> Value {
        let sealed = self.sealed();
        let path = format!("/v1/payout_batches/{}/approve", id_of(&sealed));
        done(&self.cast.staff.approver, &path, &sealed, &self.approval(&sealed))
    }

    fn release(&self, approved: &Value) -> Value {
        json!({"second_factor": self.prove("release_batch", approved["content_sha256"].as_str().unwrap())})
    }

    /// A payout on its way, and the name of its file.
    fn released(&mut self) -> (Value, String) {
        let approved = self.approved();
        let path = format!("/v1/payout_batches/{}", id_of(&approved));
        let approver = &self.cast.staff.approver;
        done(approver, &format!("{path}/release"), &approved, &self.release(&approved));
        let file = String::from_utf8(approver.get(&format!("{path}/file")).unwrap().body).unwrap();
        let message = file.split("<MsgId>").nth(1).unwrap().split('<').next().unwrap().to_owned();
        let name = file.split("<EndToEndId>").nth(1).unwrap().split('<').next().unwrap();
        let item = &approved["items"][0];
        (json!({"id": item["payout_id"], "end_to_end_id": name, "amount": item["amount"]}), message)
    }

    /// A proof of the approver's second factor without a code: nobody waits half a minute for each crash.
    fn prove(&self, operation: &str, sha256: &str) -> String {
        let approver = &self.cast.staff.approver;
        let (id, person) = (approver.new_id(), approver.person_id.clone().unwrap());
        let now = self.stage.clock.now().to_rfc3339();
        let sql = format!(
            "INSERT INTO second_factor (id, person_id, kind, secret_sealed, confirmed_at, created_at) \
             VALUES (gen_random_uuid(), '{person}', 'totp', '\\x00', '{now}', '{now}') ON CONFLICT (person_id) WHERE ended_at IS NULL DO NOTHING; \
             INSERT INTO step_up (id, person_id, factor_id, method, operation, sha256, expires_at, created_at) \
             SELECT '{id}', '{person}', f.id, 'totp', '{operation}', '\\x{sha256}', '{now}'::timestamptz + interval '1 day', '{now}' \
             FROM second_factor f WHERE f.person_id = '{person}' AND f.ended_at IS NULL"
        );
        PgConnection::establish(&self.owner_url).unwrap().batch_execute(&sql).unwrap();
        id
    }

    fn wish_for_cancel(&mut self) -> Wish {
        let payout = self.requested_payout();
        let path = format!("/v1/payouts/{}/cancel", id_of(&payout));
        Wish::about(&self.member.client, &path, &payout, &json!({}), booked("payout_cancelled", &payout))
    }

    fn wish_for_build(&mut self) -> Wish {
        let (payout, body) = (self.approved_payout(), self.batch_body());
        let client = self.cast.staff.reviewer.clone();
        Wish {
            key: client.new_id(),
            path: "/v1/payout_batches".to_owned(),
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: body.to_string().into_bytes(),
            effect: format!(
                "SELECT count(*) FROM payout WHERE id = '{}' AND state = 'batched' AND batch_id = '{}'",
                id_of(&payout),
                id_of(&body)
            ),
            client,
        }
    }

    fn wish_for_seal(&mut self) -> Wish {
        let built = self.batch();
        let id = id_of(&built);
        let effect = format!("SELECT count(*) FROM archived_file WHERE subject_id = '{id}'");
        let path = format!("/v1/payout_batches/{id}/seal");
        Wish::about(&self.cast.staff.reviewer, &path, &built, &json!({}), effect)
    }

    /// The proof that dies with it is good for the repeat, and used by it.
    fn wish_for_approval(&mut self) -> Wish {
        let sealed = self.sealed();
        let (id, shown) = (id_of(&sealed), self.approval(&sealed));
        let effect = format!(
            "SELECT count(*) FROM batch_approval a JOIN step_up s ON s.id = a.step_up_id AND s.used_at IS NOT NULL WHERE batch_id = '{id}'"
        );
        let path = format!("/v1/payout_batches/{id}/approve");
        Wish::about(&self.cast.staff.approver, &path, &sealed, &shown, effect)
    }

    fn wish_for_release(&mut self) -> Wish {
        let approved = self.approved();
        let (id, shown) = (id_of(&approved), self.release(&approved));
        let effect = format!(
            "SELECT count(*) FROM journal_entry e JOIN payout p ON p.id = e.source_id \
             WHERE e.event = 'payout_released' AND p.batch_id = '{id}'"
        );
        let path = format!("/v1/payout_batches/{id}/release");
        Wish::about(&self.cast.staff.approver, &path, &approved, &shown, effect)
    }

    fn wish_to_import(&self, path: &str, body: Vec<u8>, effect: String) -> Wish {
        let client = self.cast.staff.reviewer.clone();
        Wish {
            key: client.new_id(),
            path: path.to_owned(),
            headers: vec![("Content-Type".to_owned(), "application/xml".to_owned())],
            body,
            effect,
            client,
        }
    }

    /// A bank's answer: it refuses a payout.
    fn wish_for_report(&mut self) -> Wish {
        let (payout, message) = self.released();
        let report = format!(
            "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.002.001.10\"><CstmrPmtStsRpt><GrpHdr><MsgId>R{}</MsgId></GrpHdr>\
             <OrgnlGrpInfAndSts><OrgnlMsgId>{message}</OrgnlMsgId><GrpSts>PART</GrpSts></OrgnlGrpInfAndSts>\
             <OrgnlPmtInfAndSts><OrgnlPmtInfId>{message}</OrgnlPmtInfId><TxInfAndSts><OrgnlEndToEndId>{}</OrgnlEndToEndId><TxSts>RJCT</TxSts>\
             <StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf></TxInfAndSts></OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>",
            self.cents,
            payout["end_to_end_id"].as_str().unwrap()
        );
        self.wish_to_import("/v1/payment_reports", report.into_bytes(), booked("payout_rejected", &payout))
    }

    /// A statement with a payout that the bank carried out, and a payment that nothing explains; it follows the one
    /// before.
    fn wish_for_import(&mut self) -> Wish {
        let (payout, _) = self.released();
        let (today, now) = (self.stage.today(), self.stage.clock.now());
        self.cents += 1;
        let cents = payout["amount"]["amount_minor"].as_i64().unwrap();
        self.cast.bank.pays(Minor::new(cents), payout["end_to_end_id"].as_str().unwrap(), today);
        self.cast.bank.receives_unknown(Minor::new(self.cents), "for whoever it is", today);
        let effect = format!(
            "SELECT CASE WHEN lines = settled THEN lines ELSE 2 END FROM \
             (SELECT count(*) AS lines FROM bank_line WHERE amount_minor = {}) a, ({}) b (settled)",
            self.cents,
            booked("payout_settled", &payout)
        );
        let file = self.cast.bank.statement(today, now).unwrap();
        self.wish_to_import("/v1/bank_statements", file, effect)
    }

    /// A payment of an invoice that was not for it.
    fn wish_for_taking_back(&mut self) -> Wish {
        let reviewer = self.cast.staff.reviewer.clone();
        let issued = self.stage.issue(&reviewer, &self.draft(None, 10_000)).unwrap();
        let (today, now) = (self.stage.today(), self.stage.clock.now());
        self.cast.bank.receives(Minor::new(issued.gross), &issued.reference, "Client", today);
        let file = self.cast.bank.statement(today, now).unwrap();
        reviewer.upload("/v1/bank_statements", "application/xml", &file).unwrap().expect(201).unwrap();
        let lines = reviewer.get("/v1/bank_lines?limit=1").unwrap().expect(200).unwrap();
        let line = &lines["data"][0];
        let effect = format!(
            "SELECT count(*) FROM allocation a WHERE a.reverses_id IS NOT NULL AND a.bank_line_id = '{}'",
            id_of(line)
        );
        let path = format!("/v1/bank_lines/{}/take_back", id_of(line));
        Wish::about(&reviewer, &path, line, &json!({"reason": "Of another client"}), effect)
    }
}

#[test]
fn killed_on_the_way_of_money_out_and_in_every_payout_is_in_one_file_and_nothing_is_lost() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let began = Instant::now();
    let mut house = House::found();
    print_head();
    let mut tallies = Vec::new();
    for side in ["before_commit", "after_commit"] {
        let mut kill = |operation: &str, make: fn(&mut House) -> Wish| {
            let tally = kill_times(kills(), &mut house, &format!("{operation}.{side}"), Retry::SameKey, make);
            tally.print();
            house.assert_books();
            tallies.push(tally);
        };
        kill("build_batch", House::wish_for_build);
        kill("seal_batch", House::wish_for_seal);
        kill("approve_batch", House::wish_for_approval);
        kill("release_batch", House::wish_for_release);
        kill("import_bank_statement", House::wish_for_import);
        kill("import_payment_report", House::wish_for_report);
        kill("take_back_bank_line", House::wish_for_taking_back);
        kill("cancel_payout", House::wish_for_cancel);
    }
    house.wait_for_mails();
    let repeats = house.check_mails();
    let killed: usize = tallies.iter().map(|tally| tally.kills).sum();
    println!("{killed} kills in {} s; {repeats} mails went out again under their name", began.elapsed().as_secs());
    assert_eq!(house.count("SELECT count(*) FROM payout WHERE replaces_id IS NOT NULL"), 0, "nothing is sent anew");
    assert!(tallies.iter().all(|tally| (tally.lost, tally.doubled) == (0, 0)), "{tallies:?}");
}

/// Kills the program in work that begins with every start and goes through many objects, a commit for each. `pass` says
/// at which pass of the failpoint each life dies.
fn kill_in_work(house: &mut House, point: &str, pass: impl Fn(usize) -> usize, effects: &[String]) -> Tally {
    let mut tally = Tally::of(point);
    for life in 0..kills() {
        let kill_at = format!("{point}@{}", pass(life));
        // It may become ready for a moment before it dies.
        house.restart(Start { kill_at: Some(&kill_at), has_worker: true });
        house.wait_for_death();
        tally.kills += 1;
        tally.retried += 1;
        let so_far: i64 = effects.iter().map(|effect| house.count(effect)).sum();
        assert!(so_far <= i64::try_from(effects.len()).unwrap(), "{point}: {so_far}");
    }
    assert!(house.restart(QUIET));
    let end = Instant::now() + PATIENCE;
    while effects.iter().any(|effect| house.count(effect) == 0) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    for effect in effects {
        tally.judge(house.count(effect));
    }
    tally
}

/// Activities with money and a plan that pays all of it at the end of the month. Answers what is to happen once each.
fn plans(house: &mut House) -> Vec<String> {
    let own = house.member.activity_id.clone();
    let (today, now) = (house.stage.today(), house.stage.clock.now());
    let client = house.member.client.clone();
    let mut effects = Vec::new();
    for _ in 0..=kills() {
        let id = client.new_id();
        client.post("/v1/activities", &json!({"id": id, "name": "Plates"})).unwrap().expect(201).unwrap();
        house.member.activity_id.clone_from(&id);
        let issued = house.stage.issue(&house.cast.staff.reviewer, &house.draft(None, 20_000)).unwrap();
        house.cast.bank.receives(Minor::new(issued.gross), &issued.reference, "Client", today);
        let terms = json!({"kind": "month_end", "on_closed": "before", "minimum": eur(500)});
        let plan = json!({"id": client.new_id(), "activity_id": id, "terms": terms});
        client.post("/v1/payout_plans", &plan).unwrap().expect(201).unwrap();
        effects.push(format!("SELECT count(*) FROM payout WHERE activity_id = '{id}'"));
    }
    house.member.activity_id = own;
    let file = house.cast.bank.statement(today, now).unwrap();
    house.cast.staff.reviewer.upload("/v1/bank_statements", "application/xml", &file).unwrap().expect(201).unwrap();
    effects
}

/// Invoices that nobody pays, and a first reminder five days after their last day. Answers what is to happen once each.
fn late_invoices(house: &mut House) -> Vec<String> {
    let (administrator, today) = (house.cast.staff.administrator.clone(), house.stage.today());
    let track = json!({
        "id": administrator.new_id(), "track": "b2b", "valid_from": today, "claims_interest": false, "claims_compensation": false,
        "question_days": 7, "wait_max_days": 30, "steps": [{"kind": "reminder", "after_days": 5}], "source": "Board",
    });
    let path = format!("/v1/entities/{}/collection_tracks", house.cast.entity_id);
    administrator.post(&path, &track).unwrap().expect(201).unwrap();
    let issue = |house: &mut House| house.stage.issue(&house.cast.staff.reviewer, &house.draft(None, 5_000)).unwrap();
    let effect = |id: &str| {
        format!(
            "SELECT count(*) FROM collection_action a JOIN payment_reminder r ON r.id = a.reminder_id WHERE a.invoice_id = '{id}'"
        )
    };
    (0..=kills()).map(|_| effect(&issue(house).id)).collect()
}

#[test]
fn killed_between_the_commits_of_a_day_s_work_each_date_and_each_reminder_comes_once() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let began = Instant::now();
    let mut house = House::found();
    assert!(house.restart(IDLE));
    house.sign_in();
    let reminded = late_invoices(&mut house);
    house.days_pass(38);
    print_head();
    // Each life goes past what those before it have done, and one further.
    let reminders = kill_in_work(&mut house, "collection.after_step", |life| life + 1, &reminded);
    reminders.print();
    assert!(house.restart(IDLE));
    house.sign_in();
    let paid = plans(&mut house);
    house.days_pass(33);
    let dates = kill_in_work(&mut house, "payout_plan.before_commit", |_| 2, &paid);
    dates.print();
    println!("{} kills in {} s", reminders.kills + dates.kills, began.elapsed().as_secs());
    house.wait_for_mails();
    house.check_mails();
    house.assert_books();
    assert_eq!((reminders.lost, reminders.doubled, dates.lost, dates.doubled), (0, 0, 0, 0));
}
