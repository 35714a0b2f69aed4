-- What a budget became: one slip for a payout that is a wage, computed when it was approved and true for ever.

INSERT INTO ledger_account (code, kind, dimension) VALUES
    ('social_security_payable', 'liability', NULL),
    ('withholding_payable', 'liability', NULL),
    ('wages', 'expense', 'activity_id'),
    ('employer_contributions', 'expense', 'activity_id');

ALTER TABLE payout DROP CONSTRAINT payout_scheme_check;
ALTER TABLE payout ADD CONSTRAINT payout_scheme_check CHECK (scheme IN ('plain_transfer', 'salary'));
-- Asked for with the payout: what is paid beside the wage, and for copyright. Both out of its amount.
ALTER TABLE payout ADD COLUMN beside_minor bigint NOT NULL DEFAULT 0;
ALTER TABLE payout ADD COLUMN rights_minor bigint NOT NULL DEFAULT 0;
ALTER TABLE payout ADD COLUMN net_minor bigint;
ALTER TABLE payout ADD CONSTRAINT payout_parts_check CHECK (beside_minor >= 0 AND rights_minor >= 0 AND beside_minor + rights_minor <= amount_minor);
ALTER TABLE payout ADD CONSTRAINT payout_net_check CHECK ((scheme = 'salary') = (net_minor IS NOT NULL) AND net_minor BETWEEN 1 AND amount_minor);

CREATE TABLE pay_slip (
    payout_id uuid PRIMARY KEY REFERENCES payout,
    entity_id uuid NOT NULL REFERENCES entity,
    activity_id uuid NOT NULL,
    member_id uuid NOT NULL REFERENCES member,
    scheme_version_id uuid NOT NULL REFERENCES pay_scheme_version,
    computed_on date NOT NULL,
    withholding_ppm bigint NOT NULL CHECK (withholding_ppm BETWEEN 0 AND 750000),
    currency char(3) NOT NULL REFERENCES currency,
    budget_minor bigint NOT NULL CHECK (budget_minor > 0),
    margin_minor bigint NOT NULL CHECK (margin_minor >= 0),
    levy_minor bigint NOT NULL CHECK (levy_minor >= 0),
    beside_minor bigint NOT NULL CHECK (beside_minor >= 0),
    rights_minor bigint NOT NULL CHECK (rights_minor >= 0),
    rights_withheld_minor bigint NOT NULL CHECK (rights_withheld_minor BETWEEN 0 AND rights_minor),
    gross_minor bigint NOT NULL CHECK (gross_minor >= 0),
    employer_minor bigint NOT NULL CHECK (employer_minor >= 0),
    employee_minor bigint NOT NULL CHECK (employee_minor >= 0),
    withheld_minor bigint NOT NULL CHECK (withheld_minor >= 0),
    net_minor bigint NOT NULL CHECK (net_minor > 0),
    residual_minor bigint NOT NULL CHECK (residual_minor >= 0),
    computation jsonb NOT NULL CHECK (jsonb_typeof(computation -> 'lines') = 'array'),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT pay_slip_budget_adds_up CHECK (budget_minor = margin_minor + levy_minor + beside_minor + rights_minor
        + gross_minor + employer_minor + residual_minor),
    CONSTRAINT pay_slip_net_adds_up CHECK (net_minor = beside_minor + rights_minor - rights_withheld_minor
        + gross_minor - employee_minor - withheld_minor),
    FOREIGN KEY (member_id, activity_id) REFERENCES activity (member_id, id)
);
CREATE INDEX pay_slip_entity ON pay_slip (entity_id);
CREATE INDEX pay_slip_activity ON pay_slip (member_id, activity_id);
CREATE INDEX pay_slip_member ON pay_slip (member_id, computed_on);
CREATE INDEX pay_slip_version ON pay_slip (scheme_version_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON pay_slip FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE pay_slip ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON pay_slip USING (umbel_owns(member_id));
GRANT SELECT, INSERT ON pay_slip TO umbel_app;

-- Slips that count: those of payouts that were neither taken back nor given back.
CREATE VIEW pay_slip_counted WITH (security_invoker = true) AS
SELECT s.payout_id, s.member_id, s.activity_id, s.computed_on, s.rights_minor, s.created_at
FROM pay_slip s JOIN payout p ON p.id = s.payout_id WHERE p.state NOT IN ('cancelled', 'refused', 'returned');
GRANT SELECT ON pay_slip_counted TO umbel_app;

-- A slip is about its payout, to the cent, while that is being decided.
CREATE FUNCTION guard_pay_slip() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM payout p WHERE p.id = NEW.payout_id AND p.state = 'requested'
        AND (p.entity_id, p.activity_id, p.member_id, p.currency, p.amount_minor, p.beside_minor, p.rights_minor)
          = (NEW.entity_id, NEW.activity_id, NEW.member_id, NEW.currency, NEW.budget_minor, NEW.beside_minor, NEW.rights_minor)) THEN
        RAISE EXCEPTION 'the slip does not fit payout %', NEW.payout_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'pay_slip_fits_payout';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_pay_slip BEFORE INSERT ON pay_slip FOR EACH ROW EXECUTE FUNCTION guard_pay_slip();

