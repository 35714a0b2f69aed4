//! What PostgreSQL itself refuses, whatever the program above it does: hand-written SQL as the runtime role, each
//! refused for the reason that is named.

use diesel::pg::PgConnection;

use super::ground::{Ground, lines};

/// A column of a table that an UPDATE may name.
fn a_column(conn: &mut PgConnection, table: &str) -> String {
    let sql = format!(
        "SELECT column_name::text AS line FROM information_schema.columns WHERE table_name = '{table}' \
         AND is_identity = 'NO' AND is_generated = 'NEVER' ORDER BY ordinal_position LIMIT 1"
    );
    lines(conn, &sql).remove(0)
}

/// A name, what happens before (and is allowed), the statement, and the constraint or words that refuse it.
type Case = (&'static str, &'static str, &'static str, &'static str);

const DENIED: &str = "permission denied";

/// An entry about a payout that waits, with hand-made postings: account, amount, currency, activity.
macro_rules! entry {
    ($postings:literal) => {
        concat!(
            "WITH e AS (INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id) VALUES \
             ('{entity}', '2026-05-04', 'payout_cancelled', 'payout', '{asked_payout}') RETURNING id) \
             INSERT INTO posting (entry_id, account, amount_minor, currency, activity_id) \
             SELECT e.id, v.account, v.amount, v.currency, v.activity::uuid FROM e, (VALUES ",
            $postings,
            ") v (account, amount, currency, activity)"
        )
    };
}

/// A scheme with one version, for slips.
macro_rules! pay_slip {
    () => {
        "INSERT INTO pay_scheme (id, entity_id, code, name, created_by) VALUES ('{client}', '{entity}', 'x', 'x', '{administrator}'); \
         INSERT INTO pay_scheme_version (id, scheme_id, valid_from, rules, source, needs_review_on, reason, decided_by) \
         VALUES ('{client}', '{client}', '2026-01-01', jsonb_build_object('components', '[]'::jsonb), 'x', '2027-01-01', 'x', '{administrator}')"
    };
}

/// The slip of a payout that is paid out whole, with a gross wage of its own.
macro_rules! slip_of {
    ($payout:literal, $gross:literal) => {
        concat!(
            "INSERT INTO pay_slip (payout_id, entity_id, activity_id, member_id, scheme_version_id, computed_on, withholding_ppm, currency, \
             budget_minor, margin_minor, levy_minor, beside_minor, rights_minor, rights_withheld_minor, gross_minor, employer_minor, \
             employee_minor, withheld_minor, net_minor, residual_minor, computation) \
             SELECT id, entity_id, activity_id, member_id, '{client}', '2026-05-04', 0, currency, amount_minor, 0, 0, 0, 0, 0, ",
            $gross,
            ", 0, 0, 0, ",
            $gross,
            ", 0, jsonb_build_object('lines', '[]'::jsonb) FROM payout WHERE id = ",
            $payout
        )
    };
}

