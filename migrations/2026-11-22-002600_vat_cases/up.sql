-- How VAT applies, as dated rows with their source: category and exemption code of EN 16931, the legal mention in four
-- languages, and whether a line must say why the case applies.

ALTER TABLE vat_rate
    ADD COLUMN vatex text CHECK (vatex ~ '^VATEX-[A-Z0-9-]+$'),
    ADD COLUMN mentions jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(mentions) = 'object'),
    ADD COLUMN needs_justification boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT vat_rate_category CHECK (category IN ('S', 'Z', 'E', 'AE', 'G', 'O')),
    ADD CONSTRAINT vat_rate_of_category CHECK ((category = 'S') = (rate_ppm > 0)),
    -- What bears no tax says why, in every language; what does needs no reason.
    ADD CONSTRAINT vat_rate_says_why CHECK (vat_case = 'reverse_charge' OR (category IN ('E', 'G', 'O')) = (mentions ?& '{fr,nl,en,de}'));

INSERT INTO vat_rate (country, vat_case, category, rate_ppm, valid_from, valid_until, source) VALUES
    ('BE', 'zero', 'Z', 0, '2022-01-01', NULL, 'Royal Decree no. 20 of 20 July 1970, table C'),
    ('FR', 'standard', 'S', 196000, '2000-04-01', '2014-01-01', 'Code général des impôts, art. 278'),
    ('FR', 'standard', 'S', 200000, '2014-01-01', NULL, 'Code général des impôts, art. 278'),
    ('DE', 'standard', 'S', 190000, '2007-01-01', '2020-07-01', 'Umsatzsteuergesetz § 12 (1)'),
    ('DE', 'standard', 'S', 160000, '2020-07-01', '2021-01-01', 'Umsatzsteuergesetz § 28 (1), second half of 2020'),
    ('DE', 'standard', 'S', 190000, '2021-01-01', NULL, 'Umsatzsteuergesetz § 12 (1)'),
    ('NL', 'standard', 'S', 210000, '2012-10-01', NULL, 'Wet op de omzetbelasting 1968, art. 9 (1)'),
    ('LU', 'standard', 'S', 170000, '2015-01-01', '2023-01-01', 'Loi TVA du 12 février 1979, art. 39'),
    ('LU', 'standard', 'S', 160000, '2023-01-01', '2024-01-01', 'Loi du 26 octobre 2022, for the year 2023'),
    ('LU', 'standard', 'S', 170000, '2024-01-01', NULL, 'Loi TVA du 12 février 1979, art. 39'),
    ('IT', 'standard', 'S', 220000, '2013-10-01', NULL, 'D.P.R. 633/1972, art. 16'),
    ('ES', 'standard', 'S', 210000, '2012-09-01', NULL, 'Ley 37/1992, art. 90'),
    ('AT', 'standard', 'S', 200000, '1995-01-01', NULL, 'Umsatzsteuergesetz 1994 § 10 (1)');

INSERT INTO vat_rate (country, vat_case, category, rate_ppm, valid_from, source, needs_justification) VALUES
    ('BE', 'intermediate', 'S', 120000, '1996-01-01', 'Royal Decree no. 20 of 20 July 1970, table B', true),
    ('BE', 'reduced', 'S', 60000, '1996-01-01', 'Royal Decree no. 20 of 20 July 1970, table A', true);

INSERT INTO vat_rate (country, vat_case, category, rate_ppm, valid_from, source)
SELECT c.country, 'reverse_charge', 'AE', 0, '2010-01-01', 'Directive 2006/112/EC art. 44 and 196'
FROM (VALUES ('FR'), ('DE'), ('NL'), ('LU'), ('IT'), ('ES'), ('AT')) AS c (country);
UPDATE vat_rate SET vatex = 'VATEX-EU-AE', mentions = jsonb_build_object(
    'fr', 'Autoliquidation : TVA due par le preneur (art. 44 et 196 de la directive 2006/112/CE).',
    'nl', 'Btw verlegd: btw te voldoen door de afnemer (art. 44 en 196 van richtlijn 2006/112/EG).',
    'en', 'Reverse charge: VAT to be accounted for by the customer (art. 44 and 196 of Directive 2006/112/EC).',
    'de', 'Steuerschuldnerschaft des Leistungsempfängers (Art. 44 und 196 der Richtlinie 2006/112/EG).')
WHERE vat_case = 'reverse_charge';

INSERT INTO vat_rate (country, vat_case, category, rate_ppm, valid_from, source, vatex, mentions)
SELECT c.country, 'outside_scope', 'O', 0, '2010-01-01',
       CASE c.country WHEN 'BE' THEN 'Belgian VAT code art. 21 par. 2; Directive 2006/112/EC art. 44' ELSE 'Directive 2006/112/EC art. 44' END,
       'VATEX-EU-O', jsonb_build_object(
    'fr', 'Hors champ de la TVA : prestation localisée hors de l’Union européenne (art. 44 de la directive 2006/112/CE).',
    'nl', 'Buiten het toepassingsgebied van de btw: dienst verricht buiten de Europese Unie (art. 44 van richtlijn 2006/112/EG).',
    'en', 'Outside the scope of VAT: service supplied outside the European Union (art. 44 of Directive 2006/112/EC).',
    'de', 'Nicht steuerbar: Leistungsort außerhalb der Europäischen Union (Art. 44 der Richtlinie 2006/112/EG).')
FROM (VALUES ('BE'), ('FR'), ('DE'), ('NL'), ('LU'), ('IT'), ('ES'), ('AT')) AS c (country);

INSERT INTO vat_rate (country, vat_case, category, rate_ppm, valid_from, source, vatex, mentions)
SELECT c.country, 'export', 'G', 0, '2007-01-01',
       CASE c.country WHEN 'BE' THEN 'Belgian VAT code art. 39; Directive 2006/112/EC art. 146' ELSE 'Directive 2006/112/EC art. 146' END,
       'VATEX-EU-G', jsonb_build_object(
    'fr', 'Exonération de TVA : exportation de biens hors de l’Union européenne (art. 146 de la directive 2006/112/CE).',
    'nl', 'Vrijstelling van btw: uitvoer van goederen buiten de Europese Unie (art. 146 van richtlijn 2006/112/EG).',
    'en', 'Exempt from VAT: export of goods outside the European Union (art. 146 of Directive 2006/112/EC).',
    'de', 'Steuerfreie Ausfuhrlieferung (Art. 146 der Richtlinie 2006/112/EG).')
FROM (VALUES ('BE'), ('FR'), ('DE'), ('NL'), ('LU'), ('IT'), ('ES'), ('AT')) AS c (country);

INSERT INTO vat_rate (country, vat_case, category, rate_ppm, valid_from, source, vatex, mentions) VALUES
    ('BE', 'exempt', 'E', 0, '1996-01-01', 'Belgian VAT code art. 44; Directive 2006/112/EC art. 132', 'VATEX-EU-132', jsonb_build_object(
    'fr', 'Exempté de TVA (art. 44 du code de la TVA).',
    'nl', 'Vrijgesteld van btw (art. 44 van het btw-wetboek).',
    'en', 'Exempt from VAT (art. 44 of the Belgian VAT code).',
    'de', 'Von der MwSt. befreit (Art. 44 des belgischen MwSt.-Gesetzbuches).'));
