//! Each invariant can fail: for every view there is damage, planted past all guards, that makes exactly this view
//! speak. The damage is rolled back, so the books are sound again when the test ends.

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;

use super::ground::{Ground, lines};

/// Postings slipped into the newest entry of an event, past every trigger. All carry the ids of the ground, so each
/// account finds its own: account and amount.
macro_rules! slip {
    ($event:literal, $postings:literal) => {
        concat!(
            "INSERT INTO posting (entry_id, account, amount_minor, currency, activity_id, invoice_id, payout_id, member_id, bank_line_id, bank_account_id, pool_id) \
             SELECT (SELECT max(id) FROM journal_entry WHERE event = '",
            $event,
            "'), v.account, v.amount, 'EUR', '{activity}', '{issued}', '{settled_payout}', '{member}', \
             (SELECT id FROM bank_line WHERE state = 'suspense'), (SELECT id FROM entity_bank_account), (SELECT id FROM pool) FROM (VALUES ",
            $postings,
            ") v (account, amount)"
        )
    };
}

#[rustfmt::skip] // one case, one line: a table is read as a table
const PLANTED: &[(&str, &str, &str)] = &[
    ("i01_entries_balance", "a posting without its counterpart", slip!("client_paid", "('fee_income', 1)")),
    ("i01_entries_balance", "an entry that lost its postings", "INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id) VALUES ('{entity}', '2026-05-04', 'payout_cancelled', 'payout', '{asked_payout}')"),
    ("i02_receivable_is_open_amount", "a cent owed that is on no invoice", slip!("client_paid", "('receivable', 1), ('fee_income', -1)")),
    ("i03_balances_are_postings", "a balance raised by hand", "UPDATE activity_balance SET available_minor = available_minor + 1"),
    ("i03_balances_are_postings", "a posting that moved no balance", slip!("client_paid", "('funds.reserved', -1), ('fee_income', 1)")),
    (
        "i04_floors",
        "more spent than there was",
        concat!(
            "ALTER TABLE activity_balance DROP CONSTRAINT activity_available_floor; UPDATE activity_balance SET available_minor = available_minor - 1000000; ",
            slip!("client_paid", "('funds.available', 1000000), ('fee_income', -1000000)")
        ),
    ),
    ("i05_bank_is_statement", "money in the books that the bank does not have", slip!("client_paid", "('bank', 1), ('fee_income', -1)")),
    ("i06_numbers_without_gap", "a number that no invoice has", "UPDATE document_series SET last_seq = last_seq + 1"),
    ("i06_numbers_without_gap", "a number moved away", "UPDATE invoice SET seq = 7 WHERE id = '{issued}'"),
    (
        "i06_numbers_without_gap",
        "a number dated before its predecessor",
        "INSERT INTO invoice SELECT (i).* FROM (SELECT jsonb_populate_record(i, jsonb_build_object('id', '{client}', 'number', 'later', 'seq', 2, \
         'payment_reference', '000000000000', 'issued_on', '2026-05-01', 'net_minor', 0, 'tax_minor', 0, 'gross_minor', 0)) AS i FROM invoice i WHERE id = '{issued}') x; \
         UPDATE document_series SET last_seq = 2 WHERE series = 'invoice'",
    ),
    ("i07_runs_are_pool_cost", "a part that grew by a cent", "UPDATE pool_run_part SET amount_minor = amount_minor + 1"),
    ("i07_runs_are_pool_cost", "a run that is in no entry", "UPDATE pool_run SET amount_minor = amount_minor + 1; UPDATE pool_run_split SET amount_minor = amount_minor + 1; UPDATE pool_run_part SET amount_minor = amount_minor + 1"),
    ("i07_runs_are_pool_cost", "a weight that nobody has", "UPDATE pool_run_split SET weight_sum = weight_sum + 1"),
    ("i07_runs_are_pool_cost", "a cost divided twice", "UPDATE pool_run_cost SET amount_minor = amount_minor + 1"),
    ("i07_runs_are_pool_cost", "a reversal that no entry books", "UPDATE pool_run SET state = 'reversed', reversed_by = '{approver}', reversed_on = booked_on, reason = 'x'"),
    ("i07_runs_are_pool_cost", "a pool's cost that nobody charged", slip!("cost_booked", "('pool_cost', 1), ('opening_balance', -1)")),
    ("i23_suppliers_are_costs", "a debt to a supplier that is on no cost", slip!("cost_booked", "('supplier_payable', -1), ('opening_balance', 1)")),
    ("i08_advances_match_memo", "an advance that nobody gave", slip!("client_paid", "('memo.advances', 1), ('memo.advances_contra', -1)")),
    ("i09_vat_is_documents", "VAT that is on no document", slip!("client_paid", "('vat_output', -1), ('fee_income', 1)")),
    ("i43_remittances_are_booked", "money on its way to an office that nobody sent", slip!("client_paid", "('remittances_in_transit', -1), ('fee_income', 1)")),
    ("i44_charges_are_booked", "a charge that is on no line", slip!("client_paid", "('bank_charges', 1), ('opening_balance', -1)")),
    ("i40_credits_are_kept", "money kept for a client that nobody credited", slip!("client_paid", "('client_credit', -1), ('fee_income', 1)")),
    ("i31_wages_are_slips", "a contribution that is on no slip", slip!("payout_released", "('social_security_payable', -1), ('fee_income', 1)")),
    ("i31_wages_are_slips", "a withholding that is on no slip", slip!("payout_released", "('withholding_payable', -1), ('fee_income', 1)")),
    ("i38_true_ups_are_booked", "a part that no entry books", "INSERT INTO true_up_part (id, true_up_id, n, member_id, amount_minor) VALUES ('{client}', '{client}', 1, '{member}', -5)"),
    (
        "i38_true_ups_are_booked",
        "a true-up that is in no entry",
        "INSERT INTO true_up (id, entity_id, member_id, activity_id, payout_id, state, currency, policy_id, employer_booked_minor, employee_booked_minor, \
                              withheld_booked_minor, employer_actual_minor, employee_actual_minor, withheld_actual_minor, evidence_id, reason, proposed_by, decided_by, booked_on) \
         VALUES ('{client}', '{entity}', '{member}', '{activity}', '{client}', 'confirmed', 'EUR', '{client}', 0, 0, 0, 5, 0, 0, '{client}', 'x', '{reviewer}', '{approver}', '2026-05-04')",
    ),
    (
        "i39_plan_runs_pay_once",
        "a run that says another amount than its payout",
        "INSERT INTO payout_plan (id, entity_id, member_id, activity_id, currency, decided_through) VALUES ('{client}', '{entity}', '{member}', '{activity}', 'EUR', '2026-05-04'); \
         INSERT INTO payout_plan_run (plan_id, logical_on, n, member_id, value_on, outcome, available_minor, amount_minor, payout_id) \
         VALUES ('{client}', '2026-05-04', 1, '{member}', '2026-05-04', 'paid', 1, 1, '{settled_payout}')",
    ),
    (
        "i39_plan_runs_pay_once",
        "a date that was worked and is not decided",
        "INSERT INTO payout_plan (id, entity_id, member_id, activity_id, currency, decided_through) VALUES ('{client}', '{entity}', '{member}', '{activity}', 'EUR', '2026-05-04'); \
         INSERT INTO payout_plan_run (plan_id, logical_on, n, member_id, value_on, outcome) VALUES ('{client}', '2026-05-05', 1, '{member}', '2026-05-05', 'missed')",
    ),
    ("i10_in_transit_is_released", "money on its way that no payout sent", slip!("payout_released", "('payouts_in_transit', -1), ('fee_income', 1)")),
    ("i11_documents_agree_with_entries", "an entry that says something else than its invoice", slip!("invoice_issued", "('turnover', -1), ('opening_balance', 1)")),
    ("i06_numbers_without_gap", "a number that no credit note has", "UPDATE document_series SET last_seq = last_seq + 1 WHERE series = 'credit_note'"),
    ("i06_numbers_without_gap", "a number of a credit note moved away", "UPDATE invoice SET seq = 7 WHERE id = '{credit_note}'"),
    ("i11_documents_agree_with_entries", "an entry that says something else than its credit note", slip!("credit_note_issued", "('turnover', -1), ('member_cost', 1)")),
    (
        "i11_documents_agree_with_entries",
        "an entry without a fact",
        "WITH e AS (INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id) \
         VALUES ('{entity}', '2026-05-04', 'payout_cancelled', 'payout', '{client}') RETURNING id) \
         INSERT INTO posting (entry_id, account, amount_minor, currency) SELECT e.id, 'opening_balance', v.amount, 'EUR' FROM e, (VALUES (1), (-1)) v (amount)",
    ),
    (
        "i12_closed_periods_unchanged",
        "a posting slipped into a closed month",
        concat!(
            "INSERT INTO accounting_period (entity_id, period, entry_count, sha256) VALUES ('{entity}', '2026-05', 0, period_sha256('{entity}', '2026-05')); ",
            slip!("client_paid", "('fee_income', 1), ('fee_income', -1)")
        ),
    ),
    (
        "i12_closed_periods_unchanged",
        "a day changed within a closed month",
        "INSERT INTO accounting_period (entity_id, period, entry_count, sha256) VALUES ('{entity}', '2026-05', 0, period_sha256('{entity}', '2026-05')); \
         UPDATE journal_entry SET booked_on = '2026-05-31' WHERE event = 'client_paid'",
    ),
    ("i13_released_by_four_eyes", "a release that nobody approved", "DELETE FROM batch_approval; DELETE FROM step_up WHERE operation = 'approve_batch'"),
    ("i13_released_by_four_eyes", "an approval over other bytes", "UPDATE batch_approval SET sha256 = sha256('other'); DELETE FROM step_up WHERE operation = 'approve_batch'"),
    ("i13_released_by_four_eyes", "an approval by the one who sealed", "UPDATE batch_approval SET approver_id = '{reviewer}'; DELETE FROM step_up WHERE operation = 'approve_batch'"),
    ("i13_released_by_four_eyes", "an approval by the one who is paid", "UPDATE batch_approval SET approver_id = '{member}'; DELETE FROM step_up WHERE operation = 'approve_batch'"),
    ("i13_released_by_four_eyes", "an approval of an earlier seal", "UPDATE batch_approval SET at = at - interval '1 day'"),
    ("i13_released_by_four_eyes", "a payout that left the batch after its seal", "DELETE FROM text_in_file WHERE payout_id = '{settled_payout}'; UPDATE payout SET batch_id = '{sealed_batch}' WHERE id = '{settled_payout}'"),
    ("i13_released_by_four_eyes", "an approval by the one who verified where a payee is paid", "UPDATE batch_approval SET approver_id = (SELECT verified_by FROM payee_account LIMIT 1); DELETE FROM step_up WHERE operation = 'approve_batch'"),
    ("i13_released_by_four_eyes", "fewer approvals than the total needs", "INSERT INTO approval_amount (id, entity_id, from_minor, approvers, valid_from, loosens, decided_by, created_at) VALUES (gen_random_uuid(), '{entity}', 0, 2, '2026-01-01', false, '{administrator}', '2026-01-01')"),
    ("i13_released_by_four_eyes", "an approval that was too old", "UPDATE batch_approval SET at = at - interval '8 days'; UPDATE payout_batch SET sealed_at = sealed_at - interval '9 days'"),
    ("i41_files_fit_their_bank", "a file that is more than its bank took", "INSERT INTO bank_limit (id, bank_account_id, valid_from, total_max_minor, reason, decided_by, created_at) SELECT gen_random_uuid(), id, '2026-01-01', 1, 'x', '{administrator}', '2026-01-01' FROM entity_bank_account"),
    ("i41_files_fit_their_bank", "a file from an account in other money", "UPDATE entity_bank_account SET currency = 'USD'"),
    ("i42_files_say_what_is_kept", "a text of another message", "UPDATE text_in_file SET message_id = 'OTHER'"),
    ("i42_files_say_what_is_kept", "a text of another person", "UPDATE text_in_file SET member_id = '{approver}'"),
    ("i42_files_say_what_is_kept", "a text of a payout that is not in the file", "INSERT INTO text_in_file SELECT (jsonb_populate_record(t, jsonb_build_object('payout_id', '{asked_payout}'))).* FROM text_in_file t"),
    ("i35_sent_once", "a payout that was released twice", "INSERT INTO state_history (machine, subject_id, from_state, to_state) VALUES ('payout', '{settled_payout}', 'batched', 'released')"),
    ("i35_sent_once", "a payout replaced by none", "UPDATE payout SET state = 'replaced' WHERE id = '{settled_payout}'"),
    ("i35_sent_once", "a payout in the place of one that arrived", "UPDATE payout SET replaces_id = '{settled_payout}' WHERE id = '{sealed_payout}'"),
    ("i35_sent_once", "a payout that waits for nobody", "UPDATE payout SET state = 'rejected' WHERE id = '{settled_payout}'"),
    ("i34_proofs_fit", "a proof used for other bytes", "UPDATE step_up SET sha256 = sha256('other')"),
    ("i34_proofs_fit", "a proof that was used for nothing", "UPDATE batch_approval SET step_up_id = NULL"),
    ("i34_proofs_fit", "a proof older than its factor", "UPDATE second_factor SET confirmed_at = confirmed_at + interval '1 year'"),
    (
        "i13_released_by_four_eyes",
        "a file that was rewritten",
        "ALTER TABLE archived_file DROP CONSTRAINT archived_file_hash_is_its_own; \
         UPDATE archived_file SET bytes = set_byte(bytes, 0, 0) WHERE id = (SELECT file_id FROM payout_batch WHERE id = '{released_batch}')",
    ),
    (
        "i32_accounts_cooled",
        "an account that was paid to before it cooled",
        "INSERT INTO bank_detail_change (id, member_id, entity_id, state, new_account_id, holder, iban_sealed, iban_index, iban_country, iban_last4, proof, \
             session_id, address, cooling_hours, code_salt, code_hash, requested_at) \
         SELECT '{client}', a.person_id, '{entity}', 'cooling', a.id, a.holder, a.iban_sealed, a.iban_index, a.iban_country, a.iban_last4, 'password', \
             (SELECT id FROM session LIMIT 1), '', 72, a.iban_index, a.iban_index, p.reviewed_at - interval '71 hours' \
         FROM payout p JOIN payee_account a ON a.id = p.payee_account_id WHERE p.id = '{settled_payout}'; \
         UPDATE payee_account a SET change_id = '{client}', verified_by = NULL FROM payout p WHERE a.id = p.payee_account_id AND p.id = '{settled_payout}'",
    ),
    ("i33_flags_opened", "a flag that its approver never opened", "INSERT INTO risk_flag (id, payout_id, code, level, facts, evidence, at) SELECT '{client}', id, 'first_payout', 'high', jsonb_build_object(), jsonb_build_array(), created_at FROM payout WHERE id = '{settled_payout}'"),
    ("i14_shares_are_capital", "capital that is in no register", slip!("share_paid", "('share_capital', -1), ('fee_income', 1)")),
    ("i14_shares_are_capital", "a share that is in no entry", "UPDATE share SET quantity = quantity + 1"),
    ("i14_shares_are_capital", "a share given back that nobody gave notice for", "UPDATE share SET state = 'redeemed', redeemed_quantity = quantity"),
    ("i14_shares_are_capital", "a part given back that nobody decided", "UPDATE share SET quantity = quantity + 1, redeemed_quantity = 1"),
    ("i14_shares_are_capital", "money owed for a share that nobody gave back", slip!("share_paid", "('redemption_payable', -1), ('fee_income', 1)")),
    (
        "i22_appropriation_sums",
        "a decision that was approved and not booked",
        "WITH y AS (INSERT INTO fiscal_year (id, entity_id, year, result_minor, currency, booked_on, closed_by) \
             VALUES (gen_random_uuid(), '{entity}', 2025, 0, 'EUR', '2025-12-31', '{administrator}') RETURNING id), \
         a AS (INSERT INTO appropriation (id, entity_id, fiscal_year_id, state, surplus_minor, currency, decision, decided_on, proposed_by, approved_by, booked_on) \
             SELECT gen_random_uuid(), '{entity}', id, 'approved', 100, 'EUR', 'x', '2026-04-01', '{administrator}', '{approver}', '2026-05-04' FROM y RETURNING id) \
         INSERT INTO appropriation_step (appropriation_id, n, kind, rate_ppm, amount_minor) SELECT id, 1, 'legal_reserve', 1000000, 100 FROM a",
    ),
    (
        "i22_appropriation_sums",
        "a refund whose parts are not the whole",
        "WITH y AS (INSERT INTO fiscal_year (id, entity_id, year, result_minor, currency, booked_on, closed_by) \
             VALUES (gen_random_uuid(), '{entity}', 2025, 0, 'EUR', '2025-12-31', '{administrator}') RETURNING id), \
         a AS (INSERT INTO appropriation (id, entity_id, fiscal_year_id, state, surplus_minor, currency, decision, decided_on, proposed_by) \
             SELECT gen_random_uuid(), '{entity}', id, 'proposed', 100, 'EUR', 'x', '2026-04-01', '{administrator}' FROM y RETURNING id), \
         s AS (INSERT INTO appropriation_step (appropriation_id, n, kind, key, rate_ppm, amount_minor, weight_sum) \
             SELECT id, 1, 'patronage', 'equal', 1000000, 100, 1 FROM a RETURNING appropriation_id) \
         INSERT INTO appropriation_part (appropriation_id, n, member_id, activity_id, weight, quota_minor, remainder, amount_minor) \
         SELECT appropriation_id, 1, '{member}', '{activity}', 1, 99, 0, 99 FROM s",
    ),
    (
        "i22_appropriation_sums",
        "a closed year with a result that is not booked",
        "INSERT INTO fiscal_year (id, entity_id, year, result_minor, currency, booked_on, closed_by) \
         VALUES (gen_random_uuid(), '{entity}', 2025, 100, 'EUR', '2025-12-31', '{administrator}')",
    ),
    (
        "i15_solvent",
        "more owed to members than there is",
        concat!(
            "UPDATE activity_balance SET available_minor = available_minor + 1000000000; ",
            slip!("client_paid", "('funds.available', -1000000000), ('fee_income', 1000000000)")
        ),
    ),
    (
        "i15_solvent",
        "a supplier who cannot be paid",
        slip!("client_paid", "('supplier_payable', -1000000000), ('fee_income', 1000000000)")
    ),
    ("i17_levies_are_postings", "a fee that nobody was charged", slip!("invoice_issued", "('fee_income', -1), ('member_cost', 1)")),
    ("i17_levies_are_postings", "a charge that is in no entry", "UPDATE levy_charge SET amount_minor = amount_minor + 1 WHERE kind = 'guarantee'"),
    ("i18_arrears_not_negative", "a debt settled that nobody had", slip!("client_paid", "('activity_arrears', -1), ('fee_income', 1)")),
    (
        "i18_arrears_not_negative",
        "a settlement that is in no entry",
        "INSERT INTO arrears_settlement (id, entity_id, activity_id, member_id, amount_minor, currency, settled_on) \
         VALUES (gen_random_uuid(), '{entity}', '{activity}', '{member}', 1, 'EUR', '2026-05-04')",
    ),
    (
        "i21_origin_kept",
        "money that waits for an invoice that is paid",
        concat!(
            "UPDATE activity_balance SET pending_minor = pending_minor + 1 WHERE activity_id = '{activity}'; ",
            slip!("client_paid", "('funds.pending', -1), ('fee_income', 1)")
        ),
    ),
    (
        "i21_origin_kept",
        "less than nothing held of one invoice, and more of another",
        "INSERT INTO posting (entry_id, account, amount_minor, currency, activity_id, invoice_id) \
         SELECT max(e.id), 'funds.pending', v.amount, 'EUR', '{activity}', v.invoice FROM journal_entry e, \
         (VALUES (1, '{submitted}'::uuid), (-1, gen_random_uuid())) v (amount, invoice) WHERE e.event = 'client_paid' GROUP BY v.amount, v.invoice",
    ),
    ("i16_suspense_has_owner", "suspense that is no bank line's", slip!("bank_line_booked", "('bank_suspense', -1), ('fee_income', 1)")),
    ("i20_credits_fit", "a line given back twice", "UPDATE invoice_line SET net_minor = 100001 WHERE invoice_id = '{credit_note}'"),
    ("i20_credits_fit", "a line given back that the invoice does not have", "UPDATE invoice_line SET corrects_line = 9 WHERE invoice_id = '{credit_note}'"),
    ("i20_credits_fit", "more VAT given back than was invoiced", "UPDATE invoice_tax SET tax_minor = 21001 WHERE invoice_id = '{credit_note}'"),
    ("i20_credits_fit", "a reduction that is not that of its credit note", "UPDATE invoice_reduction SET source_id = '{client}'"),
    ("i19_fund_not_negative", "more taken out of the fund than it held", slip!("client_paid", "('guarantee_fund', 1000000000), ('opening_balance', -1000000000)")),
    (
        "i24_claims_match_draws",
        "a claim that says that something was drawn",
        "INSERT INTO guarantee_claim (id, entity_id, write_off_id, invoice_id, member_id, activity_id, client_id, currency, amount_minor, drawn_minor, opened_on) \
         VALUES ('{client}', '{entity}', '{client}', '{issued}', '{member}', '{activity}', '{client}', 'EUR', 5, 1, '2026-05-04')",
    ),
    (
        "i24_claims_match_draws",
        "a draw that is in no entry",
        "INSERT INTO guarantee_claim (id, entity_id, write_off_id, invoice_id, member_id, activity_id, client_id, currency, amount_minor, drawn_minor, opened_on) \
         VALUES ('{client}', '{entity}', '{client}', '{issued}', '{member}', '{activity}', '{client}', 'EUR', 5, 5, '2026-05-04'); \
         INSERT INTO guarantee_draw (id, claim_id, entity_id, member_id, currency, amount_minor, drawn_on) \
         VALUES ('{client}', '{client}', '{entity}', '{member}', 'EUR', 5, '2026-05-04')",
    ),
    (
        "i24_claims_match_draws",
        "a write-off that lowered no invoice",
        "INSERT INTO write_off (id, entity_id, invoice_id, member_id, state, currency, amount_minor, reason, evidence, proposed_by, decided_by, decided_at, \
                                written_off_on, is_covered, is_advanced, vat_minor, fee_minor, contribution_minor, member_minor, claim_minor) \
         VALUES ('{client}', '{entity}', '{issued}', '{member}', 'approved', 'EUR', 5, 'x', 'x', '{reviewer}', '{approver}', '2026-05-04', \
                 '2026-05-04', false, false, 0, 0, 0, 5, 0)",
    ),
    (
        "i27_currencies_agree",
        "a document in dollars that does not come to its lines",
        "INSERT INTO exchange_rate (id, currency, on_date, rate, source, entered_by) VALUES ('{client}', 'USD', '2026-05-04', 1.25, 'ECB', '{reviewer}'); \
         INSERT INTO invoice_currency (invoice_id, currency, exchange_rate_id, net_minor, tax_minor, gross_minor) \
         VALUES ('{issued}', 'USD', '{client}', 5, 1, 6)",
    ),
    (
        "i27_currencies_agree",
        "a loss that is in no entry",
        "INSERT INTO exchange_difference (id, entity_id, invoice_id, member_id, kind, amount_minor, reason, settled_on, settled_by) \
         VALUES ('{client}', '{entity}', '{issued}', '{member}', 'loss', 5, 'x', '2026-05-04', '{reviewer}')",
    ),
    (
        "i25_contributions_owed",
        "a contribution that the fund says it returned",
        "INSERT INTO contribution_owed (id, entity_id, credit_note_id, invoice_id, member_id, activity_id, client_id, currency, amount_minor, returned_minor, owed_on) \
         VALUES ('{client}', '{entity}', '{credit_note}', '{issued}', '{member}', '{activity}', '{client}', 'EUR', 5, 1, '2026-05-04'); \
         UPDATE levy_charge SET amount_minor = amount_minor - 5 WHERE source_id = '{credit_note}' AND kind = 'guarantee'",
    ),
    (
        "i25_contributions_owed",
        "a return that is in no entry",
        "INSERT INTO contribution_return (id, owed_id, entity_id, member_id, currency, amount_minor, returned_on) \
         VALUES ('{client}', '{client}', '{entity}', '{member}', 'EUR', 5, '2026-05-04')",
    ),
    (
        "i23_suppliers_are_costs",
        "a supplier that took something back without a note",
        "INSERT INTO cost (id, entity_id, activity_id, member_id, supplier, reference, invoiced_on, description, net_minor, vat_minor, \
                           recoverable_vat_minor, gross_minor, charged_minor, currency, submitted_by, credited_net_minor) \
         VALUES ('{client}', '{entity}', '{activity}', '{member}', 'x', 'x', '2026-05-04', 'x', 5, 0, 0, 5, 5, 'EUR', '{member}', 1)",
    ),
    ("i26_proofs_chain", "a proof rewritten", "ALTER TABLE solvency_proof DROP CONSTRAINT solvency_proof_hash_is_its_own; UPDATE solvency_proof SET body = replace(body, '\"accounts\":1', '\"accounts\":2')"),
    ("i26_proofs_chain", "a proof rewritten with its hash", "UPDATE solvency_proof SET body = b, sha256 = sha256(prev_sha256 || convert_to(b, 'UTF8')) FROM (SELECT id AS of, replace(body, '\"guarantee_fund_minor\":', '\"guarantee_fund_minor\":9') AS b FROM solvency_proof WHERE day = '2026-05-04') x WHERE id = x.of"),
    ("i26_proofs_chain", "a day taken out", "DELETE FROM solvency_leaf WHERE proof_id = (SELECT id FROM solvency_proof WHERE day = '2026-05-05'); DELETE FROM solvency_proof WHERE day = '2026-05-05'"),
    ("i26_proofs_chain", "a row that says something else than its proof", "UPDATE solvency_proof SET held_minor = held_minor + 1"),
    ("i26_proofs_chain", "the newest proof counts money that the bank does not have", "UPDATE solvency_proof SET held_minor = held_minor + 1, body = b, sha256 = sha256(prev_sha256 || convert_to(b, 'UTF8')) FROM (SELECT id AS of, replace(replace(body, '\"amount_minor\":' || k.bank || ',\"component\":\"bank\"', '\"amount_minor\":' || k.bank + 1 || ',\"component\":\"bank\"'), '\"held_minor\":' || held_minor, '\"held_minor\":' || held_minor + 1) AS b FROM solvency_proof, LATERAL (SELECT (h ->> 'amount_minor')::bigint AS bank FROM jsonb_array_elements(body::jsonb -> 'held') h WHERE h ->> 'component' = 'bank') k ORDER BY day DESC LIMIT 1) x WHERE id = x.of"),
    ("i26_proofs_chain", "a member whose leaf was lost", "DELETE FROM solvency_leaf"),
    ("i28_deliveries_explained", "a document that went out once more than its history says", "UPDATE delivery SET attempts = attempts + 1"),
    ("i28_deliveries_explained", "a document that arrived without a try", "UPDATE delivery SET attempts = 0"),
    ("i36_provision_is_matrix", "a provision that no month came to", slip!("client_paid", "('doubtful_provision', -1), ('opening_balance', 1)")),
    (
        "i36_provision_is_matrix",
        "a month that went on from nothing",
        "INSERT INTO provision_run (id, entity_id, period, reckoned_on, matrix_id, currency, required_minor, previous_minor, moved_minor, basis, made_by) \
         VALUES ('{client}', '{entity}', '2026-05', '2026-05-31', '{client}', 'EUR', 0, 7, -7, '{\"buckets\": []}', '{reviewer}')",
    ),
    (
        "i37_steps_in_order",
        "a demand without a reminder before it",
        "INSERT INTO collection_action (id, entity_id, invoice_id, member_id, client_id, track_id, step_n, kind, logical_on, done_on, due_on, pay_by, currency, \
                                        open_minor, interest_minor, compensation_minor, costs_minor, total_minor, computation) \
         VALUES ('{client}', '{entity}', '{issued}', '{member}', '{client}', '{client}', 2, 'formal_demand', '2026-07-02', '2026-07-02', '2026-07-01', '2026-07-09', 'EUR', \
                 1, 0, 0, 0, 1, '{\"segments\": []}')",
    ),
    ("i28_deliveries_explained", "a delivery of another member's document", "UPDATE delivery SET member_id = '{approver}'"),
];