#[rustfmt::skip] // one case, one line: a table is read as a table
const BOOKS: &[Case] = &[
    ("unbalanced by a cent", "", entry!("('funds.reserved', 100, 'EUR', '{activity}'), ('funds.available', -99, 'EUR', '{activity}')"), "entry_balances"),
    ("one posting alone", "", entry!("('fee_income', -100, 'EUR', '{activity}')"), "entry_balances"),
    ("balanced only across currencies", "", entry!("('vat_output', 100, 'EUR', NULL), ('guarantee_fund', -100, 'USD', NULL)"), "entry_balances"),
    (
        "two entries that balance only together",
        "",
        "WITH e AS (INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id) VALUES \
         ('{entity}', '2026-05-04', 'payout_cancelled', 'payout', '{asked_payout}'), \
         ('{entity}', '2026-05-04', 'payout_cancelled', 'payout', '{sealed_payout}') RETURNING id) \
         INSERT INTO posting (entry_id, account, amount_minor, currency) \
         SELECT id, 'vat_output', CASE WHEN row_number() OVER (ORDER BY id) = 1 THEN 5 ELSE -5 END, 'EUR' FROM e",
        "entry_balances",
    ),
    (
        "an entry without postings",
        "",
        "INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id) \
         VALUES ('{entity}', '2026-05-04', 'payout_cancelled', 'payout', '{asked_payout}')",
        "entry_has_postings",
    ),
    (
        "postings added to a complete entry",
        "",
        "INSERT INTO posting (entry_id, account, amount_minor, currency) SELECT e.id, 'vat_output', v.amount, 'EUR' \
         FROM (SELECT max(id) AS id FROM journal_entry) e, (VALUES (7), (-7)) v (amount)",
        "entry_complete",
    ),
    (
        "postings for an entry that is not there",
        "",
        "INSERT INTO posting (entry_id, account, amount_minor, currency) VALUES (-1, 'vat_output', 7, 'EUR'), (-1, 'vat_output', -7, 'EUR')",
        "posting_entry_id_fkey",
    ),
    ("a posting of nothing", "", entry!("('vat_output', 0, 'EUR', NULL)"), "posting_amount_minor_check"),
    ("an unknown account", "", entry!("('petty_cash', 100, 'EUR', NULL), ('vat_output', -100, 'EUR', NULL)"), "posting_account_fkey"),
    ("an unknown currency", "", entry!("('vat_output', 100, 'XXX', NULL), ('guarantee_fund', -100, 'XXX', NULL)"), "posting_currency_fkey"),
    ("funds without their activity", "", entry!("('funds.reserved', 100, 'EUR', '{activity}'), ('funds.available', -100, 'EUR', NULL)"), "posting_dimension"),
    ("bank without its account", "", entry!("('bank', 100, 'EUR', NULL), ('vat_output', -100, 'EUR', NULL)"), "posting_dimension"),
    ("a receivable without its invoice", "", entry!("('receivable', 100, 'EUR', NULL), ('vat_output', -100, 'EUR', NULL)"), "posting_dimension"),
    ("in transit without its payout", "", entry!("('payouts_in_transit', -100, 'EUR', NULL), ('vat_output', 100, 'EUR', NULL)"), "posting_dimension"),
    ("share capital without its member", "", entry!("('share_capital', -100, 'EUR', NULL), ('vat_output', 100, 'EUR', NULL)"), "posting_dimension"),
    ("suspense without its bank line", "", entry!("('bank_suspense', -100, 'EUR', NULL), ('vat_output', 100, 'EUR', NULL)"), "posting_dimension"),
    ("an activity that is not there", "", entry!("('turnover', -100, 'EUR', '{client}'), ('vat_output', 100, 'EUR', NULL)"), "posting_activity_id_fkey"),
    ("another currency than the activity's", "", entry!("('funds.available', -100, 'USD', '{activity}'), ('vat_output', 100, 'USD', NULL)"), "posting_currency"),
    ("more than is available", "", entry!("('funds.available', 99999999, 'EUR', '{activity}'), ('funds.reserved', -99999999, 'EUR', '{activity}')"), "activity_available_floor"),
    ("more than is pending", "", entry!("('funds.pending', 99999999, 'EUR', '{activity}'), ('funds.available', -99999999, 'EUR', '{activity}')"), "activity_pending_floor"),
    ("more than is reserved", "", entry!("('funds.reserved', 99999999, 'EUR', '{activity}'), ('funds.available', -99999999, 'EUR', '{activity}')"), "activity_reserved_floor"),
    (
        "an entry into a closed period",
        "INSERT INTO accounting_period (entity_id, period, entry_count, sha256) VALUES ('{entity}', '2026-05', 0, period_sha256('{entity}', '2026-05'))",
        entry!("('vat_output', 100, 'EUR', NULL), ('guarantee_fund', -100, 'EUR', NULL)"),
        "period_open",
    ),
    (
        "a period closed twice",
        "INSERT INTO accounting_period (entity_id, period, entry_count, sha256) VALUES ('{entity}', '2026-03', 0, period_sha256('{entity}', '2026-03'))",
        "INSERT INTO accounting_period (entity_id, period, entry_count, sha256) VALUES ('{entity}', '2026-03', 1, period_sha256('{entity}', '2026-03'))",
        "accounting_period_pkey",
    ),
    (
        "an entry whose source is not there",
        "",
        "INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id) \
         VALUES ('{entity}', '2026-05-04', 'payout_cancelled', 'payout', '{issued}')",
        "entry_source_exists",
    ),
    (
        "an entry whose source is of another kind",
        "",
        "INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id) \
         VALUES ('{entity}', '2026-05-04', 'payout_cancelled', 'invoice', '{issued}')",
        "entry_source_kind",
    ),
    (
        "an event nobody has declared",
        "",
        "INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id) \
         VALUES ('{entity}', '2026-05-04', 'gift', 'invoice', '{issued}')",
        "entry_source_kind",
    ),
    (
        "one fact booked twice",
        "",
        "INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id) \
         VALUES ('{entity}', '2026-05-04', 'invoice_issued', 'invoice', '{issued}')",
        "journal_entry_one_fact_once",
    ),
    (
        "one entry reversed twice",
        "",
        "INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id, reverses_id) \
         SELECT '{entity}', '2026-05-04', 'payout_cancelled', 'payout', p.id, (SELECT min(id) FROM journal_entry) \
         FROM payout p WHERE p.id IN ('{asked_payout}', '{sealed_payout}')",
        "journal_entry_reversed_once",
    ),
    ("a balance written by hand", "", "UPDATE activity_balance SET available_minor = available_minor + 1", DENIED),
    ("a floor lowered by hand", "", "UPDATE activity_balance SET overdraft_minor = 1000000", DENIED),
    ("a balance deleted", "", "DELETE FROM activity_balance", DENIED),
    (
        "a balance born with money on it",
        "",
        "INSERT INTO activity_balance (activity_id, owner_id, currency, available_minor) VALUES ('{client}', '{member}', 'EUR', 100)",
        DENIED,
    ),
    (
        "a balance born with an overdraft",
        "",
        "INSERT INTO activity_balance (activity_id, owner_id, currency, overdraft_minor) VALUES ('{client}', '{member}', 'EUR', 100)",
        DENIED,
    ),
    (
        "a second balance for an activity",
        "",
        "INSERT INTO activity_balance (activity_id, owner_id, currency) VALUES ('{activity}', '{member}', 'EUR')",
        "activity_balance_pkey",
    ),
    ("a new account", "", "INSERT INTO ledger_account (code, kind) VALUES ('petty_cash', 'asset')", DENIED),
    ("a new event", "", "INSERT INTO ledger_event (event, source_kind) VALUES ('gift', 'invoice')", DENIED),
    ("a new kind of source", "", "UPDATE ledger_source SET source_table = 'person'", DENIED),
];

/// A credit note of `{issued}` (or what is named) under the id of the client, with its line and its VAT.
macro_rules! credit_note {
    ($net:literal, $tax:literal) => {
        credit_note!($net, $tax, "issued")
    };
    ($net:literal, $tax:literal, $of:literal) => {
        concat!(
            "INSERT INTO invoice (id, kind, corrects_id, correction_reason, entity_id, member_id, activity_id, client_id, order_id, title, currency, \
             supplied_on, net_minor, tax_minor, gross_minor) \
             SELECT '{client}', 'credit_note', id, 'Wrong', entity_id, member_id, activity_id, client_id, order_id, title, currency, supplied_on, ",
            $net, ", ", $tax, ", ", $net, " + ", $tax, " FROM invoice WHERE id = '{", $of, "}'; ",
            "INSERT INTO invoice_line (invoice_id, n, label, quantity, unit_price_minor, vat_case, net_minor, corrects_line) \
             VALUES ('{client}', 1, 'Back', 1, ", $net, ", 'standard', ", $net, ", 1); ",
            "INSERT INTO invoice_tax VALUES ('{client}', 'standard', 'S', 210000, ", $net, ", ", $tax, ")"
        )
    };
}

/// What makes it a legal document, without what lowers its invoice.
macro_rules! sealed_credit_note {
    () => {
        "; UPDATE invoice n SET state = 'issued', issued_on = '2026-05-04', series_year = 2026, seq = 2, number = 'C2026-0002', \
         rule_set_id = i.rule_set_id, seller_snapshot = i.seller_snapshot, buyer_snapshot = i.buyer_snapshot \
         FROM invoice i WHERE n.id = '{client}' AND i.id = '{issued}'"
    };
}

/// What makes it a legal document that lowers its invoice.
macro_rules! issued_credit_note {
    () => {
        concat!(
            "; INSERT INTO invoice_reduction (id, invoice_id, member_id, kind, source_id, amount_minor, reduced_on) \
             SELECT gen_random_uuid(), corrects_id, member_id, 'credit_note', id, gross_minor, '2026-05-04' FROM invoice WHERE id = '{client}'",
            sealed_credit_note!()
        )
    };
}

