DROP VIEW invariant_i31_wages_are_slips;
CREATE OR REPLACE VIEW invariant_i13_released_by_four_eyes WITH (security_invoker = true) AS
SELECT b.id::text AS subject, 'released without an approval by another person over the same bytes'::text AS detail
FROM payout_batch b
WHERE b.state = 'released' AND NOT EXISTS (
    SELECT FROM batch_approval a WHERE a.batch_id = b.id AND a.sha256 = b.sha256 AND a.at >= b.sealed_at
      AND a.approver_id NOT IN (b.sealed_by, b.built_by)
      AND NOT EXISTS (SELECT FROM payout p WHERE p.batch_id = b.id AND p.member_id IN (a.approver_id, b.sealed_by)))
UNION ALL
SELECT b.id::text, 'the sealed file is not the approved one'
FROM payout_batch b JOIN archived_file f ON f.id = b.file_id
WHERE sha256(f.bytes) <> b.sha256 OR f.sha256 <> b.sha256
UNION ALL
SELECT b.id::text, 'the sealed count or sum is not that of its payouts'
FROM payout_batch b
CROSS JOIN LATERAL (SELECT count(*) AS n, coalesce(sum(amount_minor), 0) AS total FROM payout p WHERE p.batch_id = b.id) t
WHERE b.sha256 IS NOT NULL AND (b.payout_count, b.control_sum_minor) IS DISTINCT FROM (t.n::int, t.total::bigint);
CREATE OR REPLACE VIEW invariant_i10_in_transit_is_released WITH (security_invoker = true) AS
SELECT coalesce(p.id, l.payout_id)::text AS subject,
       format('in transit %s, ledger %s', coalesce(p.amount_minor, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT id, amount_minor FROM payout WHERE state = 'released') p
FULL JOIN (SELECT payout_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'payouts_in_transit' GROUP BY payout_id
           HAVING sum(amount_minor) <> 0) l ON l.payout_id = p.id
WHERE coalesce(p.amount_minor, 0) <> coalesce(l.amount, 0);
CREATE OR REPLACE FUNCTION guard_batch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
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
        SELECT count(*) AS n, coalesce(sum(amount_minor), 0) AS total INTO items FROM payout WHERE batch_id = NEW.id;
        IF items.n = 0 OR items.n <> NEW.payout_count OR items.total <> NEW.control_sum_minor
           OR NOT EXISTS (SELECT FROM archived_file f WHERE f.id = NEW.file_id AND f.sha256 = NEW.sha256 AND f.subject_id = NEW.id) THEN
            RAISE EXCEPTION 'the seal of batch % does not fit its payouts', NEW.id
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_seal_fits';
        END IF;
        IF EXISTS (SELECT FROM payout WHERE batch_id = NEW.id AND member_id = NEW.sealed_by) THEN
            RAISE EXCEPTION 'who seals is not paid' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_by_another';
        END IF;
    END IF;
    -- An approval counts only if it came after this very seal.
    IF NEW.state IN ('approved', 'released') AND NOT EXISTS (
        SELECT FROM batch_approval a WHERE a.batch_id = NEW.id AND a.sha256 = NEW.sha256 AND a.at >= NEW.sealed_at
          AND a.approver_id NOT IN (NEW.sealed_by, NEW.built_by)) THEN
        RAISE EXCEPTION 'batch % is not approved by another person', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_needs_approval';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION guard_payout() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF OLD.batch_id IS DISTINCT FROM NEW.batch_id AND EXISTS (
        SELECT FROM payout_batch WHERE id IN (OLD.batch_id, NEW.batch_id) AND state <> 'open') THEN
        RAISE EXCEPTION 'a sealed batch cannot be edited' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_sealed';
    END IF;
    IF (OLD.amount_minor, OLD.currency, OLD.member_id, OLD.activity_id, OLD.end_to_end_id, OLD.entity_id)
       IS DISTINCT FROM (NEW.amount_minor, NEW.currency, NEW.member_id, NEW.activity_id, NEW.end_to_end_id, NEW.entity_id) THEN
        RAISE EXCEPTION 'the facts of a payout never change' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_immutable';
    END IF;
    IF OLD.state <> 'requested' AND OLD.payee_account_id IS DISTINCT FROM NEW.payee_account_id THEN
        RAISE EXCEPTION 'the account of an approved payout never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_immutable';
    END IF;
    IF NEW.state = 'released' AND OLD.state <> 'released' AND NOT EXISTS (
        SELECT FROM payout_batch WHERE id = NEW.batch_id AND state = 'released') THEN
        RAISE EXCEPTION 'a payout is released with its batch' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_release_with_batch';
    END IF;
    RETURN NEW;
END $$;
DROP INDEX archived_file_payslip_once;
DROP VIEW pay_slip_counted;
DROP TABLE pay_slip;
DROP FUNCTION guard_pay_slip();
ALTER TABLE payout DROP CONSTRAINT payout_net_check;
ALTER TABLE payout DROP CONSTRAINT payout_parts_check;
ALTER TABLE payout DROP COLUMN net_minor;
ALTER TABLE payout DROP COLUMN rights_minor;
ALTER TABLE payout DROP COLUMN beside_minor;
ALTER TABLE payout DROP CONSTRAINT payout_scheme_check;
ALTER TABLE payout ADD CONSTRAINT payout_scheme_check CHECK (scheme IN ('plain_transfer'));
DELETE FROM ledger_account WHERE code IN ('social_security_payable', 'withholding_payable', 'wages', 'employer_contributions');
