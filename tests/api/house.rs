//! The rules of the house, read off the source and the catalogue: who may use whom, where SQL lives, which words
//! exist. What is excepted is listed with its reason, and the lists may only shrink.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use umbel::delivery::LifeCycle;
use umbel::platform::i18n;

use super::ground::lines;
use super::support::TestDatabase;

/// The rooms in reading order: each uses those before it, never those after it.
const ROOMS: &[&str] = &[
    "kernel",
    "formats",
    "schema",
    "platform", //
    "access",
    "outbox",
    "archive",
    "jobs",
    "ledger", //
    "charter",
    "members",
    "bank_details",
    "activities",
    "clients",
    "levies",
    "guarantee",
    "orders",
    "invoicing",
    "recurring",
    "write_offs",
    "transfers",
    "internal_invoices",
    "costs",
    "pools",
    "delivery",
    "reminders",
    "collection",
    "supplier_invoices",
    "shares",
    "surplus",
    "payroll",
    "risk",
    "payouts",
    "payout_plans",
    "bank",
    "accounting",
    "solvency",
    "proposals",
    "explain", //
    "operations",
    "api",
    "worker",
    "service",
    "demo",
    "commands",
    "main",
];

/// A file, the later room it uses, and why.
const LATER_ROOMS: &[(&str, &str, &str)] = &[
    ("access/mod.rs", "outbox", "the letters with the links that confirm an address and set a password"),
    ("access/factors.rs", "outbox", "the letters that say that a second factor was set up or taken away"),
    ("orders/pages.rs", "invoicing", "the page of an order shows its total as the invoice will compute it"),
];

/// Files that speak to PostgreSQL and are no store, and why.
const SQL_ELSEWHERE: &[(&str, &str)] = &[
    ("commands/bench/batches.rs", "the bare statements that a batch is compared with"),
    ("commands/bench/mutual.rs", "grows a mutual to a size that no API makes in minutes"),
    ("commands/bench/pgbench.rs", "the same statements as the issue path, for pgbench to run beside it"),
    ("commands/bench/pools.rs", "the bare statement that a pool run is compared with"),
    ("commands/bench/replay.rs", "a year of invoices, and what was charged on them"),
    ("commands/bench/statements.rs", "counts the statements that the program sends"),
    ("platform/cluster.rs", "makes the roles and the database of a private server"),
    ("platform/db.rs", "the door itself: who acts, and the audit"),
    ("platform/error.rs", "what the database's refusals mean"),
    ("platform/prepared.rs", "statements prepared once a connection"),
    ("platform/web/command.rs", "the keys of repeated requests, in the transaction of each command"),
    ("service.rs", "runs the migrations"),
];

/// A source file: its path under `src/`, and its code without comments.
struct Source {
    path: String,
    code: String,
}