#[rustfmt::skip] // one case, one line: a table is read as a table
const DOCUMENTS: &[Case] = &[
    ("an issued invoice renamed", "", "UPDATE invoice SET title = 'Other' WHERE id = '{issued}'", "invoice_immutable"),
    ("its totals changed", "", "UPDATE invoice SET net_minor = net_minor - 1, gross_minor = gross_minor - 1 WHERE id = '{issued}'", "invoice_immutable"),
    ("its number changed", "", "UPDATE invoice SET seq = 99, number = '2026-99' WHERE id = '{issued}'", "invoice_immutable"),
    ("it made a draft again", "", "UPDATE invoice SET state = 'draft' WHERE id = '{issued}'", "invoice_immutable"),
    ("it deleted", "", "DELETE FROM invoice WHERE id = '{issued}'", DENIED),
    ("a line added to it", "", "INSERT INTO invoice_line VALUES ('{issued}', 99, 'More', 1, 100, 'standard', 100)", "invoice_immutable"),
    ("a purchase order added to it", "", "INSERT INTO invoice_purchase_order VALUES ('{issued}', 'PO-1')", "invoice_immutable"),
    ("a line taken from it", "", "DELETE FROM invoice_line WHERE invoice_id = '{issued}'", "invoice_immutable"),
    ("a line changed", "", "UPDATE invoice_line SET net_minor = 1 WHERE invoice_id = '{issued}'", DENIED),
    ("a tax added to it", "", "INSERT INTO invoice_tax VALUES ('{issued}', 'reverse_charge', 'AE', 0, 1, 0)", "invoice_immutable"),
    ("a tax changed", "", "UPDATE invoice_tax SET tax_minor = 0 WHERE invoice_id = '{issued}'", DENIED),
    (
        "a levy added to it",
        "",
        "INSERT INTO levy_charge SELECT (c).* FROM (SELECT jsonb_populate_record(c, jsonb_build_object('id', gen_random_uuid())) AS c FROM levy_charge c WHERE invoice_id = '{issued}') x",
        "invoice_immutable",
    ),
    ("a levy changed", "", "UPDATE levy_charge SET amount_minor = 0 WHERE invoice_id = '{issued}'", DENIED),
    ("a levy added to published rules", "", "INSERT INTO rule_set_levy (rule_set_id, kind, base, rate_ppm) SELECT id, 'fee', 'invoiced_net', 1 FROM rule_set", "rule_set_immutable"),
    ("a band added to published rules", "", "INSERT INTO rule_set_band (rule_set_id, kind, from_minor, rate_ppm) SELECT id, 'fee', 0, 1 FROM rule_set", "rule_set_immutable"),
    ("a levy with neither rate nor bands", "INSERT INTO rule_set SELECT (jsonb_populate_record(r, jsonb_build_object('id', '{client}', 'valid_from', '2027-01-01', 'version_number', 9))).* FROM rule_set r", "INSERT INTO rule_set_levy (rule_set_id, kind, base, running) VALUES ('{client}', 'fee', 'invoiced_net', 'year_to_date')", "levy_has_rate"),
    ("a margin of no time", "INSERT INTO rule_set SELECT (jsonb_populate_record(r, jsonb_build_object('id', '{client}', 'valid_from', '2027-01-01', 'version_number', 9))).* FROM rule_set r", "INSERT INTO rule_set_levy (rule_set_id, kind, base, rate_ppm) VALUES ('{client}', 'fee', 'gross_margin', 1)", "rule_set_levy_running"),
    ("a floor above the cap", "INSERT INTO rule_set SELECT (jsonb_populate_record(r, jsonb_build_object('id', '{client}', 'valid_from', '2027-01-01', 'version_number', 9))).* FROM rule_set r", "INSERT INTO rule_set_levy (rule_set_id, kind, base, rate_ppm, floor_minor, cap_minor) VALUES ('{client}', 'fee', 'invoiced_net', 1, 2, 1)", "rule_set_levy_floor_fits"),
    ("an exemption by the one who is exempt", "", "INSERT INTO levy_exemption (id, activity_id, member_id, kind, part, valid_from, reason, decided_by) VALUES (gen_random_uuid(), '{activity}', '{member}', 'fee', 'all', '2026-06-01', 'x', '{member}')", "levy_exemption_by_another"),
    ("a levy of one's own by oneself", "", "INSERT INTO levy_override (id, activity_id, member_id, kind, levy, valid_from, reason, decided_by) VALUES (gen_random_uuid(), '{activity}', '{member}', 'fee', '{\"kind\": \"fee\"}', '2026-06-01', 'x', '{member}')", "levy_override_by_another"),
    ("an exemption that overlaps another", "INSERT INTO levy_exemption (id, activity_id, member_id, kind, part, valid_from, reason, decided_by) VALUES (gen_random_uuid(), '{activity}', '{member}', 'fee', 'all', '2026-06-01', 'x', '{reviewer}')", "INSERT INTO levy_exemption (id, activity_id, member_id, kind, part, valid_from, reason, decided_by) VALUES (gen_random_uuid(), '{activity}', '{member}', 'fee', 'all', '2027-06-01', 'x', '{reviewer}')", "levy_exemption_no_overlap"),
    ("an exemption that is prolonged", "INSERT INTO levy_exemption (id, activity_id, member_id, kind, part, valid_from, valid_until, reason, decided_by) VALUES (gen_random_uuid(), '{activity}', '{member}', 'fee', 'all', '2026-06-01', '2026-07-01', 'x', '{reviewer}')", "UPDATE levy_exemption SET valid_until = '2027-01-01'", "levy_term_ends_once"),
    ("a month closed twice", "INSERT INTO levy_period (id, entity_id, activity_id, member_id, month, kind, part) VALUES (gen_random_uuid(), '{entity}', '{activity}', '{member}', '2026-05-01', 'fee', 'floor')", "INSERT INTO levy_period (id, entity_id, activity_id, member_id, month, kind, part) VALUES (gen_random_uuid(), '{entity}', '{activity}', '{member}', '2026-05-01', 'fee', 'floor')", "levy_period_once"),
    (
        "issued with totals that are not those of its lines",
        "",
        "UPDATE invoice SET state = 'issued', net_minor = net_minor + 1, gross_minor = gross_minor + 1 WHERE id = '{submitted}'",
        "invoice_totals",
    ),
    ("numbered without being issued", "", "UPDATE invoice SET seq = 99, number = '2026-99' WHERE id = '{submitted}'", "invoice_check"),
    ("gross that is not net and tax", "", "UPDATE invoice SET gross_minor = gross_minor + 1 WHERE id = '{submitted}'", "invoice_check"),
    ("born issued", "", "INSERT INTO invoice SELECT (i).* FROM (SELECT (jsonb_populate_record(i, jsonb_build_object('id', gen_random_uuid(), 'number', '2026-99', 'seq', 99, 'payment_reference', '000000000000'))) AS i FROM invoice i WHERE id = '{issued}') x", "state_transition_declared"),
    ("a counter set back", "", "UPDATE document_series SET last_seq = last_seq - 1", "series_goes_on_by_one"),
    ("a counter that skips a number", "", "UPDATE document_series SET last_seq = last_seq + 2", "series_goes_on_by_one"),
    ("a counter moved to another year", "", "UPDATE document_series SET last_seq = last_seq + 1, year = year + 1", "series_goes_on_by_one"),
    ("a counter dated back", "", "UPDATE document_series SET last_seq = last_seq + 1, last_issued_on = last_issued_on - 1", "series_goes_on_by_one"),
    ("a series that begins in the middle", "", "INSERT INTO document_series VALUES ('{entity}', 'invoice', 2031, 5, '2031-01-01')", "series_goes_on_by_one"),
    ("a series deleted", "", "DELETE FROM document_series", DENIED),
    ("a credit note renamed", "", "UPDATE invoice SET title = 'Other' WHERE id = '{credit_note}'", "invoice_immutable"),
    ("its line taken out", "", "DELETE FROM invoice_line WHERE invoice_id = '{credit_note}'", "invoice_immutable"),
    ("an invoice made a credit note", "", "UPDATE invoice SET kind = 'credit_note' WHERE id = '{submitted}'", "document_kind_fixed"),
    ("a credit note without a reason", "", concat!(credit_note!("100", "21"), "; UPDATE invoice SET correction_reason = NULL WHERE id = '{client}'"), "credit_note_corrects"),
    ("a credit note to be paid", "", concat!(credit_note!("100", "21"), "; UPDATE invoice SET due_on = '2026-06-01' WHERE id = '{client}'"), "credit_note_asks_nothing"),
    ("a credit note of nothing", "", credit_note!("0", "0"), "credit_note_asks_nothing"),
    ("a credit note that stays a draft", "", credit_note!("100", "21"), "credit_note_at_once"),
    ("a credit note of a draft", "", concat!(credit_note!("100", "21", "submitted"), issued_credit_note!()), "credit_note_fits_invoice"),
    ("more given back than is left of the line", "", concat!(credit_note!("99001", "20790"), issued_credit_note!()), "credit_fits_rest"),
    ("more VAT given back than is left", "", concat!(credit_note!("98999", "20791"), issued_credit_note!()), "credit_fits_rest"),
    ("all given back but a cent of the VAT", "", concat!(credit_note!("99000", "20789"), issued_credit_note!()), "credit_fits_rest"),
    ("a credit note that lowers nothing", "", concat!(credit_note!("100", "21"), sealed_credit_note!()), "credit_lowers_invoice"),
    ("a credit note numbered out of turn", "", "UPDATE document_series SET last_seq = last_seq + 2 WHERE series = 'credit_note'", "series_goes_on_by_one"),
    ("a reduction changed", "", "UPDATE invoice_reduction SET amount_minor = 1", DENIED),
    ("more paid than credit notes leave", "", "INSERT INTO allocation (id, bank_line_id, invoice_id, member_id, amount_minor, allocated_on) \
     SELECT gen_random_uuid(), b.id, '{issued}', '{member}', 1, '2026-05-04' FROM bank_line b WHERE b.state = 'suspense'", "allocation_fits"),
    ("a line of a sent order added", "", "INSERT INTO order_line VALUES ('{order}', 99, 'More', 1, 100, 'standard', 100)", "order_frozen"),
    ("a line of a sent order taken out", "", "DELETE FROM order_line WHERE order_id = '{order}'", "order_frozen"),
    ("the amount of a confirmed order", "", "UPDATE orders SET net_minor = net_minor + 1, gross_minor = gross_minor + 1 WHERE id = '{order}'", "order_frozen"),
    ("the rules of a confirmed order", "", "UPDATE orders SET rule_set_id = NULL WHERE id = '{order}'", "order_frozen"),
    ("a hash that is not that of the file", "", "INSERT INTO archived_file (id, kind, subject_id, name, media_type, sha256, size, bytes) VALUES (gen_random_uuid(), 'x', gen_random_uuid(), 'x', 'text/plain', sha256('b'), 1, 'a')", "archived_file_hash_is_its_own"),
    ("a second PDF of one invoice", "", "INSERT INTO archived_file (id, kind, subject_id, name, media_type, sha256, size, bytes) VALUES (gen_random_uuid(), 'invoice_pdf', '{issued}', 'x', 'application/pdf', sha256('a'), 1, 'a')", "archived_file_once"),
    ("what the bank said, changed", "", "UPDATE bank_line SET amount_minor = amount_minor + 1", "bank_line_immutable"),
    ("whom the bank named, changed", "", "UPDATE bank_line SET counterparty = 'Somebody else'", "bank_line_immutable"),
    ("a match turned to something else", "", "UPDATE bank_line SET matched_id = gen_random_uuid() WHERE state = 'matched'", "bank_line_immutable"),
    (
        "more allocated than the bank line holds",
        "",
        "INSERT INTO allocation (id, bank_line_id, invoice_id, member_id, amount_minor, allocated_on) \
         SELECT gen_random_uuid(), l.id, '{issued}', '{member}', 99999999, '2026-05-04' FROM bank_line l WHERE state = 'suspense'",
        "allocation_fits",
    ),
    (
        "money allocated to an invoice that is not issued",
        "",
        "INSERT INTO allocation (id, bank_line_id, invoice_id, member_id, amount_minor, allocated_on) \
         SELECT gen_random_uuid(), l.id, '{submitted}', '{member}', 1, '2026-05-04' FROM bank_line l WHERE state = 'suspense'",
        "allocation_fits",
    ),
    (
        "a statement with a gap before it",
        "",
        "INSERT INTO bank_statement (id, entity_id, bank_account_id, reference, currency, from_on, to_on, opening_minor, closing_minor, file_id, position, imported_by) \
         SELECT gen_random_uuid(), entity_id, bank_account_id, 'late', currency, from_on, to_on, closing_minor + 1, closing_minor + 1, file_id, position + 1, imported_by \
         FROM bank_statement ORDER BY position DESC LIMIT 1",
        "statement_follows",
    ),
    (
        "a statement imported twice",
        "",
        "INSERT INTO bank_statement (id, entity_id, bank_account_id, reference, currency, from_on, to_on, opening_minor, closing_minor, file_id, position, imported_by) \
         SELECT gen_random_uuid(), entity_id, bank_account_id, reference, currency, from_on, to_on, closing_minor, closing_minor, file_id, position + 1, imported_by \
         FROM bank_statement ORDER BY position DESC LIMIT 1",
        "bank_statement_reference_unique",
    ),
    ("where somebody is paid, changed", "", "UPDATE payee_account SET iban_sealed = '\\x00'", DENIED),
    ("whose account it is, changed", "", "UPDATE payee_account SET person_id = '{reviewer}'", DENIED),
    ("one's own account verified", "", "UPDATE payee_account SET verified_at = now(), verified_by = person_id", "payee_account_verifier_is_another"),
    ("the price of a share, changed", "", "UPDATE share SET nominal_minor = 1", DENIED),
    ("more shares than were bought", "", "UPDATE share SET quantity = quantity + 1", DENIED),
];

