-- Whether the mutual can pay what it owes, proven every day: one row a day, each chained to the one before.

-- What is owed to an activity: what it has, what is set aside for its payouts, and what the mutual promised to
-- advance. `p_through` and `p_day` cut the books off: an entry counts when it is not younger than either.
CREATE FUNCTION solvency_receivables(p_entity uuid, p_currency text, p_through bigint, p_day date)
RETURNS TABLE (invoice_id uuid, client_id uuid, amount_minor bigint) LANGUAGE sql STABLE AS $$
    SELECT r.invoice_id, i.client_id, r.amount
    FROM (SELECT p.invoice_id, sum(p.amount_minor)::bigint AS amount FROM posting p JOIN journal_entry e ON e.id = p.entry_id
          WHERE p.account = 'receivable' AND e.entity_id = p_entity AND e.id <= p_through AND e.booked_on <= p_day AND p.currency = p_currency
          GROUP BY p.invoice_id HAVING sum(p.amount_minor) > 0) r
    JOIN invoice i ON i.id = r.invoice_id
    LEFT JOIN orders o ON o.id = i.order_id
    LEFT JOIN guarantee_decision d ON d.order_id = i.order_id
    -- A client who confirmed in writing, does not dispute it and is not more than 90 days late.
    WHERE (o.state = 'confirmed' OR d.eligible) AND i.due_on >= p_day - 90
      AND NOT EXISTS (SELECT FROM invoice_dispute x WHERE x.invoice_id = i.id AND x.resolved_at IS NULL)
$$;

CREATE FUNCTION solvency_activities(p_entity uuid, p_currency text, p_through bigint, p_day date)
RETURNS TABLE (activity_id uuid, owner_id uuid, available_minor bigint, reserved_minor bigint, advances_minor bigint)
LANGUAGE sql STABLE AS $$
    SELECT f.activity_id, b.owner_id, greatest(0, f.available), greatest(0, f.reserved), greatest(0, f.advances)
    FROM (SELECT p.activity_id,
                 (-coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'funds.available'), 0))::bigint AS available,
                 (-coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'funds.reserved'), 0))::bigint AS reserved,
                 -- Money of an invoice is owed as far as its receivable counts on the other side.
                 (-coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'funds.pending' AND (p.invoice_id IS NULL OR r.invoice_id IS NOT NULL)), 0))::bigint AS advances
          FROM posting p JOIN journal_entry e ON e.id = p.entry_id
          LEFT JOIN solvency_receivables(p_entity, p_currency, p_through, p_day) r ON r.invoice_id = p.invoice_id
          WHERE p.account IN ('funds.available', 'funds.reserved', 'funds.pending') AND e.entity_id = p_entity
            AND e.id <= p_through AND e.booked_on <= p_day AND p.currency = p_currency
          GROUP BY p.activity_id) f
    JOIN activity_balance b ON b.activity_id = f.activity_id
$$;

