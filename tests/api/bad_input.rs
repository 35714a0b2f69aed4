//! Whatever is sent: a refusal that says what is wrong, nothing written, never a failure of ours.

use serde_json::{Value, json};
use umbel::demo::{Answer, Client, MemberCast};
use umbel::platform::faults::Faults;

use super::described::{self, Operation, in_parallel, refusal};
use super::support::TestApp;
use super::world::{Owner, World, rows, text};

/// Somebody who may call an operation, and whose object they may name.
fn caller<'a>(world: &'a World, operation: &Operation) -> (&'a Client, Owner) {
    let staff = &world.cast.staff;
    let roles = operation.roles.as_deref().unwrap_or_default();
    match roles.first().map(String::as_str) {
        Some("reviewer") => (&staff.reviewer, Owner::Awa),
        Some("payout_approver") => (&staff.approver, Owner::Awa),
        Some("accountant") => (&staff.accountant, Owner::Awa),
        Some("administrator") => (&staff.administrator, Owner::Awa),
        Some(_) if operation.path.starts_with("/v1/applications") => (&world.applicant, Owner::Applicant),
        Some(_) | None => (&world.awa.client, Owner::Awa),
    }
}

fn nested(n: usize) -> Vec<u8> {
    format!(r#"{{"a":{}{}}}"#, "[".repeat(n), "]".repeat(n)).into_bytes()
}

#[test]
fn a_body_that_is_none_is_refused_by_every_operation_that_takes_one() {
    let world = World::new(Faults::default());
    let description = umbel::api::description().unwrap();
    let operations = described::operations(&description);
    let junk: Vec<(&str, Vec<u8>)> = vec![
        ("an array", b"[]".to_vec()),
        ("null", b"null".to_vec()),
        ("a number", b"3".to_vec()),
        ("a text", br#""text""#.to_vec()),
        ("an unknown member", br#"{"x":1}"#.to_vec()),
        ("half an object", br#"{"a":"#.to_vec()),
        ("two objects", b"{}{}".to_vec()),
        ("not UTF-8", b"{\"a\":\"\xff\xfe\"}".to_vec()),
        ("UTF-16", b"\xfe\xff\x00{\x00}".to_vec()),
        ("a member twice", br#"{"a":1,"a":2}"#.to_vec()),
        ("no finite number", br#"{"a":1e309}"#.to_vec()),
        ("a NUL", br#"{"a":"b\u0000c"}"#.to_vec()),
        ("half a surrogate", br#"{"a":"\ud800"}"#.to_vec()),
        ("deep arrays", nested(10_000)),
        ("too many bytes", vec![b' '; 256 * 1024 + 1]),
    ];
    let mut cells = Vec::new();
    for operation in operations.iter().filter(|op| op.is_json()) {
        for (what, body) in &junk {
            cells.push((operation, *what, body.clone()));
        }
        if !operation.takes_nothing() {
            cells.push((operation, "nothing", Vec::new()));
        }
    }
    for operation in operations.iter().filter(|op| op.body.is_some() && !op.is_json()) {
        for (what, body) in [("nothing", Vec::new()), ("words", b"hello".to_vec()), ("a NUL", vec![0; 64])] {
            cells.push((operation, what, body));
        }
        // Files of the bank are read piece by piece, up to 256 MiB.
        if operation.path != "/v1/bank_statements" {
            cells.push((operation, "too many bytes", vec![b'x'; 10 * 1024 * 1024 + 1]));
        }
    }
    let before = rows(&world.app);
    let failures = in_parallel(&cells, |(operation, what, body)| {
        let (client, owner) = caller(&world, operation);
        let id = operation.prefix().map_or("", |prefix| world.id_of(prefix, owner).unwrap());
        let answer = operation.send(client, id, body);
        let told = |wrong: String| format!("{} with {what}: {wrong}", operation.name());
        let code = refusal(&answer).map_err(told)?;
        let wanted: &[u16] = match *what {
            "too many bytes" => &[413],
            "half an object" | "two objects" | "not UTF-8" | "UTF-16" | "a member twice" | "no finite number"
            | "half a surrogate" | "deep arrays" => &[400],
            "an array" | "null" | "a number" | "a text" => &[422],
            _ => &[400, 409, 412, 415, 422],
        };
        if wanted.contains(&answer.status) { Ok(()) } else { Err(told(format!("{} {code}", answer.status))) }
    });
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cells.len(), failures.join("\n"));
    assert_eq!(rows(&world.app), before, "a refused body wrote something");
    println!("{} bodies", cells.len());
}

/// A command that would be carried out, were it not for `?dry_run=true`.
struct Good {
    method: &'static str,
    path: String,
    client: Client,
    version: i64,
    body: Value,
}

impl Good {
    fn send(&self, body: &Value) -> Answer {
        let (key, version) = (self.client.new_id(), format!("\"{}\"", self.version));
        let headers =
            [("Content-Type", "application/json"), ("Idempotency-Key", key.as_str()), ("If-Match", version.as_str())];
        let path = format!("{}?dry_run=true", self.path);
        self.client.send(self.method, &path, &headers, Some(body.to_string().as_bytes())).unwrap()
    }
}

fn money(cents: i64) -> Value {
    json!({"amount_minor": cents, "currency": "EUR"})
}

pub fn address() -> Value {
    json!({"street": "Rue Haute", "building_number": "1", "postcode": "1000", "town": "Bruxelles", "country": "BE"})
}

pub fn line() -> Value {
    json!({"label": "Work", "quantity": "1.50", "unit_price": money(5000)})
}

/// The commands with something to say.
#[expect(clippy::too_many_lines, reason = "a table of commands")]
fn good_commands(app: &TestApp, world: &World) -> Vec<Good> {
    let staff = &world.cast.staff;
    let entity = format!("/v1/entities/{}", world.cast.entity_id);
    let awa = &world.awa;
    let mut all = Vec::new();
    let mut add = |method, path: &str, client: &Client, version, body: Value| {
        all.push(Good { method, path: path.to_owned(), client: client.clone(), version, body });
    };
    let admin = &staff.administrator;
    let new_id = || admin.new_id();
    add(
        "POST",
        "/v1/people",
        admin,
        0,
        json!({"id": new_id(), "email": "new@umbel.example", "name": "New", "language": "en"}),
    );
    add(
        "POST",
        "/v1/entities",
        admin,
        0,
        json!({"id": new_id(), "name": "Second", "legal_form": "SC", "enterprise_number": "0403019261",
            "vat_number": "BE0403019261", "register": "RPM Liège", "zone": "Europe/Brussels",
            "email": "second@umbel.example", "address": address()}),
    );
    add(
        "POST",
        &format!("{entity}/bank_accounts"),
        admin,
        0,
        json!({"id": new_id(), "iban": "BE71096123456769", "bic": "GKCCBEBB", "currency": "EUR"}),
    );
    add(
        "POST",
        &format!("{entity}/rule_sets"),
        admin,
        0,
        json!({"id": new_id(), "valid_from": "2026-06-01", "decided_on": "2026-04-01", "decision": "Board",
            "share_price": money(3000), "payment_terms_days": 30, "advance_working_days": 7,
            "client_limit": money(1_000_000), "levies": [{"kind": "fee", "rate": "0.05"}]}),
    );
    add(
        "POST",
        &format!("{entity}/agreements"),
        admin,
        0,
        json!({"id": new_id(), "version_number": 2, "language": "nl", "body": "Tekst", "valid_from": "2026-06-01"}),
    );
    for (path, body) in super::levy_terms::bodies(admin, awa) {
        add("POST", &path, admin, 0, body);
    }
    let visitor = app.visitor();
    add(
        "POST",
        "/v1/applications",
        &visitor,
        0,
        json!({"id": new_id(), "entity_id": world.cast.entity_id, "email": "ev@member.example", "name": "Ev",
            "language": "de", "password": "twelve and more"}),
    );
    add(
        "POST",
        "/v1/clients",
        &awa.client,
        0,
        json!({"id": new_id(), "name": "Client", "kind": "business", "email": "c@client.example", "language": "nl",
            "vat_number": "BE0403019261", "address": address()}),
    );
    add(
        "POST",
        &format!("/v1/invoices/{}/credit_notes", world.id_of("/v1/invoices/", Owner::Awa).unwrap()),
        &staff.reviewer,
        0,
        json!({"id": new_id(), "reason": "Too much", "lines": [{"n": 1, "net": money(100)}]}),
    );
    add("POST", "/v1/activities", &awa.client, 0, json!({"id": new_id(), "name": "Third"}));
    add("POST", "/v1/orders", &awa.client, 0, order(awa));
    add(
        "POST",
        "/v1/invoices",
        &awa.client,
        0,
        json!({"id": new_id(), "activity_id": awa.activity_id, "client_id": awa.client_id, "title": "Work",
            "supplied_on": "2026-05-04", "lines": [line()]}),
    );
    add(
        "POST",
        "/v1/payouts",
        &awa.client,
        0,
        json!({"id": new_id(), "activity_id": awa.activity_id, "amount": money(100)}),
    );
    add(
        "POST",
        &format!("/v1/members/{}/shares", awa.client.person_id.as_deref().unwrap()),
        &awa.client,
        0,
        json!({"id": new_id(), "quantity": 1}),
    );
    all.extend(changes(world));
    all.extend(shared_costs(world));
    all
}

/// What suppliers charge, and pools.
fn shared_costs(world: &World) -> Vec<Good> {
    let (awa, reviewer) = (&world.awa, &world.cast.staff.reviewer);
    let new_id = || reviewer.new_id();
    let pool = format!("/v1/pools/{}", world.id_of("/v1/pools/", Owner::House).unwrap());
    let good =
        |path: String, client: &Client, body| Good { method: "POST", path, client: client.clone(), version: 0, body };
    vec![
        good(
            "/v1/costs".to_owned(),
            &awa.client,
            json!({"id": new_id(), "activity_id": awa.activity_id, "supplier": "Shop", "reference": "A-1",
                "invoiced_on": "2026-05-03", "description": "Paper", "net": money(100), "vat": money(21),
                "recoverable_vat": money(21), "in_fee_base": true}),
        ),
        good(
            "/v1/pools".to_owned(),
            reviewer,
            json!({"id": new_id(), "entity_id": world.cast.entity_id, "name": "Van", "purpose": "To carry", "unit": "km",
                "budget": money(100), "instalments": true, "overfunding": "refund", "deficit": "mutual_bears"}),
        ),
        good(
            format!("{pool}/keys"),
            reviewer,
            json!({"id": new_id(), "valid_from": "2026-06-01", "decision": "Board",
                "parts": [{"basis": "equal", "share": "0.5"}, {"basis": "fixed_shares", "share": "0.5"}],
                "shares": [{"activity_id": awa.activity_id, "weight": "1.5"}]}),
        ),
        good(
            format!("{pool}/contracts"),
            reviewer,
            json!({"id": new_id(), "supplier": "Vector", "reference": "C-1", "seat_month": money(1200), "valid_from": "2026-05-04",
                "valid_until": "2027-05-04"}),
        ),
        good(
            format!("{pool}/runs"),
            reviewer,
            json!({"id": new_id(), "from_on": "2026-05-05", "to_on": "2026-05-05", "kind": "instalment", "amount": money(100)}),
        ),
    ]
}

fn order(member: &MemberCast) -> Value {
    json!({"id": member.client.new_id(), "activity_id": member.activity_id, "client_id": member.client_id,
        "title": "Work", "description": "Line\nand line", "work_ends_on": "2026-06-01", "valid_until": "2026-05-20",
        "lines": [line()]})
}

/// Changes of what is there, with the version that it has.
fn changes(world: &World) -> Vec<Good> {
    let awa = &world.awa;
    let staff = &world.cast.staff;
    let version =
        |client: &Client, path: &str| client.get(path).unwrap().expect(200).unwrap()["version"].as_i64().unwrap();
    let client_place = format!("/v1/clients/{}", awa.client_id);
    let order_body = order(awa);
    let order_place = format!("/v1/orders/{}", text(&order_body, "id"));
    awa.client.post("/v1/orders", &order_body).unwrap().expect(201).unwrap();
    let submitted = world.app.stage.submitted_invoice(awa, None, 5000).unwrap();
    let invoice_place = format!("/v1/invoices/{}/return", text(&submitted, "id"));
    let member_place = format!("/v1/members/{}", awa.client.person_id.as_deref().unwrap());
    let asked = json!({"id": awa.client.new_id(), "activity_id": awa.activity_id, "amount": money(100)});
    let asked = awa.client.post("/v1/payouts", &asked).unwrap().expect(201).unwrap();
    let payout_place = format!("/v1/payouts/{}", text(&asked, "id"));
    let good = |method, path: &str, client: &Client, version, body| Good {
        method,
        path: path.to_owned(),
        client: client.clone(),
        version,
        body,
    };
    vec![
        good(
            "PATCH",
            &client_place,
            &awa.client,
            version(&awa.client, &client_place),
            json!({"name": "Other", "email": "o@client.example"}),
        ),
        good(
            "PATCH",
            &order_place,
            &awa.client,
            version(&awa.client, &order_place),
            json!({"title": "Other", "valid_until": "2026-05-21", "lines": [line()]}),
        ),
        good(
            "POST",
            &invoice_place,
            &staff.reviewer,
            submitted["version"].as_i64().unwrap(),
            json!({"reason": "Which?"}),
        ),
        good(
            "POST",
            &format!("{member_place}/suspend"),
            &staff.administrator,
            version(&staff.administrator, &member_place),
            json!({"reason": "Papers"}),
        ),
        good(
            "POST",
            &format!("{payout_place}/refuse"),
            &staff.reviewer,
            version(&staff.reviewer, &payout_place),
            json!({"reason": "Wrong activity"}),
        ),
    ]
}

/// Whether a wrong value must be refused, or may also be acceptable.
#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    Always,
    Perhaps,
}

/// What a leaf is replaced with.
fn wrong_values(leaf: &Value, pointer: &str) -> Vec<(Wrong, Value)> {
    use Wrong::{Always, Perhaps};
    match leaf {
        Value::String(was) => {
            let mut all = vec![
                (Always, json!("a\u{0}b")),
                (Always, json!("a\u{202e}b")),
                (Always, json!("a\u{7}b")),
                (Always, json!("é".repeat(120_000))),
                (Always, json!(7)),
                (Always, json!(["a"])),
                (Always, json!({"a": 1})),
                (Perhaps, json!("")),
                (Perhaps, json!("   ")),
                (Perhaps, json!("🦀")),
                (Perhaps, json!("' OR 1=1 --")),
                (Perhaps, json!("a".repeat(4_001))),
            ];
            if pointer == "/password" {
                all.retain(|(_, value)| *value != json!("a\u{202e}b") && *value != json!("a\u{7}b"));
            }
            if was.len() == 10 && was.starts_with("20") {
                for date in
                    ["2026-02-30", "2026-13-01", "10000-01-01", "-0001-01-01", "04/05/2026", "2026-05-04T00:00:00Z"]
                {
                    all.push((Always, json!(date)));
                }
                for date in ["2026-5-4", "0001-01-01", "1899-12-31", "9999-12-31", "0000-01-01"] {
                    all.push((Perhaps, json!(date)));
                }
            }
            if was.len() == 36 {
                all.push((Always, json!("not-an-id")));
                all.push((Perhaps, json!("00000000-0000-0000-0000-000000000000")));
            }
            if was == "1.50" || was.starts_with("0.0") {
                for number in ["-1", "1e3", "NaN", "1,5", "0x10", "99999999999999999999", "1.23456789"] {
                    all.push((Always, json!(number)));
                }
                all.push((Perhaps, json!("0")));
            }
            if pointer.ends_with("/iban") || pointer.ends_with("/bic") || pointer.ends_with("/vat_number") {
                for number in ["BE00000000000000", "BE71096123456760", "XX71096123456769", "DE89370400440532013001"] {
                    all.push((Always, json!(number)));
                }
            }
            if pointer.ends_with("/currency") {
                all.extend(["USD", "eur", "EU", "XXX"].map(|currency| (Always, json!(currency))));
            }
            if pointer.ends_with("/email") {
                all.extend(["no", "a@", "@b", "a b@c.example", "a@b@c.example"].map(|email| (Always, json!(email))));
            }
            all
        }
        Value::Number(_) => vec![
            (Always, json!(i64::MAX)),
            (Always, json!(u64::MAX)),
            (Always, json!(9_007_199_254_740_992_i64)),
            (Always, json!(i64::MIN)),
            (Always, json!(1.5)),
            (Always, json!("1")),
            (Always, json!(true)),
            (Perhaps, json!(-1)),
            (Perhaps, json!(0)),
            (Perhaps, json!(9_007_199_254_740_991_i64)),
            (Perhaps, json!(i32::MAX)),
        ],
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Vec::new(),
    }
}

fn leaves(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                leaves(member, &format!("{pointer}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{pointer}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => found.push(pointer.to_owned()),
    }
}

#[test]
fn a_wrong_value_is_refused_with_the_name_of_its_field() {
    let world = World::new(Faults::default());
    let good = good_commands(&world.app, &world);
    let mut cells = Vec::new();
    for command in &good {
        let status = command.send(&command.body).status;
        let told = String::from_utf8(command.send(&command.body).body).unwrap();
        assert!((200..300).contains(&status), "{} {}: {status} {told}", command.method, command.path);
        let mut found = Vec::new();
        leaves(&command.body, "", &mut found);
        for pointer in found {
            for (wrong, value) in wrong_values(command.body.pointer(&pointer).unwrap(), &pointer) {
                let mut body = command.body.clone();
                *body.pointer_mut(&pointer).unwrap() = value;
                cells.push((command, pointer.clone(), wrong, body));
            }
        }
    }
    let before = rows(&world.app);
    let failures = in_parallel(&cells, |(command, pointer, wrong, body)| {
        let answer = command.send(body);
        let value: String = body.pointer(pointer).unwrap().to_string().chars().take(40).collect();
        let told = |wrong: &str| format!("{} {} {pointer} = {value}: {wrong}", command.method, command.path);
        if (200..300).contains(&answer.status) && *wrong == Wrong::Perhaps {
            return Ok(());
        }
        refusal(&answer).map_err(|wrong| told(&wrong))?;
        let problem = answer.json();
        let named = problem["errors"].as_array().cloned().unwrap_or_default();
        let is_named = named.iter().any(|field| {
            let at = field["pointer"].as_str().unwrap_or_default();
            at == pointer || pointer.starts_with(&format!("{at}/")) || at.starts_with(&format!("{pointer}/"))
        });
        if answer.status == 422 && *wrong == Wrong::Always && !is_named {
            return Err(told(&format!("does not name the field: {problem}")));
        }
        if *wrong == Wrong::Always && !matches!(answer.status, 400 | 413 | 422) {
            return Err(told(&format!("not a refusal of a value: {problem}")));
        }
        Ok(())
    });
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cells.len(), failures.join("\n"));
    assert_eq!(rows(&world.app), before, "a rehearsal wrote something");
    println!("{} values in {} commands", cells.len(), good.len());
}
