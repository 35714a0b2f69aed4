-- What a bank says about a file that it was sent, payouts that it refused or is silent about, and the desk for them.

INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('payout', 'released', 'rejected'), ('payout', 'unknown', 'rejected'),
    ('payout', 'released', 'unknown'),
    ('payout', 'released', 'confirmed'), ('payout', 'unknown', 'confirmed'),
    ('payout', 'unknown', 'settled'), ('payout', 'confirmed', 'settled'),
    ('payout', 'rejected', 'replaced'), ('payout', 'unknown', 'replaced'),
    ('payout', 'rejected', 'given_back'), ('payout', 'unknown', 'given_back'),
    ('payout_decision', '', 'proposed'), ('payout_decision', 'proposed', 'agreed'), ('payout_decision', 'proposed', 'refused');

INSERT INTO ledger_event (event, source_kind) VALUES ('payout_rejected', 'payout');

-- Since when a payout needs a person; who that is stands in desk_owner_id.
ALTER TABLE payout ADD COLUMN desk_since timestamptz;
ALTER TABLE payout ADD COLUMN desk_closed_at timestamptz CHECK (desk_since IS NOT NULL OR desk_closed_at IS NULL);
-- The payout that is sent in the place of one that did not arrive.
ALTER TABLE payout ADD COLUMN replaces_id uuid CONSTRAINT payout_replaces_once UNIQUE REFERENCES payout;
UPDATE payout SET desk_since = returned_on WHERE state = 'returned';
DO $$
DECLARE
    name text;
BEGIN
    SELECT conname INTO STRICT name FROM pg_constraint
    WHERE conrelid = 'payout'::regclass AND contype = 'c' AND pg_get_constraintdef(oid) LIKE '%batch_id IS NOT NULL%';
    EXECUTE format('ALTER TABLE payout DROP CONSTRAINT %I', name);
END $$;
ALTER TABLE payout ADD CONSTRAINT payout_batch_by_state CHECK ((state IN ('batched', 'released', 'settled', 'returned',
    'rejected', 'unknown', 'confirmed', 'replaced', 'given_back')) = (batch_id IS NOT NULL));
CREATE INDEX payout_desk ON payout (desk_since, id) WHERE desk_since IS NOT NULL AND desk_closed_at IS NULL;

