//! What must be true of the whole year, asked of the books without the code that wrote them.

use std::fmt::Write as _;
use std::path::Path;

use diesel::RunQueryDsl;
use diesel::sql_types::{Array, BigInt, Text};

use super::Year;
use super::office::{BANDS, CAP, FLOOR};

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// What one activity invoiced in each month, and what it was charged in the year.
#[derive(diesel::QueryableByName)]
struct Charged {
    #[diesel(sql_type = Array<BigInt>)]
    months: Vec<i64>,
    #[diesel(sql_type = BigInt)]
    fee: i64,
}

/// Activities that were given no credit: what was taken back later is another rule than this one.
const CHARGED: &str = "
SELECT (SELECT array_agg((SELECT coalesce(sum(i.net_minor), 0)::bigint FROM invoice i WHERE i.activity_id = a.id AND i.state = 'issued'
            AND i.issued_on >= m AND i.issued_on < m + interval '1 month') ORDER BY m)
        FROM generate_series('2027-01-01'::date, '2027-12-01', '1 month') m) AS months,
    (SELECT coalesce(sum(c.amount_minor), 0)::bigint FROM levy_charge c WHERE c.activity_id = a.id AND c.kind = 'fee'
        AND c.charged_on BETWEEN '2027-01-01' AND '2028-01-01') AS fee
FROM activity a WHERE NOT a.is_collective
    AND NOT EXISTS (SELECT FROM invoice i JOIN invoice n ON n.corrects_id = i.id WHERE i.activity_id = a.id)";

const TOLD: &str = "
SELECT rpad(e.event, 26) || rpad(p.account, 24) || lpad(count(*)::text, 8) || lpad(to_char(sum(p.amount_minor) / 100.0, 'FM999999990.00'), 16) AS line
FROM posting p JOIN journal_entry e ON e.id = p.entry_id GROUP BY e.event, p.account ORDER BY min(p.id), e.event, p.account";
const BALANCES: &str = "
SELECT rpad(account, 24) || lpad(to_char(sum(amount_minor) / 100.0, 'FM999999990.00'), 16) AS line FROM posting GROUP BY account ORDER BY account";

impl Year {
    fn lines(&self, sql: &str) -> Vec<String> {
        let rows: Vec<Line> = diesel::sql_query(sql).load(&mut self.app.database.owner()).unwrap();
        rows.into_iter().map(|row| row.line).collect()
    }

    /// Every event by account, and what each account stands at.
    pub fn told(&self) -> String {
        let mut told = String::new();
        for line in self.lines(TOLD).iter().chain([&String::new()]).chain(&self.lines(BALANCES)) {
            writeln!(told, "{line}").unwrap();
        }
        told
    }

    /// The invariants are asked when the test ends; these are the promises of the year.
    pub fn adds_up(&self) {
        let app = &self.app;
        let lowest = app.count(
            "SELECT min(stand) FROM (SELECT sum(-sum(p.amount_minor)) OVER (ORDER BY p.entry_id) AS stand FROM posting p \
             WHERE p.account = 'guarantee_fund' GROUP BY p.entry_id) x",
        );
        assert!(lowest >= 0, "the fund stood at {lowest}");
        let inexact = app.count(
            "SELECT count(*) FROM pool_run r WHERE r.amount_minor <> (SELECT sum(p.amount_minor) FROM pool_run_part p WHERE p.run_id = r.id)",
        );
        assert_eq!(inexact, 0, "runs that are not the sum of their parts");
        assert_eq!(app.count("SELECT count(*) FROM pool_run WHERE state = 'booked'"), 12);
        let short = app.count("SELECT count(*) FROM guarantee_draw_run WHERE paid_minor < claimed_minor");
        assert!(short > 0, "the fund was never short");
        self.fees_are_what_the_rules_say();
    }

    /// The fee of each activity, worked out again from its invoices: bands over the year, a floor each month, a cap.
    fn fees_are_what_the_rules_say(&self) {
        let rows: Vec<Charged> = diesel::sql_query(CHARGED).load(&mut self.app.database.owner()).unwrap();
        let (mut capped, mut topped_up) = (0, 0);
        for row in &rows {
            let (mut base, mut fee) = (0, 0);
            for month in &row.months {
                let share = (banded(base + month) - banded(base)).min(CAP - fee);
                let charged = share.max(FLOOR).min(CAP - fee);
                capped += i32::from(fee + charged == CAP);
                topped_up += i32::from(charged > share);
                (base, fee) = (base + month, fee + charged);
            }
            assert_eq!(row.fee, fee, "{:?}", row.months);
        }
        println!("{} activities worked out again, {capped} months at the cap, {topped_up} topped up", rows.len());
        assert!(rows.len() > self.people.members.len() / 3 && capped > 0 && topped_up > 0);
    }

    /// The journal as the accountant downloads it.
    pub fn exports(&self, folder: &Path) {
        let folder = folder.join("journal");
        std::fs::create_dir_all(&folder).unwrap();
        let accountant = &self.cast.staff.accountant;
        for (path, name) in [
            ("journal.csv", "journal.csv"),
            ("journal.hledger", "journal.hledger"),
            ("journal.beancount", "journal.beancount"),
            ("trial_balance", "trial_balance.json"),
        ] {
            let export = accountant.get(&format!("/v1/entities/{}/{path}", self.cast.entity_id)).unwrap();
            export.expect(200).unwrap();
            std::fs::write(folder.join(name), &export.body).unwrap();
        }
    }
}

/// What the bands come to on a base, in cents, rounded half away from zero.
fn banded(base: i64) -> i64 {
    let ends = BANDS.iter().skip(1).map(|(from, _)| *from).chain([i64::MAX]);
    let hundredths: i64 =
        BANDS.iter().zip(ends).map(|((from, percent), end)| (base.min(end) - from).max(0) * percent).sum();
    (hundredths + 50) / 100
}
