-- What an account paid before says whose money it is now.
CREATE INDEX bank_line_counterparty ON bank_line (counterparty_iban_last4) WHERE counterparty_iban_last4 <> '';