const UNSEAL: &str = "UPDATE payout_batch SET state = 'open', sha256 = NULL, file_id = NULL, payout_count = NULL, control_sum_minor = NULL, \
                      message_id = NULL, sealed_by = NULL, sealed_at = NULL WHERE id = '{sealed_batch}'";
const TAKES_LITTLE: &str = "UPDATE payout_batch SET state = 'open', sha256 = NULL, file_id = NULL, payout_count = NULL, control_sum_minor = NULL, \
                            message_id = NULL, sealed_by = NULL, sealed_at = NULL WHERE id = '{sealed_batch}'; \
                            INSERT INTO bank_limit (id, bank_account_id, valid_from, total_max_minor, reason, decided_by) \
                            SELECT gen_random_uuid(), id, '2026-01-01', 1, 'x', '{administrator}' FROM entity_bank_account";
const APPROVE_ASKED: &str = "UPDATE payout SET state = 'approved', reviewed_by = '{reviewer}', \
                             payee_account_id = (SELECT id FROM payee_account WHERE person_id = '{member}') WHERE id = '{asked_payout}'";

#[rustfmt::skip] // one case, one line: a table is read as a table
const PAYOUTS: &[Case] = &[
    ("a payout taken out of a sealed batch", "", "UPDATE payout SET state = 'approved', batch_id = NULL WHERE id = '{sealed_payout}'", "batch_sealed"),
    ("a payout put into a sealed batch", APPROVE_ASKED, "UPDATE payout SET state = 'batched', batch_id = '{sealed_batch}' WHERE id = '{asked_payout}'", "batch_sealed"),
    ("a payout moved to another batch", "", "UPDATE payout SET batch_id = '{released_batch}' WHERE id = '{sealed_payout}'", "batch_sealed"),
    ("its amount raised", "", "UPDATE payout SET amount_minor = amount_minor + 1 WHERE id = '{sealed_payout}'", "payout_immutable"),
    ("its end-to-end id changed", "", "UPDATE payout SET end_to_end_id = 'OTHER' WHERE id = '{sealed_payout}'", "payout_immutable"),
    ("its account swapped after approval", "", "UPDATE payout SET payee_account_id = gen_random_uuid() WHERE id = '{sealed_payout}'", "payout_immutable"),
    ("reviewed by the one who is paid", "", "UPDATE payout SET state = 'refused', reviewed_by = member_id WHERE id = '{asked_payout}'", "payout_reviewer_is_another"),
    ("a slip that does not add up", pay_slip!(), slip_of!("'{asked_payout}'", "amount_minor + 1"), "pay_slip_budget_adds_up"),
    ("a slip of a payout that is decided", pay_slip!(), slip_of!("'{sealed_payout}'", "amount_minor"), "pay_slip_fits_payout"),
    ("a net that is on no slip", "", "UPDATE payout SET state = 'approved', scheme = 'salary', net_minor = 1, reviewed_by = '{reviewer}', payee_account_id = (SELECT id FROM payee_account LIMIT 1) WHERE id = '{asked_payout}'", "payout_net_fits"),
    ("a net changed after approval", "", "UPDATE payout SET scheme = 'salary', net_minor = amount_minor - 1 WHERE id = '{sealed_payout}'", "payout_immutable"),
    ("a second version of a day", pay_slip!(), "INSERT INTO pay_scheme_version SELECT gen_random_uuid(), scheme_id, valid_from, rules, source, needs_review_on, preset, reason, decided_by, created_at FROM pay_scheme_version", "pay_scheme_version_day_unique"),
    ("a withholding decided by who is paid", "", "INSERT INTO withholding_rate (id, member_id, rate_ppm, valid_from, reason, decided_by) VALUES (gen_random_uuid(), '{member}', 0, '2026-05-04', 'x', '{member}')", "withholding_rate_by_another"),
    ("a scheme chosen by who is paid", "", "INSERT INTO pay_arrangement (id, activity_id, member_id, valid_from, reason, decided_by) VALUES (gen_random_uuid(), '{activity}', '{member}', '2026-05-04', 'x', '{member}')", "pay_arrangement_by_another"),
    ("released alone", "", "UPDATE payout SET state = 'released' WHERE id = '{sealed_payout}'", "payout_release_with_batch"),
    ("a payout deleted", "", "DELETE FROM payout WHERE id = '{asked_payout}'", DENIED),
    ("the hash of a sealed batch swapped", "", "UPDATE payout_batch SET sha256 = sha256('other') WHERE id = '{sealed_batch}'", "batch_immutable"),
    ("the file of a sealed batch swapped", "", "UPDATE payout_batch SET file_id = (SELECT file_id FROM payout_batch WHERE id = '{released_batch}') WHERE id = '{sealed_batch}'", "batch_immutable"),
    ("its sum changed", "", "UPDATE payout_batch SET control_sum_minor = control_sum_minor + 1 WHERE id = '{sealed_batch}'", "batch_immutable"),
    ("who sealed it, changed", "", "UPDATE payout_batch SET sealed_by = '{administrator}' WHERE id = '{sealed_batch}'", "batch_immutable"),
    ("who built it, changed", "", "UPDATE payout_batch SET built_by = '{administrator}' WHERE id = '{sealed_batch}'", "batch_immutable"),
    ("when it was sealed, changed", "", "UPDATE payout_batch SET sealed_at = sealed_at - interval '1 year' WHERE id = '{sealed_batch}'", "batch_immutable"),
    ("a released batch changed", "", "UPDATE payout_batch SET execute_on = execute_on + 1 WHERE id = '{released_batch}'", "batch_immutable"),
    ("a released batch opened", "", "UPDATE payout_batch SET state = 'open' WHERE id = '{released_batch}'", "batch_immutable"),
    ("approved without an approval", "", "UPDATE payout_batch SET state = 'approved' WHERE id = '{sealed_batch}'", "batch_needs_approval"),
    ("released without an approval", "", "UPDATE payout_batch SET state = 'released', released_by = '{approver}', released_at = now() WHERE id = '{sealed_batch}'", "batch_needs_approval"),
    ("the approval of another batch does not count", "", "UPDATE batch_approval SET batch_id = '{sealed_batch}'", DENIED),
    ("one's own seal approved", "", "INSERT INTO batch_approval (batch_id, approver_id, sha256) SELECT id, sealed_by, sha256 FROM payout_batch WHERE id = '{sealed_batch}'", "approval_by_another"),
    ("approved by the one who is paid", "", "INSERT INTO batch_approval (batch_id, approver_id, sha256) SELECT id, '{member}', sha256 FROM payout_batch WHERE id = '{sealed_batch}'", "approval_by_another"),
    ("other bytes approved", "", "INSERT INTO batch_approval (batch_id, approver_id, sha256) VALUES ('{sealed_batch}', '{approver}', sha256('other'))", "approval_over_sealed_bytes"),
    ("approved when it has left already", "", "INSERT INTO batch_approval (batch_id, approver_id, sha256) SELECT id, '{approver}', sha256 FROM payout_batch WHERE id = '{released_batch}'", "approval_over_sealed_bytes"),
    ("approved without a second factor", "", "INSERT INTO batch_approval (batch_id, approver_id, sha256) SELECT id, '{approver}', sha256 FROM payout_batch WHERE id = '{sealed_batch}'", "batch_needs_second_factor"),
    ("a code taken again", "", "UPDATE second_factor SET last_step = last_step - 1", "second_factor_forward"),
    ("a proof used again", "", "UPDATE step_up SET used_at = NULL", "step_up_once"),
    ("a proof for other bytes", "", "UPDATE step_up SET sha256 = sha256('other')", DENIED),
    ("a threshold agreed to by who decided it", "INSERT INTO approval_amount (id, entity_id, from_minor, approvers, valid_from, loosens, decided_by) VALUES (gen_random_uuid(), '{entity}', 0, 2, '2026-05-04', false, '{administrator}'), (gen_random_uuid(), '{entity}', 0, 1, '2026-05-04', false, '{administrator}')", "UPDATE approval_amount SET agreed_by = decided_by, agreed_at = now() WHERE loosens", "approval_amount_agreer_is_another"),
    ("paid from an account that is not of the entity", "", "INSERT INTO payout_batch (id, entity_id, bank_account_id, currency, execute_on, built_by) SELECT gen_random_uuid(), entity_id, bank_account_id, 'USD', execute_on, built_by FROM payout_batch LIMIT 1", "batch_account_fits"),
    (
        "sealed beyond what the bank takes",
        TAKES_LITTLE,
        "UPDATE payout_batch b SET state = 'sealed', file_id = f.id, sha256 = f.sha256, payout_count = 1, control_sum_minor = 20000, message_id = 'M', \
         sealed_by = '{reviewer}', sealed_at = now() FROM archived_file f WHERE f.subject_id = b.id AND b.id = '{sealed_batch}'",
        "batch_within_limit",
    ),
    (
        "sealed over another count",
        UNSEAL,
        "UPDATE payout_batch b SET state = 'sealed', file_id = f.id, sha256 = f.sha256, payout_count = 2, control_sum_minor = 20000, message_id = 'M', \
         sealed_by = '{reviewer}', sealed_at = now() FROM archived_file f WHERE f.subject_id = b.id AND b.id = '{sealed_batch}'",
        "batch_seal_fits",
    ),
    (
        "sealed over the file of another batch",
        UNSEAL,
        "UPDATE payout_batch b SET state = 'sealed', file_id = f.id, sha256 = f.sha256, payout_count = 1, control_sum_minor = 20000, message_id = 'M', \
         sealed_by = '{reviewer}', sealed_at = now() FROM archived_file f WHERE f.subject_id = '{released_batch}' AND b.id = '{sealed_batch}'",
        "batch_seal_fits",
    ),
    (
        "sealed by the one who is paid",
        UNSEAL,
        "UPDATE payout_batch b SET state = 'sealed', file_id = f.id, sha256 = f.sha256, payout_count = 1, control_sum_minor = 20000, message_id = 'M', \
         sealed_by = '{member}', sealed_at = now() FROM archived_file f WHERE f.subject_id = b.id AND b.id = '{sealed_batch}'",
        "approval_by_another",
    ),
];