-- An answer of a bank to a file (pain.002), kept as it came.
CREATE TABLE bank_report (
    id uuid PRIMARY KEY,
    message_id text NOT NULL CHECK (length(message_id) BETWEEN 1 AND 35),
    original_message_id text NOT NULL CHECK (length(original_message_id) BETWEEN 1 AND 35),
    batch_id uuid REFERENCES payout_batch,
    status text CHECK (length(status) <= 4),
    file_id uuid NOT NULL REFERENCES archived_file,
    sha256 bytea NOT NULL CONSTRAINT bank_report_once UNIQUE CHECK (octet_length(sha256) = 32),
    imported_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX bank_report_batch ON bank_report (batch_id);
CREATE INDEX bank_report_file ON bank_report (file_id);
CREATE INDEX bank_report_imported_by ON bank_report (imported_by);
CREATE TABLE bank_report_line (
    report_id uuid NOT NULL REFERENCES bank_report,
    n integer NOT NULL CHECK (n > 0),
    payout_id uuid REFERENCES payout,
    end_to_end_id text NOT NULL CHECK (length(end_to_end_id) <= 35),
    status text NOT NULL CHECK (length(status) <= 4),
    reason_code text NOT NULL DEFAULT '' CHECK (length(reason_code) <= 35),
    reason text NOT NULL DEFAULT '' CHECK (length(reason) <= 400),
    -- What it did: the payout was refused, nothing changed, it came too late, or it is about nothing of ours.
    effect text NOT NULL CHECK (effect IN ('accepted', 'rejected', 'late', 'not_ours')),
    PRIMARY KEY (report_id, n),
    CHECK ((effect = 'not_ours') = (payout_id IS NULL))
);
CREATE INDEX bank_report_line_payout ON bank_report_line (payout_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON bank_report FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON bank_report_line FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE bank_report ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON bank_report USING (umbel_sees_all());
ALTER TABLE bank_report_line ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON bank_report_line USING (umbel_sees_all());
GRANT SELECT, INSERT ON bank_report, bank_report_line TO umbel_app;

-- What two people decide about a payout that did not arrive for sure: send a new one, give its money back, or take it for
-- carried out. Each rests on evidence.
CREATE TABLE payout_decision (
    id uuid PRIMARY KEY,
    payout_id uuid NOT NULL REFERENCES payout,
    kind text NOT NULL CHECK (kind IN ('resend', 'give_back', 'confirm')),
    state text NOT NULL DEFAULT 'proposed',
    evidence text NOT NULL CHECK (length(evidence) BETWEEN 1 AND 2000),
    evidence_id uuid REFERENCES archived_file,
    proposed_by uuid NOT NULL REFERENCES person,
    decided_by uuid REFERENCES person CONSTRAINT payout_decision_by_another CHECK (decided_by <> proposed_by),
    decided_at timestamptz,
    new_payout_id uuid REFERENCES payout,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK ((decided_by IS NULL) = (decided_at IS NULL) AND (state = 'proposed') = (decided_by IS NULL)),
    CHECK ((new_payout_id IS NOT NULL) = (kind = 'resend' AND state = 'agreed'))
);
CREATE UNIQUE INDEX payout_decision_one_open ON payout_decision (payout_id) WHERE state = 'proposed';
CREATE INDEX payout_decision_payout ON payout_decision (payout_id);
CREATE INDEX payout_decision_evidence ON payout_decision (evidence_id);
CREATE INDEX payout_decision_proposed_by ON payout_decision (proposed_by);
CREATE INDEX payout_decision_decided_by ON payout_decision (decided_by);
CREATE INDEX payout_decision_new ON payout_decision (new_payout_id);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON payout_decision FOR EACH ROW EXECUTE FUNCTION guard_state('payout_decision', 'no_owner');
CREATE FUNCTION guard_payout_decision() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM payout p WHERE p.id = NEW.payout_id AND p.member_id IN (NEW.proposed_by, NEW.decided_by)) THEN
        RAISE EXCEPTION 'who is paid does not decide' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_decision_by_another';
    END IF;
    IF TG_OP = 'UPDATE' AND (OLD.id, OLD.payout_id, OLD.kind, OLD.evidence, OLD.evidence_id, OLD.proposed_by, OLD.created_at)
       IS DISTINCT FROM (NEW.id, NEW.payout_id, NEW.kind, NEW.evidence, NEW.evidence_id, NEW.proposed_by, NEW.created_at) THEN
        RAISE EXCEPTION 'what was proposed never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_decision_frozen';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_payout_decision BEFORE INSERT OR UPDATE ON payout_decision FOR EACH ROW EXECUTE FUNCTION guard_payout_decision();
ALTER TABLE payout_decision ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON payout_decision USING (umbel_sees_all());
GRANT SELECT, INSERT, UPDATE (state, decided_by, decided_at, new_payout_id) ON payout_decision TO umbel_app;

-- Nothing but a bank's own word or two people bring a payout to the desk's ends.
CREATE FUNCTION guard_payout_result() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.replaces_id IS DISTINCT FROM NEW.replaces_id THEN
        RAISE EXCEPTION 'what a payout replaces never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_immutable';
    END IF;
    IF OLD.state = NEW.state THEN
        RETURN NEW;
    END IF;
    IF NEW.state = 'rejected' AND NOT EXISTS (SELECT FROM bank_report_line l WHERE l.payout_id = NEW.id AND l.effect = 'rejected') THEN
        RAISE EXCEPTION 'no bank refused payout %', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_result_needs_word';
    END IF;
    IF NEW.state IN ('confirmed', 'replaced', 'given_back') AND NOT EXISTS (
        SELECT FROM payout_decision d WHERE d.payout_id = NEW.id AND d.state = 'agreed'
          AND d.kind = CASE NEW.state WHEN 'confirmed' THEN 'confirm' WHEN 'replaced' THEN 'resend' ELSE 'give_back' END) THEN
        RAISE EXCEPTION 'nobody decided about payout %', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_result_needs_word';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_payout_result BEFORE UPDATE ON payout FOR EACH ROW EXECUTE FUNCTION guard_payout_result();

-- A payout that replaces another is about the same person, activity and amount, and the other one is over.
CREATE FUNCTION guard_replacement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.replaces_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM payout p WHERE p.id = NEW.replaces_id AND p.state IN ('rejected', 'unknown')
          AND (p.member_id, p.activity_id, p.entity_id, p.amount_minor, p.currency)
            = (NEW.member_id, NEW.activity_id, NEW.entity_id, NEW.amount_minor, NEW.currency)) THEN
        RAISE EXCEPTION 'payout % replaces nothing that waits', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_replaces_fits';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_replacement BEFORE INSERT ON payout FOR EACH ROW EXECUTE FUNCTION guard_replacement();

