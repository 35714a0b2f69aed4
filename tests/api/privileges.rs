//! What the runtime role may do: exactly what is listed here, so that whoever widens it says so.

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;

use super::ground::lines;
use super::ledger::APPEND_ONLY;
use super::support::{TestApp, TestDatabase};

/// Table by table.
const PRIVILEGES: &[(&str, &[&str])] = &[
    (
        "SELECT",
        &[
            "__diesel_schema_migrations",
            "activity_manager",
            "batch_item",
            "currency",
            "dry_run_effect",
            "dry_run_month",
            "holiday",
            "ledger_account",
            "ledger_event",
            "ledger_source",
            "legal_reserve_minimum",
            "pay_slip_counted",
            "remittance_due",
            "retention_rule",
            "state_history",
            "state_transition",
            "vat_rate",
            "wage_booked",
        ],
    ),
    (
        "INSERT, SELECT",
        &[
            "accounting_period",
            "agreement",
            "allocation",
            "appropriation_part",
            "appropriation_step",
            "archived_file",
            "arrears_settlement",
            "audit_log",
            "bank_csv_profile",
            "bank_notice",
            "bank_detail_name_check",
            "bank_detail_policy",
            "bank_statement",
            "batch_approval",
            "client_credit",
            "client_credit_use",
            "client_credit_withdrawal",
            "collection_action",
            "collection_answer",
            "collection_contact",
            "collection_law",
            "collection_law_band",
            "collection_pause_part",
            "collection_posting",
            "collection_question",
            "collection_step",
            "collection_track",
            "late_interest_rate",
            "payer_record",
            "provision_bucket",
            "provision_matrix",
            "provision_run",
            "vat_dossier",
            "vat_refund_rule",
            "bank_limit",
            "text_in_file",
            "bank_report",
            "bank_report_line",
            "batch_policy",
            "contribution_owed",
            "contribution_return",
            "delivery_status",
            "dry_run",
            "entity_bank_account",
            "entity_design",
            "exchange_difference",
            "exchange_rate",
            "fiscal_year",
            "guarantee_advance",
            "guarantee_claim",
            "guarantee_decision",
            "guarantee_draw",
            "guarantee_draw_run",
            "invoice_reduction",
            "invoice_forecast",
            "invoice_tax",
            "invoice_tax_currency",
            "journal_entry",
            "levy_charge",
            "levy_period",
            "number_template",
            "order_answer",
            "order_currency",
            "order_document",
            "order_version",
            "pay_arrangement",
            "pay_scheme",
            "pay_scheme_version",
            "pay_slip",
            "payment_reminder",
            "payout_origin",
            "payout_cut_off",
            "payout_plan_run",
            "payout_plan_version",
            "pool_contract",
            "pool_key",
            "pool_key_part",
            "pool_run_cost",
            "pool_run_part",
            "pool_run_split",
            "pool_share",
            "pool_usage",
            "posting",
            "recovery",
            "recurring_run",
            "redemption_policy",
            "redemption_run",
            "risk_flag",
            "risk_flag_opening",
            "rule_set",
            "rule_set_band",
            "rule_set_levy",
            "schedule_run",
            "self_issue_ceiling",
            "solvency_leaf",
            "solvency_proof",
            "split_part",
            "split_rule",
            "split_run",
            "surplus_policy",
            "rights_proof",
            "transfer",
            "true_up_part",
            "true_up_policy",
            "vat_check",
            "wage_return",
            "withholding_rate",
        ],
    ),
    (
        "INSERT, SELECT, UPDATE(error_code), UPDATE(finished_at), UPDATE(result), UPDATE(started_at), UPDATE(state)",
        &["job"],
    ),
    ("INSERT, SELECT, UPDATE(done_count), UPDATE(heartbeat_at), UPDATE(total_count)", &["job_progress"]),
    ("INSERT, SELECT, UPDATE(ended_at), UPDATE(published_at), UPDATE(rule_set_id), UPDATE(state)", &["proposal"]),
    ("INSERT(activity_id), INSERT(currency), INSERT(owner_id), SELECT", &["activity_balance"]),
    // When it was, and whether it is the first, a trigger says.
    ("INSERT(kind), INSERT(person_id), INSERT(value), SELECT", &["contact_change"]),
    (
        "INSERT, SELECT, UPDATE(code_hash), UPDATE(ended_at), UPDATE(ended_by), UPDATE(ended_how), UPDATE(reason), UPDATE(reminded_at), UPDATE(state)",
        &["bank_detail_change"],
    ),
    ("INSERT, SELECT, UPDATE(confirmed_at), UPDATE(confirmed_by)", &["bank_detail_callback"]),
    ("INSERT, SELECT, UPDATE(lift_reason), UPDATE(lifted_at), UPDATE(lifted_by)", &["payout_hold"]),
    (
        "INSERT(before), INSERT(code), INSERT(decided_by), INSERT(entity_id), INSERT(id), INSERT(level), INSERT(reason), INSERT(valid_from), SELECT, UPDATE(confirmed_at), UPDATE(confirmed_by)",
        &["risk_level"],
    ),
    (
        "INSERT(amount_minor), INSERT(currency), INSERT(decided_by), INSERT(entity_id), INSERT(id), INSERT(kind), INSERT(person_id), INSERT(reason), INSERT(valid_from), SELECT, UPDATE(confirmed_at), UPDATE(confirmed_by)",
        &["payout_limit"],
    ),
    ("INSERT, SELECT, UPDATE(ended_at)", &["advance_hold"]),
    ("INSERT, SELECT, UPDATE(end_reason), UPDATE(ended_by), UPDATE(ended_on)", &["collection_pause"]),
    ("INSERT, SELECT, UPDATE(booked_on), UPDATE(decided_by), UPDATE(state)", &["true_up"]),
    ("INSERT, SELECT, UPDATE(decided_at), UPDATE(decided_by), UPDATE(state)", &["payment_authority"]),
    (
        "INSERT, SELECT, UPDATE(batch_id), UPDATE(given_up_agreed_by), UPDATE(given_up_by), UPDATE(given_up_evidence), UPDATE(result_reason), UPDATE(returned_on), UPDATE(settled_on), UPDATE(state)",
        &["remittance"],
    ),
    ("INSERT, SELECT, UPDATE(resolution), UPDATE(resolved_at), UPDATE(resolved_by)", &["invoice_dispute"]),
    ("INSERT, SELECT, UPDATE(ended_by), UPDATE(valid_until)", &["levy_exemption", "levy_override"]),
    (
        "INSERT, SELECT, UPDATE(confirmed_at), UPDATE(confirmed_by), UPDATE(ended_by), UPDATE(valid_until)",
        &["role_grant"],
    ),
    ("INSERT, SELECT, UPDATE(superseded_at), UPDATE(verified_at), UPDATE(verified_by)", &["payee_account"]),
    (
        "INSERT, SELECT, UPDATE(paid_on), UPDATE(payment_reference), UPDATE(redeemed_quantity), UPDATE(state)",
        &["share"],
    ),
    ("INSERT, SELECT, UPDATE(approved_by), UPDATE(booked_on), UPDATE(state)", &["appropriation"]),
    (
        "INSERT, SELECT, UPDATE(amount_minor), UPDATE(decided_on), UPDATE(paid_on), UPDATE(run_id), UPDATE(state), UPDATE(withdrawn_on)",
        &["redemption"],
    ),
    ("INSERT, SELECT, UPDATE(bank_line_id)", &["bank_notice_line"]),
    (
        "INSERT, SELECT, UPDATE(booked_on), UPDATE(decided_by), UPDATE(reversal_reason), UPDATE(reversed_by), UPDATE(reversed_on), UPDATE(state)",
        &["bank_charge"],
    ),
    (
        "INSERT, SELECT, UPDATE(bank_line_id), UPDATE(decided_at), UPDATE(decided_by), UPDATE(decision), UPDATE(paid_on), UPDATE(state)",
        &["client_refund"],
    ),
    ("INSERT, SELECT, UPDATE(bank_line_id), UPDATE(refunded_on)", &["cost_credit"]),
    (
        "INSERT, SELECT, UPDATE(bank_line_id), UPDATE(decided_by), UPDATE(decided_on), UPDATE(paid_on), UPDATE(reason), UPDATE(state)",
        &["cost"],
    ),
    (
        "INSERT, SELECT, UPDATE(closed_on), UPDATE(decided_on), UPDATE(decision), UPDATE(opened_by), UPDATE(state)",
        &["pool"],
    ),
    (
        "INSERT, SELECT, UPDATE(answered_at), UPDATE(attempts), UPDATE(reason), UPDATE(receipt_id), UPDATE(reference), UPDATE(sent_at), UPDATE(state)",
        &["delivery"],
    ),
    (
        "INSERT, SELECT, UPDATE(cost_credit_id), UPDATE(cost_id), UPDATE(decided_by), UPDATE(decided_on), UPDATE(reason), UPDATE(state)",
        &["supplier_invoice"],
    ),
    // A code, a proof and a threshold go forward only.
    (
        "INSERT, SELECT, UPDATE(confirmed_at), UPDATE(ended_at), UPDATE(failures), UPDATE(last_step), UPDATE(locked_until)",
        &["second_factor"],
    ),
    (
        "INSERT, SELECT, UPDATE(decided_at), UPDATE(decided_by), UPDATE(new_payout_id), UPDATE(state)",
        &["payout_decision"],
    ),
    ("INSERT, SELECT, UPDATE(used_at)", &["recovery_code", "step_up"]),
    ("INSERT, SELECT, UPDATE(agreed_at), UPDATE(agreed_by)", &["approval_amount"]),
    ("INSERT, SELECT, UPDATE(out_from)", &["pool_membership"]),
    ("INSERT, SELECT, UPDATE(until_on)", &["pool_seat"]),
    ("INSERT, SELECT, UPDATE(reason), UPDATE(reversed_by), UPDATE(reversed_on), UPDATE(state)", &["pool_run"]),
    // What became of an invitation; who was asked to what never changes.
    ("INSERT, SELECT, UPDATE(answered_at), UPDATE(receives_on_id), UPDATE(state)", &["activity_member"]),
    (
        "INSERT, SELECT, UPDATE",
        &[
            "access_link",
            "activity",
            "application",
            "bank_line",
            "client",
            "document_series",
            "email_message",
            "entity",
            "factor_reset",
            "idempotency_key",
            "internal_invoice",
            "invoice",
            "member",
            "orders",
            "outbox",
            "payout",
            "payout_batch",
            "payout_plan",
            "person",
            "recurring_invoice",
            "refresh_token",
            "session",
            "write_off",
        ],
    ),
    // Lines of drafts are written anew; triggers refuse it once the document is sent or issued.
    (
        "DELETE, INSERT, SELECT",
        &[
            "invoice_attachment",
            "invoice_currency",
            "invoice_line",
            "invoice_line_currency",
            "invoice_purchase_order",
            "order_line",
            "order_part",
        ],
    ),
    // A counter of failures, forgotten after a success.
    ("DELETE, INSERT, SELECT, UPDATE", &["sign_in_failure"]),
];

