DROP TABLE guarantee_advance;
DELETE FROM ledger_event WHERE source_kind = 'advance';
DELETE FROM ledger_source WHERE kind = 'advance';
