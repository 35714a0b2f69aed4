-- The last entry of the books, such that no entry with a lower number can still come. It waits for those who have
-- booked and not yet ended, and nobody waits for it: a lock on the whole journal would let everybody queue behind it
-- who is about to book, and some of them hold balances that those it waits for want next.
--
-- Whoever inserts holds ROW EXCLUSIVE on the journal before the number is taken, until the end. So each number up to
-- the highest that was given out belongs to somebody who holds that lock now, or who has ended.
CREATE OR REPLACE FUNCTION last_entry_settled() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    highest bigint;
    booking text[];
BEGIN
    SELECT last_value INTO highest FROM journal_entry_id_seq;
    SELECT array_agg(virtualtransaction) INTO booking FROM pg_locks
    WHERE locktype = 'relation' AND relation = 'journal_entry'::regclass AND mode = 'RowExclusiveLock' AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid();
    WHILE EXISTS (SELECT FROM pg_locks WHERE virtualtransaction = ANY (booking) AND locktype = 'relation'
                    AND relation = 'journal_entry'::regclass AND mode = 'RowExclusiveLock' AND granted) LOOP
        PERFORM pg_sleep(0.002);
    END LOOP;
    RETURN (SELECT coalesce(max(id), 0) FROM journal_entry WHERE id <= highest);
END $$;
