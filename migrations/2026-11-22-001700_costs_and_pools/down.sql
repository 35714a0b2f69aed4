DROP VIEW invariant_i23_suppliers_are_costs, invariant_i07_runs_are_pool_cost;
DO $$
DECLARE kinds text := (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'bank_line_matched_kind_check');
BEGIN
    ALTER TABLE bank_line DROP CONSTRAINT bank_line_matched_kind_check;
    EXECUTE 'ALTER TABLE bank_line ADD CONSTRAINT bank_line_matched_kind_check ' || replace(kinds, ' ''cost''::text,', '');
END $$;
DELETE FROM ledger_event WHERE event IN ('cost_booked', 'supplier_paid', 'pool_allocated', 'pool_allocation_reversed');
DELETE FROM ledger_source WHERE kind IN ('cost', 'pool_run');
DROP TABLE pool_run_cost, pool_run_part, pool_run_split, pool_run, cost, pool_seat, pool_contract, pool_usage, pool_share,
    pool_membership, pool_key_part, pool_key, pool CASCADE;
DROP FUNCTION guard_pool_days, pool_booked_through, check_pool_run_cost, check_pool_run, check_cost_pool, check_pool_key,
    pool_names, umbel_in_pool, umbel_in_entity;
DELETE FROM state_transition WHERE machine IN ('cost', 'pool', 'pool_run');
