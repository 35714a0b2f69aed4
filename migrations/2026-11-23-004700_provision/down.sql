DROP VIEW invariant_i36_provision_is_matrix;
DELETE FROM ledger_event WHERE event = 'provision_moved';
DELETE FROM ledger_source WHERE kind = 'provision_run';
DROP TABLE provision_run;
DROP TABLE provision_bucket;
DROP TABLE provision_matrix;
DELETE FROM ledger_account WHERE code IN ('doubtful_provision', 'impairment');