-- Both sides of the proof, by component, with the number of activities, invoices or accounts behind each.
CREATE FUNCTION solvency_components(p_entity uuid, p_currency text, p_through bigint, p_day date)
RETURNS TABLE (side text, component text, amount_minor bigint, accounts bigint) LANGUAGE sql STABLE AS $$
    WITH funds AS (SELECT * FROM solvency_activities(p_entity, p_currency, p_through, p_day)),
    sums AS (SELECT p.account, sum(p.amount_minor)::bigint AS amount,
                    count(DISTINCT coalesce(p.bank_account_id, p.payout_id, p.bank_line_id, p.invoice_id, p.activity_id, p.member_id)) AS n
             FROM posting p JOIN journal_entry e ON e.id = p.entry_id
             WHERE p.account IN ('bank', 'vat_output', 'vat_input', 'vat_refund_due', 'payouts_in_transit', 'supplier_payable',
                                 'redemption_payable', 'bank_suspense', 'activity_arrears', 'guarantee_fund')
               AND e.entity_id = p_entity AND e.id <= p_through AND e.booked_on <= p_day AND p.currency = p_currency
             GROUP BY p.account)
    SELECT 'owed', 'available', coalesce(sum(available_minor), 0)::bigint, count(*) FILTER (WHERE available_minor > 0) FROM funds
    UNION ALL SELECT 'owed', 'reserved', coalesce(sum(reserved_minor), 0)::bigint, count(*) FILTER (WHERE reserved_minor > 0) FROM funds
    UNION ALL SELECT 'owed', 'advances_owed', coalesce(sum(advances_minor), 0)::bigint, count(*) FILTER (WHERE advances_minor > 0) FROM funds
    UNION ALL
    SELECT 'owed', c.component, coalesce(-s.amount, 0), coalesce(s.n, 0)
    FROM (VALUES ('payouts_in_transit'), ('vat_output'), ('supplier_payable'), ('redemption_payable'), ('bank_suspense')) c (component)
    LEFT JOIN sums s ON s.account = c.component
    UNION ALL
    SELECT 'held', c.component, coalesce(s.amount, 0), coalesce(s.n, 0)
    FROM (VALUES ('bank'), ('vat_input'), ('vat_refund_due'), ('activity_arrears')) c (component)
    LEFT JOIN sums s ON s.account = c.component
    UNION ALL
    SELECT 'held', 'receivables', coalesce(sum(r.amount_minor), 0)::bigint, count(*)
    FROM solvency_receivables(p_entity, p_currency, p_through, p_day) r
    UNION ALL
    -- What clients paid beyond what was left to pay is owed back to them.
    SELECT 'owed', 'client_credits', coalesce(-sum(r.amount), 0)::bigint, count(*)
    FROM (SELECT p.invoice_id, sum(p.amount_minor) AS amount FROM posting p JOIN journal_entry e ON e.id = p.entry_id
          WHERE p.account = 'receivable' AND e.entity_id = p_entity AND e.id <= p_through AND e.booked_on <= p_day AND p.currency = p_currency
          GROUP BY p.invoice_id HAVING sum(p.amount_minor) < 0) r
    UNION ALL
    SELECT 'fund', 'guarantee_fund', coalesce(-s.amount, 0), coalesce(s.n, 0)
    FROM (VALUES ('guarantee_fund')) c (component) LEFT JOIN sums s ON s.account = c.component
$$;

-- The last entry of the books. Waits for whoever is booking, so that no entry with a lower number can still come.
-- The runtime role may not lock the journal; it does so through this, for the length of one short transaction.
CREATE FUNCTION last_entry_settled() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    LOCK TABLE journal_entry IN SHARE MODE;
    RETURN (SELECT coalesce(max(id), 0) FROM journal_entry);
END $$;

CREATE TABLE solvency_proof (
    id uuid PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    entity_id uuid NOT NULL REFERENCES entity,
    currency char(3) NOT NULL REFERENCES currency,
    day date NOT NULL,
    -- The last entry that was there when the day was proven; what comes late counts in the next proof.
    through_entry bigint NOT NULL CHECK (through_entry >= 0),
    owed_minor bigint NOT NULL,
    held_minor bigint NOT NULL,
    ratio_ppm bigint,
    -- Canonical JSON; these bytes are what is hashed.
    body text NOT NULL CHECK (length(body) BETWEEN 2 AND 20000),
    prev_sha256 bytea NOT NULL CHECK (octet_length(prev_sha256) = 32),
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    -- Sum (8 bytes) and hash (32 bytes) of each leaf of the tree over what is owed to activities, in order.
    leaves bytea NOT NULL CHECK (octet_length(leaves) % 40 = 0),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT solvency_proof_one_a_day UNIQUE (entity_id, currency, day),
    -- No proof has two successors.
    CONSTRAINT solvency_proof_no_fork UNIQUE (entity_id, currency, prev_sha256),
    CONSTRAINT solvency_proof_hash_is_its_own CHECK (sha256 = sha256(prev_sha256 || convert_to(body, 'UTF8')))
);

