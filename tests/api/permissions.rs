//! Every operation of the description, asked by everybody, about their own, another's and an absent object.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use umbel::demo::{Answer, Client};
use umbel::platform::faults::Faults;
#[cfg(feature = "faults")]
use umbel::platform::faults::Guard;

use super::described::{self, Operation, in_parallel, refusal};
use super::world::{Owner, World, rows};

/// Pages for people and probes for machines: routes that are no operations of the API.
const PAGES: [&str; 18] = [
    "GET /healthz",
    "GET /readyz",
    "GET /docs",
    "GET /openapi.json",
    "GET /solvency",
    "GET /o/{token}",
    "GET /o/{token}/pdf",
    "POST /o/{token}/confirm",
    "POST /o/{token}/decline",
    "POST /o/{token}/request_change",
    "GET /i/{token}",
    "GET /i/{token}/pdf",
    "GET /i/{token}/xml",
    "POST /i/{token}/dispute",
    "GET /confirm/{token}",
    "POST /confirm/{token}",
    "GET /reset/{token}",
    "POST /reset/{token}",
];

/// Only applicants fill their applications in: for the office, which sees them, the answer is 403.
const APPLICANT_ONLY: [&str; 6] = [
    "change_application",
    "set_application_bank_account",
    "add_application_document",
    "accept_agreement",
    "submit_application",
    "withdraw_application",
];

/// These read their whole body before they look for the object: a link that is not there and a message that is missing,
/// a person who is not there and a role that nobody grants.
const BODY_FIRST: [&str; 2] = ["request_order_change", "grant_role"];

/// What these public operations check is itself a secret: 401 says that it is wrong.
const CREDENTIALS: [&str; 2] = ["sign_in", "refresh_session"];

/// Who may see an object at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Whoever has the role.
    Shared,
    /// Its owner and the office.
    Owned,
    /// Its owner and reviewers: papers of people.
    Proof,
    /// Its owner alone: devices, and what became of requests.
    Personal,
}

fn reach(prefix: &str) -> Reach {
    match prefix {
        "/v1/sessions/" | "/v1/operations/" => Reach::Personal,
        "/v1/documents/" => Reach::Proof,
        "/v1/activities/"
        | "/v1/applications/"
        | "/v1/bank_detail_changes/"
        | "/v1/client_credits/"
        | "/v1/client_refunds/"
        | "/v1/clients/"
        | "/v1/collection_actions/"
        | "/v1/collection_pauses/"
        | "/v1/collection_questions/"
        | "/v1/cost_credits/"
        | "/v1/costs/"
        | "/v1/credit_notes/"
        | "/v1/deliveries/"
        | "/v1/internal_invoices/"
        | "/v1/invitations/"
        | "/v1/invoice_attachments/"
        | "/v1/invoices/"
        | "/v1/jobs/"
        | "/v1/levy_charges/"
        | "/v1/levy_exemptions/"
        | "/v1/levy_overrides/"
        | "/v1/members/"
        | "/v1/orders/"
        | "/v1/payment_reminders/"
        | "/v1/payout_holds/"
        | "/v1/payout_plans/"
        | "/v1/payouts/"
        | "/v1/postings/"
        | "/v1/recurring_invoices/"
        | "/v1/redemptions/"
        | "/v1/shares/"
        | "/v1/transfers/"
        | "/v1/true_ups/"
        | "/v1/write_offs/" => Reach::Owned,
        _ => Reach::Shared,
    }
}

struct Actor {
    name: &'static str,
    client: Client,
    /// `None`: there is no valid token.
    roles: Option<&'static [&'static str]>,
    is: Option<Owner>,
}

impl Actor {
    fn is_plain(&self) -> bool {
        self.roles.is_some_and(|roles| roles.is_empty() || roles == ["member"])
    }
}

