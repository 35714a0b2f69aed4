DROP INDEX bank_line_counterparty;
