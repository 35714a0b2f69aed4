//! A credit note gives back a contribution that the fund does not hold any more: it is owed, and returned by itself.

use serde_json::{Value, json};
use umbel::demo::{Cast, Invoiced, MemberCast};

use super::credit_notes::{credit, figures, full, left_in_the_books, part, taken};
use super::guarantee::{LOSS, activity, book, covered, draw_run, fund, minor, minors, plain, tick, write_off};
use super::stories::journal;
use super::support::TestApp;

/// The fund is emptied by a loss of which 905.00 stays a claim; `nets` are invoiced before that.
fn empty_fund(app: &TestApp, cast: &Cast, member: &MemberCast, nets: &[i64]) -> Vec<Invoiced> {
    let lost = covered(app, cast, member, 100_000);
    let good: Vec<Invoiced> = nets.iter().map(|net| plain(app, cast, member, *net)).collect();
    write_off(app, cast, &lost);
    draw_run(cast, "").expect(201).unwrap();
    assert_eq!(book(app, "guarantee_fund"), 0);
    tick(app);
    good
}

fn owed(member: &MemberCast, query: &str) -> Vec<Value> {
    let page = member.client.get(&format!("/v1/guarantee/contributions_owed{query}")).unwrap().expect(200).unwrap();
    page["data"].as_array().unwrap().clone()
}

fn owed_by_fund(note: &Value) -> i64 {
    minor(note, "/from_activity/owed_by_fund")
}

/// What the activity has, less what it owes.
fn worth(app: &TestApp, member: &MemberCast) -> i64 {
    let of = &member.activity_id;
    app.count(&format!(
        "SELECT -coalesce(sum(amount_minor), 0) FROM posting WHERE activity_id = '{of}' \
         AND account IN ('funds.pending', 'funds.available', 'funds.reserved', 'activity_arrears')"
    ))
}

#[test]
fn an_empty_fund_owes_the_contribution_and_returns_it_before_anything_is_drawn() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let other = app.another_member(&mut cast);
    let reviewer = &cast.staff.reviewer;
    let good = empty_fund(&app, &cast, &member, &[100_000]).remove(0);
    let before = worth(&app, &member);
    let note = credit(reviewer, &good.id, &full(reviewer)).expect(201).unwrap();
    assert_eq!(figures(&note), [100_000, 21_000, 121_000, 5_500, 2_000]);
    // 925.00 of what waited, and the 20.00 that the fund owes out of what the first draw made available.
    assert_eq!((taken(&note), owed_by_fund(&note)), ([92_500, 92_500, 2_000, 0], 2_000));
    assert_eq!(worth(&app, &member), before - 92_500 - 2_000);
    let mine = owed(&member, "?open=true");
    assert_eq!(minors(&mine[0], &["/amount", "/returned", "/open"]), [2_000, 0, 2_000]);
    assert_eq!((&mine[0]["credit_note_id"], &mine[0]["reason"]), (&note["id"], &json!("contribution_owed")));
    let told = mine[0]["text"].as_str().unwrap();
    assert!(told.contains("fonds de garantie") && mine[0]["action"].as_str().unwrap().len() > 20, "{told}");
    assert_eq!(owed(&other, "").len(), 0, "what somebody else is owed is theirs");
    assert_eq!(minor(&fund(&cast, &other.client), "/contributions_owed"), 2_000, "the sum is everybody's to read");
    assert_eq!(draw_run(&cast, "").code(), "nothing_to_draw");

    // 25.00 come: 20.00 of them are not there to be drawn.
    plain(&app, &cast, &other, 125_000);
    let run = draw_run(&cast, "").expect(201).unwrap();
    assert_eq!(minors(&run, &["/fund", "/paid"]), [500, 500]);
    app.stage.settle().unwrap();
    let mine = owed(&member, "");
    assert_eq!((minors(&mine[0], &["/returned", "/open"]), owed(&member, "?open=true").len()), (vec![2_000, 0], 0));
    assert_eq!((book(&app, "guarantee_fund"), left_in_the_books(&app, &good.id)), (0, 0));
    assert_eq!(worth(&app, &member), before - 92_500, "the sum of the shares is nothing");
    app.stage.settle().unwrap();
    assert_eq!(app.count("SELECT count(*) FROM contribution_return"), 1, "once");
    assert_eq!(minor(&fund(&cast, &other.client), "/contributions_owed"), 0);
    insta::assert_snapshot!(journal(&app));
}

