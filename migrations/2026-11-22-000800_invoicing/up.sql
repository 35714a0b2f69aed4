-- Invoices. A number is given only by issuing; what is issued never changes.

INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('invoice', '', 'draft'), ('invoice', 'draft', 'submitted'), ('invoice', 'draft', 'discarded'),
    ('invoice', 'submitted', 'draft'), ('invoice', 'submitted', 'issued');

-- One locked counter per entity, series and year: the last lock of the issuing transaction.
CREATE TABLE document_series (
    entity_id uuid NOT NULL REFERENCES entity,
    series text NOT NULL CHECK (series IN ('invoice')),
    year integer NOT NULL CHECK (year BETWEEN 2000 AND 2999),
    last_seq bigint NOT NULL CHECK (last_seq > 0),
    last_issued_on date NOT NULL,
    PRIMARY KEY (entity_id, series, year)
);
-- A counter goes on by one, from one, and never back in time: anything else would be a gap or a number given twice.
CREATE FUNCTION guard_series() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.last_seq <> 1
       OR TG_OP = 'UPDATE' AND ((OLD.entity_id, OLD.series, OLD.year, OLD.last_seq + 1) IS DISTINCT FROM (NEW.entity_id, NEW.series, NEW.year, NEW.last_seq)
                                OR NEW.last_issued_on < OLD.last_issued_on) THEN
        RAISE EXCEPTION 'a series goes on by one' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'series_goes_on_by_one';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER goes_on_by_one BEFORE INSERT OR UPDATE ON document_series FOR EACH ROW EXECUTE FUNCTION guard_series();

CREATE TABLE invoice (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    member_id uuid NOT NULL REFERENCES member,
    activity_id uuid NOT NULL,
    client_id uuid NOT NULL,
    order_id uuid REFERENCES orders,
    kind text NOT NULL DEFAULT 'invoice' CHECK (kind IN ('invoice')),
    state text NOT NULL DEFAULT 'draft',
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    currency char(3) NOT NULL REFERENCES currency,
    supplied_on date NOT NULL,
    buyer_reference text CHECK (length(buyer_reference) <= 50),
    net_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    gross_minor bigint NOT NULL,
    rule_set_id uuid REFERENCES rule_set,
    bank_account_id uuid REFERENCES entity_bank_account,
    issued_on date,
    due_on date,
    advance_due_on date,
    series_year integer,
    seq bigint,
    number text,
    payment_reference char(12),
    seller_snapshot jsonb,
    buyer_snapshot jsonb,
    submitted_at timestamptz,
    return_reason text CHECK (length(return_reason) <= 2000),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT invoice_number_unique UNIQUE (entity_id, number),
    CONSTRAINT invoice_seq_unique UNIQUE (entity_id, kind, series_year, seq),
    CONSTRAINT invoice_reference_unique UNIQUE (entity_id, payment_reference),
    CHECK (gross_minor = net_minor + tax_minor),
    CHECK ((state = 'issued') = (seq IS NOT NULL)),
    CHECK ((seq IS NULL) = (number IS NULL) AND (seq IS NULL) = (issued_on IS NULL) AND (seq IS NULL) = (due_on IS NULL)
           AND (seq IS NULL) = (payment_reference IS NULL) AND (seq IS NULL) = (rule_set_id IS NULL)
           AND (seq IS NULL) = (seller_snapshot IS NULL) AND (seq IS NULL) = (buyer_snapshot IS NULL)
           AND (seq IS NULL) = (bank_account_id IS NULL) AND (seq IS NULL) = (series_year IS NULL)),
    FOREIGN KEY (member_id, activity_id) REFERENCES activity (member_id, id),
    FOREIGN KEY (member_id, client_id) REFERENCES client (member_id, id)
);
CREATE INDEX invoice_member ON invoice (member_id, id);
CREATE INDEX invoice_state ON invoice (state, submitted_at, id);
CREATE INDEX invoice_activity ON invoice (member_id, activity_id);
CREATE INDEX invoice_client ON invoice (member_id, client_id);
CREATE INDEX invoice_order ON invoice (order_id);
CREATE INDEX invoice_rule_set ON invoice (rule_set_id);
CREATE INDEX invoice_bank_account ON invoice (bank_account_id);
CREATE INDEX invoice_advance_due ON invoice (entity_id, advance_due_on) WHERE advance_due_on IS NOT NULL;
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON invoice FOR EACH ROW EXECUTE FUNCTION guard_state('invoice', 'member_id');

