DROP VIEW invariant_i43_remittances_are_booked;
DELETE FROM ledger_event WHERE event LIKE 'remittance_%';
DELETE FROM ledger_source WHERE kind = 'remittance';
CREATE OR REPLACE VIEW invariant_i13_released_by_four_eyes WITH (security_invoker = true) AS
SELECT (b.id)::text AS subject,
    'released without enough approvals by other people over the same bytes'::text AS detail
   FROM payout_batch b
  WHERE ((b.state = 'released'::text) AND ((batch_approvals_counted(b.id, b.released_at) < batch_approvals_needed(b.id, b.control_sum_minor, b.released_at)) OR (EXISTS ( SELECT
           FROM payout p
          WHERE ((p.batch_id = b.id) AND (p.member_id = ANY (ARRAY[b.sealed_by, b.released_by])))))))
UNION ALL
 SELECT (b.id)::text AS subject,
    'the sealed file is not the approved one'::text AS detail
   FROM (payout_batch b
     JOIN archived_file f ON ((f.id = b.file_id)))
  WHERE ((sha256(f.bytes) <> b.sha256) OR (f.sha256 <> b.sha256))
UNION ALL
 SELECT (b.id)::text AS subject,
    'the sealed count or sum is not that of its payouts'::text AS detail
   FROM (payout_batch b
     CROSS JOIN LATERAL ( SELECT count(*) AS n,
            COALESCE(sum(COALESCE(p.net_minor, p.amount_minor)), (0)::numeric) AS total
           FROM payout p
          WHERE (p.batch_id = b.id)) t)
  WHERE ((b.sha256 IS NOT NULL) AND ((b.payout_count IS DISTINCT FROM (t.n)::integer) OR (b.control_sum_minor IS DISTINCT FROM (t.total)::bigint)));

CREATE OR REPLACE VIEW invariant_i15_solvent WITH (security_invoker = true) AS
SELECT (s.entity_id)::text AS subject,
    format('owed %s, held %s'::text, s.owed, s.held) AS detail
   FROM ( SELECT e.entity_id,
            (- COALESCE(sum(p.amount_minor) FILTER (WHERE (p.account = ANY (ARRAY['funds.available'::text, 'funds.reserved'::text, 'payouts_in_transit'::text, 'vat_output'::text, 'supplier_payable'::text, 'redemption_payable'::text, 'social_security_payable'::text, 'withholding_payable'::text, 'client_credit'::text]))), (0)::numeric)) AS owed,
            COALESCE(sum(p.amount_minor) FILTER (WHERE (p.account = ANY (ARRAY['bank'::text, 'receivable'::text, 'activity_arrears'::text, 'vat_input'::text, 'vat_refund_due'::text]))), (0)::numeric) AS held
           FROM (posting p
             JOIN journal_entry e ON ((e.id = p.entry_id)))
          GROUP BY e.entity_id) s
  WHERE (s.owed > s.held);

CREATE OR REPLACE FUNCTION public.solvency_components(p_entity uuid, p_currency text, p_through bigint, p_day date)
 RETURNS TABLE(side text, component text, amount_minor bigint, accounts bigint)
 LANGUAGE sql
 STABLE
