-- The life of a document: parts of an order that add up to it, numbers as an entity writes them, invoices that members
-- issue themselves up to a ceiling, papers that go along, and invoices that come again.

-- Its documents carry their labels in this language too, beside the client's own.
ALTER TABLE client ADD COLUMN second_language text
    CHECK (second_language IN ('fr', 'nl', 'en', 'de')) CHECK (second_language <> language);

-- Which part of its order an invoice asks for.
CREATE TABLE order_part (
    invoice_id uuid PRIMARY KEY REFERENCES invoice,
    stage text NOT NULL CHECK (stage IN ('deposit', 'interim', 'balance')),
    share_ppm bigint CHECK (share_ppm BETWEEN 1 AND 1000000),
    CHECK (stage <> 'balance' OR share_ppm IS NULL)
);
CREATE FUNCTION check_order_part() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM invoice WHERE id = NEW.invoice_id AND kind = 'invoice' AND order_id IS NOT NULL) THEN
        RAISE EXCEPTION 'invoice % has no order', NEW.invoice_id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'part_of_an_order';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_part BEFORE INSERT ON order_part FOR EACH ROW EXECUTE FUNCTION check_order_part();
CREATE TRIGGER guard_issued BEFORE INSERT OR UPDATE OR DELETE ON order_part
    FOR EACH ROW EXECUTE FUNCTION guard_issued_parts();

-- What is invoiced of an order never exceeds it, and its balance completes it. The order is held: two invoices that are
-- handed in at the same moment are added up one after the other.
CREATE FUNCTION check_order_sum() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    ordered bigint;
    invoiced bigint;
    is_balance boolean := EXISTS (SELECT FROM order_part WHERE invoice_id = NEW.id AND stage = 'balance');
BEGIN
    IF NEW.state = 'issued' AND NOT is_balance THEN
        RETURN NEW;
    END IF;
    SELECT net_minor INTO ordered FROM orders WHERE id = NEW.order_id FOR NO KEY UPDATE;
    SELECT NEW.net_minor + coalesce(sum(CASE kind WHEN 'invoice' THEN net_minor ELSE -net_minor END), 0) INTO invoiced
    FROM invoice WHERE order_id = NEW.order_id AND id <> NEW.id AND state IN ('submitted', 'issued');
    IF invoiced > ordered THEN
        RAISE EXCEPTION 'the invoices of order % would come to %', NEW.order_id, invoiced
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'order_amount_exceeded';
    END IF;
    IF is_balance AND invoiced <> ordered THEN
        RAISE EXCEPTION 'with its balance the invoices of order % come to %', NEW.order_id, invoiced
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'balance_completes_order';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_order_sum BEFORE UPDATE OF state ON invoice FOR EACH ROW
    WHEN (NEW.kind = 'invoice' AND NEW.order_id IS NOT NULL AND OLD.state IS DISTINCT FROM NEW.state
          AND NEW.state IN ('submitted', 'issued'))
    EXECUTE FUNCTION check_order_sum();

CREATE TABLE number_template (
    entity_id uuid NOT NULL REFERENCES entity,
    series text NOT NULL CHECK (series IN ('invoice', 'credit_note')),
    from_year integer NOT NULL CHECK (from_year BETWEEN 2000 AND 2999),
    template text NOT NULL
        CHECK (template ~ '^[A-Z_.-]{0,8}\{(YYYY|YY)\}[A-Z_.-]{1,8}\{SEQ(:[3-8])?\}$'),
    set_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    PRIMARY KEY (entity_id, series, from_year)
);
CREATE INDEX number_template_set_by ON number_template (set_by);
CREATE FUNCTION guard_number_template() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF EXISTS (SELECT FROM document_series WHERE entity_id = NEW.entity_id AND series = NEW.series AND year >= NEW.from_year) THEN
        RAISE EXCEPTION 'the series of that year has numbers' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'series_begun';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_begun BEFORE INSERT ON number_template FOR EACH ROW EXECUTE FUNCTION guard_number_template();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON number_template FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Up to what total without VAT a member issues without the office; the newest that is in force counts, 0 ends it.
