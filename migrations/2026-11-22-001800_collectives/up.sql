-- Activities that several members share, how they divide what is on them, and money that moves between activities.

INSERT INTO state_transition (machine, from_state, to_state) VALUES
    ('activity_member', '', 'invited'), ('activity_member', '', 'confirmed'),
    ('activity_member', 'invited', 'confirmed'), ('activity_member', 'invited', 'declined'),
    ('activity_member', 'confirmed', 'left');

ALTER TABLE activity ADD COLUMN is_collective boolean NOT NULL DEFAULT false;

-- Everybody who manages an activity or ever did. What a manager wrote keeps its writer when another takes over, so
-- documents refer to this and no longer to the manager of today.
CREATE TABLE activity_manager (
    activity_id uuid NOT NULL REFERENCES activity,
    member_id uuid NOT NULL REFERENCES member,
    since timestamptz NOT NULL DEFAULT umbel_now(),
    PRIMARY KEY (member_id, activity_id)
);
CREATE INDEX activity_manager_activity ON activity_manager (activity_id);
INSERT INTO activity_manager (activity_id, member_id, since) SELECT id, member_id, created_at FROM activity;

-- The manager of today owns the balance; PostgreSQL keeps the three in step.
CREATE FUNCTION follow_manager() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    INSERT INTO activity_manager (activity_id, member_id) VALUES (NEW.id, NEW.member_id) ON CONFLICT DO NOTHING;
    UPDATE activity_balance SET owner_id = NEW.member_id WHERE activity_id = NEW.id AND owner_id <> NEW.member_id;
    RETURN NULL;
END $$;
CREATE TRIGGER follow_manager AFTER INSERT OR UPDATE OF member_id ON activity FOR EACH ROW EXECUTE FUNCTION follow_manager();

ALTER TABLE orders DROP CONSTRAINT orders_member_id_activity_id_fkey;
ALTER TABLE orders ADD CONSTRAINT orders_member_id_activity_id_fkey
    FOREIGN KEY (member_id, activity_id) REFERENCES activity_manager (member_id, activity_id);
ALTER TABLE invoice DROP CONSTRAINT invoice_member_id_activity_id_fkey;
ALTER TABLE invoice ADD CONSTRAINT invoice_member_id_activity_id_fkey
    FOREIGN KEY (member_id, activity_id) REFERENCES activity_manager (member_id, activity_id);

-- Who takes part in a collective, as what, from when to when: one row for each time. The names are those of the day.
CREATE TABLE activity_member (
    id uuid PRIMARY KEY,
    activity_id uuid NOT NULL REFERENCES activity,
    member_id uuid NOT NULL REFERENCES member,
    role text NOT NULL CHECK (role IN ('manager', 'member')),
    state text NOT NULL DEFAULT 'invited',
    activity_name text NOT NULL,
    member_name text NOT NULL,
    invited_by uuid NOT NULL REFERENCES member,
    invited_by_name text NOT NULL,
    -- The personal activity on which shares of the collective's money arrive.
    receives_on_id uuid REFERENCES activity,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    answered_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT activity_member_receives_elsewhere CHECK (receives_on_id <> activity_id)
);
CREATE UNIQUE INDEX activity_member_once ON activity_member (activity_id, member_id) WHERE state = 'confirmed';
CREATE UNIQUE INDEX activity_member_asked_once ON activity_member (activity_id, member_id) WHERE state = 'invited';
CREATE UNIQUE INDEX activity_member_one_manager ON activity_member (activity_id) WHERE state = 'confirmed' AND role = 'manager';
CREATE INDEX activity_member_activity ON activity_member (activity_id);
CREATE INDEX activity_member_member ON activity_member (member_id, id);
CREATE INDEX activity_member_invited_by ON activity_member (invited_by);
CREATE INDEX activity_member_receives_on ON activity_member (receives_on_id);
CREATE TRIGGER state BEFORE INSERT OR UPDATE ON activity_member FOR EACH ROW EXECUTE FUNCTION guard_state('activity_member', 'member_id');

