-- What was said about the day on which the money of an invoice arrives, kept so that its error can be told later.

CREATE TABLE invoice_forecast (
    invoice_id uuid NOT NULL REFERENCES invoice,
    made_on date NOT NULL,
    entity_id uuid NOT NULL REFERENCES entity,
    member_id uuid NOT NULL REFERENCES member,
    activity_id uuid NOT NULL,
    earliest_on date,
    likely_on date,
    blocked_by text CHECK (length(blocked_by) BETWEEN 1 AND 64),
    created_at timestamptz NOT NULL DEFAULT umbel_now(),
    PRIMARY KEY (invoice_id, made_on),
    CHECK (likely_on >= earliest_on)
);
CREATE INDEX invoice_forecast_entity ON invoice_forecast (entity_id, made_on);
CREATE INDEX invoice_forecast_member ON invoice_forecast (member_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON invoice_forecast FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE invoice_forecast ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON invoice_forecast USING (umbel_owns(member_id));
GRANT SELECT, INSERT ON invoice_forecast TO umbel_app;

-- How long the office takes, as medians over what it did since a day: figures of all members, and nobody's.
CREATE FUNCTION office_medians(p_entity uuid, p_since date) RETURNS TABLE (review_days integer, payout_days integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT (SELECT coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY greatest(i.issued_on - i.submitted_at::date, 0)), 0)::integer
            FROM invoice i WHERE i.entity_id = p_entity AND i.kind = 'invoice' AND i.state = 'issued' AND i.issued_on >= p_since
              AND i.submitted_at IS NOT NULL),
           (SELECT coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY greatest(p.settled_on - p.created_at::date, 0)), 1)::integer
            FROM payout p WHERE p.entity_id = p_entity AND p.settled_on >= p_since);
$$;

-- What was said and what came, by how many: the money of an invoice came with the first payout of its activity that was
-- asked for after it was available. Only the days are told, and neither whose nor how much.
CREATE FUNCTION forecasts_and_arrivals(p_entity uuid, p_since date) RETURNS TABLE (likely_on date, arrived_on date, forecasts bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH available AS (
        SELECT f.invoice_id, f.activity_id, f.likely_on, least(
            (SELECT g.created_at FROM guarantee_advance g WHERE g.invoice_id = f.invoice_id),
            (SELECT max(a.created_at) FROM allocation a JOIN invoice_open o ON o.invoice_id = a.invoice_id
             WHERE a.invoice_id = f.invoice_id AND o.open_minor <= 0)) AS at
        FROM invoice_forecast f WHERE f.entity_id = p_entity AND f.made_on >= p_since AND f.likely_on IS NOT NULL)
    SELECT a.likely_on, p.settled_on, count(*)
    FROM available a CROSS JOIN LATERAL (
        SELECT p.settled_on FROM payout p WHERE p.activity_id = a.activity_id AND p.created_at >= a.at AND p.state = 'settled'
        ORDER BY p.created_at, p.id LIMIT 1) p
    GROUP BY a.likely_on, p.settled_on ORDER BY a.likely_on, p.settled_on;
$$;
GRANT EXECUTE ON FUNCTION office_medians, forecasts_and_arrivals TO umbel_app;
