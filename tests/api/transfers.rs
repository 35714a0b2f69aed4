//! Money that is moved by many at once, and money that cannot be moved.

use serde_json::{Value, json};
use umbel::demo::MemberCast;
use umbel::kernel::money::Minor;
#[cfg(feature = "faults")]
use umbel::platform::faults::Faults;

use super::collectives::{Scene, minor, place_of, shares, text};
use super::costs::eur;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of refusals")]
fn what_cannot_be_moved_or_divided_is_refused_by_name_and_nothing_is_written() {
    let mut scene = Scene::new();
    let invoiced = scene.invoice(100_000);
    scene.pays(&invoiced, 60_500);
    let (giver, own) = (scene.together.clone(), scene.members[0].clone());
    let client = &giver.client;
    let elsewhere = another_entity(&mut scene);
    let closed = own.client.new_id();
    let closing =
        own.client.post("/v1/activities", &json!({"id": closed, "name": "Over"})).unwrap().expect(201).unwrap();
    own.client
        .change(&format!("/v1/activities/{closed}/close"), closing["version"].as_i64().unwrap(), &json!({}))
        .unwrap()
        .expect(200)
        .unwrap();
    let before = super::world::rows(&scene.app);
    let moving = |to: &str, cents: i64| transfer_body(&giver, to, cents);
    let with = |mut body: Value, name: &str, value: Value| {
        body[name] = value;
        body
    };
    let own_id = own.activity_id.as_str();
    let pending = |cents: i64| with(moving(own_id, cents), "invoice_id", json!(invoiced.id));
    let dollars = json!({"amount_minor": 1, "currency": "USD"});
    let cases = [
        ("to itself", moving(&giver.activity_id, 1), 422, "validation_failed", "/to_activity_id"),
        ("nothing", moving(own_id, 0), 422, "validation_failed", "/amount/amount_minor"),
        ("less than nothing", moving(own_id, -1), 422, "validation_failed", "/amount/amount_minor"),
        ("to nowhere", moving(&client.new_id(), 1), 422, "validation_failed", "/to_activity_id"),
        ("to another entity", moving(&elsewhere, 1), 422, "validation_failed", "/to_activity_id"),
        (
            "in another currency",
            with(moving(own_id, 1), "amount", dollars),
            422,
            "currency_mismatch",
            "/amount/currency",
        ),
        ("more than is available", moving(own_id, 46_251), 409, "insufficient_available", ""),
        ("more than waits", pending(46_251), 409, "insufficient_pending", ""),
        (
            "of an invoice of nobody",
            with(moving(own_id, 1), "invoice_id", json!(client.new_id())),
            409,
            "insufficient_pending",
            "",
        ),
        ("to a closed activity", moving(&closed, 1), 409, "activity_closed", ""),
        (
            "a reason without end",
            with(moving(own_id, 1), "reason", json!("x".repeat(501))),
            422,
            "validation_failed",
            "/reason",
        ),
    ];
    for (what, body, status, code, pointer) in cases {
        let answer = client.post("/v1/transfers", &body).unwrap();
        let named = answer.json()["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
        assert_eq!((answer.status, answer.code().as_str(), named.as_str()), (status, code, pointer), "{what}");
    }
    let place = format!("/v1/activities/{}", scene.collective());
    let early = client.post(&format!("{place}/splits"), &scene.split_body(None, None)).unwrap();
    assert_eq!((early.status, early.code().as_str()), (409, "split_rule_missing"));
    let tenth = json!("0.1");
    let mut stranger = scene.rule_body("percent", &[json!("1")]);
    stranger["parts"][0]["member_id"] = json!(scene.cast.staff.reviewer.person_id);
    let mut past = scene.rule_body("equal", &[]);
    past["valid_from"] = json!("2026-05-03");
    for (what, body, pointer) in [
        ("too little", scene.rule_body("percent", &[tenth.clone(), tenth.clone()]), "/parts"),
        ("too much", scene.rule_body("percent", &[json!("0.9"), json!("0.2")]), "/parts"),
        ("no share", scene.rule_body("percent", &[json!("-1"), json!("1")]), "/parts/0/share"),
        (
            "a million and one parts",
            scene.rule_body("percent", &[json!("0.9999999"), json!("0.0000001")]),
            "/parts/0/share",
        ),
        ("nothing to share", scene.rule_body("fixed", &[eur(0)]), "/parts/0/amount"),
        (
            "foreign money",
            scene.rule_body("fixed", &[json!({"amount_minor": 1, "currency": "USD"})]),
            "/parts/0/amount/currency",
        ),
        ("parts of equal shares", scene.rule_body("equal", &[eur(1)]), "/parts"),
        ("a stranger", stranger, "/parts/0/member_id"),
        ("yesterday", past, "/valid_from"),
    ] {
        let answer = client.post(&format!("{place}/split_rules"), &body).unwrap();
        let named = answer.json()["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
        assert_eq!((answer.status, named.as_str()), (422, pointer), "{what}: {}", answer.json());
    }
    let foreign = json!({"id": client.new_id(), "email": "eve@elsewhere.example"});
    let answer = client.post(&format!("{place}/invitations"), &foreign).unwrap();
    assert_eq!(
        (answer.status, answer.json()["errors"][0]["pointer"].as_str()),
        (422, Some("/email")),
        "of another entity"
    );
    let known = json!({"id": client.new_id(), "email": scene.members[1].email});
    assert_eq!(client.post(&format!("{place}/invitations"), &known).unwrap().code(), "already_member");
    let alone = client.post(&format!("/v1/activities/{own_id}/invitations"), &known).unwrap();
    assert_eq!((alone.status, alone.code().as_str()), (409, "not_a_collective"));
    // Refusals of money commands are kept as answers; nothing else was written.
    let mut after = super::world::rows(&scene.app);
    let mut expected = before;
    for table in ["idempotency_key", "audit_log"] {
        assert!(after.remove(table) >= expected.remove(table));
    }
    assert_eq!(after, expected);
}

/// A member of another entity, with an activity there. Answers the activity.
fn another_entity(scene: &mut Scene) -> String {
    let administrator = &scene.cast.staff.administrator;
    let entity_id = administrator.new_id();
    let today = scene.app.stage.today();
    let entity = json!({
        "id": entity_id, "name": "Ailleurs", "legal_form": "SC agréée", "enterprise_number": "0403019261", "vat_number": "BE0403019261",
        "register": "RPM Liège", "zone": "Europe/Brussels", "email": "office@elsewhere.example",
        "address": {"street": "Rue", "building_number": "1", "postcode": "4000", "town": "Liège", "country": "BE"},
    });
    administrator.post("/v1/entities", &entity).unwrap().expect(201).unwrap();
    let rules = json!({
        "id": administrator.new_id(), "valid_from": today, "decided_on": today, "decision": "The same",
        "share_price": eur(3_000), "payment_terms_days": 30, "advance_working_days": 7, "client_limit": eur(5_000_000),
        "levies": [{"kind": "fee", "rate": "0.055"}],
    });
    administrator.post(&format!("/v1/entities/{entity_id}/rule_sets"), &rules).unwrap().expect(201).unwrap();
    // Joining takes weeks of paper; what matters here is only where the member and the activity are.
    let sql = format!(
        "SET umbel.scope = 'system'; \
         INSERT INTO person (id, email, name, language, password_hash) VALUES (gen_random_uuid(), 'eve@elsewhere.example', 'Eve', 'fr', '-'); \
         INSERT INTO application (id, person_id, entity_id) SELECT gen_random_uuid(), id, '{entity_id}' FROM person WHERE name = 'Eve'; \
         INSERT INTO member (id, entity_id, application_id, street, building_number, postcode, town, country) \
             SELECT p.id, '{entity_id}', a.id, 'Rue', '1', '4000', 'Liège', 'BE' FROM person p JOIN application a ON a.person_id = p.id WHERE p.name = 'Eve'; \
         UPDATE member SET state = 'active' WHERE entity_id = '{entity_id}'; \
         INSERT INTO activity (id, entity_id, member_id, name) SELECT gen_random_uuid(), entity_id, id, 'Elsewhere' FROM member WHERE entity_id = '{entity_id}'; \
         INSERT INTO activity_balance (activity_id, owner_id, currency) SELECT id, member_id, 'EUR' FROM activity WHERE entity_id = '{entity_id}'"
    );
    diesel::connection::SimpleConnection::batch_execute(&mut scene.app.database.owner(), &sql).unwrap();
    let found = super::ground::lines(
        &mut scene.app.database.owner(),
        &format!("SELECT id::text AS line FROM activity WHERE entity_id = '{entity_id}'"),
    );
    found.into_iter().next().unwrap()
}

/// Sixteen people press the same button: move all that waits for one of two invoices.
#[cfg(feature = "faults")]
fn move_the_same_money_sixteen_times(faults: Faults) -> (Scene, usize) {
    let mut scene = Scene::with(faults);
    let first = scene.invoice(100_000);
    let _other = scene.invoice(1_600_000);
    let giver = scene.together.clone();
    let bodies: Vec<Value> = (0..16)
        .map(|_| {
            let mut body = transfer_body(&giver, &scene.members[1].activity_id, 92_500);
            body["invoice_id"] = json!(first.id);
            body
        })
        .collect();
    let send = |index: usize| giver.client.post("/v1/transfers", &bodies[index]).unwrap();
    let answers = super::concurrency::at_once_behind(&scene.app, 16, send);
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let is_clean = |answer: &umbel::demo::Answer| answer.status == 201 || answer.code() == "insufficient_pending";
    assert!(answers.iter().all(is_clean), "{:?}", answers.iter().map(|a| (a.status, a.code())).collect::<Vec<_>>());
    (scene, made)
}

#[cfg(feature = "faults")]
#[test]
fn money_that_waits_for_an_invoice_is_moved_once_however_many_move_it() {
    let (scene, made) = move_the_same_money_sixteen_times(Faults::default());
    assert_eq!(made, 1);
    assert_eq!(minor(&scene.activity(1), "/pending"), 92_500);
}

#[cfg(feature = "faults")]
#[test]
fn without_the_row_lock_more_of_an_invoice_is_moved_than_there_is_and_the_invariant_says_so() {
    use umbel::platform::faults::Guard;
    let (scene, made) = move_the_same_money_sixteen_times(Faults::without([Guard::RowLock]));
    assert!(made > 1, "{made}");
    let red = scene.app.violations();
    assert!(red.iter().any(|line| line.contains("i21_origin_kept")), "{red:?}");
    // Put right before the end of the test, which checks the books again.
    let mut surplus = i64::try_from(made).unwrap() - 1;
    let receiver = &scene.members[1];
    let given = receiver.client.get("/v1/transfers").unwrap().expect(200).unwrap();
    for transfer in given["data"].as_array().unwrap() {
        if surplus > 0 {
            let path = format!("/v1/transfers/{}/return", text(transfer, "id"));
            receiver.client.post(&path, &json!({"id": receiver.client.new_id()})).unwrap().expect(201).unwrap();
            surplus -= 1;
        }
    }
}

#[cfg(feature = "faults")]
#[test]
fn sixteen_move_money_around_in_circles_and_no_deadlock_reaches_them() {
    use super::concurrency::at_once;
    let mut scene = Scene::new();
    let paid = scene.invoice(100_000);
    scene.pays(&paid, paid.gross);
    let advanced = scene.invoice(100_000);
    scene.days_pass(9);
    scene.by_percent();
    scene.split(None, Some(140_000));
    let mut corners: Vec<MemberCast> = scene.members.to_vec();
    corners.push(scene.together.clone());
    let answers: Vec<umbel::demo::Answer> = at_once(16, |index| {
        (0..20)
            .map(|turn| {
                let from = &corners[(index + turn) % 4];
                let step = if index % 2 == 0 { 1 } else { 3 };
                let to = &corners[(index + turn + step) % 4].activity_id;
                let cents = i64::try_from(97 * (turn + 1) + index).unwrap();
                from.client.post("/v1/transfers", &transfer_body(from, to, cents)).unwrap()
            })
            .collect::<Vec<_>>()
    })
    .into_iter()
    .flatten()
    .collect();
    let is_clean = |answer: &&umbel::demo::Answer| answer.status == 201 || answer.code() == "insufficient_available";
    let unclean: Vec<_> = answers.iter().filter(|a| !is_clean(a)).map(|a| (a.status, a.code())).collect();
    assert_eq!(unclean, [], "of {}", answers.len());
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert!(made > 200, "{made}");
    let total = "SELECT sum(available_minor) FROM activity_balance";
    assert_eq!(scene.app.count(total), 185_000);
    assert_eq!(scene.app.count("SELECT sum(amount_minor) FROM posting WHERE account = 'memo.advances'"), 92_500);
    scene.pays(&advanced, advanced.gross);
    assert_eq!(scene.app.count("SELECT sum(amount_minor) FROM posting WHERE account = 'memo.advances'"), 0);
}

pub fn transfer_body(from: &MemberCast, to: &str, cents: i64) -> Value {
    json!({"id": from.client.new_id(), "from_activity_id": from.activity_id, "to_activity_id": to, "amount": eur(cents)})
}

#[test]
fn without_a_current_share_money_stays_payable_and_goes_to_nobody_else() {
    let mut scene = Scene::new();
    super::shares::new_rules(&scene.app, &scene.cast, &json!({"share_validity": "yearly"}));
    scene.by_percent();
    let invoiced = scene.invoice(100_000);
    scene.pays(&invoiced, invoiced.gross);
    let gift = transfer_body(&scene.together, &scene.members[1].activity_id, 1_000);
    let gift = scene.manager().post("/v1/transfers", &gift).unwrap().expect(201).unwrap();
    let own = scene.members[0].client.new_id();
    let second = json!({"id": own, "name": "Second"});
    scene.members[0].client.post("/v1/activities", &second).unwrap().expect(201).unwrap();
    scene.days_pass(366);
    let lapsed = "SELECT count(*) FROM member WHERE state = 'inactive'";
    assert_eq!(scene.app.count(lapsed), 3);
    let give = |from: &MemberCast, to: &str, cents: i64| {
        let answer = from.client.post("/v1/transfers", &transfer_body(from, to, cents)).unwrap();
        (answer.status, answer.code())
    };
    let [awa, bo, _cy] = &scene.members;
    let (made, refused) = ((201, String::new()), (409, "share_not_current".to_owned()));
    assert_eq!(give(&scene.together, &bo.activity_id, 1_000), refused, "what the collective has is not given away");
    assert_eq!(give(&scene.together, &awa.activity_id, 1_000), made, "to oneself");
    assert_eq!(give(awa, &own, 500), made, "between one's own");
    assert_eq!(give(bo, &awa.activity_id, 500), refused, "to somebody else");
    let path = format!("/v1/transfers/{}/return", text(&gift, "id"));
    bo.client.post(&path, &json!({"id": bo.client.new_id()})).unwrap().expect(201).unwrap();
    // A member may say where their part arrives, the manager divides, and everybody is paid.
    let place = place_of(&bo.client, scene.collective(), "confirmed");
    let path = format!("/v1/invitations/{}/receive_on", text(&place, "id"));
    let on = json!({"activity_id": bo.activity_id});
    bo.client.change(&path, place["version"].as_i64().unwrap(), &on).unwrap().expect(200).unwrap();
    let split = scene.split(None, Some(90_000));
    assert_eq!(shares(&scene, &split, "/amount"), [45_000, 27_000, 18_000]);
    scene.app.stage.payout(bo, 27_000).unwrap();
    // With a share of today one gives again.
    let person = bo.client.person_id.clone().unwrap();
    let one = json!({"id": bo.client.new_id(), "quantity": 1});
    let one = bo.client.post(&format!("/v1/members/{person}/shares"), &one).unwrap().expect(201).unwrap();
    let today = scene.app.stage.today();
    scene.cast.bank.receives(Minor::new(3_000), one["payment_reference"].as_str().unwrap(), "Member", today);
    scene.app.stage.import(&mut scene.cast).unwrap();
    let cy = scene.members[2].clone();
    scene.split(None, Some(1_000));
    assert_eq!(give(&scene.members[1], &cy.activity_id, 100), made);
}
