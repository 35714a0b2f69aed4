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
