//! The migrations go up, down without a trace, and up again to the very same schema.

use umbel::service;

use super::ground::lines;
use super::support::TestDatabase;

/// Everything in the schema that is not an extension's, as text: what a migration can make or forget.
const CATALOGUE: &str = "
    SELECT line FROM (
        SELECT format('relation %s %s owner %s rls %s grants %s options %s', c.relkind, c.relname, pg_get_userbyid(c.relowner), c.relrowsecurity, c.relacl, c.reloptions) AS line
        FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
        UNION ALL
        SELECT format('column %s.%s %s not null %s default %s generated %s%s grants %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                      a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attgenerated, a.attidentity, a.attacl)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND c.relkind IN ('r', 'v')
        UNION ALL
        SELECT format('constraint %s on %s: %s', conname, conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL
        SELECT format('index %s', indexdef) FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL
        SELECT format('trigger %s', pg_get_triggerdef(t.oid)) FROM pg_trigger t WHERE NOT t.tgisinternal
        UNION ALL
        SELECT format('policy %s', p) FROM pg_policies p
        UNION ALL
        SELECT format('view %s', v) FROM pg_views v WHERE v.schemaname = 'public'
        UNION ALL
        SELECT format('function %s grants %s', pg_get_functiondef(p.oid), p.proacl) FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f'
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
        UNION ALL
        SELECT format('type %s', t.typname) FROM pg_type t WHERE t.typnamespace = 'public'::regnamespace AND t.typelem = 0 AND t.typrelid = 0
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
        UNION ALL
        SELECT format('extension %s %s', extname, extversion) FROM pg_extension
        UNION ALL
        SELECT format('schema %s', nspacl) FROM pg_namespace WHERE nspname = 'public'
        UNION ALL
        SELECT format('default privileges of %s: %s', pg_get_userbyid(defaclrole), defaclacl) FROM pg_default_acl
    ) catalogue
    WHERE line NOT LIKE '%\\_\\_diesel\\_schema\\_migrations%' ORDER BY line COLLATE \"C\"";

/// The rows that migrations bring.
const ROWS: &str = "
    SELECT line FROM (
        SELECT format('currency %s', x) AS line FROM currency x
        UNION ALL SELECT format('state_transition %s', x) FROM state_transition x
        UNION ALL SELECT format('ledger_account %s', x) FROM ledger_account x
        UNION ALL SELECT format('ledger_source %s', x) FROM ledger_source x
        UNION ALL SELECT format('ledger_event %s', x) FROM ledger_event x
        UNION ALL SELECT format('vat_rate %s', x) FROM vat_rate x
        UNION ALL SELECT format('holiday %s', x) FROM holiday x
        UNION ALL SELECT format('legal_reserve_minimum %s', x) FROM legal_reserve_minimum x
        UNION ALL SELECT format('late_interest_rate %s %s %s %s', country, track, valid_from, rate_ppm) FROM late_interest_rate
        UNION ALL SELECT format('collection_law %s %s %s', l.country, l.track, b) FROM collection_law l JOIN LATERAL (SELECT above_minor, fixed_minor, rate_ppm, most_minor FROM collection_law_band WHERE law_id = l.id) b ON true
        UNION ALL SELECT format('vat_refund_rule %s %s %s', country, valid_from, return_box) FROM vat_refund_rule
    ) seeded ORDER BY line COLLATE \"C\"";

#[test]
fn the_migrations_go_up_and_down_and_up_again() {
    let database = TestDatabase::new();
    let mut conn = database.owner();
    let (schema, rows) = (lines(&mut conn, CATALOGUE), lines(&mut conn, ROWS));
    assert!(schema.len() > 500 && rows.len() > 200, "{} and {}", schema.len(), rows.len());

    service::revert(&database.owner_url).unwrap();
    let left: Vec<String> = lines(&mut conn, CATALOGUE)
        .into_iter()
        .filter(|line| !line.starts_with("extension plpgsql ") && !line.starts_with("schema "))
        .collect();
    assert_eq!(left, Vec::<String>::new(), "left behind by the way down");
    assert_eq!(
        lines(
            &mut conn,
            "SELECT nspacl::text AS line FROM pg_namespace WHERE nspname = 'public' AND nspacl::text LIKE '%umbel_app%'"
        ),
        Vec::<String>::new()
    );

    let ran = service::migrate(&database.owner_url).unwrap();
    assert_eq!(ran.len(), std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap().count());
    assert_eq!(lines(&mut conn, CATALOGUE), schema);
    assert_eq!(lines(&mut conn, ROWS), rows);
    assert_eq!(service::migrate(&database.owner_url).unwrap(), Vec::<String>::new(), "nothing is left to do");
}

/// Of two migrations with one number, only one is applied, and nobody says so.
#[test]
fn each_migration_has_a_number_of_its_own() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut numbers: Vec<String> = names.map(|name| name.split_once('_').unwrap().0.to_owned()).collect();
    let count = numbers.len();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), count);
}
