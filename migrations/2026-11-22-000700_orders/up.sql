-- Orders, their frozen versions, the client's answer and its evidence, the guarantee decision.

INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('order', '', 'draft'), ('order', 'draft', 'sent'), ('order', 'draft', 'withdrawn'),
    ('order', 'sent', 'confirmed'), ('order', 'sent', 'declined'), ('order', 'sent', 'change_requested'),
    ('order', 'sent', 'withdrawn'), ('order', 'sent', 'expired'),
    ('order', 'change_requested', 'draft'), ('order', 'change_requested', 'withdrawn');

CREATE TABLE orders (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    member_id uuid NOT NULL REFERENCES member,
    activity_id uuid NOT NULL,
    client_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'draft',
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 4000),
    currency char(3) NOT NULL REFERENCES currency,
    work_starts_on date,
    work_ends_on date NOT NULL,
    valid_until date NOT NULL,
    net_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    gross_minor bigint NOT NULL,
    -- The rules in force when the order was sent; a later vote does not change them.
    rule_set_id uuid REFERENCES rule_set,
    sent_version integer,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    sent_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    CHECK (gross_minor = net_minor + tax_minor),
    CHECK (state IN ('draft', 'withdrawn') OR (rule_set_id IS NOT NULL AND sent_version IS NOT NULL)),
    FOREIGN KEY (member_id, activity_id) REFERENCES activity (member_id, id),
    FOREIGN KEY (member_id, client_id) REFERENCES client (member_id, id)
);
CREATE INDEX orders_member ON orders (member_id, id);
CREATE INDEX orders_client ON orders (member_id, client_id);
CREATE INDEX orders_activity ON orders (member_id, activity_id);
CREATE INDEX orders_entity ON orders (entity_id);
CREATE INDEX orders_rule_set ON orders (rule_set_id);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION guard_state('order', 'member_id');

CREATE TABLE order_line (
    order_id uuid NOT NULL REFERENCES orders,
    n integer NOT NULL CHECK (n > 0),
    label text NOT NULL CHECK (length(label) BETWEEN 1 AND 500),
    quantity numeric(14, 4) NOT NULL CHECK (quantity > 0),
    unit_price_minor bigint NOT NULL,
    vat_case text NOT NULL,
    net_minor bigint NOT NULL,
    PRIMARY KEY (order_id, n)
);

-- What was sent, word for word. The client confirms the hash of one version.
CREATE TABLE order_version (
    order_id uuid NOT NULL REFERENCES orders,
    n integer NOT NULL CHECK (n > 0),
    content text NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    sent_at timestamptz NOT NULL DEFAULT umbel_now(),
    PRIMARY KEY (order_id, n)
);

CREATE TABLE order_answer (
    order_id uuid NOT NULL,
    n integer NOT NULL,
    answer text NOT NULL CHECK (answer IN ('confirmed', 'declined', 'change_requested')),
    sha256 bytea NOT NULL,
    signer text NOT NULL DEFAULT '' CHECK (length(signer) <= 200),
    message text NOT NULL DEFAULT '' CHECK (length(message) <= 2000),
    address text NOT NULL,
    user_agent text NOT NULL CHECK (length(user_agent) <= 400),
    link_id uuid NOT NULL REFERENCES access_link,
    at timestamptz NOT NULL DEFAULT umbel_now(),
    PRIMARY KEY (order_id, n),
    FOREIGN KEY (order_id, n) REFERENCES order_version
);
CREATE INDEX order_answer_link ON order_answer (link_id);

CREATE TABLE guarantee_decision (
    order_id uuid PRIMARY KEY REFERENCES orders,
    eligible boolean NOT NULL,
    reasons jsonb NOT NULL,
    rule_set_id uuid NOT NULL REFERENCES rule_set,
    decided_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX guarantee_decision_rule_set ON guarantee_decision (rule_set_id);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON order_version FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON order_answer FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON guarantee_decision FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- A version that was sent is frozen: its lines may change only while the order is a draft.
CREATE FUNCTION order_lines_of_draft() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM orders WHERE id = coalesce(NEW.order_id, OLD.order_id) AND state = 'draft') THEN
        RAISE EXCEPTION 'lines of a sent order are frozen' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'order_frozen';
    END IF;
    RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE ON order_line FOR EACH ROW EXECUTE FUNCTION order_lines_of_draft();

-- What a client reads or has confirmed stays as it was sent; a new version begins as a draft again.
CREATE FUNCTION guard_sent_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'draft' AND NEW.state <> 'draft'
       AND to_jsonb(OLD) - '{state,version}'::text[] IS DISTINCT FROM to_jsonb(NEW) - '{state,version}'::text[] THEN
        RAISE EXCEPTION 'a sent order is frozen' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'order_frozen';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_sent BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION guard_sent_order();

ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON orders USING (umbel_owns(member_id));
ALTER TABLE order_line ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON order_line USING (EXISTS (SELECT FROM orders o WHERE o.id = order_id));
ALTER TABLE order_version ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON order_version USING (EXISTS (SELECT FROM orders o WHERE o.id = order_id));
ALTER TABLE order_answer ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON order_answer USING (EXISTS (SELECT FROM orders o WHERE o.id = order_id));
ALTER TABLE guarantee_decision ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON guarantee_decision USING (EXISTS (SELECT FROM orders o WHERE o.id = order_id));

GRANT SELECT, INSERT, UPDATE ON orders TO umbel_app;
GRANT SELECT, INSERT, DELETE ON order_line TO umbel_app;
GRANT SELECT, INSERT ON order_version, order_answer, guarantee_decision TO umbel_app;
