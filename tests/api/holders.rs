//! Money of an invoice that moved to other activities before something became of the invoice.

use serde_json::{Value, json};

use super::collectives::{Scene, minor};
use super::credit_notes::{credit, full, part};
use super::guarantee::propose;
use super::transfers::transfer_body;

impl Scene {
    /// An advanced invoice of 1,000.00 of the collective, of which 500.00 of its 925.00 were moved to the second member.
    fn moved_after_the_advance(&mut self) -> umbel::demo::Invoiced {
        let invoiced = self.invoice(100_000);
        self.days_pass(9);
        let to = self.members[1].activity_id.clone();
        let body = transfer_body(&self.together, &to, 50_000);
        let moved = self.manager().post("/v1/transfers", &body).unwrap().expect(201).unwrap();
        assert_eq!(minor(&moved, "/advanced"), 50_000);
        assert_eq!(self.advanced(), [42_500, 50_000]);
        invoiced
    }

    /// The open advances of the collective and of the second member.
    fn advanced(&self) -> [i64; 2] {
        [self.collective(), self.members[1].activity_id.as_str()].map(|of| self.sum(of, "memo.advances"))
    }

    fn sum(&self, activity: &str, account: &str) -> i64 {
        let books = "SELECT coalesce(sum(amount_minor), 0) FROM posting WHERE";
        self.app.count(&format!("{books} account = '{account}' AND activity_id = '{activity}'"))
    }

    /// Available to the collective and to the second member.
    fn available(&self) -> [i64; 2] {
        [self.collective(), self.members[1].activity_id.as_str()].map(|of| -self.sum(of, "funds.available"))
    }

    fn give_up(&self, invoice: &str) -> Value {
        let proposed = propose(&self.cast.staff.reviewer, invoice).expect(201).unwrap();
        let path = format!("/v1/write_offs/{}/approve", proposed["id"].as_str().unwrap());
        let version = proposed["version"].as_i64().unwrap();
        self.cast.staff.approver.change(&path, version, &json!({})).unwrap().expect(200).unwrap()
    }

    /// Fills the fund by a member who has nothing to do with the rest.
    fn fill_fund(&self) {
        let submitted = self.app.stage.submitted_invoice(&self.members[2], None, 5_000_000).unwrap();
        self.app.stage.issue(&self.cast.staff.reviewer, &submitted).unwrap();
    }
}

#[test]
fn a_covered_loss_closes_the_advance_wherever_its_money_went_and_everybody_keeps_it() {
    let mut scene = Scene::new();
    let invoiced = scene.moved_after_the_advance();
    scene.fill_fund();
    let given_up = scene.give_up(&invoiced.id);
    assert_eq!((minor(&given_up, "/loss/claim"), minor(&given_up, "/claim/drawn")), (92_500, 92_500));
    assert_eq!((scene.available(), scene.advanced()), ([42_500, 50_000], [0, 0]));
    let seen = scene.members[1].client.get(&format!("/v1/activities/{}", scene.members[1].activity_id)).unwrap();
    let seen = seen.expect(200).unwrap();
    assert_eq!(minor(&seen, "/balances/available_for_expenses/amount"), 50_000, "nothing of it is advanced any more");
    insta::assert_snapshot!(scene.postings());
}

#[test]
fn a_covered_loss_that_waits_for_the_fund_is_drawn_later_and_moves_nobodys_money() {
    let mut scene = Scene::new();
    let invoiced = scene.moved_after_the_advance();
    let given_up = scene.give_up(&invoiced.id);
    assert_eq!(minor(&given_up, "/claim/open"), 92_500);
    assert_eq!((scene.available(), scene.advanced()), ([42_500, 50_000], [0, 0]));
    scene.fill_fund();
    let approver = &scene.cast.staff.approver;
    let body = json!({"id": approver.new_id(), "entity_id": scene.cast.entity_id});
    approver.post("/v1/guarantee/draw_runs", &body).unwrap().expect(201).unwrap();
    assert_eq!(scene.available(), [42_500, 50_000]);
    insta::assert_snapshot!(scene.postings());
}

/// Without cover nothing is advanced: what moved is what waits.
#[test]
fn a_loss_that_is_not_covered_takes_what_waits_from_whoever_holds_it() {
    let scene = Scene::new();
    let stage = &scene.app.stage;
    let submitted = stage.submitted_invoice(&scene.together, None, 100_000).unwrap();
    let invoiced = stage.issue(&scene.cast.staff.reviewer, &submitted).unwrap();
    let mut body = transfer_body(&scene.together, &scene.members[1].activity_id, 50_000);
    body["invoice_id"] = json!(invoiced.id);
    scene.manager().post("/v1/transfers", &body).unwrap().expect(201).unwrap();
    let pending = |scene: &Scene| {
        [scene.collective(), scene.members[1].activity_id.as_str()].map(|of| -scene.sum(of, "funds.pending"))
    };
    assert_eq!(pending(&scene), [42_500, 50_000]);
    let given_up = scene.give_up(&invoiced.id);
    assert_eq!((minor(&given_up, "/loss/member"), given_up["claim"].is_null()), (92_500, true));
    assert_eq!((pending(&scene), scene.available()), ([0, 0], [0, 0]));
    insta::assert_snapshot!(scene.postings());
}

