-- How a letter names the law in the language of who reads it. Where a language is missing the source is named.
ALTER TABLE late_interest_rate ADD COLUMN citations jsonb NOT NULL DEFAULT '{}';
ALTER TABLE collection_law ADD COLUMN citations jsonb NOT NULL DEFAULT '{}';
ALTER TABLE late_interest_rate ADD CONSTRAINT late_interest_rate_citations CHECK (
    jsonb_typeof(citations) = 'object' AND citations - ARRAY['fr', 'nl', 'en', 'de'] = '{}'
    AND NOT jsonb_path_exists(citations, '$.* ? (@.type() != "string" || @ == "")'));
ALTER TABLE collection_law ADD CONSTRAINT collection_law_citations CHECK (
    jsonb_typeof(citations) = 'object' AND citations - ARRAY['fr', 'nl', 'en', 'de'] = '{}'
    AND NOT jsonb_path_exists(citations, '$.* ? (@.type() != "string" || @ == "")'));

-- What came with the program is named in all four; what a mutual entered stays as it entered it.
ALTER TABLE late_interest_rate DISABLE TRIGGER append_only;
UPDATE late_interest_rate r SET citations = jsonb_build_object(
    'fr', replace(c.fr, '#', to_char(r.valid_from, 'YYYY')),
    'nl', replace(c.nl, '#', to_char(r.valid_from, 'YYYY')),
    'de', replace(c.de, '#', to_char(r.valid_from, 'YYYY')))
FROM (VALUES
    ('BE', 'Law of 2 August 2002%first half%', 'loi du 2 août 2002, art. 5 ; Moniteur belge, premier semestre #',
     'wet van 2 augustus 2002, art. 5; Belgisch Staatsblad, eerste semester #',
     'Gesetz vom 2. August 2002, Art. 5; Belgisches Staatsblatt, erstes Halbjahr #'),
    ('BE', 'Law of 2 August 2002%second half%', 'loi du 2 août 2002, art. 5 ; Moniteur belge, second semestre #',
     'wet van 2 augustus 2002, art. 5; Belgisch Staatsblad, tweede semester #',
     'Gesetz vom 2. August 2002, Art. 5; Belgisches Staatsblatt, zweites Halbjahr #'),
    ('DE', 'BGB%', 'BGB, § 288, al. 2 : taux de base + 9 points, premier semestre #',
     'BGB, § 288 lid 2: basisrente + 9 procentpunten, eerste halfjaar #',
     'BGB § 288 Abs. 2: Basiszinssatz + 9 Prozentpunkte, erstes Halbjahr #'),
    ('FR', 'Code de commerce%', 'Code de commerce, art. L441-10 : taux de la BCE + 10 points, premier semestre #',
     'Code de commerce, art. L441-10: ECB-rente + 10 procentpunten, eerste halfjaar #',
     'Code de commerce, Art. L441-10: EZB-Zinssatz + 10 Prozentpunkte, erstes Halbjahr #'),
    ('FR', 'Code de la commande publique%', 'Code de la commande publique, art. R2192-31 : taux de la BCE + 8 points',
     'Code de la commande publique, art. R2192-31: ECB-rente + 8 procentpunten',
     'Code de la commande publique, Art. R2192-31: EZB-Zinssatz + 8 Prozentpunkte'),
    ('BE', 'Legal interest rate%', 'taux d’intérêt légal #, loi du 5 mai 1865, art. 2',
     'wettelijke rentevoet #, wet van 5 mei 1865, art. 2', 'gesetzlicher Zinssatz #, Gesetz vom 5. Mai 1865, Art. 2')
) c (country, named, fr, nl, de)
WHERE r.entered_by IS NULL AND r.country = c.country AND r.source LIKE c.named;
ALTER TABLE late_interest_rate ENABLE TRIGGER append_only;

ALTER TABLE collection_law DISABLE TRIGGER append_only;
UPDATE collection_law l SET citations = jsonb_build_object('fr', c.fr, 'nl', c.nl, 'de', c.de)
FROM (VALUES
    ('Law of 2 August 2002%', 'loi du 2 août 2002, art. 6 (directive 2011/7/UE)', 'wet van 2 augustus 2002, art. 6 (richtlijn 2011/7/EU)',
     'Gesetz vom 2. August 2002, Art. 6 (Richtlinie 2011/7/EU)'),
    ('Code of economic law%', 'Code de droit économique, livre XIX, art. XIX.2 et XIX.4',
     'Wetboek van economisch recht, boek XIX, art. XIX.2 en XIX.4', 'Wirtschaftsgesetzbuch, Buch XIX, Art. XIX.2 und XIX.4'),
    ('BGB%', 'BGB, § 288, al. 5', 'BGB, § 288 lid 5', 'BGB § 288 Abs. 5'),
    ('Code de commerce%', 'Code de commerce, art. L441-10 et D441-5', 'Code de commerce, art. L441-10 en D441-5',
     'Code de commerce, Art. L441-10 und D441-5'),
    ('Code de la commande publique%', 'Code de la commande publique, art. D2192-35', 'Code de la commande publique, art. D2192-35',
     'Code de la commande publique, Art. D2192-35')
) c (named, fr, nl, de)
WHERE l.entered_by IS NULL AND l.source LIKE c.named;
ALTER TABLE collection_law ENABLE TRIGGER append_only;