#[test]
fn the_oldest_debt_of_the_fund_is_returned_first_and_a_later_credit_note_does_not_pass_it() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let good = empty_fund(&app, &cast, &member, &[100_000, 50_000, 30_000]);
    credit(reviewer, &good[0].id, &full(reviewer)).expect(201).unwrap();
    tick(&app);
    // 25.00 come and are owed to the first as far as they go; of the next 10.00 the fund has 5.00 to give.
    plain(&app, &cast, &member, 125_000);
    let second = credit(reviewer, &good[1].id, &full(reviewer)).expect(201).unwrap();
    assert_eq!(owed_by_fund(&second), 500);
    tick(&app);
    let third = credit(reviewer, &good[2].id, &full(reviewer)).expect(201).unwrap();
    assert_eq!((owed_by_fund(&third), book(&app, "guarantee_fund")), (600, -2_000));
    app.stage.settle().unwrap();
    let open: Vec<i64> = owed(&member, "").iter().map(|row| minor(row, "/open")).collect();
    assert_eq!(open, [600, 500, 0], "newest first");
    // 8.00 more: the second in full, then a part of the third.
    plain(&app, &cast, &member, 40_000);
    app.stage.settle().unwrap();
    let open: Vec<i64> = owed(&member, "").iter().map(|row| minor(row, "/open")).collect();
    assert_eq!(open, [300, 0, 0]);
    plain(&app, &cast, &member, 1_000_000);
    app.stage.settle().unwrap();
    assert_eq!(owed(&member, "?open=true").len(), 0);
    for invoice in &good {
        assert_eq!(left_in_the_books(&app, &invoice.id), 0);
    }
    let page = member.client.get("/v1/guarantee/contributions_owed?limit=2").unwrap().expect(200).unwrap();
    let next = page["page"]["next_cursor"].as_str().unwrap();
    assert_eq!(owed(&member, &format!("?limit=2&cursor={next}")).len(), 1);
}

#[test]
fn what_the_fund_owes_is_no_part_of_a_later_loss() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let reviewer = &cast.staff.reviewer;
    let good = empty_fund(&app, &cast, &member, &[100_000]).remove(0);
    let note = credit(reviewer, &good.id, &part(reviewer, 40_000)).expect(201).unwrap();
    assert_eq!((figures(&note)[4], owed_by_fund(&note)), (800, 800));
    let given_up = write_off(&app, &cast, &good);
    assert_eq!(minors(&given_up, &LOSS), [12_600, 3_300, 0, 55_500, 1_200], "12.00 of the 20.00 are left to lose");
    assert_eq!(activity(&member).1, 2_000 - 800);
}

#[cfg(feature = "faults")]
mod at_the_same_time {
    use super::super::concurrency::at_once;
    use super::*;

    /// Sixteen credit notes of 20.00 each while the fund holds 50.00, and sixteen draw runs between them.
    #[test]
    fn a_fund_that_is_short_gives_what_it_holds_and_owes_the_rest_to_whoever_comes_later() {
        let app = TestApp::start();
        let (mut cast, member) = app.with_member();
        let other = app.another_member(&mut cast);
        let good = empty_fund(&app, &cast, &member, &[100_000; 16]);
        plain(&app, &cast, &other, 250_000);
        let reviewer = &cast.staff.reviewer;
        let answers = at_once(16, |index| credit(reviewer, &good[index].id, &full(reviewer)));
        assert!(answers.iter().all(|answer| answer.status == 201), "no credit note is refused");
        let short: i64 = answers.iter().map(|answer| owed_by_fund(&answer.json())).sum();
        assert_eq!((short, book(&app, "guarantee_fund")), (16 * 2_000 - 5_000, 0));
        plain(&app, &cast, &other, 100_000_000);
        app.stage.settle().unwrap();
        assert_eq!(minor(&fund(&cast, &other.client), "/contributions_owed"), 0);
    }
}
