//! What the guarantee does not carry: beyond the limits of the rules, and beyond what the fund holds.

use serde_json::json;
use umbel::demo::{Invoiced, MemberCast};
use umbel::kernel::money::Minor;

use super::costs::eur;
use super::guarantee::{activity, covered, days_pass, fund, minor, plain, rules};
use super::support::TestApp;

/// What speaks against an order, and its badge.
fn against(member: &MemberCast, order: &str) -> (Vec<String>, String) {
    let order = member.client.get(&format!("/v1/orders/{order}")).unwrap().expect(200).unwrap();
    let reasons = order["guarantee"]["reasons"].as_array().unwrap();
    for reason in reasons {
        let words = [&reason["text"], &reason["action"]].map(|text| text.as_str().unwrap().chars().count());
        assert!(words.iter().all(|length| *length > 10), "{reason}");
    }
    let named = reasons.iter().filter(|reason| reason["holds"] == false);
    let named = named.map(|reason| reason["code"].as_str().unwrap().to_owned()).collect();
    (named, order["guarantee"]["status"].as_str().unwrap().to_owned())
}

#[test]
fn the_limits_of_the_rules_are_named_with_what_mends_them() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    let limits = json!({
        "member_limit": eur(300_000), "new_pair_limit": eur(150_000), "fund_multiple": "20", "pause_below": eur(10_000),
    });
    rules(&app, &cast, &limits).expect(201).unwrap();
    let forecast = |cents: i64| against(&member, &app.stage.sent_order(&member, cents).unwrap().0);
    let only = |codes: &[&str], badge: &str| {
        let codes = std::iter::once("client_not_confirmed").chain(codes.iter().copied()).map(str::to_owned);
        (codes.collect::<Vec<_>>(), badge.to_owned())
    };
    assert_eq!(forecast(10_000), only(&["fund_multiple_exceeded", "fund_paused"], "not_yet"), "the fund is empty");
    // 5,000.00 bring 100.00 to the fund: no pause any more, and 2,000.00 may be advanced. Its client owes 6,050.00.
    let first = plain(&app, &cast, &member, 500_000);
    assert_eq!(forecast(10_000), only(&["member_limit_exceeded", "new_pair_limit_exceeded"], "excluded"));
    cast.bank.receives(Minor::new(first.gross), &first.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    assert_eq!(forecast(200_000), only(&[], "not_yet"), "they know each other by now");
    assert_eq!(forecast(200_001), only(&["fund_multiple_exceeded"], "not_yet"));
    let shown = fund(&cast, &member.client);
    assert_eq!((shown["multiple_allowed"].as_str(), shown["paused"].as_bool()), (Some("20"), Some(false)));
    assert_eq!((shown["multiple_used"].as_str(), minor(&shown, "/pause_below")), (Some("0"), 10_000));
}

#[test]
fn an_advance_beyond_the_multiple_of_the_fund_waits_until_a_client_pays() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    rules(&app, &cast, &json!({"fund_multiple": "12"})).expect(201).unwrap();
    plain(&app, &cast, &member, 500_000);
    let first = covered(&app, &cast, &member, 100_000);
    app.stage.clock.advance(chrono::Duration::milliseconds(1));
    let second = covered(&app, &cast, &member, 100_000);
    // The fund of 140.00 carries 1,680.00: one advance of 925.00 and no other.
    let member = days_pass(&app, &mut cast, member, 9);
    assert_eq!(activity(&member).1, 92_500);
    let held = |member: &MemberCast, invoice: &Invoiced| {
        let seen = member.client.get(&format!("/v1/invoices/{}", invoice.id)).unwrap().expect(200).unwrap();
        seen["advance_hold"]["reason"].as_str().map(str::to_owned)
    };
    let waits = [&first, &second].map(|invoice| held(&member, invoice));
    let (made, waiting) = if waits[0].is_none() { (&first, &second) } else { (&second, &first) };
    assert_eq!((held(&member, made), held(&member, waiting)), (None, Some("fund_multiple_exceeded".to_owned())));
    let member = days_pass(&app, &mut cast, member, 1);
    assert_eq!(activity(&member).1, 92_500, "it still waits");
    cast.bank.receives(Minor::new(made.gross), &made.reference, "Client", app.stage.today());
    app.stage.import(&mut cast).unwrap();
    let member = days_pass(&app, &mut cast, member, 1);
    assert_eq!((activity(&member).1, held(&member, waiting)), (185_000, None));
    assert_eq!(app.count("SELECT count(*) FROM advance_hold WHERE ended_at IS NOT NULL"), 1);
}