fn speaking(conn: &mut PgConnection, views: &[String]) -> Vec<String> {
    let mut speaking = Vec::new();
    for view in views {
        if !lines(conn, &format!("SELECT subject AS line FROM invariant_{view}")).is_empty() {
            speaking.push(view.clone());
        }
    }
    speaking
}

#[test]
fn each_invariant_finds_the_damage_that_it_is_there_for() {
    let ground = Ground::new();
    // Three days are over and proven.
    ground.app.stage.days_pass(3).unwrap();
    let url = ground.app.database.owner_url.replace("user=umbel_owner", "user=postgres");
    let mut conn = PgConnection::establish(&url).unwrap();
    let views = lines(
        &mut conn,
        "SELECT substr(viewname, 11)::text AS line FROM pg_views WHERE viewname LIKE 'invariant\\_%' ORDER BY viewname",
    );
    let planted: std::collections::BTreeSet<&str> = PLANTED.iter().map(|(view, _, _)| *view).collect();
    assert_eq!(views, planted.into_iter().collect::<Vec<_>>(), "every invariant has its planted violation");
    assert_eq!(speaking(&mut conn, &views), Vec::<String>::new(), "before anything is planted");
    let mut wrong = Vec::new();
    for (view, damage, sql) in PLANTED {
        // Only a superuser passes by the triggers; not even the owner of the tables can.
        conn.batch_execute("BEGIN; SET LOCAL session_replication_role = replica").unwrap();
        // The newest proof of solvency is compared with the books, so most damage to them contradicts it as well: it is
        // put away where it is not the proof that is damaged, and the one view has to speak alone.
        if *view != "i26_proofs_chain" {
            conn.batch_execute("DELETE FROM solvency_leaf; DELETE FROM solvency_proof").unwrap();
        }
        if let Err(error) = conn.batch_execute(&ground.fill(sql)) {
            wrong.push(format!("{damage}: could not be planted: {error}"));
        } else {
            let found = speaking(&mut conn, &views);
            if found != [*view] {
                wrong.push(format!("{damage}: expected {view} to speak, and alone; it was {found:?}"));
            }
        }
        conn.batch_execute("ROLLBACK").unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
