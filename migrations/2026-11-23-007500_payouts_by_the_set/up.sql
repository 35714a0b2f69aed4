-- What guards a payout is asked once for a statement, not once for each row: a batch moves thousands at a time. What a row
-- can be judged by alone stays a guard of rows, and is called only where the row changes what it guards.
--
-- The plan of a statement in a function is kept, and the first one may be made for one row. So that it also serves
-- thousands, what was and what is are set against each other by EXCEPT and GROUP BY, which take one pass however many rows
-- there are, not by a join; other tables are only looked up by their index, so that one row never reads a whole table.

-- Only declared moves, one history row for each: what guard_state does for the rows of other tables.
CREATE FUNCTION guard_payout_states() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    why text := nullif(current_setting('umbel.reason', true), '');
    who uuid := umbel_person();
    request uuid := umbel_request();
    was text;
    now text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT '', n.state INTO was, now FROM new_rows n
            WHERE NOT EXISTS (SELECT FROM state_transition t WHERE (t.machine, t.from_state, t.to_state) = ('payout', '', n.state)) LIMIT 1;
    ELSE
        SELECT m.was, m.now INTO was, now
            FROM (SELECT DISTINCT max(r.was) AS was, max(r.now) AS now
                  FROM (SELECT id, state AS was, NULL AS now FROM old_rows UNION ALL SELECT id, NULL, state FROM new_rows) r
                  GROUP BY r.id HAVING max(r.was) <> max(r.now)) m
            WHERE NOT EXISTS (SELECT FROM state_transition t WHERE (t.machine, t.from_state, t.to_state) = ('payout', m.was, m.now)) LIMIT 1;
    END IF;
    IF now IS NOT NULL THEN
        RAISE EXCEPTION 'payout may not go from % to %', was, now
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'state_transition_declared';
    END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO state_history (machine, subject_id, owner_id, from_state, to_state, reason, actor_id, request_id)
            SELECT 'payout', id, member_id, NULL, state, why, who, request FROM new_rows;
    ELSE
        INSERT INTO state_history (machine, subject_id, owner_id, from_state, to_state, reason, actor_id, request_id)
            SELECT 'payout', r.id, r.member_id, max(r.was), max(r.now), why, who, request
            FROM (SELECT id, member_id, state AS was, NULL AS now FROM old_rows UNION ALL SELECT id, member_id, NULL, state FROM new_rows) r
            GROUP BY r.id, r.member_id HAVING max(r.was) <> max(r.now);
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER state ON payout;
CREATE TRIGGER version BEFORE UPDATE ON payout FOR EACH ROW EXECUTE FUNCTION step_version();
CREATE TRIGGER state_of_new AFTER INSERT ON payout REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION guard_payout_states();
CREATE TRIGGER state_of_changed AFTER UPDATE ON payout REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION guard_payout_states();

-- The facts of a payout: judged by its own row and its slip.
CREATE OR REPLACE FUNCTION guard_payout() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF (OLD.id, OLD.amount_minor, OLD.currency, OLD.member_id, OLD.activity_id, OLD.end_to_end_id, OLD.entity_id,
        OLD.beside_minor, OLD.rights_minor)
       IS DISTINCT FROM (NEW.id, NEW.amount_minor, NEW.currency, NEW.member_id, NEW.activity_id, NEW.end_to_end_id, NEW.entity_id,
                             NEW.beside_minor, NEW.rights_minor) THEN
        RAISE EXCEPTION 'the facts of a payout never change' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_immutable';
    END IF;
    IF OLD.state <> 'requested' AND OLD.payee_account_id IS DISTINCT FROM NEW.payee_account_id THEN
        RAISE EXCEPTION 'the account of an approved payout never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_immutable';
    END IF;
    IF OLD.state <> 'requested' AND (OLD.scheme, OLD.net_minor) IS DISTINCT FROM (NEW.scheme, NEW.net_minor) THEN
        RAISE EXCEPTION 'the net of an approved payout never changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_immutable';
    END IF;
    -- What is sent is what the slip says; without a slip it is the whole amount.
    IF NEW.state = 'approved' AND OLD.state = 'requested' AND NEW.net_minor IS DISTINCT FROM
       (SELECT s.net_minor FROM pay_slip s WHERE s.payout_id = NEW.id) THEN
        RAISE EXCEPTION 'the net of payout % is not that of its slip', NEW.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_net_fits';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER guard_payout ON payout;
