-- Electronic invoices of suppliers: read, kept byte for byte, and matched to a cost.

INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('supplier_invoice', '', 'received'), ('supplier_invoice', 'received', 'matched'), ('supplier_invoice', 'received', 'rejected');

CREATE TABLE supplier_invoice (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    kind text NOT NULL CHECK (kind IN ('invoice', 'credit_note')),
    format text NOT NULL CHECK (format IN ('ubl_invoice', 'ubl_credit_note', 'cii')),
    supplier text NOT NULL CHECK (length(supplier) BETWEEN 1 AND 200),
    -- By what a supplier is told from others: its VAT number, else its register number, else its name.
    supplier_key text NOT NULL CHECK (length(supplier_key) BETWEEN 1 AND 220),
    number text NOT NULL CHECK (length(number) BETWEEN 1 AND 140),
    issued_on date NOT NULL,
    due_on date,
    currency char(3) NOT NULL REFERENCES currency,
    -- What the document says it comes to.
    net_minor bigint NOT NULL,
    vat_minor bigint NOT NULL,
    gross_minor bigint NOT NULL,
    payable_minor bigint NOT NULL,
    -- Parties, VAT, lines, and where the document does not agree with itself or with EN 16931.
    summary jsonb NOT NULL,
    file_id uuid NOT NULL REFERENCES archived_file,
    sha256 bytea NOT NULL CONSTRAINT supplier_invoice_bytes_once UNIQUE CHECK (octet_length(sha256) = 32),
    state text NOT NULL DEFAULT 'received',
    cost_id uuid CONSTRAINT supplier_invoice_cost_once UNIQUE REFERENCES cost,
    cost_credit_id uuid CONSTRAINT supplier_invoice_credit_once UNIQUE REFERENCES cost_credit,
    reason text CHECK (length(reason) BETWEEN 1 AND 2000),
    received_by uuid NOT NULL REFERENCES person,
    decided_by uuid REFERENCES person,
    decided_on date,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    version integer NOT NULL DEFAULT 1,
    CHECK ((state = 'received') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_on IS NULL)),
    CHECK ((state = 'rejected') = (reason IS NOT NULL)),
    CHECK ((state = 'matched') = (num_nonnulls(cost_id, cost_credit_id) = 1)),
    CHECK (cost_id IS NULL OR (kind = 'invoice' AND gross_minor = net_minor + vat_minor)),
    CHECK (cost_credit_id IS NULL OR (kind = 'credit_note' AND gross_minor = net_minor + vat_minor))
);
-- One number of one supplier comes once, unless it was sent back.
CREATE UNIQUE INDEX supplier_invoice_once ON supplier_invoice (entity_id, kind, supplier_key, lower(number)) WHERE state <> 'rejected';
CREATE INDEX supplier_invoice_state ON supplier_invoice (state, id);
CREATE INDEX supplier_invoice_file ON supplier_invoice (file_id);
CREATE INDEX supplier_invoice_received_by ON supplier_invoice (received_by);
CREATE INDEX supplier_invoice_decided_by ON supplier_invoice (decided_by);
CREATE INDEX supplier_invoice_entity ON supplier_invoice (entity_id);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON supplier_invoice FOR EACH ROW EXECUTE FUNCTION guard_state('supplier_invoice', 'no_owner');

-- The office reads them; what one becomes for a member is a cost.
ALTER TABLE supplier_invoice ENABLE ROW LEVEL SECURITY;
CREATE POLICY office ON supplier_invoice USING (umbel_sees_all()) WITH CHECK (umbel_sees_all());

GRANT SELECT, INSERT, UPDATE (state, cost_id, cost_credit_id, reason, decided_by, decided_on) ON supplier_invoice TO umbel_app;