-- Whether the acting person has confirmed that they take part in a collective. It reads past row-level security, which uses it.
CREATE FUNCTION umbel_shares_activity(p_activity uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
$$ SELECT EXISTS (SELECT FROM activity_member WHERE activity_id = p_activity AND member_id = umbel_person() AND state = 'confirmed') $$;
-- Whether the acting person manages an activity, sees everything, or takes part in it.
CREATE FUNCTION umbel_reads_activity(p_activity uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
$$ SELECT umbel_sees_all() OR umbel_shares_activity(p_activity)
       OR EXISTS (SELECT FROM activity WHERE id = p_activity AND member_id = umbel_person()) $$;
-- A member of the same entity by their address of mail: whom a manager may invite.
CREATE FUNCTION find_fellow_member(p_entity uuid, p_email citext) RETURNS TABLE (id uuid, name text, email text, language text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
$$ SELECT p.id, p.name, p.email::text, p.language FROM person p JOIN member m ON m.id = p.id
   WHERE p.email = p_email AND m.entity_id = p_entity AND m.state = 'active' $$;
GRANT EXECUTE ON FUNCTION umbel_shares_activity, umbel_reads_activity, find_fellow_member TO umbel_app;

-- The invitee takes a collective over: the manager before stays as a member, and the balance follows.
CREATE FUNCTION take_over_activity(p_invitation uuid, p_receives_on uuid, p_stays_as uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    asked activity_member;
    before activity_member;
BEGIN
    SELECT * INTO asked FROM activity_member
    WHERE id = p_invitation AND member_id = umbel_person() AND role = 'manager' AND state = 'invited' FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such invitation' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'state_transition_declared';
    END IF;
    PERFORM FROM activity WHERE id = asked.activity_id FOR UPDATE;
    UPDATE activity_member SET state = 'left'
    WHERE activity_id = asked.activity_id AND role = 'manager' AND state = 'confirmed' RETURNING * INTO before;
    UPDATE activity_member SET state = 'left'
    WHERE activity_id = asked.activity_id AND member_id = asked.member_id AND state = 'confirmed';
    UPDATE activity_member SET state = 'confirmed', receives_on_id = p_receives_on, answered_at = umbel_now() WHERE id = asked.id;
    INSERT INTO activity_member (id, activity_id, member_id, role, state, activity_name, member_name, invited_by, invited_by_name,
                                 receives_on_id, answered_at)
    VALUES (p_stays_as, before.activity_id, before.member_id, 'member', 'confirmed', before.activity_name, before.member_name,
            asked.member_id, asked.member_name, before.receives_on_id, umbel_now());
    UPDATE activity SET member_id = asked.member_id WHERE id = asked.activity_id;
END $$;
GRANT EXECUTE ON FUNCTION take_over_activity TO umbel_app;

-- Nobody is paid by a collective: its money goes to the members' own activities first.
CREATE FUNCTION check_payout_activity() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF EXISTS (SELECT FROM activity WHERE id = NEW.activity_id AND is_collective) THEN
        RAISE EXCEPTION 'a collective pays by transfer' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'collective_pays_by_transfer';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_activity BEFORE INSERT ON payout FOR EACH ROW EXECUTE FUNCTION check_payout_activity();

-- How a collective divides its money, version by version. Each is frozen; the newest whose day has come is in force.
CREATE TABLE split_rule (
    id uuid PRIMARY KEY,
    activity_id uuid NOT NULL REFERENCES activity,
    n integer NOT NULL CHECK (n > 0),
    kind text NOT NULL CHECK (kind IN ('percent', 'equal', 'fixed')),
    valid_from date NOT NULL,
    currency char(3) NOT NULL REFERENCES currency,
    made_by uuid NOT NULL REFERENCES member,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT split_rule_version_unique UNIQUE (activity_id, n)
);
CREATE INDEX split_rule_made_by ON split_rule (made_by);
CREATE TABLE split_part (
    rule_id uuid NOT NULL REFERENCES split_rule,
    member_id uuid NOT NULL REFERENCES member,
    share_ppm bigint CHECK (share_ppm BETWEEN 1 AND 1000000),
    amount_minor bigint CHECK (amount_minor > 0),
    currency char(3) NOT NULL REFERENCES currency,
    PRIMARY KEY (rule_id, member_id)
);
CREATE INDEX split_part_member ON split_part (member_id);

-- At commit a rule has the parts that its kind asks for, and percents are the whole.
CREATE FUNCTION check_split_rule() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF NOT (SELECT CASE NEW.kind
                WHEN 'percent' THEN count(*) > 0 AND count(share_ppm) = count(*) AND count(amount_minor) = 0 AND sum(share_ppm) = 1000000
                WHEN 'fixed' THEN count(*) > 0 AND count(amount_minor) = count(*) AND count(share_ppm) = 0
                ELSE count(*) = 0 END
            FROM split_part WHERE rule_id = NEW.id) THEN
        RAISE EXCEPTION 'the parts of split rule % are not exact', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'split_rule_exact';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER exact AFTER INSERT ON split_rule DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_split_rule();

CREATE TABLE split_run (
    id uuid PRIMARY KEY,
    activity_id uuid NOT NULL REFERENCES activity,
    rule_id uuid NOT NULL REFERENCES split_rule,
    invoice_id uuid REFERENCES invoice,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    -- What a rule of fixed amounts left where it was.
    rest_minor bigint NOT NULL CHECK (rest_minor >= 0),
    currency char(3) NOT NULL REFERENCES currency,
    made_by uuid NOT NULL REFERENCES member,
    made_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CHECK (rest_minor < amount_minor)
);
CREATE INDEX split_run_activity ON split_run (activity_id, id);
CREATE INDEX split_run_rule ON split_run (rule_id);
CREATE INDEX split_run_invoice ON split_run (invoice_id);
CREATE INDEX split_run_made_by ON split_run (made_by);

CREATE TABLE transfer (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    from_activity_id uuid NOT NULL REFERENCES activity,
    from_member_id uuid NOT NULL REFERENCES member,
    to_activity_id uuid NOT NULL REFERENCES activity,
    to_member_id uuid NOT NULL REFERENCES member,
    -- Money that waits for this invoice; without it, available money.
    invoice_id uuid REFERENCES invoice,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    -- The part of it that the guarantee advanced and no client has paid yet.
    advanced_minor bigint NOT NULL DEFAULT 0,
    currency char(3) NOT NULL REFERENCES currency,
    reason text NOT NULL DEFAULT '' CHECK (length(reason) <= 500),
    split_run_id uuid REFERENCES split_run,
    returns_id uuid CONSTRAINT transfer_returned_once UNIQUE REFERENCES transfer,
    made_by uuid NOT NULL REFERENCES member,
    made_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT transfer_to_another CHECK (from_activity_id <> to_activity_id),
    CHECK (advanced_minor BETWEEN 0 AND amount_minor),
    CHECK (invoice_id IS NULL OR advanced_minor = 0)
);
CREATE INDEX transfer_entity ON transfer (entity_id);
CREATE INDEX transfer_from ON transfer (from_activity_id, id);
CREATE INDEX transfer_to ON transfer (to_activity_id, id);
CREATE INDEX transfer_from_member ON transfer (from_member_id, id);
CREATE INDEX transfer_to_member ON transfer (to_member_id, id);
CREATE INDEX transfer_invoice ON transfer (invoice_id);
CREATE INDEX transfer_split_run ON transfer (split_run_id);
CREATE INDEX transfer_made_by ON transfer (made_by);

-- Money stays in its entity, whoever asks.
CREATE FUNCTION check_transfer() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF (SELECT count(*) FROM activity a JOIN activity_balance b ON b.activity_id = a.id
        WHERE (a.id, a.member_id) IN ((NEW.from_activity_id, NEW.from_member_id), (NEW.to_activity_id, NEW.to_member_id))
          AND a.entity_id = NEW.entity_id AND b.currency = NEW.currency) <> 2 THEN
        RAISE EXCEPTION 'a transfer stays in one entity and one currency'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'transfer_in_one_entity';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_transfer BEFORE INSERT ON transfer FOR EACH ROW EXECUTE FUNCTION check_transfer();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON activity_manager FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON split_rule FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON split_part FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON split_run FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON transfer FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Invoices whose pending money or advances move are held against a payment in the same moment. An issued invoice
-- never changes; the lock is what its money waits at.
CREATE FUNCTION lock_invoice_money(p_invoices uuid[]) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public AS
$$ SELECT FROM invoice WHERE id = ANY (p_invoices) ORDER BY id FOR NO KEY UPDATE $$;
-- The activities of a transfer, held open until the end of the transaction. Only who manages the giving one is answered.
CREATE FUNCTION hold_transfer_activities(p_from uuid, p_to uuid[])
RETURNS TABLE (id uuid, entity_id uuid, member_id uuid, is_collective boolean, is_closed boolean, currency text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM activity a WHERE a.id = p_from AND umbel_owns(a.member_id)) THEN
        RETURN;
    END IF;
    PERFORM FROM activity a WHERE a.id = p_from OR a.id = ANY (p_to) ORDER BY a.id FOR SHARE;
    RETURN QUERY
        SELECT a.id, a.entity_id, a.member_id, a.is_collective, a.closed_at IS NOT NULL, b.currency::text
        FROM activity a JOIN activity_balance b ON b.activity_id = a.id WHERE a.id = p_from OR a.id = ANY (p_to);
END $$;
-- Their balances, in the order in which the posting trigger locks them; the receivers' are not answered.
CREATE FUNCTION lock_transfer_balances(p_from uuid, p_to uuid[]) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public AS
$$ SELECT FROM activity_balance b WHERE (b.activity_id = p_from OR b.activity_id = ANY (p_to))
     AND EXISTS (SELECT FROM activity a WHERE a.id = p_from AND umbel_owns(a.member_id))
   ORDER BY b.activity_id FOR NO KEY UPDATE $$;
-- Somebody moved what was just read: the transaction is tried again from its beginning.
CREATE FUNCTION umbel_try_again() RETURNS void LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'moved meanwhile' USING ERRCODE = 'serialization_failure'; END $$;
GRANT EXECUTE ON FUNCTION lock_invoice_money, hold_transfer_activities, lock_transfer_balances, umbel_try_again TO umbel_app;

-- What each activity holds of an invoice, for whoever may see it: pending money, and open advances.
CREATE FUNCTION invoice_holdings(p_invoice uuid) RETURNS TABLE (activity_id uuid, member_id uuid, pending_minor bigint, advanced_minor bigint)
LANGUAGE sql STABLE SET search_path = public AS $$
    SELECT p.activity_id, b.owner_id,
           coalesce(-sum(p.amount_minor) FILTER (WHERE p.account = 'funds.pending'), 0)::bigint,
           coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'memo.advances'), 0)::bigint
    FROM posting p JOIN activity_balance b ON b.activity_id = p.activity_id
    WHERE p.invoice_id = p_invoice AND p.account IN ('funds.pending', 'memo.advances')
    GROUP BY p.activity_id, b.owner_id ORDER BY p.activity_id
$$;
-- What an activity holds by invoice: pending money and open advances, oldest advance first.
CREATE FUNCTION activity_holdings(p_activity uuid)
RETURNS TABLE (invoice_id uuid, pending_minor bigint, advanced_minor bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT h.invoice_id, h.pending, h.advanced
    FROM (SELECT p.invoice_id,
                 coalesce(-sum(p.amount_minor) FILTER (WHERE p.account = 'funds.pending'), 0)::bigint AS pending,
                 coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'memo.advances'), 0)::bigint AS advanced
          FROM posting p WHERE p.activity_id = p_activity AND p.invoice_id IS NOT NULL
            AND p.account IN ('funds.pending', 'memo.advances') AND umbel_reads_activity(p_activity)
          GROUP BY p.invoice_id) h
    LEFT JOIN guarantee_advance g ON g.invoice_id = h.invoice_id
    WHERE h.pending <> 0 OR h.advanced <> 0 ORDER BY g.advanced_on, h.invoice_id
$$;
-- The figures of activities that postings and payments give: issued less credited, what clients paid of it without
-- VAT, advances that no client has covered, and what the activity owes.
CREATE FUNCTION activity_figures(p_activities uuid[])
RETURNS TABLE (activity_id uuid, invoiced_minor bigint, collected_minor bigint, advanced_minor bigint, arrears_minor bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT a.id, coalesce(p.invoiced, 0)::bigint, coalesce(c.collected, 0)::bigint, coalesce(p.advanced, 0)::bigint, coalesce(p.arrears, 0)::bigint
    FROM activity a
    LEFT JOIN (SELECT x.activity_id,
                      -sum(x.amount_minor) FILTER (WHERE x.account = 'turnover') AS invoiced,
                      sum(x.amount_minor) FILTER (WHERE x.account = 'memo.advances') AS advanced,
                      sum(x.amount_minor) FILTER (WHERE x.account = 'activity_arrears') AS arrears
               FROM posting x WHERE x.activity_id = ANY (p_activities) AND x.account IN ('turnover', 'memo.advances', 'activity_arrears')
               GROUP BY x.activity_id) p ON p.activity_id = a.id
    LEFT JOIN (SELECT i.activity_id, sum(round(m.paid::numeric * i.net_minor / i.gross_minor)) AS collected
               FROM invoice i JOIN (SELECT invoice_id, sum(amount_minor) AS paid FROM allocation GROUP BY invoice_id) m ON m.invoice_id = i.id
               WHERE i.activity_id = ANY (p_activities) AND i.state = 'issued' AND i.kind = 'invoice' AND i.gross_minor > 0
               GROUP BY i.activity_id) c ON c.activity_id = a.id
    WHERE a.id = ANY (p_activities) AND umbel_reads_activity(a.id)
$$;
CREATE INDEX invoice_of_activity ON invoice (activity_id);
GRANT EXECUTE ON FUNCTION invoice_holdings, activity_holdings, activity_figures TO umbel_app;

INSERT INTO ledger_source (kind, source_table) VALUES ('transfer', 'transfer');
INSERT INTO ledger_event (event, source_kind) VALUES ('transferred', 'transfer');

-- Money keeps its origin: no activity holds less than nothing of an invoice, and when nothing of an invoice is open
-- any more nobody still waits for it, unless it was given up and the guarantee owes the rest.
CREATE VIEW invariant_i21_origin_kept WITH (security_invoker = true) AS
SELECT h.activity_id::text AS subject,
       format('holds %s pending and %s advanced of invoice %s', h.pending, h.advanced, h.invoice_id) AS detail
FROM (SELECT p.activity_id, p.invoice_id,
             coalesce(-sum(p.amount_minor) FILTER (WHERE p.account = 'funds.pending'), 0) AS pending,
             coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'memo.advances'), 0) AS advanced
      FROM posting p WHERE p.invoice_id IS NOT NULL AND p.account IN ('funds.pending', 'memo.advances')
      GROUP BY p.activity_id, p.invoice_id) h