#[rustfmt::skip] // one case, one line: a table is read as a table
const MOVES: &[Case] = &[
    ("an accepted application opened", "", "UPDATE application SET state = 'draft'", "state_transition_declared"),
    ("a member back to before the share", "", "UPDATE member SET state = 'pending_share'", "state_transition_declared"),
    ("a paid share unpaid", "", "UPDATE share SET state = 'subscribed', paid_on = NULL", "state_transition_declared"),
    ("a share born paid", "", "INSERT INTO share (id, member_id, entity_id, quantity, nominal_minor, currency, state, subscribed_on, paid_on) VALUES (gen_random_uuid(), '{member}', '{entity}', 1, 3000, 'EUR', 'paid', '2026-05-04', '2026-05-04')", "state_transition_declared"),
    ("a confirmed order declined", "", "UPDATE orders SET state = 'declined' WHERE id = '{order}'", "state_transition_declared"),
    ("a confirmed order a draft again", "", "UPDATE orders SET state = 'draft' WHERE id = '{order}'", "state_transition_declared"),
    ("a submitted invoice discarded", "", "UPDATE invoice SET state = 'discarded' WHERE id = '{submitted}'", "state_transition_declared"),
    ("a state nobody has heard of", "", "UPDATE invoice SET state = 'lost' WHERE id = '{submitted}'", "state_transition_declared"),
    ("a payout settled before it left", "", "UPDATE payout SET state = 'settled', settled_on = '2026-05-04' WHERE id = '{sealed_payout}'", "state_transition_declared"),
    ("a payout settled that nobody reviewed", "", "UPDATE payout SET state = 'settled' WHERE id = '{asked_payout}'", "payout_batch_by_state"),
    ("a payout born approved", "", "INSERT INTO payout SELECT (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid(), 'end_to_end_id', 'NEW', 'state', 'approved', 'batch_id', NULL))).* FROM payout p WHERE id = '{sealed_payout}'", "state_transition_declared"),
    ("a sealed batch dissolved", "", "UPDATE payout_batch SET state = 'dissolved' WHERE id = '{sealed_batch}'", "state_transition_declared"),
    ("a line that paid an invoice back to suspense", "", "UPDATE bank_line SET state = 'suspense' WHERE matched_kind = 'invoice'", "bank_line_immutable"),
    ("a line that paid a share back to suspense", "", "UPDATE bank_line SET state = 'suspense' WHERE matched_kind = 'share'", "bank_line_check"),
    ("a matched line that was never matched", "", "UPDATE bank_line SET state = 'suspense', matched_kind = NULL, matched_id = NULL, owner_id = '{reviewer}' WHERE state = 'matched'", "bank_line_immutable"),
    ("a payment taken back in part", "", "INSERT INTO allocation (id, bank_line_id, invoice_id, member_id, amount_minor, allocated_on, reverses_id, reason, taken_back_by) SELECT gen_random_uuid(), bank_line_id, invoice_id, member_id, 1 - amount_minor, allocated_on, id, 'x', '{reviewer}' FROM allocation LIMIT 1", "allocation_taken_back"),
    ("a payment of less than nothing", "", "INSERT INTO allocation (id, bank_line_id, invoice_id, member_id, amount_minor, allocated_on) SELECT gen_random_uuid(), bank_line_id, invoice_id, member_id, -1, allocated_on FROM allocation LIMIT 1", "allocation_once"),
    ("a move declared by the program", "", "INSERT INTO state_transition VALUES ('invoice', 'issued', 'draft')", DENIED),
    ("a history written by hand", "", "INSERT INTO state_history (machine, subject_id, to_state) VALUES ('invoice', '{issued}', 'draft')", DENIED),
];

