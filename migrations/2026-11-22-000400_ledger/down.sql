DROP TABLE posting, activity_balance, journal_entry, accounting_period, ledger_event, ledger_source, ledger_account;
DROP FUNCTION lock_activity_balance, period_sha256, check_entry_has_postings, check_postings, check_entry, period_lock;