#[test]
fn a_credit_note_is_borne_by_the_invoices_activity_and_closes_its_advance_first_then_that_of_others() {
    let mut scene = Scene::new();
    let invoiced = scene.moved_after_the_advance();
    let reviewer = scene.cast.staff.reviewer.clone();
    // 300.00 without VAT: 277.50 of the member's share, all of it advanced and still with the collective.
    credit(&reviewer, &invoiced.id, &part(&reviewer, 30_000)).expect(201).unwrap();
    assert_eq!((scene.available(), scene.advanced()), ([14_750, 50_000], [14_750, 50_000]));
    // 300.00 more: the collective has 147.50 and owes 130.00; so much of the advance that the other holds is closed too.
    scene.app.stage.clock.advance(chrono::Duration::minutes(1));
    let note = credit(&reviewer, &invoiced.id, &part(&reviewer, 30_000)).expect(201).unwrap();
    assert_eq!((minor(&note, "/from_activity/available"), minor(&note, "/from_activity/arrears")), (14_750, 13_000));
    assert_eq!((scene.available(), scene.advanced()), ([0, 50_000], [0, 37_000]));
    // The client pays the rest: the advance that is left was theirs to cover.
    scene.pays(&invoiced, 48_400);
    assert_eq!((scene.available(), scene.advanced()), ([0, 50_000], [0, 0]));
    insta::assert_snapshot!(scene.postings());
}

#[test]
fn a_full_credit_note_closes_every_advance_and_what_was_moved_stays_where_it_went() {
    let mut scene = Scene::new();
    let invoiced = scene.moved_after_the_advance();
    let reviewer = scene.cast.staff.reviewer.clone();
    let note = credit(&reviewer, &invoiced.id, &full(&reviewer)).expect(201).unwrap();
    assert_eq!((minor(&note, "/from_activity/available"), minor(&note, "/from_activity/arrears")), (42_500, 50_000));
    assert_eq!((scene.available(), scene.advanced()), ([0, 50_000], [0, 0]));
    assert_eq!(scene.sum(scene.collective(), "activity_arrears"), 50_000, "the collective gave away what it owes now");
    insta::assert_snapshot!(scene.postings());
}

#[test]
fn a_list_of_invoices_tells_what_was_given_up_from_what_was_paid() {
    let mut scene = Scene::new();
    let [lost, paid, credited, half, open] = [1_000, 2_000, 3_000, 4_000, 5_000].map(|net| {
        let submitted = scene.app.stage.submitted_invoice(&scene.together, None, net).unwrap();
        scene.app.stage.clock.advance(chrono::Duration::milliseconds(1));
        scene.app.stage.issue(&scene.cast.staff.reviewer, &submitted).unwrap()
    });
    let draft = scene.app.stage.submitted_invoice(&scene.together, None, 6_000).unwrap();
    scene.give_up(&lost.id);
    scene.pays(&paid, paid.gross);
    scene.pays(&half, 1_000);
    let reviewer = scene.cast.staff.reviewer.clone();
    credit(&reviewer, &credited.id, &full(&reviewer)).expect(201).unwrap();
    let list = |query: &str| -> Vec<(String, String)> {
        let page = reviewer.get(&format!("/v1/invoices{query}")).unwrap().expect(200).unwrap();
        let rows = page["data"].as_array().unwrap().iter();
        rows.map(|row| (row["id"].as_str().unwrap().to_owned(), row["settlement"].as_str().unwrap().to_owned()))
            .collect()
    };
    let draft = draft["id"].as_str().unwrap().to_owned();
    let expected = [
        (draft, "none"),
        (open.id, "open"),
        (half.id, "part_settled"),
        (credited.id, "settled"),
        (paid.id, "settled"),
        (lost.id, "written_off"),
    ]
    .map(|(id, settlement)| (id, settlement.to_owned()));
    assert_eq!(list(""), expected);
    for settlement in ["none", "open", "part_settled", "settled", "written_off"] {
        let only: Vec<_> = expected.iter().filter(|(_, is)| is == settlement).cloned().collect();
        assert_eq!(list(&format!("?settlement={settlement}")), only, "{settlement}");
    }
    let given_up = list("?state=issued&settlement=written_off");
    assert_eq!(given_up.len(), 1);
    assert_eq!(reviewer.get("/v1/invoices?settlement=lost").unwrap().status, 422);
}