#[cfg(feature = "faults")]
mod at_the_same_time {
    use diesel::connection::SimpleConnection;
    use umbel::demo::{Answer, Cast, MemberCast};
    use umbel::platform::faults::{Faults, Guard};

    use crate::concurrency::at_once_behind;
    use crate::guarantee::{activity, approve, book, covered, draw_run, plain, propose};
    use crate::support::TestApp;

    /// Sixteen losses of 925.00 each while the fund holds 4,320.00, all approved at the same moment.
    fn sixteen_losses(app: &TestApp) -> (Cast, MemberCast, Vec<Answer>) {
        let (cast, member) = app.with_member();
        let invoices: Vec<_> = (0..16).map(|_| covered(app, &cast, &member, 100_000)).collect();
        plain(app, &cast, &member, 20_000_000);
        let proposed: Vec<_> =
            invoices.iter().map(|lost| propose(&cast.staff.reviewer, &lost.id).expect(201).unwrap()).collect();
        let answers = at_once_behind(app, 16, |index| approve(&cast.staff.approver, &proposed[index]));
        (cast, member, answers)
    }

    fn balance(app: &TestApp) -> i64 {
        -book(app, "guarantee_fund")
    }

    #[test]
    fn sixteen_losses_and_sixteen_draw_runs_never_take_more_than_the_fund_holds() {
        let app = TestApp::start();
        let (cast, member, answers) = sixteen_losses(&app);
        assert!(
            answers.iter().all(|answer| answer.status == 200),
            "{:?}",
            answers.iter().map(Answer::code).collect::<Vec<_>>()
        );
        let drawn = app.count("SELECT coalesce(sum(drawn_minor), 0) FROM guarantee_claim");
        assert_eq!(balance(&app), 400_000 - drawn, "contributions went back, draws went out");
        assert_eq!(drawn, 370_000, "four were paid in full, then the fifth and all after it wait");
        let runs = at_once_behind(&app, 16, |_| draw_run(&cast, ""));
        let refused = runs.iter().filter(|answer| answer.status != 201);
        assert!(refused.clone().all(|answer| (answer.status, answer.code().as_str()) == (409, "nothing_to_draw")));
        assert_eq!(refused.count(), 15, "the first takes all there is");
        assert_eq!((balance(&app), activity(&member).1), (0, 400_000));
    }

    #[test]
    fn without_the_lock_of_the_fund_postgresql_refuses_and_without_both_the_fund_is_short() {
        // Whoever is alone is refused nothing: on a busy machine it takes a few tries until two meet.
        let meet = || {
            let app = TestApp::start_with(Faults::without([Guard::RowLock]));
            let (cast, member, answers) = sixteen_losses(&app);
            assert!(balance(&app) >= 0);
            let is_short = |answer: &Answer| (answer.status, answer.code().as_str()) == (409, "fund_short");
            answers.iter().any(is_short).then_some((app, cast, member))
        };
        let (app, cast, member) = (0..8).find_map(|_| meet()).unwrap();

        app.database.owner().batch_execute("DROP TRIGGER check_fund ON posting").unwrap();
        let open = cast.staff.approver.get("/v1/write_offs?state=proposed").unwrap().expect(200).unwrap();
        let open = open["data"].as_array().unwrap();
        at_once_behind(&app, open.len(), |index| approve(&cast.staff.approver, &open[index]));
        at_once_behind(&app, 16, |_| draw_run(&cast, ""));
        let red = app.violations();
        assert!(red.iter().any(|line| line.contains("fund_not_negative")), "{} left, {red:?}", balance(&app));
        // Put right before the end of the test, which checks the books again.
        plain(&app, &cast, &member, 500_000_000);
    }
}
