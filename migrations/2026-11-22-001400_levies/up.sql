-- Levies: what a mutual keeps, by rules that may have bands, floors, caps and fixed amounts, and each time it kept something.

-- What the guarantee is allowed, and the paper behind the decision. NULL is "no limit".
ALTER TABLE rule_set
    ADD COLUMN evidence_id uuid REFERENCES archived_file,
    ADD COLUMN member_limit_minor bigint CHECK (member_limit_minor >= 0),
    ADD COLUMN new_pair_limit_minor bigint CHECK (new_pair_limit_minor >= 0),
    ADD COLUMN fund_multiple_ppm bigint CHECK (fund_multiple_ppm >= 0),
    ADD COLUMN pause_below_minor bigint CHECK (pause_below_minor >= 0),
    ADD COLUMN share_validity text NOT NULL DEFAULT 'once' CHECK (share_validity IN ('once', 'yearly'));
CREATE INDEX rule_set_evidence ON rule_set (evidence_id);

-- A flat levy has a rate; one by bands has bands and none.
ALTER TABLE rule_set_levy DROP CONSTRAINT rule_set_levy_base_check;
ALTER TABLE rule_set_levy
    ALTER COLUMN rate_ppm DROP NOT NULL,
    ADD COLUMN running text CHECK (running IN ('year_to_date', 'lifetime')),
    ADD COLUMN floor_minor bigint CHECK (floor_minor > 0),
    ADD COLUMN cap_minor bigint CHECK (cap_minor > 0),
    ADD COLUMN fixed_minor bigint CHECK (fixed_minor > 0),
    ADD CONSTRAINT rule_set_levy_base_check CHECK (base IN ('invoiced_net', 'collected_net', 'gross_margin')),
    -- What depends on what was charged before has to say over which time.
    ADD CONSTRAINT rule_set_levy_running CHECK (running IS NOT NULL OR (rate_ppm IS NOT NULL AND base <> 'gross_margin')),
    ADD CONSTRAINT rule_set_levy_floor_fits CHECK (floor_minor <= cap_minor),
    ADD CONSTRAINT rule_set_levy_fixed_fits CHECK (fixed_minor <= cap_minor);

CREATE TABLE rule_set_band (
    rule_set_id uuid NOT NULL,
    kind text NOT NULL,
    from_minor bigint NOT NULL CHECK (from_minor >= 0),
    rate_ppm bigint NOT NULL CHECK (rate_ppm BETWEEN 0 AND 1000000),
    PRIMARY KEY (rule_set_id, kind, from_minor),
    FOREIGN KEY (rule_set_id, kind) REFERENCES rule_set_levy
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON rule_set_band FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- A rule set is published with all its levies and bands in one transaction; nothing joins it afterwards.
CREATE FUNCTION check_rule_set_is_new() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM rule_set WHERE id = NEW.rule_set_id AND xmin = pg_current_xact_id()::xid) THEN
        RAISE EXCEPTION 'a published rule set never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'rule_set_immutable';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER of_new_rule_set BEFORE INSERT ON rule_set_levy FOR EACH ROW EXECUTE FUNCTION check_rule_set_is_new();
CREATE TRIGGER of_new_rule_set BEFORE INSERT ON rule_set_band FOR EACH ROW EXECUTE FUNCTION check_rule_set_is_new();

CREATE FUNCTION check_levy_has_rate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    first_band bigint;
BEGIN
    SELECT min(from_minor) INTO first_band FROM rule_set_band WHERE rule_set_id = NEW.rule_set_id AND kind = NEW.kind;
    IF (SELECT rate_ppm IS NULL FROM rule_set_levy WHERE rule_set_id = NEW.rule_set_id AND kind = NEW.kind)
       IS DISTINCT FROM (first_band IS NOT NULL) OR first_band > 0 THEN
        RAISE EXCEPTION 'a levy has a rate, or bands from zero' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'levy_has_rate';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER levy_has_rate AFTER INSERT ON rule_set_levy DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_levy_has_rate();
CREATE CONSTRAINT TRIGGER levy_has_rate AFTER INSERT ON rule_set_band DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_levy_has_rate();

