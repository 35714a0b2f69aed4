DROP TRIGGER guard_bank_detail_proof ON bank_detail_change;
DROP FUNCTION guard_bank_detail_proof();
CREATE OR REPLACE FUNCTION umbel_enter(p_scope text, p_session uuid, p_generation integer, p_request uuid, p_now timestamptz)
RETURNS TABLE (person_id uuid, roles text[], person_name text, person_language text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    found_person uuid;
    confirmed integer;
BEGIN
    PERFORM set_config('umbel.now', p_now::text, true), set_config('umbel.request', coalesce(p_request::text, ''), true),
            set_config('umbel.scope', p_scope, true), set_config('umbel.person', '', true),
            set_config('umbel.reason', '', true);
    IF p_scope <> 'session' THEN
        RETURN;
    END IF;
    SELECT s.person_id, s.confirmed_generation INTO found_person, confirmed
    FROM session s
    WHERE s.id = p_session AND s.revoked_at IS NULL AND s.expires_at > p_now
      AND p_generation BETWEEN s.generation - 1 AND s.generation;
    IF found_person IS NULL THEN
        RETURN;
    END IF;
    IF confirmed < p_generation THEN
        UPDATE session SET confirmed_generation = p_generation WHERE id = p_session AND confirmed_generation < p_generation;
    END IF;
    PERFORM set_config('umbel.person', found_person::text, true);
    RETURN QUERY
        SELECT p.id,
               coalesce(array_agg(g.role ORDER BY g.role) FILTER (WHERE g.role IS NOT NULL), '{}'),
               p.name, p.language
        FROM person p
        LEFT JOIN role_grant g ON g.person_id = p.id AND g.valid_from <= p_now::date
             AND (g.valid_until IS NULL OR g.valid_until > p_now::date)
        WHERE p.id = found_person
        GROUP BY p.id;
    PERFORM set_config('umbel.scope',
        CASE WHEN EXISTS (SELECT FROM role_grant g WHERE g.person_id = found_person AND g.role <> 'member'
                          AND g.valid_from <= p_now::date AND (g.valid_until IS NULL OR g.valid_until > p_now::date))
             THEN 'staff' ELSE 'own' END, true);
END $$;
REVOKE UPDATE (confirmed_by, confirmed_at) ON role_grant FROM umbel_app;
DROP TRIGGER guard_grant_by_two ON role_grant;
DROP FUNCTION guard_grant_by_two(), is_being_set_up(), is_administrator(uuid), role_grant_delay();
-- What did not count yet does not begin to: it ends on its first day.
ALTER TABLE role_grant DISABLE TRIGGER USER;
UPDATE role_grant SET valid_until = valid_from WHERE effective_at IS NULL OR effective_at > now();
ALTER TABLE role_grant ENABLE TRIGGER USER;
ALTER TABLE role_grant DROP COLUMN needs_confirmation, DROP COLUMN confirmed_by, DROP COLUMN confirmed_at, DROP COLUMN effective_at;