WHERE h.pending < 0 OR h.advanced < 0
UNION ALL
SELECT o.invoice_id::text, format('nothing is open, and %s is still pending', l.pending)
FROM invoice_open o
JOIN (SELECT invoice_id, -sum(amount_minor) AS pending FROM posting WHERE account = 'funds.pending' AND invoice_id IS NOT NULL
      GROUP BY invoice_id HAVING sum(amount_minor) <> 0) l ON l.invoice_id = o.invoice_id
WHERE o.open_minor = 0
  AND NOT EXISTS (SELECT FROM invoice_reduction r WHERE r.invoice_id = o.invoice_id AND r.kind = 'write_off');
GRANT SELECT ON invariant_i21_origin_kept TO umbel_app;

ALTER TABLE activity_manager ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON activity_manager USING (umbel_owns(member_id));
ALTER TABLE activity_member ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON activity_member USING (umbel_owns(member_id)) WITH CHECK (umbel_reads_activity(activity_id) OR umbel_owns(member_id));
CREATE POLICY shared ON activity_member FOR SELECT USING (umbel_reads_activity(activity_id));
CREATE POLICY by_manager ON activity_member AS RESTRICTIVE FOR INSERT
    WITH CHECK (EXISTS (SELECT FROM activity a WHERE a.id = activity_id AND umbel_owns(a.member_id)));