impl Source {
    fn room(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    fn is(&self, kind: &str) -> bool {
        self.path.ends_with(&format!("/{kind}.rs")) || self.path.contains(&format!("/{kind}/"))
    }
}

/// Every source file of the program but for the generated schema, the list of rooms and tests.
fn sources() -> Vec<Source> {
    fn gather(folder: &Path, root: &Path, into: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                gather(&path, root, into);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                let path = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                into.push(Source { path, code: code.join("\n") });
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    gather(&root, &root, &mut found);
    // Tests in files of their own, and the reader of the files that they compare with.
    let is_test = |path: &str| path.ends_with("tests.rs") || path == "formats/golden.rs";
    found.retain(|source| source.room() != "schema" && source.path != "lib.rs" && !is_test(&source.path));
    assert!(found.len() > 100, "{} files", found.len());
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn source(path: &str) -> Source {
    sources().into_iter().find(|source| source.path == path).unwrap_or_else(|| panic!("no {path}"))
}

/// The rooms that code names: `crate::room`, `umbel::room`, `use crate::{room, room}`.
fn rooms_in(code: &str) -> BTreeSet<&'static str> {
    let mut rooms = BTreeSet::new();
    for start in ["crate::", "umbel::"] {
        for (at, _) in code.match_indices(start) {
            let rest = &code[at + start.len()..];
            let names = match rest.strip_prefix('{') {
                Some(group) => group.split('}').next().unwrap().split(',').map(str::trim).collect(),
                None => vec![rest],
            };
            for name in names {
                let end = name.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(name.len());
                rooms.extend(ROOMS.iter().find(|room| **room == &name[..end]));
            }
        }
    }
    rooms
}

fn place(room: &str) -> usize {
    ROOMS.iter().position(|known| *known == room).unwrap_or_else(|| panic!("{room} has no place in the list of rooms"))
}

#[test]
fn a_room_uses_only_rooms_before_it() {
    let mut later = BTreeSet::new();
    for source in sources() {
        for used in rooms_in(&source.code) {
            if place(used) > place(source.room()) {
                later.insert((source.path.clone(), used));
            }
        }
    }
    let listed: BTreeSet<_> = LATER_ROOMS.iter().map(|(path, used, _)| ((*path).to_owned(), *used)).collect();
    assert_eq!(later, listed, "found against listed exceptions");
}

#[test]
fn sql_lives_in_stores() {
    let mut elsewhere = Vec::new();
    for source in sources().into_iter().filter(|source| !source.is("store")) {
        // Kernel types derive how PostgreSQL writes them; that is a form of a value and no query.
        let speaks = if source.room() == "kernel" {
            ["sql_query", "RunQueryDsl", "diesel::prelude", "umbel_schema"]
                .iter()
                .any(|word| source.code.contains(word))
        } else {
            ["diesel::", "sql_query", "umbel_schema"].iter().any(|word| source.code.contains(word))
        };
        if speaks {
            elsewhere.push(source.path);
        }
    }
    let listed: Vec<&str> = SQL_ELSEWHERE.iter().map(|(path, _)| *path).collect();
    assert_eq!(elsewhere, listed, "found against listed exceptions");
}

#[test]
fn what_is_saved_was_locked_or_made_in_the_same_transaction() {
    let mut count = 0;
    for source in sources() {
        for (at, _) in source.code.match_indices("Locked::new(") {
            assert!(source.is("store"), "{}: only stores make a Locked", source.path);
            let start = source.code[..at].rfind("fn ").unwrap();
            let end = source.code[at..].find("\n}").map_or(source.code.len(), |end| at + end);
            let function = &source.code[start..end];
            let is_held = ["for_update", "for_no_key_update", "FOR UPDATE", "insert_into"]
                .iter()
                .any(|how| function.contains(how));
            assert!(is_held, "{}: {function}", source.path);
            count += 1;
        }
    }
    assert!(count >= 10, "{count} places");
}

#[test]
fn rulebooks_are_pure() {
    for source in sources().into_iter().filter(|source| source.is("rules")) {
        for word in
            ["platform::db", "platform::clock", "Tx<", "diesel", "Utc::now", "rand::", "std::fs", "reqwest", "ureq"]
        {
            assert!(!source.code.contains(word), "{} uses {word}", source.path);
        }
    }
    let values = |source: &Source| matches!(source.room(), "kernel" | "formats");
    for source in sources().into_iter().filter(values) {
        for word in ["platform::", "Tx<", "Utc::now", "rand::", "std::fs", "std::net"] {
            assert!(!source.code.contains(word), "{} uses {word}", source.path);
        }
    }
}

/// Two shapes of one name would be one in the description: the last one that is found.
#[test]
fn every_shape_of_the_description_has_a_name_of_its_own() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources() {
        for derived in source.code.split("#[derive(").skip(1) {
            let Some((traits, rest)) = derived.split_once(")]") else { continue };
            let mut words = rest.split_whitespace().skip_while(|word| !matches!(*word, "struct" | "enum"));
            if !traits.contains("ToSchema") || words.next().is_none() {
                continue;
            }
            let name: String = words.next().unwrap().chars().take_while(|c| c.is_alphanumeric()).collect();
            // A macro's own name for it is none.
            if !name.is_empty() {
                places.entry(name).or_default().push(source.path.clone());
            }
        }
        for made in source.code.split("named! {").skip(1) {
            let name = made.split_whitespace().next().unwrap().to_owned();
            places.entry(name).or_default().push(source.path.clone());
        }
    }
    assert!(places.len() > 400, "{} shapes", places.len());
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "{places:?}");
}