CREATE OR REPLACE VIEW pay_slip_counted WITH (security_invoker = true) AS
SELECT s.payout_id, s.member_id, s.activity_id, s.computed_on, s.rights_minor, s.created_at
FROM pay_slip s JOIN payout p ON p.id = s.payout_id
WHERE p.state NOT IN ('cancelled', 'refused', 'returned', 'replaced', 'given_back');

CREATE OR REPLACE VIEW invariant_i10_in_transit_is_released WITH (security_invoker = true) AS
SELECT coalesce(p.id, l.payout_id)::text AS subject,
       format('in transit %s, ledger %s', coalesce(p.sent, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT id, coalesce(net_minor, amount_minor) AS sent FROM payout WHERE state IN ('released', 'unknown', 'confirmed')) p
FULL JOIN (SELECT payout_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'payouts_in_transit' GROUP BY payout_id
           HAVING sum(amount_minor) <> 0) l ON l.payout_id = p.id
WHERE coalesce(p.sent, 0) <> coalesce(l.amount, 0);

CREATE OR REPLACE VIEW invariant_i31_wages_are_slips WITH (security_invoker = true) AS
SELECT coalesce(s.payout_id, l.source_id)::text AS subject,
       format('slip %s/%s, ledger %s/%s', coalesce(s.social, 0), coalesce(s.tax, 0), coalesce(l.social, 0), coalesce(l.tax, 0)) AS detail
FROM (SELECT s.payout_id, s.employer_minor + s.employee_minor AS social, s.levy_minor + s.withheld_minor + s.rights_withheld_minor AS tax
      FROM pay_slip s JOIN payout p ON p.id = s.payout_id WHERE p.state IN ('released', 'settled', 'unknown', 'confirmed')) s
FULL JOIN (SELECT e.source_id, -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'social_security_payable'), 0) AS social,
                  -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'withholding_payable'), 0) AS tax
           FROM journal_entry e JOIN posting p ON p.entry_id = e.id
           WHERE e.event IN ('payout_released', 'payout_returned', 'payout_rejected') AND p.account IN ('social_security_payable', 'withholding_payable')
           GROUP BY e.source_id
           HAVING sum(p.amount_minor) FILTER (WHERE p.account = 'social_security_payable') <> 0
               OR sum(p.amount_minor) FILTER (WHERE p.account = 'withholding_payable') <> 0) l ON l.source_id = s.payout_id
WHERE (coalesce(s.social, 0), coalesce(s.tax, 0)) IS DISTINCT FROM (coalesce(l.social, 0)::bigint, coalesce(l.tax, 0)::bigint);

-- An end-to-end id leaves once: a payout is released once, and one that replaces another is the only one that does.
CREATE VIEW invariant_i35_sent_once WITH (security_invoker = true) AS
SELECT subject_id::text AS subject, 'a payout was released twice'::text AS detail
FROM state_history WHERE machine = 'payout' AND to_state = 'released' GROUP BY subject_id HAVING count(*) > 1
UNION ALL
SELECT p.id::text, 'a payout replaces one that is not over'
FROM payout p JOIN payout o ON o.id = p.replaces_id
WHERE o.state <> 'replaced' OR (o.member_id, o.amount_minor) IS DISTINCT FROM (p.member_id, p.amount_minor)
UNION ALL
SELECT o.id::text, 'a payout was replaced by none' FROM payout o
WHERE o.state = 'replaced' AND NOT EXISTS (SELECT FROM payout p WHERE p.replaces_id = o.id)
UNION ALL
SELECT p.id::text, 'a payout that needs somebody has no day on the desk'
FROM payout p WHERE p.state IN ('rejected', 'unknown') AND p.desk_since IS NULL;
GRANT SELECT ON invariant_i35_sent_once TO umbel_app;
