DROP TABLE batch_approval, payout, payout_batch;
DROP FUNCTION guard_batch, guard_approval, guard_payout;
DELETE FROM ledger_event WHERE source_kind = 'payout';
DELETE FROM ledger_source WHERE kind = 'payout';
DELETE FROM state_transition WHERE machine IN ('payout', 'batch');