fn actors(world: &World) -> Vec<Actor> {
    let with_token = |token: String| {
        let mut client = world.app.visitor();
        client.token = Some(token);
        client
    };
    let good = world.awa.client.token.clone().unwrap();
    let (head, _signature) = good.rsplit_once('.').unwrap();
    let (_, another_signature) = world.expired.rsplit_once('.').unwrap();
    let forged = format!("{head}.{another_signature}");
    let staff = &world.cast.staff;
    let actor = |name, client: &Client, roles, is| Actor { name, client: client.clone(), roles, is };
    vec![
        actor("nobody", &world.app.visitor(), None, None),
        actor("an expired token", &with_token(world.expired.clone()), None, None),
        actor("a forged token", &with_token(forged), None, None),
        actor("applicant", &world.applicant, Some(&[]), Some(Owner::Applicant)),
        actor("owner member", &world.awa.client, Some(&["member"]), Some(Owner::Awa)),
        actor("other member", &world.bo.client, Some(&["member"]), Some(Owner::Bo)),
        actor("suspended member", &world.suspended, Some(&["member"]), None),
        actor("reviewer", &staff.reviewer, Some(&["reviewer"]), None),
        actor("payout approver", &staff.approver, Some(&["payout_approver"]), None),
        actor("accountant", &staff.accountant, Some(&["accountant"]), None),
        actor("administrator", &staff.administrator, Some(&["administrator"]), None),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Unauthorized,
    Forbidden,
    NotFound,
    /// Anything but a refusal of the person, and never a failure.
    Served,
}

struct Cell<'a> {
    operation: &'a Operation,
    actor: &'a Actor,
    /// What it is about; `None` without an id in the path.
    object: Option<(Option<Owner>, String)>,
    expected: Expected,
}

fn expected(operation: &Operation, actor: &Actor, object: Option<&(Option<Owner>, String)>) -> Expected {
    let object = object.map(|(owner, _)| owner);
    let needed = operation.roles.as_deref().unwrap_or_else(|| panic!("{} has no x-roles", operation.name()));
    if needed.is_empty() {
        return if object == Some(&None) { Expected::NotFound } else { Expected::Served };
    }
    let Some(roles) = actor.roles else { return Expected::Unauthorized };
    if needed != ["any"] && !needed.iter().any(|role| roles.contains(&role.as_str())) {
        return Expected::Forbidden;
    }
    let (Some(object), Some(prefix)) = (object, operation.prefix()) else { return Expected::Served };
    let Some(owner) = *object else { return Expected::NotFound };
    let is_own = actor.is == Some(owner);
    let is_seen = match reach(prefix) {
        Reach::Shared => true,
        Reach::Owned => is_own || !actor.is_plain(),
        Reach::Proof => is_own || roles.contains(&"reviewer"),
        Reach::Personal => is_own,
    };
    if !is_seen {
        Expected::NotFound
    } else if !is_own && APPLICANT_ONLY.contains(&operation.id.as_str()) {
        Expected::Forbidden
    } else {
        Expected::Served
    }
}

fn cells<'a>(world: &World, operations: &'a [Operation], actors: &'a [Actor]) -> Vec<Cell<'a>> {
    let mut all = Vec::new();
    for operation in operations {
        let objects = match operation.prefix() {
            None => vec![None],
            Some(prefix) => {
                let known = world.ids.get(prefix).unwrap_or_else(|| panic!("no ids for {}", operation.name()));
                // Postings are numbered; everything else has an id of a device.
                let is_numbered = operation.path.starts_with("/v1/postings/");
                let absent = (None, if is_numbered { "999999999".to_owned() } else { world.awa.client.new_id() });
                known.iter().map(|(owner, id)| (Some(*owner), id.clone())).chain([absent]).map(Some).collect()
            }
        };
        for actor in actors {
            for object in &objects {
                let expected = expected(operation, actor, object.as_ref());
                all.push(Cell { operation, actor, object: object.clone(), expected });
            }
        }
    }
    all
}

impl Cell<'_> {
    fn ask(&self, description: &Value) -> Answer {
        let id = self.object.as_ref().map_or("", |(_, id)| id.as_str());
        let body = self.operation.sample(description, &self.actor.client);
        self.operation.send(&self.actor.client, id, &body)
    }

    fn judge(&self, description: &Value) -> Result<(), String> {
        let answer = self.ask(description);
        let code = answer.code();
        let status = answer.status;
        let is_right = match self.expected {
            Expected::Unauthorized => status == 401,
            Expected::Forbidden => status == 403,
            Expected::NotFound => status == 404 || (status == 422 && BODY_FIRST.contains(&self.operation.id.as_str())),
            Expected::Served => match status {
                401 => CREDENTIALS.contains(&self.operation.id.as_str()),
                // Of all roles, this one has been taken away for a while.
                403 => code == "account_suspended" && self.actor.name == "suspended member",
                // A body may name something that is not there; an address must not.
                404 => self.object.is_none() && self.operation.body.is_some(),
                _ => status < 500,
            },
        };
        let owner = self.object.as_ref().map(|(owner, _)| owner.map_or("nothing".to_owned(), |o| format!("{o:?}")));
        let told = || {
            let about = owner.as_deref().unwrap_or("no object");
            let body = String::from_utf8_lossy(&answer.body);
            let body: String = body.chars().take(200).collect();
            let (name, who) = (self.operation.name(), self.actor.name);
            format!("{name} by {who} about {about}: {:?} expected, {status} {code} {body}", self.expected)
        };
        if !is_right {
            return Err(told());
        }
        if self.expected != Expected::Served {
            refusal(&answer).map_err(|wrong| format!("{}: {wrong}", told()))?;
        }
        Ok(())
    }
}

