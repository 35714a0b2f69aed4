-- Invoices that are paid or wait, and nothing else.

DROP VIEW invariant_i24_claims_match_draws;
DROP VIEW invariant_i19_fund_not_negative;
CREATE OR REPLACE VIEW invariant_i16_suspense_has_owner WITH (security_invoker = true) AS
SELECT coalesce(b.id, l.bank_line_id)::text AS subject,
       format('unmatched line %s, ledger %s', coalesce(b.rest, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT x.id, CASE WHEN x.state = 'suspense' THEN x.amount_minor
                        WHEN x.matched_kind = 'invoice' THEN x.amount_minor - (SELECT coalesce(sum(a.amount_minor), 0) FROM allocation a WHERE a.bank_line_id = x.id)
                        ELSE 0 END AS rest FROM bank_line x) b
FULL JOIN (SELECT bank_line_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'bank_suspense' GROUP BY bank_line_id
           HAVING sum(amount_minor) <> 0) l ON l.bank_line_id = b.id
WHERE coalesce(b.rest, 0) <> coalesce(l.amount, 0);

DELETE FROM ledger_event WHERE source_kind IN ('write_off', 'draw', 'recovery');
DELETE FROM ledger_source WHERE kind IN ('write_off', 'draw', 'recovery');
DROP FUNCTION guarantee_fund_figures;
DROP FUNCTION guarantee_exposure;
DROP TRIGGER check_fund ON posting;
DROP FUNCTION check_fund;
DROP FUNCTION guarantee_fund_lock;

DO $$
DECLARE
    present text;
BEGIN
    SELECT pg_get_constraintdef(oid) INTO present FROM pg_constraint
    WHERE conrelid = 'bank_line'::regclass AND conname = 'bank_line_matched_kind_check';
    EXECUTE 'ALTER TABLE bank_line DROP CONSTRAINT bank_line_matched_kind_check';
    EXECUTE 'ALTER TABLE bank_line ADD CONSTRAINT bank_line_matched_kind_check '
        || replace(present, ', ''recovery''::text', '');
END $$;

DROP TRIGGER check_recovered ON allocation;
DROP FUNCTION check_allocation_after_recovery;
DROP TABLE recovery;
DROP FUNCTION check_recovery;
DROP TABLE guarantee_draw;
DROP FUNCTION count_draw;
DROP TABLE guarantee_draw_run;
DROP TABLE guarantee_claim;
DROP FUNCTION guard_claim;
DROP TABLE write_off;
DROP FUNCTION guard_write_off;
DROP TABLE advance_hold;
DROP TABLE invoice_dispute;
DROP FUNCTION guard_ending;
DELETE FROM state_transition WHERE machine = 'write_off';