CREATE TABLE invoice_line (
    invoice_id uuid NOT NULL REFERENCES invoice,
    n integer NOT NULL CHECK (n > 0),
    label text NOT NULL CHECK (length(label) BETWEEN 1 AND 500),
    quantity numeric(14, 4) NOT NULL CHECK (quantity > 0),
    unit_price_minor bigint NOT NULL,
    vat_case text NOT NULL,
    net_minor bigint NOT NULL,
    PRIMARY KEY (invoice_id, n)
);

CREATE TABLE invoice_tax (
    invoice_id uuid NOT NULL REFERENCES invoice,
    vat_case text NOT NULL,
    category text NOT NULL,
    rate_ppm bigint NOT NULL,
    base_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    PRIMARY KEY (invoice_id, vat_case, rate_ppm)
);

-- What the mutual keeps of an invoice, each with its base, rate and rule.
CREATE TABLE levy_charge (
    invoice_id uuid NOT NULL REFERENCES invoice,
    kind text NOT NULL CHECK (kind IN ('fee', 'guarantee')),
    rule_set_id uuid NOT NULL REFERENCES rule_set,
    base_minor bigint NOT NULL,
    rate_ppm bigint NOT NULL,
    amount_minor bigint NOT NULL,
    PRIMARY KEY (invoice_id, kind)
);
CREATE INDEX levy_charge_rule_set ON levy_charge (rule_set_id);

-- Issued is for ever; and at the moment of issue the totals must be the sum of what stands below them.
CREATE FUNCTION guard_issued() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF OLD.state = 'issued' THEN
        RAISE EXCEPTION 'an issued invoice never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'invoice_immutable';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'an invoice is discarded, not deleted' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'invoice_immutable';
    END IF;
    IF NEW.state = 'issued' AND (
        NEW.net_minor <> (SELECT coalesce(sum(net_minor), 0) FROM invoice_line WHERE invoice_id = NEW.id)
        OR NEW.net_minor <> (SELECT coalesce(sum(base_minor), 0) FROM invoice_tax WHERE invoice_id = NEW.id)
        OR NEW.tax_minor <> (SELECT coalesce(sum(tax_minor), 0) FROM invoice_tax WHERE invoice_id = NEW.id)) THEN
        RAISE EXCEPTION 'totals of invoice % are not the sum of its lines', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'invoice_totals';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_issued BEFORE UPDATE OR DELETE ON invoice FOR EACH ROW EXECUTE FUNCTION guard_issued();

CREATE FUNCTION guard_issued_parts() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF EXISTS (SELECT FROM invoice WHERE id = coalesce(NEW.invoice_id, OLD.invoice_id) AND state = 'issued') THEN
        RAISE EXCEPTION 'an issued invoice never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'invoice_immutable';
    END IF;
    RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER guard_issued BEFORE INSERT OR UPDATE OR DELETE ON invoice_line FOR EACH ROW EXECUTE FUNCTION guard_issued_parts();
CREATE TRIGGER guard_issued BEFORE INSERT OR UPDATE OR DELETE ON invoice_tax FOR EACH ROW EXECUTE FUNCTION guard_issued_parts();
CREATE TRIGGER guard_issued BEFORE INSERT OR UPDATE OR DELETE ON levy_charge FOR EACH ROW EXECUTE FUNCTION guard_issued_parts();

INSERT INTO ledger_source (kind, source_table) VALUES ('invoice', 'invoice');
INSERT INTO ledger_event (event, source_kind) VALUES ('invoice_issued', 'invoice');

ALTER TABLE invoice ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON invoice USING (umbel_owns(member_id));
ALTER TABLE invoice_line ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON invoice_line USING (EXISTS (SELECT FROM invoice i WHERE i.id = invoice_id));
ALTER TABLE invoice_tax ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON invoice_tax USING (EXISTS (SELECT FROM invoice i WHERE i.id = invoice_id));
ALTER TABLE levy_charge ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON levy_charge USING (EXISTS (SELECT FROM invoice i WHERE i.id = invoice_id));

GRANT SELECT, INSERT, UPDATE ON document_series, invoice TO umbel_app;
GRANT SELECT, INSERT, DELETE ON invoice_line TO umbel_app;
GRANT SELECT, INSERT ON invoice_tax, levy_charge TO umbel_app;
