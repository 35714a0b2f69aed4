//! Statements that a connection is to prepare once.

use diesel::RunQueryDsl;
use diesel::sql_types::Text;
use umbel::platform::prepared::Prepare;

use super::ground::lines;
use super::support::TestDatabase;

#[test]
fn a_marked_statement_is_prepared_once_whether_it_answers_or_not() {
    let mut conn = TestDatabase::new().owner();
    let kept = "SELECT count(*)::text AS line FROM pg_prepared_statements WHERE statement LIKE '%set_config%' AND statement NOT LIKE '%pg_prepared%'";
    let statement = || diesel::sql_query("SELECT set_config('umbel.reason', $1, false)").bind::<Text, _>("x");
    // Unmarked, it is parsed and planned each time.
    for _ in 0..3 {
        statement().execute(&mut conn).unwrap();
    }
    assert_eq!(lines(&mut conn, kept), ["0"]);
    for _ in 0..3 {
        statement().prepared().execute(&mut conn).unwrap();
    }
    assert_eq!(lines(&mut conn, kept), ["1"]);
    assert_eq!(lines(&mut conn, "SELECT current_setting('umbel.reason') AS line"), ["x"]);
    // What is refused is said.
    let wrong = diesel::sql_query("SELECT 1 / $1::int").bind::<diesel::sql_types::Integer, _>(0);
    assert!(wrong.prepared().execute(&mut conn).unwrap_err().to_string().contains("division by zero"));
    assert_eq!(lines(&mut conn, "SELECT 'still here' AS line"), ["still here"]);
}
