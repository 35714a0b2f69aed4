-- The mutual itself: legal entities, their bank accounts, dated rules, rates, holidays, the agreement.

CREATE TABLE entity (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 70),
    legal_form text NOT NULL CHECK (length(legal_form) BETWEEN 1 AND 70),
    enterprise_number text NOT NULL CONSTRAINT entity_enterprise_number_unique UNIQUE,
    vat_number text NOT NULL,
    register text NOT NULL DEFAULT '' CHECK (length(register) <= 140),
    street text NOT NULL CHECK (length(street) BETWEEN 1 AND 70),
    building_number text NOT NULL CHECK (length(building_number) <= 16),
    postcode text NOT NULL CHECK (length(postcode) BETWEEN 1 AND 16),
    town text NOT NULL CHECK (length(town) BETWEEN 1 AND 35),
    country char(2) NOT NULL,
    zone text NOT NULL,
    email text NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE TRIGGER version BEFORE UPDATE ON entity FOR EACH ROW EXECUTE FUNCTION step_version();

CREATE TABLE entity_bank_account (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    iban text NOT NULL CONSTRAINT entity_bank_account_iban_unique UNIQUE,
    bic text,
    currency char(3) NOT NULL REFERENCES currency,
    created_at timestamptz NOT NULL DEFAULT umbel_now()
);
CREATE INDEX entity_bank_account_entity ON entity_bank_account (entity_id);

-- A rule set is decided once and never edited; a new decision makes a new version.
CREATE TABLE rule_set (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    version_number integer NOT NULL CHECK (version_number > 0),
    valid_from date NOT NULL,
    decision text NOT NULL CHECK (length(decision) BETWEEN 1 AND 500),
    decided_on date NOT NULL,
    share_price_minor bigint NOT NULL CHECK (share_price_minor > 0),
    currency char(3) NOT NULL REFERENCES currency,
    payment_terms_days integer NOT NULL CHECK (payment_terms_days BETWEEN 0 AND 120),
    advance_working_days integer NOT NULL CHECK (advance_working_days BETWEEN 0 AND 90),
    client_limit_minor bigint NOT NULL CHECK (client_limit_minor >= 0),
    created_by uuid REFERENCES person,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT rule_set_version_unique UNIQUE (entity_id, version_number),
    CONSTRAINT rule_set_one_a_day UNIQUE (entity_id, valid_from)
);
CREATE INDEX rule_set_created_by ON rule_set (created_by);

CREATE TABLE rule_set_levy (
    rule_set_id uuid NOT NULL REFERENCES rule_set,
    kind text NOT NULL CHECK (kind IN ('fee', 'guarantee')),
    base text NOT NULL CHECK (base IN ('invoiced_net')),
    rate_ppm bigint NOT NULL CHECK (rate_ppm BETWEEN 0 AND 1000000),
    PRIMARY KEY (rule_set_id, kind)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON rule_set FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON rule_set_levy FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- VAT by seller country, case and date. `category` is the EN 16931 code.
CREATE TABLE vat_rate (
    country char(2) NOT NULL,
    vat_case text NOT NULL,
    category text NOT NULL,
    rate_ppm bigint NOT NULL CHECK (rate_ppm BETWEEN 0 AND 1000000),
    valid_from date NOT NULL,
    valid_until date,
    source text NOT NULL,
    PRIMARY KEY (country, vat_case, valid_from),
    CONSTRAINT vat_rate_no_overlap
        EXCLUDE USING gist (country WITH =, vat_case WITH =, daterange(valid_from, valid_until, '[)') WITH &&)
);
INSERT INTO vat_rate (country, vat_case, category, rate_ppm, valid_from, source) VALUES
    ('BE', 'standard', 'S', 210000, '1996-01-01', 'Royal Decree no. 20 of 20 July 1970, standard rate'),
    ('BE', 'reverse_charge', 'AE', 0, '2010-01-01', 'Belgian VAT code art. 21 par. 2; Directive 2006/112/EC art. 44 and 196');

-- Days on which no bank day and no promised day falls.
CREATE TABLE holiday (
    country char(2) NOT NULL,
    day date NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (country, day)
);
-- Easter Sunday by the anonymous Gregorian computus (Nature, 1876), then the Belgian law of 4 January 1974.
WITH RECURSIVE years AS (SELECT generate_series(2020, 2045) AS y),
a AS (SELECT y, y % 19 AS a, y / 100 AS b, y % 100 AS c FROM years),
b AS (SELECT *, (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30 AS h FROM a),
c AS (SELECT *, (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7 AS l FROM b),
d AS (SELECT *, (a + 11 * h + 22 * l) / 451 AS m FROM c),
easter AS (SELECT y, make_date(y, (h + l - 7 * m + 114) / 31, (h + l - 7 * m + 114) % 31 + 1) AS sunday FROM d)
INSERT INTO holiday (country, day, name)
SELECT 'BE', day, string_agg(name, ', ')
FROM easter, LATERAL (VALUES
    (make_date(y, 1, 1), 'New Year'), (sunday + 1, 'Easter Monday'), (make_date(y, 5, 1), 'Labour Day'),
    (sunday + 39, 'Ascension'), (sunday + 50, 'Whit Monday'), (make_date(y, 7, 21), 'National Day'),
    (make_date(y, 8, 15), 'Assumption'), (make_date(y, 11, 1), 'All Saints'),
    (make_date(y, 11, 11), 'Armistice'), (make_date(y, 12, 25), 'Christmas')) AS days (day, name)
GROUP BY day;

CREATE TABLE agreement (
    id uuid PRIMARY KEY,
    entity_id uuid NOT NULL REFERENCES entity,
    version_number integer NOT NULL CHECK (version_number > 0),
    language text NOT NULL CHECK (language IN ('fr', 'nl', 'en', 'de')),
    body text NOT NULL CHECK (length(body) BETWEEN 1 AND 100000),
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    valid_from date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    CONSTRAINT agreement_version_unique UNIQUE (entity_id, version_number, language)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON agreement FOR EACH ROW EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT, UPDATE ON entity TO umbel_app;
GRANT SELECT, INSERT ON entity_bank_account, rule_set, rule_set_levy, agreement TO umbel_app;
GRANT SELECT ON vat_rate, holiday TO umbel_app;
