-- What a bank takes in one file, by account and day, and that a batch pays from an account of its own entity.

CREATE TABLE bank_limit (
    id uuid PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    bank_account_id uuid NOT NULL REFERENCES entity_bank_account,
    valid_from date NOT NULL,
    -- Null where the bank has no limit.
    payouts_max integer CHECK (payouts_max > 0),
    total_max_minor bigint CHECK (total_max_minor > 0),
    -- Bank files are in euro.
    currency char(3) NOT NULL DEFAULT 'EUR' REFERENCES currency CHECK (currency = 'EUR'),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    decided_by uuid NOT NULL REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX bank_limit_account ON bank_limit (bank_account_id, valid_from);
CREATE INDEX bank_limit_decided_by ON bank_limit (decided_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON bank_limit FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE bank_limit ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON bank_limit USING (umbel_sees_all());
GRANT SELECT, INSERT ON bank_limit TO umbel_app;

-- Whether a file is within what its bank takes: the newest row of the day counts, as it was known at an instant.
CREATE FUNCTION within_bank_limit(p_account uuid, p_day date, p_at timestamptz, p_count bigint, p_total bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce((SELECT coalesce(p_count <= l.payouts_max, true) AND coalesce(p_total <= l.total_max_minor, true)
        FROM bank_limit l WHERE l.bank_account_id = p_account AND l.valid_from <= p_day AND l.created_at <= p_at
        ORDER BY l.valid_from DESC, l.seq DESC LIMIT 1), true)
$$;
GRANT EXECUTE ON FUNCTION within_bank_limit TO umbel_app;

CREATE FUNCTION guard_batch_account() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM entity_bank_account a WHERE (a.id, a.entity_id, a.currency) = (NEW.bank_account_id, NEW.entity_id, NEW.currency)) THEN
        RAISE EXCEPTION 'batch % pays from an account that is not of its entity', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_account_fits';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_batch_account BEFORE INSERT ON payout_batch FOR EACH ROW EXECUTE FUNCTION guard_batch_account();

-- The limit of the day the file is sealed or executed, whichever is later.
CREATE FUNCTION guard_batch_limit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.state = 'sealed' AND OLD.state = 'open' AND NOT within_bank_limit(NEW.bank_account_id,
        greatest(NEW.execute_on, (SELECT (umbel_now() AT TIME ZONE e.zone)::date FROM entity e WHERE e.id = NEW.entity_id)),
        umbel_now(), NEW.payout_count, NEW.control_sum_minor) THEN
        RAISE EXCEPTION 'batch % is more than its bank takes in one file', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_within_limit';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_batch_limit BEFORE UPDATE ON payout_batch FOR EACH ROW EXECUTE FUNCTION guard_batch_limit();

CREATE VIEW invariant_i41_files_fit_their_bank WITH (security_invoker = true) AS
SELECT b.id::text AS subject, 'a batch pays from an account of another entity'::text AS detail
FROM payout_batch b JOIN entity_bank_account a ON a.id = b.bank_account_id
WHERE (a.entity_id, a.currency) IS DISTINCT FROM (b.entity_id, b.currency)
UNION ALL
SELECT b.id::text, format('%s payouts, %s in one file', b.payout_count, b.control_sum_minor)
FROM payout_batch b JOIN entity e ON e.id = b.entity_id
WHERE b.sealed_at IS NOT NULL AND NOT within_bank_limit(b.bank_account_id,
    greatest(b.execute_on, (b.sealed_at AT TIME ZONE e.zone)::date), b.sealed_at, b.payout_count, b.control_sum_minor);
GRANT SELECT ON invariant_i41_files_fit_their_bank TO umbel_app;