AS $function$
    WITH funds AS (SELECT * FROM solvency_activities(p_entity, p_currency, p_through, p_day)),
    sums AS (SELECT p.account, sum(p.amount_minor)::bigint AS amount,
                    count(DISTINCT coalesce(p.bank_account_id, p.payout_id, p.bank_line_id, p.invoice_id, p.activity_id, p.member_id)) AS n
             FROM posting p JOIN journal_entry e ON e.id = p.entry_id
             WHERE p.account IN ('bank', 'vat_output', 'vat_input', 'vat_refund_due', 'payouts_in_transit', 'supplier_payable',
                                 'redemption_payable', 'bank_suspense', 'activity_arrears', 'guarantee_fund',
                                 'social_security_payable', 'withholding_payable', 'client_credit')
               AND e.entity_id = p_entity AND e.id <= p_through AND e.booked_on <= p_day AND p.currency = p_currency
             GROUP BY p.account)
    SELECT 'owed', 'available', coalesce(sum(available_minor), 0)::bigint, count(*) FILTER (WHERE available_minor > 0) FROM funds
    UNION ALL SELECT 'owed', 'reserved', coalesce(sum(reserved_minor), 0)::bigint, count(*) FILTER (WHERE reserved_minor > 0) FROM funds
    UNION ALL SELECT 'owed', 'advances_owed', coalesce(sum(advances_minor), 0)::bigint, count(*) FILTER (WHERE advances_minor > 0) FROM funds
    UNION ALL
    SELECT 'owed', c.component, coalesce(-s.amount, 0), coalesce(s.n, 0)
    FROM (VALUES ('payouts_in_transit'), ('vat_output'), ('supplier_payable'), ('redemption_payable'), ('bank_suspense')) c (component)
    LEFT JOIN sums s ON s.account = c.component
    UNION ALL
    -- Of wages: named once there is one.
    SELECT 'owed', s.account, -s.amount, greatest(s.n, 1) FROM sums s WHERE s.account IN ('social_security_payable', 'withholding_payable')
    UNION ALL
    SELECT 'held', c.component, coalesce(s.amount, 0), coalesce(s.n, 0)
    FROM (VALUES ('bank'), ('vat_input'), ('vat_refund_due'), ('activity_arrears')) c (component)
    LEFT JOIN sums s ON s.account = c.component
    UNION ALL
    SELECT 'held', 'receivables', coalesce(sum(r.amount_minor), 0)::bigint, count(*)
    FROM solvency_receivables(p_entity, p_currency, p_through, p_day) r
    UNION ALL
    -- What clients paid beyond what was left to pay is owed back to them.
    SELECT 'owed', 'client_credits', coalesce(-sum(r.amount), 0)::bigint, count(*)
    FROM (SELECT p.invoice_id, sum(p.amount_minor) AS amount FROM posting p JOIN journal_entry e ON e.id = p.entry_id
          WHERE p.account = 'receivable' AND e.entity_id = p_entity AND e.id <= p_through AND e.booked_on <= p_day AND p.currency = p_currency
          GROUP BY p.invoice_id HAVING sum(p.amount_minor) < 0
          UNION ALL SELECT NULL, s.amount FROM sums s WHERE s.account = 'client_credit' AND s.amount <> 0) r
    UNION ALL
    SELECT 'fund', 'guarantee_fund', coalesce(-s.amount, 0), coalesce(s.n, 0)
    FROM (VALUES ('guarantee_fund')) c (component) LEFT JOIN sums s ON s.account = c.component
$function$;

CREATE OR REPLACE FUNCTION public.batch_approvals_counted(p_batch uuid, p_at timestamp with time zone)
 RETURNS integer
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
    SELECT count(DISTINCT a.approver_id)::integer
    FROM payout_batch b JOIN entity e ON e.id = b.entity_id JOIN batch_approval a ON a.batch_id = b.id
    WHERE b.id = p_batch AND a.sha256 = b.sha256 AND a.at >= b.sealed_at AND a.at <= p_at
      AND a.at > p_at - make_interval(days => coalesce((SELECT y.approval_days FROM batch_policy y
            WHERE y.entity_id = b.entity_id AND y.valid_from <= (p_at AT TIME ZONE e.zone)::date AND y.created_at <= p_at
            ORDER BY y.valid_from DESC, y.seq DESC LIMIT 1), 7))
      AND a.approver_id NOT IN (b.sealed_by, b.built_by)
      AND NOT EXISTS (SELECT FROM payout p LEFT JOIN payee_account c ON c.id = p.payee_account_id
                      WHERE p.batch_id = b.id AND a.approver_id IN (p.member_id, c.verified_by))
$function$;

CREATE OR REPLACE FUNCTION public.guard_approval()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public'
AS $function$
DECLARE
    batch payout_batch%ROWTYPE;
BEGIN
    SELECT * INTO batch FROM payout_batch WHERE id = NEW.batch_id FOR UPDATE;
    IF batch.state NOT IN ('sealed', 'approved') OR batch.sha256 IS DISTINCT FROM NEW.sha256 THEN
        RAISE EXCEPTION 'approved bytes are not the sealed bytes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_over_sealed_bytes';
    END IF;
    IF NEW.approver_id IN (batch.sealed_by, batch.built_by)
       OR EXISTS (SELECT FROM payout p LEFT JOIN payee_account c ON c.id = p.payee_account_id
                  WHERE p.batch_id = NEW.batch_id AND NEW.approver_id IN (p.member_id, c.verified_by)) THEN
        RAISE EXCEPTION 'an approver neither seals nor is paid' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_by_another';
    END IF;
    IF NOT EXISTS (SELECT FROM step_up s WHERE s.id = NEW.step_up_id AND s.person_id = NEW.approver_id
                     AND s.operation = 'approve_batch' AND s.sha256 = NEW.sha256 AND s.used_at = NEW.at) THEN
        RAISE EXCEPTION 'an approval needs a second factor' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_needs_second_factor';
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION public.guard_batch()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public'
AS $function$
DECLARE
    items record;
