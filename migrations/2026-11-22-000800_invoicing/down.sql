DROP TABLE levy_charge, invoice_tax, invoice_line, invoice, document_series;
DROP FUNCTION guard_issued_parts, guard_issued, guard_series;
DELETE FROM ledger_event WHERE source_kind = 'invoice';
DELETE FROM ledger_source WHERE kind = 'invoice';
DELETE FROM state_transition WHERE machine = 'invoice';
