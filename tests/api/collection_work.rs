//! The work of a morning: what late invoices wait for, who must act, the longest due first.

use serde_json::{Value, json};
use umbel::demo::{Cast, Client};

use super::collection::{client_of, issued, track, until, usual};
use super::guarantee::{days_pass, id};
use super::support::TestApp;

/// Of each invoice that waits: its number, for what, on whom, since when and until when.
fn work(client: &Client, query: &str) -> Vec<[String; 5]> {
    let seen = client.get(&format!("/v1/collection_work{query}")).unwrap().expect(200).unwrap();
    let word = |it: &Value, name: &str| it[name].as_str().unwrap_or_default().to_owned();
    let all = seen["data"].as_array().unwrap();
    all.iter()
        .map(|it| ["number", "waits_for", "waits_on", "since_on", "until_on"].map(|name| word(it, name)))
        .collect()
}

fn row(number: &str, rest: [&str; 4]) -> [String; 5] {
    let [waits_for, waits_on, since, until] = rest;
    [number, waits_for, waits_on, since, until].map(str::to_owned)
}

fn change(cast: &Cast, invoice: &str, what: &str, body: &Value) {
    let seen = cast.staff.reviewer.get(&format!("/v1/invoices/{invoice}")).unwrap().expect(200).unwrap();
    let path = format!("/v1/invoices/{invoice}/{what}");
    cast.staff.reviewer.change(&path, seen["version"].as_i64().unwrap(), body).unwrap().expect(200).unwrap();
}

#[test]
fn late_invoices_wait_for_members_letters_agencies_and_decisions_the_longest_due_first() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    track(&app, &cast, "b2b", &usual()).expect(201).unwrap();
    track(&app, &cast, "consumer", &json!([{"kind": "reminder", "after_days": 5}])).expect(201).unwrap();
    let first = issued(&app, &cast, &member, 100_000);
    let disputed = issued(&app, &cast, &member, 20_000);
    let held = issued(&app, &cast, &member, 30_000);
    let private = client_of(&member, "consumer", "Ann Private");
    let alone = issued(&app, &cast, &private, 40_000);
    let member = until(&app, &mut cast, member, 20);
    let later = issued(&app, &cast, &member, 50_000);
    // Due on 3 June; the later one on the 23rd. On the 5th one is disputed and one is held; neither is late work before.
    assert!(work(&cast.staff.reviewer, "").is_empty());
    let member = until(&app, &mut cast, member, 12);
    change(&cast, &disputed.id, "dispute", &json!({"reason": "Not what we ordered"}));
    let hold = json!({"id": cast.staff.reviewer.new_id(), "kind": "hold", "reason": "They call us back"});
    let path = format!("/v1/invoices/{}/collection_pauses", held.id);
    cast.staff.reviewer.post(&path, &hold).unwrap().expect(201).unwrap();
    let sorted = |mut rows: Vec<[String; 5]>| {
        rows.sort();
        rows
    };
    let both = [
        row(&disputed.number, ["dispute", "reviewer", "2026-06-05", ""]),
        row(&held.number, ["hold", "reviewer", "2026-06-05", ""]),
    ];
    assert_eq!(sorted(work(&cast.staff.reviewer, "")), both);

    // The private person was reminded on the 8th; after the days of grace nothing comes. On 26 July a member is asked.
    let member = until(&app, &mut cast, member, 51);
    let decision = row(&alone.number, ["decision", "reviewer", "2026-06-23", ""]);
    let asked = row(&first.number, ["member_answer", "member", "2026-07-26", "2026-08-02"]);
    let all = vec![asked.clone(), both[0].clone(), both[1].clone(), decision.clone()];
    let seen = work(&cast.staff.accountant, "");
    assert_eq!(sorted(seen.clone()), all, "the one that waits for its client is not among them");
    assert_eq!(work(&cast.staff.reviewer, "?waits_on=member"), [asked]);
    assert_eq!(work(&cast.staff.reviewer, "?waits_for=decision&waits_on=reviewer"), [decision]);
    assert!(work(&cast.staff.reviewer, "?waits_for=decision&waits_on=program").is_empty());
    let entity = format!("?entity_id={}", cast.entity_id);
    assert_eq!(work(&cast.staff.reviewer, &entity).len(), 4);
    assert!(work(&cast.staff.reviewer, &format!("?entity_id={}", cast.staff.reviewer.new_id())).is_empty());
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    for _ in 0..4 {
        let page =
            cast.staff.reviewer.get(&format!("/v1/collection_work?limit=1{cursor}")).unwrap().expect(200).unwrap();
        paged.push(page["data"][0]["number"].clone());
        cursor = page["page"]["next_cursor"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
    }
    assert_eq!((paged, cursor.is_empty()), (seen.iter().map(|row| json!(row[0])).collect(), true));
    assert_eq!(member.client.get("/v1/collection_work").unwrap().status, 403);
    for query in ["?waits_for=nothing", "?waits_on=bank", "?limit=0", "?entity_id=x", "?surprise=1"] {
        let refused = cast.staff.reviewer.get(&format!("/v1/collection_work{query}")).unwrap().status;
        assert!((400..500).contains(&refused), "{query}: {refused}");
    }

    // The member waits until the 10th; then it goes by itself, is to be posted, and from 25 August on an agency can have it.
    let questions = member.client.get("/v1/collection_questions?open=true").unwrap().expect(200).unwrap();
    let answer = format!("/v1/collection_questions/{}/answer", id(&questions["data"][0]));
    let body = json!({"answer": "wait", "wait_until": "2026-08-10"});
    member.client.post(&answer, &body).unwrap().expect(200).unwrap();
    let mine = |cast: &Cast| -> Option<[String; 5]> {
        work(&cast.staff.reviewer, "").into_iter().find(|row| row[0] == first.number)
    };
    let goes = row(&first.number, ["formal_demand", "program", "2026-07-26", "2026-08-10"]);
    assert_eq!(mine(&cast), Some(goes));
    let member = until(&app, &mut cast, member, 15);
    assert_eq!(mine(&cast), Some(row(&first.number, ["letter_to_post", "reviewer", "2026-08-10", ""])));
    let standing = super::collection::standing(&member.client, &first);
    let demand = id(&standing["actions"][2]);
    let reviewer = cast.staff.reviewer.clone();
    let body =
        json!({"id": reviewer.new_id(), "carrier": "bpost", "tracking_number": "RR1", "posted_on": "2026-08-10"});
    reviewer.post(&format!("/v1/collection_actions/{demand}/registered_letter"), &body).unwrap().expect(201).unwrap();
    assert_eq!(mine(&cast), None, "it waits for its client");
    let member = until(&app, &mut cast, member, 15);
    assert_eq!(mine(&cast), Some(row(&first.number, ["agency", "reviewer", "2026-08-25", ""])));
    let order: Vec<String> = work(&cast.staff.reviewer, "").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(order.last(), Some(&later.number), "due last");
    let path = format!("/v1/invoices/{}/agency_handover", first.id);
    let body = json!({"id": cast.staff.reviewer.new_id()});
    cast.staff.reviewer.post(&path, &body).unwrap().expect(201).unwrap();
    assert_eq!(mine(&cast), None);
    let _member = days_pass(&app, &mut cast, member, 1);
}