-- What was owed to each activity, for its member to find it again in the tree.
CREATE TABLE solvency_leaf (
    proof_id uuid NOT NULL REFERENCES solvency_proof,
    n integer NOT NULL CHECK (n >= 0),
    activity_id uuid NOT NULL REFERENCES activity,
    owner_id uuid NOT NULL,
    currency char(3) NOT NULL REFERENCES currency,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (proof_id, n),
    CONSTRAINT solvency_leaf_once UNIQUE (proof_id, activity_id)
);
CREATE INDEX solvency_leaf_activity ON solvency_leaf (activity_id, proof_id);

-- A proof follows the one of the day before and names its hash.
CREATE FUNCTION check_proof() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    previous record;
BEGIN
    SELECT day, sha256 INTO previous FROM solvency_proof
    WHERE entity_id = NEW.entity_id AND currency = NEW.currency ORDER BY day DESC LIMIT 1;
    IF NEW.prev_sha256 <> coalesce(previous.sha256, decode(repeat('00', 32), 'hex')) OR NEW.day <> coalesce(previous.day + 1, NEW.day) THEN
        RAISE EXCEPTION 'the proof of % does not follow %', NEW.day, previous.day
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'proof_follows';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_proof BEFORE INSERT ON solvency_proof FOR EACH ROW EXECUTE FUNCTION check_proof();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON solvency_proof FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON solvency_proof EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON solvency_leaf FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON solvency_leaf EXECUTE FUNCTION refuse_change();

ALTER TABLE solvency_leaf ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON solvency_leaf USING (umbel_owns(owner_id)) WITH CHECK (true);