CREATE UNIQUE INDEX archived_file_payslip_once ON archived_file (subject_id) WHERE kind = 'payslip';

CREATE OR REPLACE FUNCTION guard_payout() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF OLD.batch_id IS DISTINCT FROM NEW.batch_id AND EXISTS (
        SELECT FROM payout_batch WHERE id IN (OLD.batch_id, NEW.batch_id) AND state <> 'open') THEN
        RAISE EXCEPTION 'a sealed batch cannot be edited' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_sealed';
    END IF;
    IF (OLD.amount_minor, OLD.currency, OLD.member_id, OLD.activity_id, OLD.end_to_end_id, OLD.entity_id,
        OLD.beside_minor, OLD.rights_minor)
       IS DISTINCT FROM (NEW.amount_minor, NEW.currency, NEW.member_id, NEW.activity_id, NEW.end_to_end_id, NEW.entity_id,
                             NEW.beside_minor, NEW.rights_minor) THEN
        RAISE EXCEPTION 'the facts of a payout never change' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_immutable';
    END IF;
    IF OLD.state <> 'requested' AND OLD.payee_account_id IS DISTINCT FROM NEW.payee_account_id THEN
        RAISE EXCEPTION 'the account of an approved payout never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_immutable';
    END IF;
    IF OLD.state <> 'requested' AND (OLD.scheme, OLD.net_minor) IS DISTINCT FROM (NEW.scheme, NEW.net_minor) THEN
        RAISE EXCEPTION 'the net of an approved payout never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_immutable';
    END IF;
    -- What is sent is what the slip says; without a slip it is the whole amount.
    IF NEW.state = 'approved' AND OLD.state = 'requested' AND NEW.net_minor IS DISTINCT FROM
       (SELECT s.net_minor FROM pay_slip s WHERE s.payout_id = NEW.id) THEN
        RAISE EXCEPTION 'the net of payout % is not that of its slip', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_net_fits';
    END IF;
    IF NEW.state = 'released' AND OLD.state <> 'released' AND NOT EXISTS (
        SELECT FROM payout_batch WHERE id = NEW.batch_id AND state = 'released') THEN
        RAISE EXCEPTION 'a payout is released with its batch' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_release_with_batch';
    END IF;
    RETURN NEW;
END $$;

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

CREATE OR REPLACE VIEW invariant_i10_in_transit_is_released WITH (security_invoker = true) AS
SELECT coalesce(p.id, l.payout_id)::text AS subject,
       format('in transit %s, ledger %s', coalesce(p.sent, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT id, coalesce(net_minor, amount_minor) AS sent FROM payout WHERE state = 'released') p
FULL JOIN (SELECT payout_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'payouts_in_transit' GROUP BY payout_id
           HAVING sum(amount_minor) <> 0) l ON l.payout_id = p.id
WHERE coalesce(p.sent, 0) <> coalesce(l.amount, 0);

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

-- What is owed to social security and to the tax office of wages is what the slips of the released payouts say.
CREATE VIEW invariant_i31_wages_are_slips WITH (security_invoker = true) AS
SELECT coalesce(s.payout_id, l.source_id)::text AS subject,
       format('slip %s/%s, ledger %s/%s', coalesce(s.social, 0), coalesce(s.tax, 0), coalesce(l.social, 0), coalesce(l.tax, 0)) AS detail
FROM (SELECT s.payout_id, s.employer_minor + s.employee_minor AS social, s.levy_minor + s.withheld_minor + s.rights_withheld_minor AS tax
      FROM pay_slip s JOIN payout p ON p.id = s.payout_id WHERE p.state IN ('released', 'settled')) s
FULL JOIN (SELECT e.source_id, -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'social_security_payable'), 0) AS social,
                  -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'withholding_payable'), 0) AS tax
           FROM journal_entry e JOIN posting p ON p.entry_id = e.id
           WHERE e.event IN ('payout_released', 'payout_returned') AND p.account IN ('social_security_payable', 'withholding_payable')
           GROUP BY e.source_id
           HAVING sum(p.amount_minor) FILTER (WHERE p.account = 'social_security_payable') <> 0
               OR sum(p.amount_minor) FILTER (WHERE p.account = 'withholding_payable') <> 0) l ON l.source_id = s.payout_id
WHERE (coalesce(s.social, 0), coalesce(s.tax, 0)) IS DISTINCT FROM (coalesce(l.social, 0)::bigint, coalesce(l.tax, 0)::bigint);
GRANT SELECT ON invariant_i31_wages_are_slips TO umbel_app;