const STAFF: &str = "SELECT set_config('umbel.scope', 'staff', true), set_config('umbel.person', '{reviewer}', true)";
const OWN: &str = "SELECT set_config('umbel.scope', 'own', true), set_config('umbel.person', '{member}', true)";
/// After the first batch was released, one administrator only asks for a role.
const ASKED: &str = "INSERT INTO role_grant (id, person_id, role, valid_from, granted_by) VALUES (gen_random_uuid(), '{reviewer}', 'accountant', '2026-05-04', '{administrator}')";
const ROW_SECURITY: &str = "new row violates row-level security";

#[rustfmt::skip] // one case, one line: a table is read as a table
const ROLES: &[Case] = &[
    ("a role granted to oneself", STAFF, "INSERT INTO role_grant (id, person_id, role, valid_from, granted_by) VALUES (gen_random_uuid(), '{reviewer}', 'administrator', '2026-05-04', '{reviewer}')", ROW_SECURITY),
    ("a role granted to oneself by nobody", STAFF, "INSERT INTO role_grant (id, person_id, role, valid_from) VALUES (gen_random_uuid(), '{reviewer}', 'administrator', '2026-05-04')", ROW_SECURITY),
    ("a role granted to oneself in another's name", STAFF, "INSERT INTO role_grant (id, person_id, role, valid_from, granted_by) VALUES (gen_random_uuid(), '{reviewer}', 'administrator', '2026-05-04', '{administrator}')", ROW_SECURITY),
    ("a role granted in another's name", STAFF, "INSERT INTO role_grant (id, person_id, role, valid_from, granted_by) VALUES (gen_random_uuid(), '{approver}', 'administrator', '2026-05-04', '{administrator}')", ROW_SECURITY),
    ("a role that a member takes", OWN, "INSERT INTO role_grant (id, person_id, role, valid_from) VALUES (gen_random_uuid(), '{member}', 'reviewer', '2026-05-04')", ROW_SECURITY),
    ("a grant by the person who gets it", "", "INSERT INTO role_grant (id, person_id, role, valid_from, granted_by) VALUES (gen_random_uuid(), '{reviewer}', 'administrator', '2026-05-04', '{reviewer}')", "role_grant_not_self"),
    ("the same role twice at a time", "", "INSERT INTO role_grant (id, person_id, role, valid_from) VALUES (gen_random_uuid(), '{reviewer}', 'reviewer', '2026-06-04')", "role_grant_no_overlap"),
    ("a role confirmed as it is asked for", "", "INSERT INTO role_grant (id, person_id, role, valid_from, granted_by, confirmed_by, confirmed_at) VALUES (gen_random_uuid(), '{reviewer}', 'accountant', '2026-05-04', '{administrator}', '{approver}', umbel_now())", "role_grant_confirmed_later"),
    ("a role confirmed by who asked for it", ASKED, "UPDATE role_grant SET confirmed_by = '{administrator}' WHERE effective_at IS NULL", "role_grant_confirmed_by_another"),
    ("a role confirmed by no administrator", ASKED, "UPDATE role_grant SET confirmed_by = '{approver}' WHERE effective_at IS NULL", "role_grant_confirmed_by_administrator"),
    ("a role that counts before its day", ASKED, "UPDATE role_grant SET effective_at = umbel_now() WHERE effective_at IS NULL", DENIED),
    ("a role that needs nobody else", ASKED, "UPDATE role_grant SET needs_confirmation = false WHERE effective_at IS NULL", DENIED),
    ("one role turned into another", "", "UPDATE role_grant SET role = 'administrator' WHERE person_id = '{reviewer}'", DENIED),
    ("one person's role given to another", "", "UPDATE role_grant SET person_id = '{reviewer}' WHERE person_id = '{administrator}'", DENIED),
    ("an ended role prolonged", "UPDATE role_grant SET valid_until = '2026-05-04' WHERE person_id = '{reviewer}'", "UPDATE role_grant SET valid_until = NULL WHERE person_id = '{reviewer}'", "role_grant_ends_once"),
    ("a grant deleted", "", "DELETE FROM role_grant", DENIED),
    ("the owner's role taken", "", "SET ROLE umbel_owner", DENIED),
    ("triggers switched off", "", "ALTER TABLE posting DISABLE TRIGGER ALL", "must be owner"),
    ("triggers passed by as a replica", "", "SET session_replication_role = replica", DENIED),
    ("row-level security switched off", "", "ALTER TABLE invoice DISABLE ROW LEVEL SECURITY", "must be owner"),
    ("a table of one's own", "", "CREATE TABLE loot (n integer)", DENIED),
];