-- The levies of a rule set as the program reads them, ordered by kind.
-- (In plpgsql, which keeps its plans: issuing an invoice calls it.)
CREATE FUNCTION levies_of(p_rule_set uuid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', l.kind, 'base', l.base, 'rate_ppm', l.rate_ppm,
               'bands', (SELECT coalesce(jsonb_agg(jsonb_build_object('from_minor', b.from_minor, 'rate_ppm', b.rate_ppm) ORDER BY b.from_minor), '[]')
                         FROM rule_set_band b WHERE b.rule_set_id = l.rule_set_id AND b.kind = l.kind),
               'running', l.running, 'floor_minor', l.floor_minor, 'cap_minor', l.cap_minor, 'fixed_minor', l.fixed_minor) ORDER BY l.kind), '[]')
    FROM rule_set_levy l WHERE l.rule_set_id = p_rule_set);
END $$;
GRANT EXECUTE ON FUNCTION levies_of TO umbel_app;

-- Who need not pay what, for a time, on which evidence.
CREATE TABLE levy_exemption (
    id uuid PRIMARY KEY,
    activity_id uuid NOT NULL REFERENCES activity,
    member_id uuid NOT NULL REFERENCES member,
    kind text NOT NULL CHECK (kind IN ('fee', 'guarantee')),
    part text NOT NULL CHECK (part IN ('all', 'fixed', 'floor')),
    valid_from date NOT NULL,
    valid_until date,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    evidence_id uuid REFERENCES archived_file,
    decided_by uuid NOT NULL REFERENCES person CONSTRAINT levy_exemption_by_another CHECK (decided_by <> member_id),
    ended_by uuid REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK (valid_until IS NULL OR valid_until >= valid_from),
    FOREIGN KEY (member_id, activity_id) REFERENCES activity (member_id, id),
    CONSTRAINT levy_exemption_no_overlap
        EXCLUDE USING gist (activity_id WITH =, kind WITH =, part WITH =, daterange(valid_from, valid_until, '[)') WITH &&)
);
CREATE INDEX levy_exemption_member ON levy_exemption (member_id, activity_id);
CREATE INDEX levy_exemption_evidence ON levy_exemption (evidence_id);
CREATE INDEX levy_exemption_decided_by ON levy_exemption (decided_by);
CREATE INDEX levy_exemption_ended_by ON levy_exemption (ended_by);

-- A levy of its own for one activity, instead of that of the rule set.
CREATE TABLE levy_override (
    id uuid PRIMARY KEY,
    activity_id uuid NOT NULL REFERENCES activity,
    member_id uuid NOT NULL REFERENCES member,
    kind text NOT NULL CHECK (kind IN ('fee', 'guarantee')),
    levy jsonb NOT NULL,
    valid_from date NOT NULL,
    valid_until date,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    decided_by uuid NOT NULL REFERENCES person CONSTRAINT levy_override_by_another CHECK (decided_by <> member_id),
    ended_by uuid REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK (levy ->> 'kind' = kind),
    CHECK (valid_until IS NULL OR valid_until >= valid_from),
    FOREIGN KEY (member_id, activity_id) REFERENCES activity (member_id, id),
    CONSTRAINT levy_override_no_overlap
        EXCLUDE USING gist (activity_id WITH =, kind WITH =, daterange(valid_from, valid_until, '[)') WITH &&)
);
CREATE INDEX levy_override_member ON levy_override (member_id, activity_id);
CREATE INDEX levy_override_decided_by ON levy_override (decided_by);
CREATE INDEX levy_override_ended_by ON levy_override (ended_by);

CREATE TRIGGER version BEFORE UPDATE ON levy_exemption FOR EACH ROW EXECUTE FUNCTION step_version();
CREATE TRIGGER version BEFORE UPDATE ON levy_override FOR EACH ROW EXECUTE FUNCTION step_version();
-- Both end once; a longer one is decided anew.
CREATE FUNCTION guard_levy_term() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.ended_by IS NOT NULL OR coalesce(NEW.valid_until > OLD.valid_until, NEW.valid_until IS NULL) THEN
        RAISE EXCEPTION 'what was granted ends once' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'levy_term_ends_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_term BEFORE UPDATE ON levy_exemption FOR EACH ROW EXECUTE FUNCTION guard_levy_term();
CREATE TRIGGER guard_term BEFORE UPDATE ON levy_override FOR EACH ROW EXECUTE FUNCTION guard_levy_term();

