DROP POLICY shared ON journal_entry;
DROP POLICY shared ON posting;
DROP POLICY shared ON activity_balance;
DROP POLICY shared ON activity;
DROP VIEW invariant_i21_origin_kept;
DROP FUNCTION activity_figures, activity_holdings, invoice_holdings, umbel_try_again, lock_transfer_balances,
    hold_transfer_activities, lock_invoice_money;
DROP INDEX invoice_of_activity;
DROP TABLE transfer, split_run, split_part, split_rule;
DROP FUNCTION check_transfer, check_split_rule;
DROP TRIGGER check_activity ON payout;
DROP FUNCTION check_payout_activity;
DROP FUNCTION take_over_activity, find_fellow_member;
DROP TABLE activity_member;
DROP FUNCTION umbel_reads_activity, umbel_shares_activity;
ALTER TABLE invoice DROP CONSTRAINT invoice_member_id_activity_id_fkey;
ALTER TABLE invoice ADD CONSTRAINT invoice_member_id_activity_id_fkey
    FOREIGN KEY (member_id, activity_id) REFERENCES activity (member_id, id);
ALTER TABLE orders DROP CONSTRAINT orders_member_id_activity_id_fkey;
ALTER TABLE orders ADD CONSTRAINT orders_member_id_activity_id_fkey
    FOREIGN KEY (member_id, activity_id) REFERENCES activity (member_id, id);
DROP TRIGGER follow_manager ON activity;
DROP FUNCTION follow_manager;
DROP TABLE activity_manager;
ALTER TABLE activity DROP COLUMN is_collective;
DELETE FROM ledger_event WHERE source_kind = 'transfer';
DELETE FROM ledger_source WHERE kind = 'transfer';
DELETE FROM state_transition WHERE machine = 'activity_member';