/// The first text literal after each place where a call begins, with the arguments before it.
fn texts_after<'a>(code: &'a str, call: &str) -> Vec<(&'a str, &'a str)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(call) {
        let rest = &code[at + call.len()..];
        let Some(open) = rest.find('"') else { continue };
        let (before, text) = (&rest[..open], &rest[open + 1..]);
        if before.contains([';', '{', '}', ')']) {
            continue;
        }
        found.push((before, text.split('"').next().unwrap()));
    }
    found
}

/// The code of the program that runs, without its own tests.
fn without_tests(code: &str) -> &str {
    code.split("#[cfg(test)]\nmod ").next().unwrap()
}

#[test]
fn every_problem_has_words() {
    let known: BTreeSet<&str> = i18n::codes().collect();
    let mut missing = BTreeSet::new();
    let mut count = 0;
    let mut say = |code: &str, at: &str| {
        count += 1;
        if !known.contains(code) {
            missing.insert(format!("{code} ({at})"));
        }
    };
    for source in sources() {
        let code = without_tests(&source.code);
        for kind in ["conflict", "value", "forbidden", "unauthorized", "bad_request", "state"] {
            for start in ["Error", "Refusal", "Self"] {
                for (before, text) in texts_after(code, &format!("{start}::{kind}(")) {
                    if before.trim().is_empty() {
                        say(text, &source.path);
                    }
                }
            }
        }
        for (before, text) in texts_after(code, "::new(StatusCode::") {
            // A rehearsal is rolled back by an "error" that is none: its status is 200.
            if before.trim_end().ends_with(',') && !before.starts_with("OK") {
                say(text, &source.path);
            }
        }
        if let Some((_, table)) = code.split_once("const CONSTRAINTS") {
            for (before, text) in texts_after(table.split("];").next().unwrap(), "StatusCode::") {
                assert!(before.trim_end().ends_with(','), "{before}");
                say(text, "the table of constraints");
            }
        }
        if matches!(source.path.as_str(), "formats/bank_statement/refused.rs" | "formats/einvoice/incoming/refused.rs")
        {
            let (_, body) = code.split_once("fn code(").unwrap();
            for line in body.lines().take_while(|line| *line != "    }") {
                if let Some((_, text)) = line.split_once("=> \"") {
                    say(text.split('"').next().unwrap(), &source.path);
                }
            }
        }
    }
    assert!(missing.is_empty(), "without words: {missing:#?}");
    assert!(count > 100, "{count} codes found");
}

#[test]
fn every_field_error_has_words() {
    let known: BTreeSet<&str> = i18n::field_codes().collect();
    let mut missing = BTreeSet::new();
    let mut count = 0;
    for source in sources() {
        let code = without_tests(&source.code);
        for (at, _) in code.match_indices("\"/") {
            // `…("/pointer", "code")`: the literal that follows the pointer, if one does.
            let after = code[at + 1..].split_once('"').unwrap().1;
            let Some(text) = after.strip_prefix(", \"").and_then(|text| text.split('"').next()) else { continue };
            let line = &code[code[..at].rfind('\n').unwrap_or(0)..at];
            if ["field(", "refuse(", "require(", "parse("].iter().any(|call| line.contains(call)) {
                count += 1;
                if !known.contains(text) {
                    missing.insert(format!("{text} ({})", source.path));
                }
            }
        }
    }
    assert!(missing.is_empty(), "without words: {missing:#?}");
    assert!(count > 20, "{count} codes found");
}

#[test]
fn the_words_of_a_state_conflict_use_what_it_says() {
    assert_eq!(i18n::params_of("state_conflict").into_iter().collect::<Vec<_>>(), ["command", "state"]);
    let params = serde_json::json!({"state": "sent", "command": "send"}).as_object().cloned().unwrap();
    for language in umbel::kernel::language::Language::ALL {
        let (_, detail) = i18n::problem(language, "state_conflict", &params);
        assert!(detail.contains("sent") && detail.contains("send"), "{language}: {detail}");
    }
}