-- What holds for an activity on a day: the levies of the rules or its own instead, and what it is exempt from.
CREATE FUNCTION levies_for(p_activity uuid, p_rule_set uuid, p_on date) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('levy', coalesce(o.levy, r.levy), 'override_id', o.id,
               'exempt', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'part', x.part) ORDER BY x.part), '[]') FROM levy_exemption x
                          WHERE x.activity_id = p_activity AND x.kind = k.kind
                            AND x.valid_from <= p_on AND (x.valid_until IS NULL OR x.valid_until > p_on))) ORDER BY k.kind), '[]')
    FROM (VALUES ('fee'), ('guarantee')) k (kind)
    LEFT JOIN LATERAL (SELECT l AS levy FROM jsonb_array_elements(levies_of(p_rule_set)) l WHERE l ->> 'kind' = k.kind) r ON true
    LEFT JOIN LATERAL (SELECT id, levy FROM levy_override v WHERE v.activity_id = p_activity AND v.kind = k.kind
                         AND v.valid_from <= p_on AND (v.valid_until IS NULL OR v.valid_until > p_on)) o ON true
    WHERE coalesce(o.levy, r.levy) IS NOT NULL);
END $$;
GRANT EXECUTE ON FUNCTION levies_for TO umbel_app;

-- One part of a levy of one activity in one month, looked at once: the fact behind fixed amounts and top-ups.
CREATE TABLE levy_period (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    activity_id uuid NOT NULL REFERENCES activity,
    member_id uuid NOT NULL REFERENCES member,
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    kind text NOT NULL CHECK (kind IN ('fee', 'guarantee')),
    part text NOT NULL CHECK (part IN ('fixed', 'floor')),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT levy_period_once UNIQUE (activity_id, month, kind, part)
);
CREATE INDEX levy_period_entity ON levy_period (entity_id, month);
CREATE INDEX levy_period_member ON levy_period (member_id);

-- Each time a levy was applied: to an invoice or a credit note, to a client's payment, to a cost, to a month.
ALTER TABLE levy_charge RENAME TO levy_charge_before;
ALTER TABLE levy_charge_before RENAME CONSTRAINT levy_charge_pkey TO levy_charge_before_pkey;
ALTER INDEX levy_charge_rule_set RENAME TO levy_charge_before_rule_set;
CREATE TABLE levy_charge (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    activity_id uuid NOT NULL REFERENCES activity,
    member_id uuid NOT NULL REFERENCES member,
    kind text NOT NULL CHECK (kind IN ('fee', 'guarantee')),
    source_kind text NOT NULL CHECK (source_kind IN ('invoice', 'credit_note', 'allocation', 'cost', 'period')),
    source_id uuid NOT NULL,
    invoice_id uuid REFERENCES invoice,
    rule_set_id uuid NOT NULL REFERENCES rule_set,
    charged_on date NOT NULL,
    base_minor bigint NOT NULL,
    rate_ppm bigint,
    amount_minor bigint NOT NULL,
    -- What it would have come to without the cap of the year; NULL when nothing was cut.
    uncapped_minor bigint,
    basis jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT levy_charge_once UNIQUE (source_kind, source_id, kind),
    CHECK (source_kind <> 'period' OR (base_minor = 0 AND amount_minor >= 0)),
    CHECK ((source_kind IN ('invoice', 'credit_note', 'allocation')) = (invoice_id IS NOT NULL))
);
INSERT INTO levy_charge (id, entity_id, activity_id, member_id, kind, source_kind, source_id, invoice_id, rule_set_id, charged_on,
                         base_minor, rate_ppm, amount_minor, basis, created_at)
SELECT gen_random_uuid(), i.entity_id, i.activity_id, i.member_id, c.kind, 'invoice', i.id, i.id, c.rule_set_id, i.issued_on,
       c.base_minor, c.rate_ppm, c.amount_minor,
       jsonb_build_object('base_minor', c.base_minor, 'rounded_minor', c.amount_minor, 'amount_minor', c.amount_minor,
                          'pieces', jsonb_build_array(jsonb_build_object('base_minor', c.base_minor, 'rate', trim_scale(c.rate_ppm / 1000000.0)::text,
                              'exact_minor', trim_scale(c.base_minor * c.rate_ppm / 1000000.0)::text)),
                          'exact_minor', trim_scale(c.base_minor * c.rate_ppm / 1000000.0)::text),
       coalesce(i.submitted_at, i.created_at)
FROM levy_charge_before c JOIN invoice i ON i.id = c.invoice_id;
DROP TABLE levy_charge_before;
CREATE INDEX levy_charge_activity ON levy_charge (activity_id, kind, charged_on);
CREATE INDEX levy_charge_listed ON levy_charge (activity_id, id);
CREATE INDEX levy_charge_member ON levy_charge (member_id);
CREATE INDEX levy_charge_invoice ON levy_charge (invoice_id, kind);
CREATE INDEX levy_charge_rule_set ON levy_charge (rule_set_id);
CREATE INDEX levy_charge_entity ON levy_charge (entity_id, charged_on);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON levy_charge FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON levy_period FOR EACH ROW EXECUTE FUNCTION refuse_change();
-- What is charged at issue is part of the issued document.
CREATE FUNCTION guard_issued_charge() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF NEW.source_kind = 'invoice' AND EXISTS (SELECT FROM invoice WHERE id = NEW.source_id AND state = 'issued') THEN
        RAISE EXCEPTION 'an issued invoice never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'invoice_immutable';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_issued BEFORE INSERT ON levy_charge FOR EACH ROW EXECUTE FUNCTION guard_issued_charge();

