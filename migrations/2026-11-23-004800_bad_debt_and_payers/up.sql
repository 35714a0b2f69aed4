-- What proves a lost claim to the tax office, and how enterprises pay across members.

-- Where VAT on a lost claim is taken back, and until when.
CREATE TABLE vat_refund_rule (
    id uuid PRIMARY KEY,
    country char(2) NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    valid_from date NOT NULL,
    n integer NOT NULL DEFAULT 1 CHECK (n > 0),
    return_box text NOT NULL CHECK (length(return_box) BETWEEN 1 AND 20),
    -- The end of the so many-th year after that of the proof.
    deadline_years integer NOT NULL CHECK (deadline_years BETWEEN 0 AND 10),
    source text NOT NULL CHECK (length(source) BETWEEN 1 AND 400),
    needs_review_on date NOT NULL CHECK (needs_review_on > valid_from),
    reason text CHECK (length(reason) BETWEEN 1 AND 500),
    entered_by uuid REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT vat_refund_rule_once UNIQUE (country, valid_from, n),
    CONSTRAINT vat_refund_rule_reason CHECK ((n = 1) = (reason IS NULL))
);
CREATE INDEX vat_refund_rule_entered_by ON vat_refund_rule (entered_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON vat_refund_rule FOR EACH ROW EXECUTE FUNCTION refuse_change();
INSERT INTO vat_refund_rule (id, country, valid_from, return_box, deadline_years, source, needs_review_on) VALUES
    (gen_random_uuid(), 'BE', '1971-01-01', '62', 3, 'VAT code art. 77, § 1, 7° and art. 82bis; royal decree no. 4', '2027-12-31');

CREATE TABLE vat_dossier (
    id uuid PRIMARY KEY,
    write_off_id uuid NOT NULL REFERENCES write_off CONSTRAINT vat_dossier_once UNIQUE,
    entity_id uuid NOT NULL REFERENCES entity,
    member_id uuid NOT NULL REFERENCES member,
    proof_kind text NOT NULL CHECK (proof_kind IN ('bankruptcy_judgment', 'approved_reorganisation', 'all_means_used')),
    proof_on date NOT NULL,
    evidence_id uuid REFERENCES archived_file,
    rule_id uuid NOT NULL REFERENCES vat_refund_rule,
    return_box text NOT NULL,
    deadline_on date NOT NULL CHECK (deadline_on >= proof_on),
    currency char(3) NOT NULL REFERENCES currency,
    vat_minor bigint NOT NULL CHECK (vat_minor >= 0),
    file_id uuid NOT NULL,
    sha256 bytea NOT NULL,
    made_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT vat_dossier_evidence CHECK (proof_kind = 'all_means_used' OR evidence_id IS NOT NULL),
    FOREIGN KEY (file_id, sha256) REFERENCES archived_file (id, sha256)
);
CREATE INDEX vat_dossier_entity ON vat_dossier (entity_id);
CREATE INDEX vat_dossier_member ON vat_dossier (member_id);
CREATE INDEX vat_dossier_evidence ON vat_dossier (evidence_id);
CREATE INDEX vat_dossier_rule ON vat_dossier (rule_id);
CREATE INDEX vat_dossier_made_by ON vat_dossier (made_by);
CREATE INDEX vat_dossier_file ON vat_dossier (file_id, sha256);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON vat_dossier FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE vat_dossier ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON vat_dossier USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());

-- A dossier is about a claim that was given up, and the VAT in it.
CREATE FUNCTION guard_vat_dossier() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM write_off w WHERE w.id = NEW.write_off_id AND w.state = 'approved'
        AND (w.entity_id, w.member_id, w.currency, w.vat_minor) = (NEW.entity_id, NEW.member_id, NEW.currency, NEW.vat_minor)) THEN
        RAISE EXCEPTION 'dossier % does not fit its write-off', NEW.id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'vat_dossier_fits';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fits BEFORE INSERT ON vat_dossier FOR EACH ROW EXECUTE FUNCTION guard_vat_dossier();
CREATE UNIQUE INDEX archived_file_dossier_once ON archived_file (subject_id) WHERE kind = 'vat_dossier';

-- How an enterprise pays: one row for a set of invoices that were paid after the set before, and only when they are of
-- at least five members. Sets never overlap, so no difference of two rows is about fewer.
CREATE TABLE payer_record (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    payer text NOT NULL CHECK (length(payer) BETWEEN 3 AND 24),
    from_on date NOT NULL,
    through_on date NOT NULL CHECK (through_on >= from_on),
    members integer NOT NULL CONSTRAINT payer_record_of_five CHECK (members >= 5),
    -- Rounded: tens of invoices (at least), whole days, twentieths.
    invoices integer NOT NULL CHECK (invoices >= 5),
    median_days integer NOT NULL,
    p90_days integer NOT NULL,
    late_ppm bigint NOT NULL CHECK (late_ppm BETWEEN 0 AND 1000000 AND late_ppm % 50000 = 0),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT payer_record_once UNIQUE (entity_id, payer, through_on)
);
CREATE INDEX payer_record_payer ON payer_record (payer, through_on);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payer_record FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION guard_payer_record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM payer_record r WHERE (r.entity_id, r.payer) = (NEW.entity_id, NEW.payer) AND r.through_on >= NEW.from_on) THEN
        RAISE EXCEPTION 'the sets of payer % would overlap', NEW.payer USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payer_record_apart';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER apart BEFORE INSERT ON payer_record FOR EACH ROW EXECUTE FUNCTION guard_payer_record();

GRANT SELECT, INSERT ON vat_refund_rule, vat_dossier, payer_record TO umbel_app;
