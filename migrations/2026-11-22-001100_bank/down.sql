DROP TABLE allocation, bank_line, bank_statement;
DROP FUNCTION check_allocation, guard_bank_line, check_statement, lock_bank_account;
DELETE FROM ledger_event WHERE source_kind IN ('statement', 'bank_line', 'allocation');
DELETE FROM ledger_source WHERE kind IN ('statement', 'bank_line', 'allocation');
DELETE FROM state_transition WHERE machine = 'bank_line';
