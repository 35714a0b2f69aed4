-- Advances: a member paid before the client paid. A draw, a certain loss, is another record and comes with write-offs.

CREATE TABLE guarantee_advance (
    id uuid PRIMARY KEY,
    invoice_id uuid NOT NULL CONSTRAINT guarantee_advance_once UNIQUE REFERENCES invoice,
    member_id uuid NOT NULL REFERENCES member,
    activity_id uuid NOT NULL REFERENCES activity,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency char(3) NOT NULL REFERENCES currency,
    advanced_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX guarantee_advance_member ON guarantee_advance (member_id);
CREATE INDEX guarantee_advance_activity ON guarantee_advance (activity_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON guarantee_advance FOR EACH ROW EXECUTE FUNCTION refuse_change();

INSERT INTO ledger_source (kind, source_table) VALUES ('advance', 'guarantee_advance');
INSERT INTO ledger_event (event, source_kind) VALUES ('guarantee_advanced', 'advance');

ALTER TABLE guarantee_advance ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON guarantee_advance USING (umbel_owns(member_id));
GRANT SELECT, INSERT ON guarantee_advance TO umbel_app;