BEGIN
    IF OLD.state = 'released' THEN
        RAISE EXCEPTION 'a released batch never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_immutable';
    END IF;
    -- Who built it and what it pays from decide who may approve it, so they stand from the beginning.
    IF (OLD.entity_id, OLD.bank_account_id, OLD.currency, OLD.built_by)
       IS DISTINCT FROM (NEW.entity_id, NEW.bank_account_id, NEW.currency, NEW.built_by) THEN
        RAISE EXCEPTION 'the facts of a batch never change' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_immutable';
    END IF;
    -- Once sealed, it changes only by being opened again, which voids every approval.
    IF OLD.state IN ('sealed', 'approved') AND NEW.state <> 'open'
       AND (OLD.sha256, OLD.file_id, OLD.payout_count, OLD.control_sum_minor, OLD.message_id, OLD.execute_on, OLD.sealed_by, OLD.sealed_at)
       IS DISTINCT FROM (NEW.sha256, NEW.file_id, NEW.payout_count, NEW.control_sum_minor, NEW.message_id, NEW.execute_on, NEW.sealed_by, NEW.sealed_at) THEN
        RAISE EXCEPTION 'sealed bytes never change' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_immutable';
    END IF;
    IF NEW.state = 'sealed' AND OLD.state = 'open' THEN
        SELECT count(*) AS n, coalesce(sum(coalesce(net_minor, amount_minor)), 0) AS total INTO items FROM payout WHERE batch_id = NEW.id;
        IF items.n = 0 OR items.n <> NEW.payout_count OR items.total <> NEW.control_sum_minor
           OR NOT EXISTS (SELECT FROM archived_file f WHERE f.id = NEW.file_id AND f.sha256 = NEW.sha256 AND f.subject_id = NEW.id) THEN
            RAISE EXCEPTION 'the seal of batch % does not fit its payouts', NEW.id
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_seal_fits';
        END IF;
        IF EXISTS (SELECT FROM payout WHERE batch_id = NEW.id AND member_id = NEW.sealed_by) THEN
            RAISE EXCEPTION 'who seals is not paid' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_by_another';
        END IF;
    END IF;
    -- An approval counts only if it came after this very seal, is not too old, and is one of enough.
    IF NEW.state IN ('approved', 'released') AND NEW.state <> OLD.state
       AND batch_approvals_counted(NEW.id, umbel_now()) < batch_approvals_needed(NEW.id, NEW.control_sum_minor, umbel_now()) THEN
        RAISE EXCEPTION 'batch % is not approved by enough other people', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_needs_approval';
    END IF;
    IF NEW.state = 'released' AND (
        EXISTS (SELECT FROM payout WHERE batch_id = NEW.id AND member_id = NEW.released_by)
        OR NOT EXISTS (SELECT FROM step_up s WHERE s.id = NEW.release_step_up_id AND s.person_id = NEW.released_by
                         AND s.operation = 'release_batch' AND s.sha256 = NEW.sha256 AND s.used_at = NEW.released_at)) THEN
        RAISE EXCEPTION 'a release needs a second factor of somebody who is not paid'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_needs_second_factor';
    END IF;
    RETURN NEW;
END $function$;

DROP FUNCTION batch_people_apart(uuid);
DROP VIEW batch_item;
ALTER TABLE bank_line DROP CONSTRAINT bank_line_matched_kind_check;
ALTER TABLE bank_line ADD CONSTRAINT bank_line_matched_kind_check CHECK (matched_kind IN ('redemption', 'invoice', 'cost', 'share', 'payout_settled',
    'payout_returned', 'recovery', 'payouts', 'bank_charge', 'client_credit', 'client_refund'));
ALTER TABLE bank_report_line DROP CONSTRAINT bank_report_line_check;
ALTER TABLE bank_report_line DROP COLUMN remittance_id;
ALTER TABLE bank_report_line ADD CONSTRAINT bank_report_line_check CHECK ((effect = 'not_ours') = (payout_id IS NULL));
DROP VIEW remittance_due;
DROP TABLE remittance;
DROP FUNCTION guard_remittance();
DROP TABLE payment_authority;
DROP FUNCTION guard_payment_authority();
DELETE FROM state_transition WHERE machine IN ('remittance', 'payment_authority');
DELETE FROM ledger_account WHERE code = 'remittances_in_transit';
