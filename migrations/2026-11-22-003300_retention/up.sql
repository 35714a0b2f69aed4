-- How long each kept file must stay: dated, sourced periods by class and country. The clock starts on 1 January after the
-- year of the file; where several countries of the mutual have a say, the longest counts.

CREATE TABLE retention_rule (
    class text NOT NULL CHECK (class IN ('tax_document', 'accounting', 'pay_account', 'internal')),
    country char(2) NOT NULL,
    valid_from date NOT NULL,
    years integer NOT NULL CHECK (years BETWEEN 1 AND 50),
    source text NOT NULL CHECK (length(source) BETWEEN 1 AND 400),
    needs_review_on date NOT NULL,
    PRIMARY KEY (class, country, valid_from)
);
INSERT INTO retention_rule (class, country, valid_from, years, source, needs_review_on) VALUES
    ('tax_document', 'BE', '1970-01-01', 7, 'VAT code art. 60, before the law of 20 November 2022', '2027-12-31'),
    ('tax_document', 'BE', '2022-01-01', 10, 'Law of 20 November 2022: ten years, from income year 2022', '2027-12-31'),
    ('tax_document', 'DE', '1970-01-01', 10, 'Umsatzsteuergesetz § 14b, before 2025', '2027-12-31'),
    ('tax_document', 'DE', '2025-01-01', 8, 'Umsatzsteuergesetz § 14b, as changed from 2025', '2027-12-31'),
    ('tax_document', 'FR', '1970-01-01', 10, 'Code de commerce art. L123-22', '2027-12-31'),
    ('tax_document', 'NL', '1970-01-01', 7, 'Algemene wet inzake rijksbelastingen art. 52', '2027-12-31'),
    ('tax_document', 'LU', '1970-01-01', 10, 'Code de commerce art. 16', '2027-12-31'),
    ('tax_document', 'IT', '1970-01-01', 10, 'Codice civile art. 2220', '2027-12-31'),
    ('tax_document', 'ES', '1970-01-01', 6, 'Código de comercio art. 30', '2027-12-31'),
    ('tax_document', 'AT', '1970-01-01', 7, 'Bundesabgabenordnung § 132', '2027-12-31'),
    ('accounting', 'BE', '1970-01-01', 7, 'Code of economic law art. III.88', '2027-12-31'),
    ('accounting', 'DE', '1970-01-01', 10, 'Handelsgesetzbuch § 257', '2027-12-31'),
    ('accounting', 'FR', '1970-01-01', 10, 'Code de commerce art. L123-22', '2027-12-31'),
    ('pay_account', 'BE', '1970-01-01', 5, 'Royal decree no. 5 of 23 October 1978 on social documents', '2027-12-31'),
    ('internal', 'BE', '1970-01-01', 3, 'Code of economic law art. III.88, papers without proof towards others', '2027-12-31');
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON retention_rule FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON retention_rule EXECUTE FUNCTION refuse_change();
GRANT SELECT ON retention_rule TO umbel_app;

-- The class of a kind of file. What is not named here is kept as long as anything.
CREATE FUNCTION retention_class(p_kind text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN p_kind IN ('batch_file', 'bank_statement', 'evidence', 'share_certificate') THEN 'accounting'
        WHEN p_kind IN ('identity_proof', 'bank_proof') THEN 'pay_account'
        WHEN p_kind = 'logo' THEN 'internal'
        ELSE 'tax_document' END
$$;

CREATE FUNCTION retention_until(p_class text, p_at timestamptz) RETURNS date
LANGUAGE sql STABLE SET search_path = public AS $$
    -- At the end of December the year is that of the earliest time zone: a day too long, never a year too short.
    WITH day AS (SELECT ((p_at + interval '14 hours') AT TIME ZONE 'UTC')::date AS day),
    in_force AS (
        SELECT DISTINCT ON (r.country) r.country, r.years FROM retention_rule r, day
        WHERE r.class = p_class AND r.valid_from <= day.day ORDER BY r.country, r.valid_from DESC)
    SELECT make_date(extract(year FROM day.day)::integer + coalesce(
        (SELECT max(years) FROM in_force WHERE country IN (SELECT country FROM entity)),
        (SELECT max(years) FROM in_force), 10), 12, 31) FROM day
$$;

ALTER TABLE archived_file ADD COLUMN retention_class text, ADD COLUMN keep_until date;
ALTER TABLE archived_file DISABLE TRIGGER append_only;
UPDATE archived_file SET retention_class = retention_class(kind), keep_until = retention_until(retention_class(kind), created_at);
ALTER TABLE archived_file ENABLE TRIGGER append_only;
ALTER TABLE archived_file ALTER COLUMN retention_class SET NOT NULL, ALTER COLUMN keep_until SET NOT NULL;
CREATE INDEX archived_file_keep_until ON archived_file (keep_until, id);

CREATE FUNCTION set_retention() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    NEW.retention_class := retention_class(NEW.kind);
    NEW.keep_until := retention_until(NEW.retention_class, NEW.created_at);
    RETURN NEW;
END $$;
CREATE TRIGGER set_retention BEFORE INSERT ON archived_file FOR EACH ROW EXECUTE FUNCTION set_retention();
