-- How an issued document reached its client, apart from whether it is paid; and the page behind the link of its mail.

INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('delivery', '', 'queued'), ('delivery', '', 'deposited'), ('delivery', '', 'delivered'),
    ('delivery', 'queued', 'sending'), ('delivery', 'failed', 'sending'), ('delivery', 'refused', 'sending'),
    ('delivery', 'sending', 'deposited'), ('delivery', 'sending', 'delivered'), ('delivery', 'sending', 'refused'),
    ('delivery', 'sending', 'failed'), ('delivery', 'sending', 'unknown'),
    ('delivery', 'failed', 'queued'), ('delivery', 'refused', 'queued'), ('delivery', 'unknown', 'queued'),
    ('delivery', 'unknown', 'deposited'), ('delivery', 'unknown', 'delivered'), ('delivery', 'unknown', 'refused'),
    ('delivery', 'deposited', 'delivered'), ('delivery', 'deposited', 'refused'), ('delivery', 'delivered', 'refused');

-- The life cycle of the French reform: which status may follow which. Only 200, 210, 212 and 213 must be told, so the
-- others may be passed over.
INSERT INTO state_transition (machine, from_state, to_state)
SELECT 'french_life_cycle', f, t FROM (VALUES
    ('', '200'),
    ('200', '201 202 203 204 205 206 207 208 210 211 212 213'),
    ('201', '202 203 204 205 206 207 208 210 211 212 213'),
    ('202', '203 204 205 206 207 208 210 211 212 213'),
    ('203', '204 205 206 207 208 210 211 212'),
    ('204', '205 206 207 208 210 211 212'),
    ('205', '207 211 212'),
    ('206', '205 207 208 210 211 212'),
    ('207', '205 206 208 210 211 212'),
    ('208', '209 210'),
    ('209', '204 205 206 207 208 210 211 212'),
    ('211', '207 212')) v (f, list), unnest(string_to_array(list, ' ')) t;

CREATE TABLE delivery (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    invoice_id uuid NOT NULL REFERENCES invoice,
    member_id uuid NOT NULL REFERENCES member,
    channel text NOT NULL CHECK (channel IN ('email', 'peppol', 'french_platform', 'by_hand')),
    -- An address of mail, a Peppol participant, a SIREN, or to whom it was handed.
    participant text NOT NULL CHECK (length(participant) BETWEEN 1 AND 320),
    state text NOT NULL DEFAULT 'queued',
    -- Why it was refused, failed or is not known.
    reason text CHECK (length(reason) BETWEEN 1 AND 2000),
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- The name that the network gave it.
    reference text CHECK (length(reference) BETWEEN 1 AND 200),
    receipt_id uuid REFERENCES archived_file,
    evidence_id uuid REFERENCES archived_file,
    requested_by uuid REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    sent_at timestamptz,
    answered_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    CHECK (channel <> 'by_hand' OR (evidence_id IS NOT NULL AND requested_by IS NOT NULL AND state = 'delivered')),
    CHECK (state NOT IN ('refused', 'failed', 'unknown') OR reason IS NOT NULL)
);
-- A document goes each way once; what is tried again is the same delivery.
CREATE UNIQUE INDEX delivery_once ON delivery (invoice_id, channel) WHERE channel <> 'by_hand';
CREATE INDEX delivery_invoice ON delivery (invoice_id);
CREATE INDEX delivery_state ON delivery (state, id);
CREATE INDEX delivery_entity ON delivery (entity_id);
CREATE INDEX delivery_member ON delivery (member_id);
CREATE INDEX delivery_receipt ON delivery (receipt_id);
CREATE INDEX delivery_evidence ON delivery (evidence_id);
CREATE INDEX delivery_requested_by ON delivery (requested_by);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON delivery FOR EACH ROW EXECUTE FUNCTION guard_state('delivery', 'member_id');

CREATE TABLE delivery_status (
    delivery_id uuid NOT NULL REFERENCES delivery,
    n integer NOT NULL CHECK (n > 0),
    member_id uuid NOT NULL REFERENCES member,
    code text NOT NULL,
    reason text CHECK (length(reason) BETWEEN 1 AND 2000),
    reported_by uuid NOT NULL REFERENCES person,
    reported_at timestamptz NOT NULL DEFAULT umbel_now(),
    PRIMARY KEY (delivery_id, n)
);
CREATE INDEX delivery_status_member ON delivery_status (member_id);
CREATE INDEX delivery_status_reported_by ON delivery_status (reported_by);

CREATE FUNCTION check_delivery_status() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    of delivery%ROWTYPE;
    last delivery_status%ROWTYPE;
BEGIN
    SELECT * INTO of FROM delivery WHERE id = NEW.delivery_id FOR NO KEY UPDATE;
    SELECT * INTO last FROM delivery_status WHERE delivery_id = NEW.delivery_id ORDER BY n DESC LIMIT 1;
    IF of.channel <> 'french_platform' OR of.member_id <> NEW.member_id OR NEW.n <> coalesce(last.n, 0) + 1
       OR NOT EXISTS (SELECT FROM state_transition WHERE machine = 'french_life_cycle'
                      AND from_state = coalesce(last.code, '') AND to_state = NEW.code) THEN
        RAISE EXCEPTION 'status % does not follow %', NEW.code, last.code
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'delivery_status_follows';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER follows BEFORE INSERT ON delivery_status FOR EACH ROW EXECUTE FUNCTION check_delivery_status();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON delivery_status FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON delivery_status EXECUTE FUNCTION refuse_change();

ALTER TABLE delivery ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON delivery USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());
ALTER TABLE delivery_status ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON delivery_status USING (umbel_owns(member_id)) WITH CHECK (umbel_sees_all());

GRANT SELECT, INSERT, UPDATE (state, reason, attempts, reference, receipt_id, sent_at, answered_at) ON delivery TO umbel_app;
GRANT SELECT, INSERT ON delivery_status TO umbel_app;

-- The client reads an invoice behind the link of its mail, and may dispute it there.
ALTER TABLE access_link DROP CONSTRAINT access_link_purpose_check;
ALTER TABLE access_link ADD CONSTRAINT access_link_purpose_check
    CHECK (purpose IN ('confirm_email', 'reset_password', 'order', 'invoice'));
ALTER TABLE invoice_dispute ALTER COLUMN opened_by DROP NOT NULL;
ALTER TABLE invoice_dispute ADD COLUMN link_id uuid REFERENCES access_link,
    ADD CONSTRAINT invoice_dispute_somebody CHECK ((opened_by IS NULL) <> (link_id IS NULL));
CREATE INDEX invoice_dispute_link ON invoice_dispute (link_id);
