-- How wages are computed: schemes as dated data, who is paid by which, and what is withheld from whom.

CREATE TABLE pay_scheme (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    code text NOT NULL CHECK (code ~ '^[a-z][a-z0-9_]{0,39}$'),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    created_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT pay_scheme_code_unique UNIQUE (entity_id, code)
);
CREATE INDEX pay_scheme_created_by ON pay_scheme (created_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON pay_scheme FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- A version holds from its day on, until the day of the next: two of them never overlap, and there is no gap.
CREATE TABLE pay_scheme_version (
    id uuid PRIMARY KEY,
    scheme_id uuid NOT NULL REFERENCES pay_scheme,
    valid_from date NOT NULL,
    rules jsonb NOT NULL CHECK (jsonb_typeof(rules -> 'components') = 'array'),
    source text NOT NULL CHECK (length(source) BETWEEN 1 AND 2000),
    needs_review_on date NOT NULL CHECK (needs_review_on > valid_from),
    preset text CHECK (preset ~ '^[a-z][a-z0-9_]{0,39}$'),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    decided_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT pay_scheme_version_day_unique UNIQUE (scheme_id, valid_from)
);
CREATE INDEX pay_scheme_version_decided_by ON pay_scheme_version (decided_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON pay_scheme_version FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- By which scheme an activity pays from a day on; none for a plain transfer again.
CREATE TABLE pay_arrangement (
    id uuid PRIMARY KEY,
    activity_id uuid NOT NULL REFERENCES activity,
    member_id uuid NOT NULL REFERENCES member,
    scheme_id uuid REFERENCES pay_scheme,
    valid_from date NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    decided_by uuid NOT NULL REFERENCES person CONSTRAINT pay_arrangement_by_another CHECK (decided_by <> member_id),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    FOREIGN KEY (member_id, activity_id) REFERENCES activity (member_id, id),
    CONSTRAINT pay_arrangement_day_unique UNIQUE (activity_id, valid_from)
);
CREATE INDEX pay_arrangement_member ON pay_arrangement (member_id, activity_id);
CREATE INDEX pay_arrangement_scheme ON pay_arrangement (scheme_id);
CREATE INDEX pay_arrangement_decided_by ON pay_arrangement (decided_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON pay_arrangement FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE pay_arrangement ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON pay_arrangement USING (umbel_owns(member_id));

-- The withholding rate of a person from a day on, with the paper that it rests on.
CREATE TABLE withholding_rate (
    id uuid PRIMARY KEY,
    member_id uuid NOT NULL REFERENCES member,
    rate_ppm bigint NOT NULL CHECK (rate_ppm BETWEEN 0 AND 750000),
    valid_from date NOT NULL,
    evidence_id uuid REFERENCES archived_file,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    decided_by uuid NOT NULL REFERENCES person CONSTRAINT withholding_rate_by_another CHECK (decided_by <> member_id),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT withholding_rate_day_unique UNIQUE (member_id, valid_from)
);
CREATE INDEX withholding_rate_evidence ON withholding_rate (evidence_id);
CREATE INDEX withholding_rate_decided_by ON withholding_rate (decided_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON withholding_rate FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE withholding_rate ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON withholding_rate USING (umbel_owns(member_id));

GRANT SELECT, INSERT ON pay_scheme, pay_scheme_version, pay_arrangement, withholding_rate TO umbel_app;