#[test]
fn the_runtime_role_may_do_exactly_what_is_listed() {
    let database = TestDatabase::new();
    let found = lines(
        &mut database.owner(),
        "SELECT table_name || ': ' || string_agg(privilege, ', ' ORDER BY privilege) AS line FROM ( \
           SELECT table_name::text, privilege_type::text AS privilege FROM information_schema.role_table_grants \
           WHERE grantee IN ('umbel_app', 'umbel_login', 'PUBLIC') AND table_schema = 'public' \
           UNION SELECT c.table_name::text, format('%s(%s)', c.privilege_type, c.column_name) FROM information_schema.role_column_grants c \
           WHERE c.grantee IN ('umbel_app', 'umbel_login', 'PUBLIC') AND c.table_schema = 'public' AND NOT EXISTS ( \
               SELECT FROM information_schema.role_table_grants t WHERE t.grantee = c.grantee AND t.table_name = c.table_name AND t.privilege_type = c.privilege_type) \
         ) granted WHERE table_name NOT LIKE 'invariant\\_%' AND table_name NOT IN ('bank_line_part', 'invoice_open', 'standing_allocation') GROUP BY table_name ORDER BY table_name COLLATE \"C\"",
    );
    let mut listed: Vec<String> = PRIVILEGES
        .iter()
        .flat_map(|(privileges, tables)| tables.iter().map(move |table| format!("{table}: {privileges}")))
        .collect();
    listed.sort_unstable_by(|a, b| a.split(':').next().cmp(&b.split(':').next()));
    assert_eq!(found, listed);
    for (privileges, tables) in PRIVILEGES {
        for table in tables.iter().filter(|table| APPEND_ONLY.contains(table)) {
            let is_append_only = !privileges.contains("UPDATE") && !privileges.contains("DELETE");
            assert!(is_append_only, "{table} is append-only: {privileges}");
        }
    }
    let views = lines(
        &mut database.owner(),
        "SELECT DISTINCT privilege_type::text AS line FROM information_schema.role_table_grants WHERE grantee = 'umbel_app' \
         AND (table_name LIKE 'invariant\\_%' OR table_name IN ('bank_line_part', 'invoice_open', 'standing_allocation'))",
    );
    assert_eq!(views, ["SELECT"]);
}

