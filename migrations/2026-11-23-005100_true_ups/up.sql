-- What a wage really cost: the payroll office's figures of a slip that was paid, the difference from what was booked, who
-- bears it, and over how many later payouts. And what copyright income rests on.

-- Who bears a difference, from a day on.
CREATE TABLE true_up_policy (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    valid_from date NOT NULL,
    borne_by text NOT NULL CHECK (borne_by IN ('activity', 'fund', 'entity')),
    -- Over so many later payouts, when the activity bears it.
    instalments integer NOT NULL CHECK (instalments BETWEEN 1 AND 24),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    decided_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT true_up_policy_day_unique UNIQUE (entity_id, valid_from)
);
CREATE INDEX true_up_policy_decided_by ON true_up_policy (decided_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON true_up_policy FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE true_up (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    member_id uuid NOT NULL REFERENCES member,
    activity_id uuid NOT NULL,
    payout_id uuid NOT NULL REFERENCES pay_slip,
    state text NOT NULL DEFAULT 'proposed',
    currency char(3) NOT NULL REFERENCES currency,
    policy_id uuid NOT NULL REFERENCES true_up_policy,
    -- What is booked for the slip, and what the payroll office says.
    employer_booked_minor bigint NOT NULL CHECK (employer_booked_minor >= 0),
    employee_booked_minor bigint NOT NULL CHECK (employee_booked_minor >= 0),
    withheld_booked_minor bigint NOT NULL CHECK (withheld_booked_minor >= 0),
    employer_actual_minor bigint NOT NULL CHECK (employer_actual_minor BETWEEN 0 AND 99999999999),
    employee_actual_minor bigint NOT NULL CHECK (employee_actual_minor BETWEEN 0 AND 99999999999),
    withheld_actual_minor bigint NOT NULL CHECK (withheld_actual_minor BETWEEN 0 AND 99999999999),
    difference_minor bigint NOT NULL GENERATED ALWAYS AS (employer_actual_minor - employer_booked_minor + employee_actual_minor
        - employee_booked_minor + withheld_actual_minor - withheld_booked_minor) STORED,
    evidence_id uuid NOT NULL REFERENCES archived_file,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    proposed_by uuid NOT NULL REFERENCES person,
    decided_by uuid REFERENCES person,
    booked_on date,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT true_up_by_another CHECK (decided_by <> proposed_by),
    CONSTRAINT true_up_not_own CHECK (decided_by <> member_id AND proposed_by <> member_id),
    CONSTRAINT true_up_says_something CHECK ((employer_booked_minor, employee_booked_minor, withheld_booked_minor)
        IS DISTINCT FROM (employer_actual_minor, employee_actual_minor, withheld_actual_minor)),
    CHECK ((state = 'proposed') = (decided_by IS NULL)),
    CHECK ((state = 'confirmed') = (booked_on IS NOT NULL)),
    FOREIGN KEY (member_id, activity_id) REFERENCES activity (member_id, id)
);
CREATE INDEX true_up_entity ON true_up (entity_id);
CREATE INDEX true_up_member ON true_up (member_id, id);
CREATE INDEX true_up_activity ON true_up (member_id, activity_id);
CREATE INDEX true_up_payout ON true_up (payout_id);
CREATE INDEX true_up_policy_of ON true_up (policy_id);
CREATE INDEX true_up_evidence ON true_up (evidence_id);
CREATE INDEX true_up_proposed_by ON true_up (proposed_by);
CREATE INDEX true_up_decided_by ON true_up (decided_by);
CREATE UNIQUE INDEX true_up_one_open ON true_up (payout_id) WHERE state = 'proposed';
INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('true_up', '', 'proposed'), ('true_up', 'proposed', 'confirmed'), ('true_up', 'proposed', 'rejected');
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON true_up FOR EACH ROW EXECUTE FUNCTION guard_state('true_up', 'member_id');
CREATE TRIGGER check_evidence BEFORE INSERT ON true_up FOR EACH ROW EXECUTE FUNCTION check_evidence();

-- What each later payout takes of a difference that the activity bears; what is given back comes at once, with none.
CREATE TABLE true_up_part (
    id uuid PRIMARY KEY,
    true_up_id uuid NOT NULL REFERENCES true_up,
    n integer NOT NULL CHECK (n > 0),
    member_id uuid NOT NULL REFERENCES member,
    payout_id uuid REFERENCES payout,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT true_up_part_once UNIQUE (true_up_id, n),
    CONSTRAINT true_up_part_payout_once UNIQUE (true_up_id, payout_id),
    CHECK ((payout_id IS NULL) = (amount_minor < 0))
);
CREATE INDEX true_up_part_member ON true_up_part (member_id);
CREATE INDEX true_up_part_payout ON true_up_part (payout_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON true_up_part FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Of a wage that the bank gave back: what was not paid to the offices yet and could be taken back. The rest stays a cost
-- until the payroll office says what it gave back: that is a true-up.
CREATE TABLE wage_return (
    payout_id uuid PRIMARY KEY REFERENCES pay_slip,
    member_id uuid NOT NULL REFERENCES member,
    social_minor bigint NOT NULL CHECK (social_minor >= 0),
    tax_minor bigint NOT NULL CHECK (tax_minor >= 0),
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX wage_return_member ON wage_return (member_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON wage_return FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What lets a person be paid for copyright: a certificate of an arts worker, or a transfer of rights for publication.
CREATE TABLE rights_proof (
    id uuid PRIMARY KEY,
    member_id uuid NOT NULL REFERENCES member,
    kind text NOT NULL CHECK (kind IN ('arts_worker_certificate', 'transfer_for_publication')),
    valid_from date NOT NULL,
    valid_until date CHECK (valid_until >= valid_from),
    evidence_id uuid NOT NULL REFERENCES archived_file,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    decided_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT rights_proof_by_another CHECK (decided_by <> member_id)
);
CREATE INDEX rights_proof_member ON rights_proof (member_id, valid_from);
CREATE INDEX rights_proof_evidence ON rights_proof (evidence_id);
CREATE INDEX rights_proof_decided_by ON rights_proof (decided_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON rights_proof FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER check_evidence BEFORE INSERT ON rights_proof FOR EACH ROW EXECUTE FUNCTION check_evidence();

-- A slip pays for copyright only with a proof of its day.
CREATE FUNCTION check_rights_proof() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM rights_proof p WHERE p.member_id = NEW.member_id AND p.valid_from <= NEW.computed_on
                   AND (p.valid_until IS NULL OR p.valid_until >= NEW.computed_on)) THEN
        RAISE EXCEPTION 'no proof of rights for %', NEW.member_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'pay_slip_rights_proven';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_rights_proof BEFORE INSERT ON pay_slip FOR EACH ROW WHEN (NEW.rights_minor > 0) EXECUTE FUNCTION check_rights_proof();

-- Only the state of a proposal changes, and only of a wage that left.
CREATE FUNCTION guard_true_up() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (to_jsonb(NEW) - '{state,decided_by,booked_on,version,difference_minor}'::text[])
       IS DISTINCT FROM (to_jsonb(OLD) - '{state,decided_by,booked_on,version,difference_minor}'::text[]) THEN
        RAISE EXCEPTION 'the facts of a true-up never change' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'true_up_immutable';
    END IF;
    IF TG_OP = 'INSERT' AND NOT EXISTS (
        SELECT FROM payout p JOIN pay_slip s ON s.payout_id = p.id WHERE p.id = NEW.payout_id AND p.state IN ('released', 'settled', 'returned')
          AND (s.entity_id, s.member_id, s.activity_id, s.currency) = (NEW.entity_id, NEW.member_id, NEW.activity_id, NEW.currency)) THEN
        RAISE EXCEPTION 'the wage of payout % has not left', NEW.payout_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'true_up_of_paid_wage';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_true_up BEFORE INSERT OR UPDATE ON true_up FOR EACH ROW EXECUTE FUNCTION guard_true_up();

-- The parts of a difference never come to more than it.
CREATE FUNCTION check_true_up_part() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    whole true_up;
    taken bigint;
BEGIN
    SELECT * INTO whole FROM true_up t WHERE t.id = NEW.true_up_id;
    SELECT coalesce(sum(amount_minor), 0) + NEW.amount_minor INTO taken FROM true_up_part WHERE true_up_id = NEW.true_up_id;
    IF whole.state <> 'confirmed' OR whole.member_id <> NEW.member_id OR sign(NEW.amount_minor) <> sign(whole.difference_minor)
       OR abs(taken) > abs(whole.difference_minor) THEN
        RAISE EXCEPTION 'the parts of true-up % exceed it', NEW.true_up_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'true_up_part_fits';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_true_up_part BEFORE INSERT ON true_up_part FOR EACH ROW EXECUTE FUNCTION check_true_up_part();

ALTER TABLE true_up ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON true_up USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());
ALTER TABLE true_up_part ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON true_up_part USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());
ALTER TABLE wage_return ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON wage_return USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());
ALTER TABLE rights_proof ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON rights_proof USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());
GRANT SELECT, INSERT ON true_up_policy, true_up_part, wage_return, rights_proof TO umbel_app;
GRANT SELECT, INSERT, UPDATE (state, decided_by, booked_on) ON true_up TO umbel_app;

