CREATE OR REPLACE FUNCTION solvency_activities(p_entity uuid, p_currency text, p_through bigint, p_day date)
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

ALTER POLICY pool ON pool_run_part USING (umbel_sees_all() OR umbel_in_pool(pool_id));
ALTER POLICY own ON pool_seat USING (umbel_owns(member_id) OR umbel_in_pool(pool_id));
ALTER POLICY own ON pool_usage USING (umbel_owns(member_id) OR umbel_in_pool(pool_id));
ALTER POLICY own ON pool_membership USING (umbel_owns(member_id) OR umbel_in_pool(pool_id));
ALTER POLICY own ON cost USING (umbel_owns(member_id) OR (pool_id IS NOT NULL AND umbel_in_pool(pool_id)));
ALTER POLICY shared ON journal_entry
    USING (EXISTS (SELECT FROM posting p WHERE p.entry_id = journal_entry.id AND p.activity_id IS NOT NULL AND umbel_shares_activity(p.activity_id)));
ALTER POLICY shared ON posting USING (activity_id IS NOT NULL AND umbel_shares_activity(activity_id));
ALTER POLICY shared ON activity_balance USING (umbel_shares_activity(activity_id));
ALTER POLICY shared ON activity USING (is_collective AND umbel_shares_activity(id));
DROP FUNCTION umbel_shared_activities, umbel_my_pools;