/// Whoever plays a period again becomes this role: it reads what it plays and writes what it finds.
const OF_REPLAY: &[(&str, &str)] = &[
    ("activity", "SELECT"),
    ("allocation", "SELECT"),
    ("cost", "SELECT"),
    ("dry_run", "SELECT, UPDATE"),
    ("dry_run_effect", "INSERT, SELECT, UPDATE"),
    ("dry_run_month", "INSERT, SELECT, UPDATE"),
    ("invoice", "SELECT"),
    ("levy_charge", "SELECT"),
    ("levy_exemption", "SELECT"),
    ("levy_override", "SELECT"),
    ("proposal", "SELECT"),
    ("rule_set", "SELECT"),
    ("rule_set_levy", "SELECT"),
];

#[test]
fn who_plays_a_period_again_can_write_nothing_but_what_was_found() {
    let database = TestDatabase::new();
    let found = lines(
        &mut database.owner(),
        "SELECT format('%s: %s', table_name, string_agg(DISTINCT privilege_type, ', ' ORDER BY privilege_type)) AS line \
         FROM (SELECT table_name::text, privilege_type::text FROM information_schema.column_privileges \
               WHERE grantee = 'umbel_replay' AND table_schema = 'public' \
               UNION SELECT table_name::text, privilege_type::text FROM information_schema.role_table_grants \
               WHERE grantee = 'umbel_replay' AND table_schema = 'public') granted GROUP BY table_name ORDER BY table_name COLLATE \"C\"",
    );
    let listed: Vec<String> = OF_REPLAY.iter().map(|(table, privileges)| format!("{table}: {privileges}")).collect();
    assert_eq!(found, listed);
    let mut conn = database.runtime();
    conn.batch_execute("SET ROLE umbel_replay").unwrap();
    for wrong in [
        "INSERT INTO journal_entry DEFAULT VALUES",
        "INSERT INTO posting DEFAULT VALUES",
        "UPDATE activity_balance SET available_minor = 0",
        "INSERT INTO levy_charge DEFAULT VALUES",
        "UPDATE invoice SET net_minor = 0",
        "UPDATE dry_run SET proposal_id = id",
        "DELETE FROM dry_run_effect",
        "UPDATE job SET state = 'done'",
    ] {
        let refused = conn.batch_execute(wrong).unwrap_err().to_string();
        assert!(refused.contains("permission denied"), "{wrong}: {refused}");
    }
}

#[derive(diesel::QueryableByName)]
struct Plan {
    #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
    line: String,
}

/// A policy that reads other tables for each row costs the office a pass over the books with each question. Tried by
/// hand: without `NOT umbel_sees_all()` in the policy of `journal_entry` the postings are read, and this fails.
#[test]
fn the_office_reads_a_table_without_asking_who_shares_its_rows() {
    let app = TestApp::start();
    let (cast, member) = app.with_member();
    let submitted = app.stage.submitted_invoice(&member, None, 10_000).unwrap();
    app.stage.issue(&cast.staff.reviewer, &submitted).unwrap();
    let mut conn = app.database.runtime();
    conn.batch_execute("SET umbel.scope = 'staff'").unwrap();
    for table in ["journal_entry", "posting", "activity_balance", "activity", "cost", "pool_run_part"] {
        let sql = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM {table}");
        let plan: Vec<Plan> = diesel::sql_query(sql).load(&mut conn).unwrap();
        let scans = plan.iter().filter(|row| row.line.contains("Scan") && !row.line.contains("never executed"));
        assert_eq!(scans.count(), 1, "{}", plan.iter().map(|row| row.line.as_str()).collect::<Vec<_>>().join("\n"));
    }
}
