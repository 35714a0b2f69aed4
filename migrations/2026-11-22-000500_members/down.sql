DROP TABLE activity, share, payee_account, member, application;
DELETE FROM ledger_event WHERE source_kind = 'share';
DELETE FROM ledger_source WHERE kind = 'share';
DELETE FROM state_transition WHERE machine IN ('application', 'member', 'share');