CREATE TRIGGER guard_payout BEFORE UPDATE ON payout FOR EACH ROW
    WHEN (OLD.state = 'requested'
          OR (OLD.id, OLD.amount_minor, OLD.currency, OLD.member_id, OLD.activity_id, OLD.end_to_end_id, OLD.entity_id, OLD.beside_minor,
              OLD.rights_minor, OLD.payee_account_id, OLD.scheme, OLD.net_minor)
             IS DISTINCT FROM (NEW.id, NEW.amount_minor, NEW.currency, NEW.member_id, NEW.activity_id, NEW.end_to_end_id, NEW.entity_id,
                               NEW.beside_minor, NEW.rights_minor, NEW.payee_account_id, NEW.scheme, NEW.net_minor))
    EXECUTE FUNCTION guard_payout();

DROP TRIGGER guard_payout_result ON payout;
CREATE TRIGGER guard_payout_result BEFORE UPDATE ON payout FOR EACH ROW
    WHEN (OLD.replaces_id IS DISTINCT FROM NEW.replaces_id
          OR OLD.state <> NEW.state AND NEW.state IN ('rejected', 'confirmed', 'replaced', 'given_back'))
    EXECUTE FUNCTION guard_payout_result();

-- What leaves for the bank is frozen from the seal on; a payout joins or leaves only an open batch, is released only with
-- it, and neither approved, nor gathered, nor released while it waits.
CREATE FUNCTION guard_payouts_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    wrong uuid;
BEGIN
    IF EXISTS (SELECT FROM (SELECT batch_id FROM (SELECT id, batch_id FROM new_rows EXCEPT SELECT id, batch_id FROM old_rows) joined
                            UNION SELECT batch_id FROM (SELECT id, batch_id FROM old_rows EXCEPT SELECT id, batch_id FROM new_rows) gone) m
               JOIN payout_batch b ON b.id = m.batch_id WHERE b.state <> 'open') THEN
        RAISE EXCEPTION 'a sealed batch cannot be edited' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_sealed';
    END IF;
    IF EXISTS (SELECT FROM (SELECT DISTINCT batch_id FROM (SELECT id, batch_id FROM new_rows WHERE state = 'released'
                                                           EXCEPT SELECT id, batch_id FROM old_rows WHERE state = 'released') r) m
               LEFT JOIN payout_batch b ON b.id = m.batch_id WHERE b.state IS DISTINCT FROM 'released') THEN
        RAISE EXCEPTION 'a payout is released with its batch' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_release_with_batch';
    END IF;
    IF EXISTS (SELECT FROM payout_hold WHERE lifted_at IS NULL) THEN
        SELECT id INTO wrong
            FROM (SELECT id, member_id, max(was) AS was, max(now) AS now, max(account)::uuid AS account_id
                  FROM (SELECT id, member_id, state AS was, NULL AS now, NULL AS account FROM old_rows
                        UNION ALL SELECT id, member_id, NULL, state, payee_account_id::text FROM new_rows) r
                  GROUP BY id, member_id) m
            WHERE (was, now) IN (('requested', 'approved'), ('approved', 'batched'), ('batched', 'released'))
              AND is_payout_held(id, member_id, account_id) LIMIT 1;
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION 'payout % is on hold', wrong USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_on_hold';
        END IF;
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER guard_payout_hold ON payout;
DROP FUNCTION guard_payout_hold();
CREATE TRIGGER guard_payouts_moved AFTER UPDATE ON payout REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION guard_payouts_moved();

-- No payout to an account that was asked for less than 72 hours ago.
CREATE OR REPLACE FUNCTION guard_payout_account() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    wrong uuid;
BEGIN
    SELECT n.id INTO wrong FROM new_rows n JOIN payee_account a ON a.id = n.payee_account_id JOIN bank_detail_change c ON c.id = a.change_id
        WHERE n.state IN ('approved', 'batched', 'released') AND c.requested_at > umbel_now() - interval '72 hours'
          AND NOT EXISTS (SELECT FROM bank_detail_callback k WHERE k.change_id = c.id AND k.confirmed_by IS NOT NULL) LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'the account of payout % is too young', wrong USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payout_account_too_young';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER guard_payout_account ON payout;
CREATE TRIGGER guard_account_of_new AFTER INSERT ON payout REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION guard_payout_account();
CREATE TRIGGER guard_account_of_changed AFTER UPDATE ON payout REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION guard_payout_account();

-- Each move writes every index of its row: one that repeats another goes, and two hold only rows that they can find.
DROP INDEX payout_entity;
DROP INDEX payout_desk_owner;
CREATE INDEX payout_desk_owner ON payout (desk_owner_id) WHERE desk_owner_id IS NOT NULL;
ALTER TABLE payout DROP CONSTRAINT payout_replaces_once;
CREATE UNIQUE INDEX payout_replaces_once ON payout (replaces_id) WHERE replaces_id IS NOT NULL;