-- What the page of the guarantee fund says beside its own figures. Anybody who is signed in may read it, so only sums
-- leave the function.
CREATE FUNCTION fund_exposures(p_entity uuid, p_currency text, p_since date, p_payouts_since date)
RETURNS TABLE (covered_net_minor bigint, largest_minor bigint[], bank_minor bigint, paid_out_minor bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT
        (SELECT coalesce(sum(i.net_minor), 0)::bigint FROM invoice i JOIN guarantee_decision d ON d.order_id = i.order_id AND d.eligible
         WHERE i.entity_id = p_entity AND i.currency = p_currency AND i.state = 'issued' AND i.kind = 'invoice' AND i.issued_on >= p_since),
        (SELECT coalesce(array_agg(x.amount ORDER BY x.amount DESC), '{}') FROM (
            -- What the fund would pay if a client failed today: what it advanced and what it promised to advance.
            -- A client is the same over all members when its VAT number is.
            SELECT sum(CASE WHEN p.account = 'funds.pending' THEN -p.amount_minor ELSE p.amount_minor END)::bigint AS amount
            FROM posting p JOIN journal_entry e ON e.id = p.entry_id JOIN invoice i ON i.id = p.invoice_id
            JOIN client c ON c.id = i.client_id JOIN guarantee_decision d ON d.order_id = i.order_id AND d.eligible
            WHERE p.account IN ('memo.advances', 'funds.pending') AND e.entity_id = p_entity AND p.currency = p_currency
            GROUP BY coalesce(c.vat_number, c.id::text) HAVING sum(CASE WHEN p.account = 'funds.pending' THEN -p.amount_minor ELSE p.amount_minor END) > 0
            ORDER BY 1 DESC LIMIT 3) x),
        (SELECT coalesce(sum(p.amount_minor), 0)::bigint FROM posting p JOIN journal_entry e ON e.id = p.entry_id
         WHERE p.account = 'bank' AND e.entity_id = p_entity AND p.currency = p_currency),
        (SELECT coalesce(-sum(p.amount_minor), 0)::bigint FROM posting p JOIN journal_entry e ON e.id = p.entry_id
         WHERE p.account = 'payouts_in_transit' AND e.event = 'payout_released' AND e.entity_id = p_entity AND p.currency = p_currency
           AND e.booked_on > p_payouts_since)
$$;

-- Everything owed against everything held. Receivables count whole here, whoever owes them: what breaks this is
-- wrong in the books. The daily proof is stricter and counts only those that clients confirmed.
CREATE OR REPLACE VIEW invariant_i15_solvent WITH (security_invoker = true) AS
SELECT s.entity_id::text AS subject, format('owed %s, held %s', s.owed, s.held) AS detail
FROM (SELECT e.entity_id,
             -coalesce(sum(p.amount_minor) FILTER (WHERE p.account IN
                 ('funds.available', 'funds.reserved', 'payouts_in_transit', 'vat_output', 'supplier_payable', 'redemption_payable')), 0) AS owed,
             coalesce(sum(p.amount_minor) FILTER (WHERE p.account IN
                 ('bank', 'receivable', 'activity_arrears', 'vat_input', 'vat_refund_due')), 0) AS held
      FROM posting p JOIN journal_entry e ON e.id = p.entry_id GROUP BY e.entity_id) s
WHERE s.owed > s.held;

-- Each proof hashes its own bytes and the proof before it, says what its columns say, and the newest one says what
-- the books said: an entry changed below it would show.
CREATE VIEW invariant_i23_proofs_chain WITH (security_invoker = true) AS
SELECT p.id::text AS subject, format('the hash of %s is not that of its body', p.day) AS detail
FROM solvency_proof p WHERE p.sha256 <> sha256(p.prev_sha256 || convert_to(p.body, 'UTF8'))
UNION ALL
SELECT c.id::text, format('the proof of %s does not follow the one before it', c.day)
FROM (SELECT id, day, prev_sha256, lag(sha256) OVER w AS before, lag(day) OVER w AS day_before
      FROM solvency_proof WINDOW w AS (PARTITION BY entity_id, currency ORDER BY day)) c
WHERE c.prev_sha256 <> coalesce(c.before, decode(repeat('00', 32), 'hex')) OR c.day <> coalesce(c.day_before + 1, c.day)
UNION ALL
SELECT p.id::text, format('the proof of %s says something else than its row', p.day)
FROM solvency_proof p
WHERE (p.body::jsonb ->> 'day', p.body::jsonb ->> 'owed_minor', p.body::jsonb ->> 'held_minor', p.body::jsonb ->> 'through_entry')
      IS DISTINCT FROM (p.day::text, p.owed_minor::text, p.held_minor::text, p.through_entry::text)
UNION ALL
SELECT n.id::text, format('the proof of %s counts %s %s, the books %s', n.day, said ->> 'component', said ->> 'amount_minor', coalesce(b.amount, 0))
FROM (SELECT DISTINCT ON (entity_id, currency) * FROM solvency_proof ORDER BY entity_id, currency, day DESC) n
CROSS JOIN LATERAL jsonb_array_elements((n.body::jsonb -> 'held') || (n.body::jsonb -> 'owed')) said
LEFT JOIN LATERAL (SELECT sum(p.amount_minor) * CASE WHEN p.account IN ('bank', 'vat_input', 'vat_refund_due', 'activity_arrears') THEN 1 ELSE -1 END AS amount
                   FROM posting p JOIN journal_entry e ON e.id = p.entry_id
                   WHERE p.account = CASE said ->> 'component' WHEN 'reserved' THEN 'funds.reserved' ELSE said ->> 'component' END
                     AND e.entity_id = n.entity_id AND e.id <= n.through_entry
                     AND e.booked_on <= n.day AND p.currency = n.currency GROUP BY p.account) b ON true
WHERE said ->> 'component' NOT IN ('available', 'advances_owed', 'receivables', 'client_credits') AND (said ->> 'amount_minor')::bigint <> coalesce(b.amount, 0)
UNION ALL
SELECT p.id::text, format('the leaves of %s sum to %s, the proof to %s', p.day, coalesce(l.amount, 0), p.body::jsonb -> 'activities' ->> 'sum_minor')
FROM solvency_proof p
LEFT JOIN (SELECT proof_id, sum(amount_minor) AS amount FROM solvency_leaf GROUP BY proof_id) l ON l.proof_id = p.id
WHERE (p.body::jsonb -> 'activities' ->> 'sum_minor')::bigint <> coalesce(l.amount, 0);

GRANT EXECUTE ON FUNCTION solvency_receivables, solvency_activities, solvency_components, last_entry_settled, fund_exposures TO umbel_app;
GRANT SELECT, INSERT ON solvency_proof, solvency_leaf TO umbel_app;
GRANT SELECT ON invariant_i23_proofs_chain TO umbel_app;