/// Lists show nobody anything of anybody else.
fn check_lists(world: &World, operations: &[Operation]) -> usize {
    let mut asked = 0;
    for (reader, other) in [(&world.awa, Owner::Bo), (&world.bo, Owner::Awa)] {
        let theirs = world.ids.values().flatten().filter(|(owner, _)| *owner == other).map(|(_, id)| id.as_str());
        // The numbers of postings stand in many other numbers.
        let theirs: Vec<&str> = theirs.filter(|id| id.len() == 36).collect();
        for operation in operations.iter().filter(|op| op.method == "GET" && op.prefix().is_none()) {
            let answer = operation.send(&reader.client, "", b"");
            let body = String::from_utf8_lossy(&answer.body);
            for id in &theirs {
                assert!(
                    !body.contains(id),
                    "{} shows {} something of {other:?}: {body}",
                    operation.name(),
                    reader.email
                );
            }
            asked += 1;
        }
    }
    asked
}

#[test]
fn everybody_may_do_what_the_description_says_and_nothing_else() {
    let world = World::new(Faults::default());
    let description = umbel::api::description().unwrap();
    let operations = described::operations(&description);
    let actors = actors(&world);
    let cells = cells(&world, &operations, &actors);
    let (served, refused): (Vec<_>, Vec<_>) = cells.into_iter().partition(|cell| cell.expected == Expected::Served);
    let before = rows(&world.app);
    let failures = in_parallel(&refused, |cell| cell.judge(&description));
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), refused.len(), failures.join("\n"));
    assert_eq!(rows(&world.app), before, "a refused request wrote something");
    let failures = in_parallel(&served, |cell| cell.judge(&description));
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), served.len(), failures.join("\n"));
    let lists = check_lists(&world, &operations);
    println!("{} operations, {} refused, {} served, {lists} lists", operations.len(), refused.len(), served.len());
    assert!(refused.len() > 2_000 && served.len() > 500);
}

#[cfg(feature = "faults")]
#[test]
fn without_the_filters_of_the_stores_row_level_security_still_refuses_what_is_anothers() {
    let world = World::new(Faults::without([Guard::OwnerFilter]));
    let description = umbel::api::description().unwrap();
    let operations = described::operations(&description);
    let actors = actors(&world);
    let mut cells = cells(&world, &operations, &actors);
    cells.retain(|cell| {
        cell.actor.is_plain() && cell.expected == Expected::NotFound && matches!(cell.object, Some((Some(_), _)))
    });
    let failures = in_parallel(&cells, |cell| cell.judge(&description));
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cells.len(), failures.join("\n"));
    let lists = check_lists(&world, &operations);
    println!("{} cells, {lists} lists", cells.len());
    assert!(cells.len() > 150);
}

#[test]
fn every_route_in_the_code_is_in_the_description() {
    let mut routes = BTreeSet::new();
    read_routes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut routes);
    let description = umbel::api::description().unwrap();
    let mut described: BTreeSet<String> = described::operations(&description).iter().map(Operation::name).collect();
    described.extend(PAGES.map(str::to_owned));
    assert!(routes.len() > 100);
    assert_eq!(routes, described);
}

/// The attributes of handlers, such as `#[get("/v1/orders")]`.
fn read_routes(folder: &Path, routes: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_routes(&path, routes);
            continue;
        }
        let code = std::fs::read_to_string(&path).unwrap_or_default();
        for line in code.lines() {
            let Some((method, rest)) = line.trim().strip_prefix("#[").and_then(|line| line.split_once("(\"")) else {
                continue;
            };
            if matches!(method, "get" | "post" | "put" | "patch" | "delete" | "head" | "options" | "route") {
                let path = rest.split('"').next().unwrap();
                routes.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
}
