DROP VIEW invariant_i34_proofs_fit;

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
CROSS JOIN LATERAL (SELECT count(*) AS n, coalesce(sum(coalesce(p.net_minor, p.amount_minor)), 0) AS total FROM payout p WHERE p.batch_id = b.id) t
WHERE b.sha256 IS NOT NULL AND (b.payout_count, b.control_sum_minor) IS DISTINCT FROM (t.n::int, t.total::bigint);

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
    -- An approval counts only if it came after this very seal.
    IF NEW.state IN ('approved', 'released') AND NOT EXISTS (
        SELECT FROM batch_approval a WHERE a.batch_id = NEW.id AND a.sha256 = NEW.sha256 AND a.at >= NEW.sealed_at
          AND a.approver_id NOT IN (NEW.sealed_by, NEW.built_by)) THEN
        RAISE EXCEPTION 'batch % is not approved by another person', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_needs_approval';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION guard_approval() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    batch payout_batch%ROWTYPE;
BEGIN
    SELECT * INTO batch FROM payout_batch WHERE id = NEW.batch_id FOR UPDATE;
    IF batch.state <> 'sealed' OR batch.sha256 IS DISTINCT FROM NEW.sha256 THEN
        RAISE EXCEPTION 'approved bytes are not the sealed bytes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_over_sealed_bytes';
    END IF;
    IF NEW.approver_id IN (batch.sealed_by, batch.built_by)
       OR EXISTS (SELECT FROM payout WHERE batch_id = NEW.batch_id AND member_id = NEW.approver_id) THEN
        RAISE EXCEPTION 'an approver neither seals nor is paid' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_by_another';
    END IF;
    RETURN NEW;
END $$;

DROP FUNCTION batch_approvals_needed, batch_approvals_counted;
ALTER TABLE payout_batch DROP COLUMN expiry_told_at;
ALTER TABLE payout_batch DROP COLUMN release_step_up_id;
ALTER TABLE batch_approval DROP COLUMN step_up_id;
DROP TABLE batch_policy, approval_amount;
DROP FUNCTION guard_approval_amount, approvers_of_threshold;
DROP TABLE factor_reset, step_up, recovery_code, second_factor;
DROP FUNCTION guard_step_up, guard_recovery_code, guard_second_factor;
DELETE FROM state_transition WHERE machine = 'factor_reset';
