-- The provision for clients who may not pay: rates by age as dated rows, computed when a month closes and moved by the
-- difference to the month before.

INSERT INTO ledger_account (code, kind, dimension) VALUES
    ('doubtful_provision', 'asset', NULL),
    ('impairment', 'expense', NULL);

-- By how many days an invoice is late, what share of it is doubtful. A matrix that was wrong stays; the next n of its day counts.
CREATE TABLE provision_matrix (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    valid_from date NOT NULL,
    n integer NOT NULL DEFAULT 1 CHECK (n > 0),
    source text NOT NULL CHECK (length(source) BETWEEN 1 AND 400),
    reason text CHECK (length(reason) BETWEEN 1 AND 500),
    decided_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT provision_matrix_once UNIQUE (entity_id, valid_from, n),
    CONSTRAINT provision_matrix_reason CHECK ((n = 1) = (reason IS NULL))
);
CREATE INDEX provision_matrix_decided_by ON provision_matrix (decided_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON provision_matrix FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE provision_bucket (
    matrix_id uuid NOT NULL REFERENCES provision_matrix,
    from_days integer NOT NULL CHECK (from_days BETWEEN 0 AND 3650),
    rate_ppm bigint NOT NULL CHECK (rate_ppm BETWEEN 0 AND 1000000),
    PRIMARY KEY (matrix_id, from_days)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON provision_bucket FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE provision_run (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    period char(7) NOT NULL CHECK (period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    reckoned_on date NOT NULL,
    matrix_id uuid NOT NULL REFERENCES provision_matrix,
    currency char(3) NOT NULL REFERENCES currency,
    required_minor bigint NOT NULL CHECK (required_minor >= 0),
    previous_minor bigint NOT NULL CHECK (previous_minor >= 0),
    moved_minor bigint NOT NULL,
    basis jsonb NOT NULL CHECK (jsonb_typeof(basis -> 'buckets') = 'array'),
    made_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT provision_run_once UNIQUE (entity_id, period),
    CONSTRAINT provision_run_moves_the_difference CHECK (moved_minor = required_minor - previous_minor)
);
CREATE INDEX provision_run_matrix ON provision_run (matrix_id);
CREATE INDEX provision_run_made_by ON provision_run (made_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON provision_run FOR EACH ROW EXECUTE FUNCTION refuse_change();

INSERT INTO ledger_source (kind, source_table) VALUES ('provision_run', 'provision_run');
INSERT INTO ledger_event (event, source_kind) VALUES ('provision_moved', 'provision_run');

-- What is provided is what the last matrix came to, and each run went on from the one before.
CREATE VIEW invariant_i36_provision_is_matrix WITH (security_invoker = true) AS
SELECT e.id::text AS subject, format('%s is booked, the matrix of %s came to %s', b.amount, r.period, coalesce(r.required_minor, 0)) AS detail
FROM entity e
LEFT JOIN LATERAL (SELECT required_minor, period FROM provision_run WHERE entity_id = e.id ORDER BY period DESC LIMIT 1) r ON true
CROSS JOIN LATERAL (SELECT (-coalesce(sum(p.amount_minor), 0))::bigint AS amount FROM posting p JOIN journal_entry j ON j.id = p.entry_id
                    WHERE j.entity_id = e.id AND p.account = 'doubtful_provision') b
WHERE b.amount <> coalesce(r.required_minor, 0)
UNION ALL
SELECT r.id::text, format('%s begins with %s after %s', r.period, r.previous_minor, coalesce(b.required_minor, 0))
FROM provision_run r
LEFT JOIN LATERAL (SELECT required_minor FROM provision_run x WHERE x.entity_id = r.entity_id AND x.period < r.period ORDER BY x.period DESC LIMIT 1) b ON true
WHERE r.previous_minor <> coalesce(b.required_minor, 0);

GRANT SELECT ON invariant_i36_provision_is_matrix TO umbel_app;
GRANT SELECT, INSERT ON provision_matrix, provision_bucket, provision_run TO umbel_app;