ALTER TABLE split_rule ENABLE ROW LEVEL SECURITY;
CREATE POLICY shared ON split_rule USING (umbel_reads_activity(activity_id))
    WITH CHECK (EXISTS (SELECT FROM activity a WHERE a.id = activity_id AND umbel_owns(a.member_id)));
ALTER TABLE split_part ENABLE ROW LEVEL SECURITY;
CREATE POLICY shared ON split_part USING (EXISTS (SELECT FROM split_rule r WHERE r.id = rule_id));
ALTER TABLE split_run ENABLE ROW LEVEL SECURITY;
CREATE POLICY shared ON split_run USING (umbel_reads_activity(activity_id))
    WITH CHECK (EXISTS (SELECT FROM activity a WHERE a.id = activity_id AND umbel_owns(a.member_id)));
ALTER TABLE transfer ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON transfer USING (umbel_owns(from_member_id) OR umbel_owns(to_member_id)) WITH CHECK (umbel_owns(from_member_id));
CREATE POLICY shared ON transfer FOR SELECT USING (umbel_reads_activity(from_activity_id) OR umbel_reads_activity(to_activity_id));
-- Members of a collective read its activity, what is on it and what moved; they write nothing.
CREATE POLICY shared ON activity FOR SELECT USING (is_collective AND umbel_shares_activity(id));
CREATE POLICY shared ON activity_balance FOR SELECT USING (umbel_shares_activity(activity_id));
CREATE POLICY shared ON posting FOR SELECT USING (activity_id IS NOT NULL AND umbel_shares_activity(activity_id));
CREATE POLICY shared ON journal_entry FOR SELECT
    USING (EXISTS (SELECT FROM posting p WHERE p.entry_id = journal_entry.id AND p.activity_id IS NOT NULL AND umbel_shares_activity(p.activity_id)));

GRANT SELECT, INSERT, UPDATE (state, receives_on_id, answered_at) ON activity_member TO umbel_app;
GRANT SELECT ON activity_manager TO umbel_app;
GRANT SELECT, INSERT ON split_rule, split_part, split_run, transfer TO umbel_app;