INSERT INTO ledger_source (kind, source_table) VALUES ('true_up', 'true_up'), ('true_up_part', 'true_up_part');
INSERT INTO ledger_event (event, source_kind) VALUES ('payroll_trued_up', 'true_up'), ('true_up_taken', 'true_up_part');

-- What is owed to the offices for a wage is what its slip says; of one that came back, what could not be taken back.
CREATE OR REPLACE VIEW invariant_i31_wages_are_slips WITH (security_invoker = true) AS
SELECT coalesce(s.payout_id, l.source_id)::text AS subject,
       format('slip %s/%s, ledger %s/%s', coalesce(s.social, 0), coalesce(s.tax, 0), coalesce(l.social, 0), coalesce(l.tax, 0)) AS detail
FROM (SELECT s.payout_id, s.employer_minor + s.employee_minor - coalesce(r.social_minor, 0) AS social,
             s.levy_minor + s.withheld_minor + s.rights_withheld_minor - coalesce(r.tax_minor, 0) AS tax
      FROM pay_slip s JOIN payout p ON p.id = s.payout_id LEFT JOIN wage_return r ON r.payout_id = s.payout_id
      WHERE p.state IN ('released', 'settled') OR r.payout_id IS NOT NULL) s
FULL JOIN (SELECT e.source_id, -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'social_security_payable'), 0) AS social,
                  -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'withholding_payable'), 0) AS tax
           FROM journal_entry e JOIN posting p ON p.entry_id = e.id
           WHERE e.event IN ('payout_released', 'payout_returned') AND p.account IN ('social_security_payable', 'withholding_payable')
           GROUP BY e.source_id
           HAVING sum(p.amount_minor) FILTER (WHERE p.account = 'social_security_payable') <> 0
               OR sum(p.amount_minor) FILTER (WHERE p.account = 'withholding_payable') <> 0) l ON l.source_id = s.payout_id