/// Where a machine's states and commands are, and the state each command leads to.
struct Machine {
    name: &'static str,
    file: &'static str,
    /// The enum of its states; bank lines have two and no enum.
    states: Option<&'static str>,
    commands: &'static [(&'static str, &'static str)],
    /// Moves that are no command on the object itself: how it is born, what clients, banks, batches and jobs do to it.
    moves: &'static [(&'static str, &'static str)],
}

#[rustfmt::skip] // one part of a machine, one line: a table is read as a table
const MACHINES: &[Machine] = &[
    Machine {
        name: "order", file: "orders/rules.rs", states: Some("OrderState"),
        commands: &[("Command::Revise", "draft"), ("Command::Send", "sent"), ("Command::Withdraw", "withdrawn")],
        moves: &[("", "draft"), ("sent", "confirmed"), ("sent", "declined"), ("sent", "change_requested"), ("sent", "expired")],
    },
    Machine {
        name: "invoice", file: "invoicing/rules.rs", states: Some("InvoiceState"),
        commands: &[("Command::Revise", "draft"), ("Command::Submit", "submitted"), ("Command::Discard", "discarded"),
                    ("Command::Return", "draft"), ("Command::Issue", "issued")],
        moves: &[("", "draft")],
    },
    Machine {
        // Written and issued in one transaction: its draft is never seen.
        name: "credit_note", file: "invoicing/rules.rs", states: None, commands: &[], moves: &[("", "draft"), ("draft", "issued")],
    },
    Machine {
        name: "internal_invoice", file: "internal_invoices/rules.rs", states: Some("InternalState"),
        commands: &[("Command::Send", "sent"), ("Command::Withdraw", "withdrawn"), ("Command::Accept", "accepted"), ("Command::Refuse", "refused")],
        moves: &[("", "draft")],
    },
    Machine {
        name: "payout", file: "payouts/rules.rs", states: Some("PayoutState"),
        commands: &[("PayoutCommand::Approve", "approved"), ("PayoutCommand::Refuse", "refused"), ("PayoutCommand::Cancel", "cancelled"),
                    ("PayoutCommand::Settle", "settled"), ("PayoutCommand::Return", "returned"), ("PayoutCommand::Reject", "rejected"),
                    ("PayoutCommand::Confirm", "confirmed"), ("PayoutCommand::Resend", "replaced"), ("PayoutCommand::GiveBack", "given_back")],
        moves: &[("", "requested"), ("approved", "batched"), ("batched", "approved"), ("batched", "released"), ("released", "unknown")],
    },
    Machine {
        name: "batch", file: "payouts/rules.rs", states: Some("BatchState"),
        commands: &[("BatchCommand::Edit", "open"), ("BatchCommand::Seal", "sealed"), ("BatchCommand::Unseal", "open"),
                    ("BatchCommand::Approve", "approved"), ("BatchCommand::Release", "released"), ("BatchCommand::Dissolve", "dissolved")],
        moves: &[("", "open")],
    },
    Machine {
        name: "payout_decision", file: "payouts/results.rs", states: Some("DecisionState"), commands: &[],
        moves: &[("", "proposed"), ("proposed", "agreed"), ("proposed", "refused")],
    },
    Machine {
        name: "factor_reset", file: "access/factors.rs", states: Some("ResetState"), commands: &[],
        moves: &[("", "asked"), ("asked", "agreed"), ("asked", "cancelled"), ("agreed", "cancelled"), ("agreed", "done")],
    },
    Machine {
        name: "member", file: "members/rules.rs", states: Some("MemberState"), commands: &[],
        moves: &[("", "pending_share"), ("pending_share", "active"), ("active", "suspended"), ("suspended", "active"),
                 ("active", "inactive"), ("inactive", "active"), ("inactive", "suspended")],
    },
    Machine {
        name: "share", file: "members/rules.rs", states: Some("ShareState"), commands: &[],
        moves: &[("", "subscribed"), ("subscribed", "paid"), ("paid", "redeeming"), ("redeeming", "redeemed"),
                 ("redeeming", "paid")],
    },
    Machine {
        name: "redemption", file: "shares/rules.rs", states: Some("RedemptionState"), commands: &[],
        moves: &[("", "noticed"), ("noticed", "decided"), ("decided", "paid"), ("noticed", "withdrawn")],
    },
    Machine {
        name: "appropriation", file: "surplus/rules.rs", states: Some("AppropriationState"), commands: &[],
        moves: &[("", "proposed"), ("proposed", "approved"), ("proposed", "rejected")],
    },
    Machine {
        name: "write_off", file: "write_offs/rules.rs", states: Some("WriteOffState"),
        commands: &[("Command::Approve", "approved"), ("Command::Reject", "rejected")],
        moves: &[("", "proposed")],
    },
    Machine {
        name: "job", file: "jobs/rules.rs", states: Some("JobState"),
        commands: &[("JobCommand::Start", "running"), ("JobCommand::Finish", "done"), ("JobCommand::Fail", "failed"),
                    ("JobCommand::Cancel", "cancelled")],
        moves: &[("", "queued")],
    },
    Machine {
        name: "proposal", file: "proposals/rules.rs", states: Some("ProposalState"),
        commands: &[("ProposalCommand::Publish", "published"), ("ProposalCommand::Adopt", "adopted"),
                    ("ProposalCommand::Reject", "rejected"), ("ProposalCommand::Withdraw", "withdrawn")],
        moves: &[("", "draft")],
    },
    Machine {
        name: "recurring_invoice", file: "recurring/rules.rs", states: Some("RecurringState"),
        commands: &[("Command::Pause", "paused"), ("Command::Resume", "active"), ("Command::End", "ended")],
        moves: &[("", "active")],
    },
    Machine {
        name: "payout_plan", file: "payout_plans/rules.rs", states: Some("PlanState"),
        commands: &[("Command::Pause", "paused"), ("Command::Resume", "active")],
        moves: &[("", "active")],
    },
    Machine {
        name: "true_up", file: "payroll/rules/true_ups.rs", states: Some("TrueUpState"),
        commands: &[("TrueUpCommand::Confirm", "confirmed"), ("TrueUpCommand::Reject", "rejected")],
        moves: &[("", "proposed")],
    },
    Machine {
        name: "cost", file: "costs/rules.rs", states: Some("CostState"),
        commands: &[("CostCommand::Approve", "approved"), ("CostCommand::Reject", "rejected")],
        moves: &[("", "submitted")],
    },
    Machine {
        name: "pool", file: "pools/rules.rs", states: Some("PoolState"),
        commands: &[("PoolCommand::Open", "open"), ("PoolCommand::StartClosing", "closing"), ("PoolCommand::Close", "closed")],
        moves: &[("", "proposed")],
    },
    Machine {
        name: "pool_run", file: "pools/rules.rs", states: Some("RunState"),
        commands: &[("RunCommand::Reverse", "reversed")],
        moves: &[("", "booked")],
    },
    Machine {
        name: "activity_member", file: "activities/rules.rs", states: Some("MembershipState"),
        commands: &[("MembershipCommand::Confirm", "confirmed"), ("MembershipCommand::Decline", "declined"), ("MembershipCommand::Leave", "left")],
        moves: &[("", "invited"), ("", "confirmed")],
    },
    Machine {
        name: "delivery", file: "delivery/rules.rs", states: Some("DeliveryState"),
        commands: &[("DeliveryCommand::Retry", "queued")],
        moves: &[("", "queued"), ("", "deposited"), ("", "delivered"), ("queued", "sending"), ("failed", "sending"), ("refused", "sending"),
                 ("sending", "deposited"), ("sending", "delivered"), ("sending", "refused"), ("sending", "failed"), ("sending", "unknown"),
                 ("unknown", "queued"), ("unknown", "deposited"), ("unknown", "delivered"), ("unknown", "refused"),
                 ("deposited", "delivered"), ("deposited", "refused"), ("delivered", "refused")],
    },
    Machine {
        name: "supplier_invoice", file: "supplier_invoices/rules.rs", states: Some("SupplierInvoiceState"),
        commands: &[("SupplierInvoiceCommand::Match", "matched"), ("SupplierInvoiceCommand::Reject", "rejected")],
        moves: &[("", "received")],
    },
    Machine {
        name: "bank_detail_change", file: "bank_details/rules.rs", states: Some("BankDetailState"),
        commands: &[("Command::Cool", "cooling"), ("Command::Activate", "active"), ("Command::Cancel", "cancelled"), ("Command::Refuse", "refused")],
        moves: &[("", "requested")],
    },
    Machine {
        name: "bank_line", file: "bank/rules.rs", states: None, commands: &[],
        // Back to suspense when what it was matched with is taken back.
        moves: &[("", "matched"), ("", "suspense"), ("suspense", "matched"), ("matched", "suspense")],
    },
    Machine {
        name: "client_refund", file: "bank/credits.rs", states: None, commands: &[],
        moves: &[("", "requested"), ("requested", "approved"), ("requested", "rejected"), ("approved", "paid"), ("approved", "withdrawn")],
    },
    Machine {
        name: "payment_authority", file: "payouts/remittances.rs", states: Some("AuthorityState"), commands: &[],
        moves: &[("", "proposed"), ("proposed", "confirmed"), ("proposed", "refused")],
    },
    Machine {
        // With the states and commands of payouts, for the same batches carry both.
        name: "remittance", file: "payouts/remittances.rs", states: None, commands: &[],
        moves: &[("", "approved"), ("approved", "cancelled"), ("approved", "batched"), ("batched", "approved"), ("batched", "released"),
                 ("released", "settled"), ("released", "rejected"), ("released", "unknown"), ("unknown", "settled"), ("unknown", "rejected"),
                 ("unknown", "given_back"), ("settled", "returned")],
    },
    Machine {
        name: "bank_charge", file: "bank/store/charges.rs", states: Some("ChargeState"), commands: &[],
        // Proposed where two are needed.
        moves: &[("", "proposed"), ("", "booked"), ("proposed", "booked"), ("proposed", "refused"), ("booked", "reversed")],
    },
];

