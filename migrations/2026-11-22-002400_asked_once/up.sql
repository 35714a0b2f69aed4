-- What a member shares with others is asked once for a statement, as a set, and not for each row: a policy that calls a
-- function on every row costs each query of the office a pass over the whole journal.

CREATE FUNCTION umbel_shared_activities() RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
$$ SELECT coalesce(array_agg(activity_id), '{}') FROM activity_member WHERE member_id = umbel_person() AND state = 'confirmed' $$;
CREATE FUNCTION umbel_my_pools() RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
$$ SELECT coalesce(array_agg(DISTINCT pool_id), '{}') FROM pool_membership WHERE member_id = umbel_person() $$;
REVOKE EXECUTE ON FUNCTION umbel_shared_activities, umbel_my_pools FROM PUBLIC;
GRANT EXECUTE ON FUNCTION umbel_shared_activities, umbel_my_pools TO umbel_app, umbel_replay;

ALTER POLICY shared ON activity USING (is_collective AND id = ANY ((SELECT umbel_shared_activities())::uuid[]));
ALTER POLICY shared ON activity_balance USING (activity_id = ANY ((SELECT umbel_shared_activities())::uuid[]));
ALTER POLICY shared ON posting USING (activity_id = ANY ((SELECT umbel_shared_activities())::uuid[]));
-- The office sees every entry by the other policy; this one must not read the postings for it.
ALTER POLICY shared ON journal_entry USING (NOT umbel_sees_all() AND EXISTS (
    SELECT FROM posting p WHERE p.entry_id = journal_entry.id AND p.activity_id = ANY ((SELECT umbel_shared_activities())::uuid[])));

ALTER POLICY own ON cost USING (umbel_owns(member_id) OR pool_id = ANY ((SELECT umbel_my_pools())::uuid[]));
ALTER POLICY own ON pool_membership USING (umbel_owns(member_id) OR pool_id = ANY ((SELECT umbel_my_pools())::uuid[]));
ALTER POLICY own ON pool_usage USING (umbel_owns(member_id) OR pool_id = ANY ((SELECT umbel_my_pools())::uuid[]));
ALTER POLICY own ON pool_seat USING (umbel_owns(member_id) OR pool_id = ANY ((SELECT umbel_my_pools())::uuid[]));
ALTER POLICY pool ON pool_run_part USING (umbel_sees_all() OR pool_id = ANY ((SELECT umbel_my_pools())::uuid[]));

CREATE OR REPLACE FUNCTION solvency_activities(p_entity uuid, p_currency text, p_through bigint, p_day date)
RETURNS TABLE (activity_id uuid, owner_id uuid, available_minor bigint, reserved_minor bigint, advances_minor bigint)
LANGUAGE sql STABLE AS $$
    SELECT f.activity_id, b.owner_id, greatest(0, f.available), greatest(0, f.reserved), greatest(0, f.advances)
    FROM (SELECT p.activity_id,
                 (-coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'funds.available'), 0))::bigint AS available,
                 (-coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'funds.reserved'), 0))::bigint AS reserved,
                 -- Money of an invoice is owed as far as its receivable counts on the other side. Which ones count is worked
                 -- out once: as a join it would be worked out again for each posting.
                 (-coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'funds.pending' AND (p.invoice_id IS NULL OR p.invoice_id IN (
                     SELECT r.invoice_id FROM solvency_receivables(p_entity, p_currency, p_through, p_day) r))), 0))::bigint AS advances
          FROM posting p JOIN journal_entry e ON e.id = p.entry_id
          WHERE p.account IN ('funds.available', 'funds.reserved', 'funds.pending') AND e.entity_id = p_entity
            AND e.id <= p_through AND e.booked_on <= p_day AND p.currency = p_currency
          GROUP BY p.activity_id) f
    JOIN activity_balance b ON b.activity_id = f.activity_id
$$;
