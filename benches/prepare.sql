-- Who the members are, for pgbench: it has no ids of its own.
CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO umbel_app;
CREATE TABLE bench.member AS
SELECT row_number() OVER (ORDER BY m.id)::int AS n, m.id AS person, s.id AS session, a.id AS activity, c.id AS client
FROM member m
JOIN LATERAL (SELECT id FROM session WHERE person_id = m.id ORDER BY created_at DESC, id DESC LIMIT 1) s ON true
JOIN activity a ON a.member_id = m.id
JOIN client c ON c.member_id = m.id;
ALTER TABLE bench.member ADD PRIMARY KEY (n);
GRANT SELECT ON bench.member TO umbel_app;

-- A member, and the ids that the clients of the program make themselves. Lists repeat an id for each of nine postings.
CREATE FUNCTION bench.draw(which int) RETURNS TABLE (
    person uuid, session uuid, activity uuid, client uuid, invoice uuid, activities text, clients text, invoices text,
    payload text, job text, key_1 uuid, key_2 uuid, key_3 uuid, request_1 uuid, request_2 uuid, request_3 uuid,
    person_once text, invoice_once text, levy_ids text) LANGUAGE sql AS $$
    SELECT m.person, m.session, m.activity, m.client, i.id, array_fill(m.activity, ARRAY[9])::text,
           array_fill(m.client, ARRAY[9])::text, array_fill(i.id, ARRAY[9])::text,
           '{"job": "send_invoice", "invoice": "' || i.id || '"}', 'send_invoice:' || i.id,
           gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
           '{' || m.person || '}', '{' || i.id || '}', '{' || gen_random_uuid() || ',' || gen_random_uuid() || '}'
    FROM bench.member m, (SELECT gen_random_uuid() AS id OFFSET 0) i WHERE m.n = which
$$;
GRANT EXECUTE ON FUNCTION bench.draw TO umbel_app;
