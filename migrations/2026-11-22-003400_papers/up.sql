-- Papers that go to a client beside invoices: the order form of each version that is sent, and reminders of what is open.

-- A file named with its hash, so that what somebody confirmed is proved by a key and not by a program.
ALTER TABLE archived_file ADD CONSTRAINT archived_file_id_sha256 UNIQUE (id, sha256);

-- The PDF of what was sent: one for each version, for ever.
CREATE TABLE order_document (
    order_id uuid NOT NULL,
    n integer NOT NULL,
    file_id uuid NOT NULL UNIQUE,
    sha256 bytea NOT NULL,
    PRIMARY KEY (order_id, n),
    UNIQUE (order_id, n, sha256),
    FOREIGN KEY (order_id, n) REFERENCES order_version,
    FOREIGN KEY (file_id, sha256) REFERENCES archived_file (id, sha256)
);
CREATE INDEX order_document_file ON order_document (file_id, sha256);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON order_document FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE order_document ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON order_document USING (EXISTS (SELECT FROM orders o WHERE o.id = order_id));
GRANT SELECT, INSERT ON order_document TO umbel_app;

-- Which PDF the client answered: that of the version, byte for byte. None for an answer before it was made.
ALTER TABLE order_answer ADD COLUMN pdf_sha256 bytea,
    ADD CONSTRAINT order_answer_pdf FOREIGN KEY (order_id, n, pdf_sha256) REFERENCES order_document (order_id, n, sha256);
CREATE INDEX order_answer_document ON order_answer (order_id, n, pdf_sha256);

-- A reminder to the client of an invoice that is late. It costs nothing; it says what was open on its day.
CREATE TABLE payment_reminder (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    invoice_id uuid NOT NULL REFERENCES invoice,
    member_id uuid NOT NULL REFERENCES member,
    level integer NOT NULL CHECK (level BETWEEN 1 AND 3),
    reminded_on date NOT NULL,
    due_on date NOT NULL,
    days_late integer GENERATED ALWAYS AS (reminded_on - due_on) STORED,
    currency char(3) NOT NULL REFERENCES currency,
    open_minor bigint NOT NULL CHECK (open_minor > 0),
    requested_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT payment_reminder_is_late CHECK (reminded_on > due_on),
    CONSTRAINT payment_reminder_once_a_day UNIQUE (invoice_id, reminded_on)
);
CREATE INDEX payment_reminder_member ON payment_reminder (member_id, id);
CREATE INDEX payment_reminder_entity ON payment_reminder (entity_id);
CREATE INDEX payment_reminder_requested_by ON payment_reminder (requested_by);
CREATE INDEX payment_reminder_currency ON payment_reminder (currency);

-- Only an issued invoice with something open that nobody disputes; the level goes up one by one and stays at the last.
CREATE FUNCTION guard_payment_reminder() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM invoice i JOIN invoice_open o ON o.invoice_id = i.id
                   WHERE i.id = NEW.invoice_id AND i.kind = 'invoice' AND i.state = 'issued' AND o.open_minor = NEW.open_minor
                     AND (i.entity_id, i.member_id, i.currency, i.due_on) = (NEW.entity_id, NEW.member_id, NEW.currency, NEW.due_on))
       OR EXISTS (SELECT FROM invoice_dispute d WHERE d.invoice_id = NEW.invoice_id AND d.resolved_at IS NULL)
       OR NEW.level <> least(3, 1 + coalesce((SELECT max(r.level) FROM payment_reminder r WHERE r.invoice_id = NEW.invoice_id), 0)) THEN
        RAISE EXCEPTION 'reminder % does not fit its invoice', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payment_reminder_fits';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fits BEFORE INSERT ON payment_reminder FOR EACH ROW EXECUTE FUNCTION guard_payment_reminder();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payment_reminder FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE payment_reminder ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON payment_reminder USING (umbel_owns(member_id));
GRANT SELECT, INSERT ON payment_reminder TO umbel_app;

CREATE UNIQUE INDEX archived_file_reminder_once ON archived_file (subject_id) WHERE kind = 'payment_reminder';
