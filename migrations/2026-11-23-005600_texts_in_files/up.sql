-- What the file of a batch says of each payee, beside what the office knows: kept at the seal, for ever.

CREATE TABLE text_in_file (
    file_id uuid NOT NULL REFERENCES archived_file,
    payout_id uuid NOT NULL REFERENCES payout,
    member_id uuid NOT NULL REFERENCES member,
    message_id text NOT NULL CHECK (length(message_id) BETWEEN 1 AND 35),
    name text NOT NULL,
    name_in_file text NOT NULL CHECK (length(name_in_file) BETWEEN 1 AND 70),
    address text NOT NULL,
    address_in_file text NOT NULL,
    remittance text NOT NULL,
    remittance_in_file text NOT NULL CHECK (length(remittance_in_file) BETWEEN 1 AND 140),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    PRIMARY KEY (file_id, payout_id)
);
CREATE INDEX text_in_file_payout ON text_in_file (payout_id);
CREATE INDEX text_in_file_member ON text_in_file (member_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON text_in_file FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE text_in_file ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON text_in_file USING (umbel_owns(member_id));
GRANT SELECT, INSERT ON text_in_file TO umbel_app;

-- A batch that was sealed before texts were kept has none; any other has them for each of its payouts.
CREATE VIEW invariant_i42_files_say_what_is_kept WITH (security_invoker = true) AS
SELECT t.payout_id::text AS subject, 'a text of a file is about another batch or person'::text AS detail
FROM text_in_file t JOIN payout p ON p.id = t.payout_id JOIN archived_file f ON f.id = t.file_id
WHERE f.kind <> 'batch_file' OR t.member_id <> p.member_id
   OR EXISTS (SELECT FROM payout_batch b WHERE b.file_id = t.file_id AND (b.id, b.message_id) IS DISTINCT FROM (p.batch_id, t.message_id))
UNION ALL
SELECT b.id::text, format('%s texts for %s payouts', t.n, b.payout_count)
FROM payout_batch b JOIN (SELECT file_id, count(*) AS n FROM text_in_file GROUP BY file_id) t ON t.file_id = b.file_id
WHERE t.n <> b.payout_count;
GRANT SELECT ON invariant_i42_files_say_what_is_kept TO umbel_app;