/// What is written once and never changed: not by the program, and what has rows not by the owner either.
pub const APPEND_ONLY: &[&str] = &[
    "accounting_period",
    "activity_manager",
    "agreement",
    "allocation",
    "appropriation_part",
    "appropriation_step",
    "archived_file",
    "arrears_settlement",
    "audit_log",
    "bank_csv_profile",
    "bank_detail_name_check",
    "bank_detail_policy",
    "bank_limit",
    "bank_notice",
    "bank_report",
    "bank_report_line",
    "bank_statement",
    "batch_approval",
    "batch_policy",
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
    "contact_change",
    "contribution_return",
    "delivery_status",
    "entity_design",
    "exchange_difference",
    "exchange_rate",
    "fiscal_year",
    "guarantee_advance",
    "guarantee_decision",
    "guarantee_draw",
    "guarantee_draw_run",
    "invoice_forecast",
    "invoice_reduction",
    "journal_entry",
    "late_interest_rate",
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
    "payer_record",
    "payment_reminder",
    "payout_cut_off",
    "payout_origin",
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
    "provision_bucket",
    "provision_matrix",
    "provision_run",
    "recovery",
    "recurring_run",
    "redemption_policy",
    "redemption_run",
    "retention_rule",
    "rights_proof",
    "risk_flag",
    "risk_flag_opening",
    "rule_set",
    "rule_set_band",
    "rule_set_levy",
    "self_issue_ceiling",
    "solvency_leaf",
    "solvency_proof",
    "split_part",
    "split_rule",
    "split_run",
    "state_history",
    "surplus_policy",
    "text_in_file",
    "transfer",
    "true_up_part",
    "true_up_policy",
    "vat_check",
    "vat_dossier",
    "vat_refund_rule",
    "wage_return",
    "withholding_rate",
];