-- A debt of an activity taken from money that it received later.
CREATE TABLE arrears_settlement (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    activity_id uuid NOT NULL REFERENCES activity,
    member_id uuid NOT NULL REFERENCES member,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency char(3) NOT NULL REFERENCES currency,
    settled_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX arrears_settlement_activity ON arrears_settlement (activity_id);
CREATE INDEX arrears_settlement_member ON arrears_settlement (member_id);
CREATE INDEX arrears_settlement_entity ON arrears_settlement (entity_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON arrears_settlement FOR EACH ROW EXECUTE FUNCTION refuse_change();

INSERT INTO ledger_source (kind, source_table) VALUES ('levy_charge', 'levy_charge'), ('arrears_settlement', 'arrears_settlement');
INSERT INTO ledger_event (event, source_kind) VALUES ('levy_charged', 'levy_charge'), ('arrears_settled', 'arrears_settlement');

ALTER TABLE levy_charge ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON levy_charge USING (umbel_owns(member_id));
ALTER TABLE levy_period ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON levy_period USING (umbel_owns(member_id));
ALTER TABLE levy_exemption ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON levy_exemption USING (umbel_owns(member_id));
ALTER TABLE levy_override ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON levy_override USING (umbel_owns(member_id));
ALTER TABLE arrears_settlement ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON arrears_settlement USING (umbel_owns(member_id));

GRANT SELECT, INSERT ON rule_set_band, levy_charge, levy_period, arrears_settlement TO umbel_app;
GRANT SELECT, INSERT, UPDATE (valid_until, ended_by) ON levy_exemption, levy_override TO umbel_app;

-- Every levy is in the books with the amount of its row: in the entry of its document, or in one of its own.
CREATE VIEW invariant_i17_levies_are_postings WITH (security_invoker = true) AS
WITH charged AS (
    SELECT CASE WHEN source_kind IN ('invoice', 'credit_note') THEN source_id ELSE id END AS fact, kind, sum(amount_minor) AS amount
    FROM levy_charge GROUP BY 1, 2
), booked AS (
    SELECT e.source_id AS fact, CASE p.account WHEN 'fee_income' THEN 'fee' ELSE 'guarantee' END AS kind, -sum(p.amount_minor) AS amount
    FROM journal_entry e JOIN posting p ON p.entry_id = e.id
    WHERE e.event IN ('invoice_issued', 'credit_note_issued', 'levy_charged') AND p.account IN ('fee_income', 'guarantee_fund')
    GROUP BY 1, 2
)
SELECT fact::text AS subject, format('%s: charged %s, ledger %s', kind, coalesce(c.amount, 0), coalesce(b.amount, 0)) AS detail
FROM charged c FULL JOIN booked b USING (fact, kind)
WHERE coalesce(c.amount, 0) <> coalesce(b.amount, 0);

-- What an activity owes is what it was charged and could not pay, less what was settled; never less than nothing.
CREATE VIEW invariant_i18_arrears_not_negative WITH (security_invoker = true) AS
SELECT p.activity_id::text AS subject, format('arrears %s', sum(p.amount_minor)) AS detail
FROM posting p WHERE p.account = 'activity_arrears' GROUP BY p.activity_id HAVING sum(p.amount_minor) < 0
UNION ALL
SELECT coalesce(s.id, l.source_id)::text, format('settled %s, ledger %s', coalesce(s.amount_minor, 0), coalesce(l.amount, 0))
FROM arrears_settlement s
FULL JOIN (SELECT e.source_id, -sum(p.amount_minor) AS amount FROM journal_entry e JOIN posting p ON p.entry_id = e.id
           WHERE e.event = 'arrears_settled' AND p.account = 'activity_arrears' GROUP BY e.source_id) l ON l.source_id = s.id
WHERE coalesce(s.amount_minor, 0) <> coalesce(l.amount, 0);
GRANT SELECT ON invariant_i17_levies_are_postings, invariant_i18_arrears_not_negative TO umbel_app;