/// `InReview` as the tables write it.
fn snake(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

/// The variants that a piece of code names.
fn variants(code: &str) -> impl Iterator<Item = String> {
    let words = code.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()) && word.len() > 1 && !word.ends_with("State"))
        .map(snake)
}

/// The states in which the rulebook allows a command: `Command::Send => ("send", &[Draft, …])`.
fn states_of(code: &str, command: &str) -> Vec<String> {
    let rule = code.split_once(&format!(" {command} => (")).unwrap_or_else(|| panic!("no rule for {command}")).1;
    variants(rule.split(')').next().unwrap().rsplit('"').next().unwrap()).collect()
}

/// The names of an enum of states: `Draft = "draft",` in its block.
fn names_of(code: &str, states: &str) -> BTreeSet<String> {
    let (_, block) = code.split_once(&format!("    {states} {{")).unwrap_or_else(|| panic!("no {states}"));
    let block = block.split('}').next().unwrap();
    block.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The moves of an application, off its one `match`: `(C::Submit, S::Draft | S::InfoRequested) => Ok(S::Submitted)`.
fn application_moves(code: &str) -> BTreeSet<(String, String)> {
    let mut moves = BTreeSet::from([(String::new(), "draft".to_owned())]);
    for line in code.lines().filter(|line| line.trim_start().starts_with("(C::") && line.contains("=> Ok(S::")) {
        let (from, to) = line.split_once("=> Ok(").unwrap();
        let to = variants(to).next().unwrap();
        moves.extend(variants(from).skip(1).map(|from| (from, to.clone())));
    }
    moves
}

/// The statuses of the French life cycle, as the rulebook lets them follow each other.
fn life_cycle_moves() -> BTreeSet<(String, String)> {
    let first = [(String::new(), "200".to_owned())];
    let name = |code: &LifeCycle| code.name().to_owned();
    let later = LifeCycle::ALL.iter().flat_map(|from| from.next().iter().map(move |to| (name(from), name(to))));
    first.into_iter().chain(later).collect()
}

#[test]
fn the_moves_of_the_code_are_the_moves_of_the_tables() {
    let declared = lines(
        &mut TestDatabase::new().owner(),
        "SELECT concat_ws(' ', machine, coalesce(nullif(from_state, ''), '-'), to_state) AS line FROM state_transition",
    );
    let mut declared_moves: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for line in declared {
        let [machine, from, to] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let from = if from == "-" { "" } else { from };
        declared_moves.entry(machine.to_owned()).or_default().insert((from.to_owned(), to.to_owned()));
    }
    let mut in_code = BTreeMap::from([
        ("application".to_owned(), application_moves(&source("members/rules.rs").code)),
        ("french_life_cycle".to_owned(), life_cycle_moves()),
    ]);
    for machine in MACHINES {
        let rules = source(machine.file);
        let mut moves: BTreeSet<(String, String)> =
            machine.moves.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        for (command, to) in machine.commands {
            for from in states_of(&rules.code, command).into_iter().filter(|from| from != to) {
                moves.insert((from, (*to).to_owned()));
            }
        }
        if let Some(states) = machine.states {
            let reached: BTreeSet<String> = moves.iter().map(|(_, to)| to.clone()).collect();
            assert_eq!(reached, names_of(&rules.code, states), "every state of {states} is reached, and no other");
        }
        in_code.insert(machine.name.to_owned(), moves);
    }
    assert_eq!(in_code, declared_moves, "code against tables");
}

#[test]
fn money_is_whole_cents_with_a_currency() {
    let mut conn = TestDatabase::new().owner();
    let wrong = lines(
        &mut conn,
        "SELECT format('%s.%s is %s', c.relname, a.attname, format_type(a.atttypid, NULL)) AS line \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped \
           AND ((a.attname LIKE '%\\_minor' AND a.atttypid <> 'bigint'::regtype) \
                OR a.atttypid IN ('real'::regtype, 'double precision'::regtype, 'money'::regtype) \
                OR (a.atttypid = 'numeric'::regtype AND (c.relname, a.attname) <> ('exchange_rate', 'rate') AND a.attname <> 'quantity') \
                OR (a.attname ~ '(amount|price|total|balance|net|gross|tax|fee)$'))",
    );
    assert_eq!(wrong, Vec::<String>::new());
    let without_currency = lines(
        &mut conn,
        "SELECT DISTINCT c.relname::text AS line FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attname LIKE '%\\_minor' \
           AND NOT EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = c.oid AND o.attname = 'currency') ORDER BY 1",
    );
    // Parts of a document are in the currency of the document, those of rules in that of the rules, levies in that of
    // their activity, divisions in that of their run, parts of an appropriation in that of its year, runs and versions in that of
    // their plan, parts of a true-up in its own, a wage that came back in that of its slip.
    assert_eq!(
        without_currency,
        [
            "allocation",
            "appropriation_part",
            "appropriation_step",
            "client_credit_use",
            "collection_law",
            "collection_law_band",
            "collection_pause",
            "collection_pause_part",
            "collection_step",
            "exchange_difference",
            "invoice_line",
            "invoice_line_currency",
            "invoice_reduction",
            "invoice_tax",
            "invoice_tax_currency",
            "levy_charge",
            "order_line",
            "payout_plan_run",
            "payout_plan_version",
            "pool_run_cost",
            "pool_run_part",
            "pool_run_split",
            "rule_set_band",
            "rule_set_levy",
            "true_up_part",
            "wage_return",
        ]
    );
}

#[test]
fn every_foreign_key_is_indexed() {
    // Lists that only migrations change are never searched from the other side.
    let missing = lines(
        &mut TestDatabase::new().owner(),
        "SELECT format('%s %s', c.conrelid::regclass, c.conname) AS line FROM pg_constraint c \
         WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace \
           AND c.confrelid::regclass::text NOT IN ('currency', 'ledger_account', 'ledger_event', 'ledger_source') \
           AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid \
                           AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey) ORDER BY 1",
    );
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn what_somebody_owns_has_row_level_security() {
    let mut conn = TestDatabase::new().owner();
    let open = lines(
        &mut conn,
        "SELECT DISTINCT c.relname::text AS line FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attname IN ('member_id', 'person_id', 'owner_id') \
           AND NOT c.relrowsecurity",
    );
    assert_eq!(open, Vec::<String>::new());
    let without = lines(
        &mut conn,
        "SELECT c.relname::text AS line FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relrowsecurity \
         AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive)",
    );
    assert!(without.is_empty(), "{without:?}");
    let as_definer = lines(
        &mut conn,
        "SELECT c.relname::text AS line FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'v' \
         AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false)",
    );
    assert_eq!(as_definer, Vec::<String>::new(), "a view that would pass by row-level security");
}