#[test]
fn postgresql_refuses_what_must_not_be() {
    let ground = Ground::new();
    let mut conn = ground.app.database.runtime();
    let mut count = 0;
    let mut wrong = Vec::new();
    for (name, before, sql, expected) in [BOOKS, DOCUMENTS, PAYOUTS, MOVES, ROLES].into_iter().flatten() {
        count += 1;
        if let Some(refused) = ground.attempt(&mut conn, &[*before]) {
            wrong.push(format!("{name}: what comes before was refused: {refused}"));
            continue;
        }
        match ground.attempt(&mut conn, &[*before, *sql]) {
            Some(refused) if refused.starts_with(*expected) => {}
            other => wrong.push(format!("{name}: expected {expected}, got {other:?}")),
        }
    }
    for table in APPEND_ONLY {
        let column = a_column(&mut conn, table);
        for sql in [
            format!("UPDATE {table} SET {column} = {column}"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table} CASCADE"),
        ] {
            count += 1;
            let refused = ground.attempt(&mut conn, &[&sql]);
            if !refused.as_ref().is_some_and(|why| why.starts_with(DENIED)) {
                wrong.push(format!("{sql}: {refused:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 150, "{count} cases");
}

#[test]
fn the_same_statements_pass_when_nothing_is_wrong_with_them() {
    let ground = Ground::new();
    let mut conn = ground.app.database.runtime();
    let fine = [
        entry!("('funds.reserved', 100, 'EUR', '{activity}'), ('funds.available', -100, 'EUR', '{activity}')"),
        "INSERT INTO step_up (id, person_id, factor_id, method, operation, sha256, expires_at, used_at) \
         SELECT gen_random_uuid(), '{approver}', f.id, 'totp', 'approve_batch', b.sha256, umbel_now() + interval '1 minute', umbel_now() \
         FROM second_factor f, payout_batch b WHERE f.person_id = '{approver}' AND b.id = '{sealed_batch}'; \
         INSERT INTO batch_approval (batch_id, approver_id, sha256, step_up_id, at) SELECT b.id, '{approver}', b.sha256, s.id, s.used_at \
         FROM payout_batch b JOIN step_up s ON s.sha256 = b.sha256 WHERE b.id = '{sealed_batch}'; \
         UPDATE payout_batch SET state = 'approved' WHERE id = '{sealed_batch}'",
        "INSERT INTO role_grant (id, person_id, role, valid_from, granted_by) VALUES (gen_random_uuid(), '{reviewer}', 'accountant', '2026-05-04', '{administrator}')",
        "UPDATE role_grant SET valid_until = '2026-05-04' WHERE person_id = '{reviewer}'",
        "UPDATE invoice SET state = 'draft' WHERE id = '{submitted}'",
        concat!(credit_note!("99000", "20790"), issued_credit_note!()),
        concat!(credit_note!("100", "21"), issued_credit_note!()),
    ];
    for sql in fine {
        assert_eq!(ground.attempt(&mut conn, &[sql]), None, "{sql}");
    }
}

#[test]
fn the_owner_cannot_change_what_is_append_only_either() {
    let ground = Ground::new();
    let mut conn = ground.app.database.owner();
    let guarded = lines(
        &mut conn,
        "SELECT DISTINCT tgrelid::regclass::text AS line FROM pg_trigger WHERE tgname = 'append_only' ORDER BY 1",
    );
    assert_eq!(guarded, APPEND_ONLY);
    // Row-level security is for the runtime role; the owner's own tables are open to the owner.
    let filled = [
        "audit_log",
        "archived_file",
        "bank_statement",
        "batch_approval",
        "journal_entry",
        "order_version",
        "order_answer",
        "posting",
        "rule_set",
        "state_history",
    ];
    for table in filled {
        let column = a_column(&mut conn, table);
        for sql in [format!("UPDATE {table} SET {column} = {column}"), format!("DELETE FROM {table}")] {
            assert_eq!(ground.attempt(&mut conn, &[&sql]).as_deref(), Some("append_only"), "{sql}");
        }
    }
    for table in ["audit_log", "archived_file", "journal_entry", "posting", "state_history"] {
        let sql = format!("TRUNCATE {table} CASCADE");
        assert_eq!(ground.attempt(&mut conn, &[&sql]).as_deref(), Some("append_only"), "{sql}");
    }
}