WHERE (coalesce(s.social, 0), coalesce(s.tax, 0)) IS DISTINCT FROM (coalesce(l.social, 0)::bigint, coalesce(l.tax, 0)::bigint);

-- A confirmed true-up is in the books by its own figures, and what activities bore of it is what its parts say.
CREATE VIEW invariant_i38_true_ups_are_booked WITH (security_invoker = true) AS
SELECT t.id::text AS subject, format('difference %s, ledger %s/%s', t.difference_minor, l.social, l.tax) AS detail
FROM true_up t CROSS JOIN LATERAL (
    SELECT -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'social_security_payable'), 0) AS social,
           -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'withholding_payable'), 0) AS tax,
           coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'employer_contributions'), 0) AS employer,
           coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'wages'), 0) AS wages
    FROM journal_entry e JOIN posting p ON p.entry_id = e.id WHERE e.event = 'payroll_trued_up' AND e.source_id = t.id) l
WHERE (CASE WHEN t.state = 'confirmed' THEN t.employer_actual_minor - t.employer_booked_minor ELSE 0 END,
       CASE WHEN t.state = 'confirmed' THEN t.difference_minor - (t.employer_actual_minor - t.employer_booked_minor) ELSE 0 END,
       CASE WHEN t.state = 'confirmed' THEN t.difference_minor - (t.withheld_actual_minor - t.withheld_booked_minor) ELSE 0 END,
       CASE WHEN t.state = 'confirmed' THEN t.withheld_actual_minor - t.withheld_booked_minor ELSE 0 END)
      IS DISTINCT FROM (l.employer::bigint, l.wages::bigint, l.social::bigint, l.tax::bigint)
UNION ALL
SELECT q.id::text, format('part %s, ledger %s', q.amount_minor, coalesce(l.amount, 0))
FROM true_up_part q LEFT JOIN LATERAL (
    SELECT -sum(p.amount_minor) AS amount FROM journal_entry e JOIN posting p ON p.entry_id = e.id
    WHERE e.event = 'true_up_taken' AND e.source_id = q.id AND p.account = 'member_cost') l ON true
WHERE q.amount_minor <> coalesce(l.amount, 0)
UNION ALL
SELECT t.id::text, format('parts of %s come to %s', t.difference_minor, q.taken)
FROM true_up t JOIN (SELECT true_up_id, sum(amount_minor) AS taken FROM true_up_part GROUP BY true_up_id) q ON q.true_up_id = t.id
WHERE abs(q.taken) > abs(t.difference_minor);
GRANT SELECT ON invariant_i38_true_ups_are_booked TO umbel_app;