CREATE TABLE self_issue_ceiling (
    id uuid PRIMARY KEY,
    member_id uuid NOT NULL REFERENCES member,
    ceiling_minor bigint NOT NULL CHECK (ceiling_minor >= 0),
    currency char(3) NOT NULL REFERENCES currency,
    valid_from date NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    set_by uuid NOT NULL REFERENCES person CONSTRAINT self_issue_ceiling_by_another CHECK (set_by <> member_id),
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX self_issue_ceiling_member ON self_issue_ceiling (member_id, valid_from DESC, id DESC);
CREATE INDEX self_issue_ceiling_set_by ON self_issue_ceiling (set_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON self_issue_ceiling FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Whoever issues their own invoice has a ceiling that covers it.
CREATE FUNCTION check_self_issue() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF NEW.net_minor > coalesce((
        SELECT c.ceiling_minor FROM self_issue_ceiling c
        WHERE c.member_id = NEW.member_id AND c.currency = NEW.currency AND c.valid_from <= NEW.issued_on
        ORDER BY c.valid_from DESC, c.id DESC LIMIT 1), 0) THEN
        RAISE EXCEPTION 'a member issues up to their ceiling' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'self_issue_within_ceiling';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_self_issue BEFORE UPDATE OF state ON invoice FOR EACH ROW
    WHEN (NEW.kind = 'invoice' AND NEW.state = 'issued' AND OLD.state <> 'issued' AND umbel_person() = NEW.member_id)
    EXECUTE FUNCTION check_self_issue();

CREATE TABLE invoice_attachment (
    invoice_id uuid NOT NULL REFERENCES invoice,
    n integer NOT NULL CHECK (n BETWEEN 1 AND 5),
    file_id uuid NOT NULL REFERENCES archived_file UNIQUE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    size bigint NOT NULL CHECK (size BETWEEN 1 AND 2097152),
    media_type text NOT NULL CHECK (media_type IN ('application/pdf', 'image/png', 'image/jpeg')),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    PRIMARY KEY (invoice_id, n),
    UNIQUE (invoice_id, name)
);
CREATE TRIGGER guard_issued BEFORE INSERT OR UPDATE OR DELETE ON invoice_attachment
    FOR EACH ROW EXECUTE FUNCTION guard_issued_parts();

CREATE TABLE recurring_invoice (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    member_id uuid NOT NULL REFERENCES member,
    activity_id uuid NOT NULL,
    client_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'active',
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    currency char(3) NOT NULL REFERENCES currency,
    buyer_reference text CHECK (length(buyer_reference) <= 50),
    lines jsonb NOT NULL CHECK (jsonb_typeof(lines) = 'array'),
    every integer NOT NULL CHECK (every BETWEEN 1 AND 24),
    unit text NOT NULL CHECK (unit IN ('week', 'month')),
    first_on date NOT NULL,
    last_on date CHECK (last_on >= first_on),
    hands_in boolean NOT NULL,
    next_on date,
    stopped_by text CHECK (length(stopped_by) <= 64),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    FOREIGN KEY (member_id, activity_id) REFERENCES activity_manager (member_id, activity_id),
    FOREIGN KEY (member_id, client_id) REFERENCES client (member_id, id),
    CHECK (state <> 'active' OR next_on IS NOT NULL)
);
CREATE INDEX recurring_invoice_member ON recurring_invoice (member_id, id);
CREATE INDEX recurring_invoice_activity ON recurring_invoice (member_id, activity_id);
CREATE INDEX recurring_invoice_client ON recurring_invoice (member_id, client_id);
CREATE INDEX recurring_invoice_due ON recurring_invoice (entity_id, next_on) WHERE state = 'active';
INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('recurring_invoice', '', 'active'), ('recurring_invoice', 'active', 'paused'), ('recurring_invoice', 'paused', 'active'),
    ('recurring_invoice', 'active', 'ended'), ('recurring_invoice', 'paused', 'ended');
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON recurring_invoice
    FOR EACH ROW EXECUTE FUNCTION guard_state('recurring_invoice', 'member_id');

-- One row for each date that has come: whatever happens to the program, a date is worked once.
CREATE TABLE recurring_run (
    recurring_id uuid NOT NULL REFERENCES recurring_invoice,
    logical_on date NOT NULL,
    member_id uuid NOT NULL REFERENCES member,
    invoice_id uuid REFERENCES invoice UNIQUE,
    refused_by text CHECK (length(refused_by) BETWEEN 1 AND 64),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    PRIMARY KEY (recurring_id, logical_on),
    CHECK ((invoice_id IS NULL) = (refused_by IS NOT NULL))
);
CREATE INDEX recurring_run_member ON recurring_run (member_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON recurring_run FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE order_part ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON order_part USING (EXISTS (SELECT FROM invoice i WHERE i.id = order_part.invoice_id));
ALTER TABLE self_issue_ceiling ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON self_issue_ceiling USING (umbel_owns(member_id));
ALTER TABLE invoice_attachment ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON invoice_attachment USING (EXISTS (SELECT FROM invoice i WHERE i.id = invoice_attachment.invoice_id));
ALTER TABLE recurring_invoice ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON recurring_invoice USING (umbel_owns(member_id));
ALTER TABLE recurring_run ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON recurring_run USING (umbel_owns(member_id));

GRANT SELECT, INSERT ON number_template, self_issue_ceiling, recurring_run TO umbel_app;
GRANT SELECT, INSERT, DELETE ON invoice_attachment, order_part TO umbel_app;
GRANT SELECT, INSERT, UPDATE ON recurring_invoice TO umbel_app;
