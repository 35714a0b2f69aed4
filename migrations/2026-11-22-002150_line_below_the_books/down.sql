CREATE OR REPLACE FUNCTION last_entry_settled() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    LOCK TABLE journal_entry IN SHARE MODE;
    RETURN (SELECT coalesce(max(id), 0) FROM journal_entry);
END $$;
