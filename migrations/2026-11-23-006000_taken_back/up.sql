-- A payment that was taken back was never one of its invoice: whoever asks how and when a client paid reads these rows.
CREATE VIEW standing_allocation WITH (security_invoker = true) AS
SELECT a.id, a.bank_line_id, a.invoice_id, a.member_id, a.amount_minor, a.allocated_on, a.created_at
FROM allocation a
WHERE a.reverses_id IS NULL AND NOT EXISTS (SELECT FROM allocation b WHERE b.reverses_id = a.id);
GRANT SELECT ON standing_allocation TO umbel_app;

-- What lowered an invoice, and when: money on the day on which the bank booked it. What was taken back lowered nothing,
-- so interest runs as if it had not come.
CREATE OR REPLACE FUNCTION invoice_movements(p_invoice uuid) RETURNS TABLE (moved_on date, kind text, amount_minor bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT l.booked_on, 'payment', a.amount_minor FROM standing_allocation a JOIN bank_line l ON l.id = a.bank_line_id
    WHERE a.invoice_id = p_invoice AND umbel_owns(a.member_id)
    UNION ALL SELECT r.reduced_on, r.kind, r.amount_minor FROM invoice_reduction r
    WHERE r.invoice_id = p_invoice AND umbel_owns(r.member_id)
    ORDER BY 1
$$;

CREATE OR REPLACE FUNCTION forecasts_and_arrivals(p_entity uuid, p_since date) RETURNS TABLE (likely_on date, arrived_on date, forecasts bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH available AS (
        SELECT f.invoice_id, f.activity_id, f.likely_on, least(
            (SELECT g.created_at FROM guarantee_advance g WHERE g.invoice_id = f.invoice_id),
            (SELECT max(a.created_at) FROM standing_allocation a JOIN invoice_open o ON o.invoice_id = a.invoice_id
             WHERE a.invoice_id = f.invoice_id AND o.open_minor <= 0)) AS at
        FROM invoice_forecast f WHERE f.entity_id = p_entity AND f.made_on >= p_since AND f.likely_on IS NOT NULL)
    SELECT a.likely_on, p.settled_on, count(*)
    FROM available a CROSS JOIN LATERAL (
        SELECT p.settled_on FROM payout p WHERE p.activity_id = a.activity_id AND p.created_at >= a.at AND p.state = 'settled'
        ORDER BY p.created_at, p.id LIMIT 1) p
    GROUP BY a.likely_on, p.settled_on ORDER BY a.likely_on, p.settled_on;
$$;

-- A client whose only payment was taken back has never paid, and a line that pays an invoice no more explains no
-- difference of a rate: these functions as they are, with that one table changed.
DO $$ DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY '{payout_risk_facts(uuid[]),"guarantee_exposure(uuid,uuid,uuid)",check_exchange_difference()}'::regprocedure[] LOOP
        EXECUTE replace(replace(replace(pg_get_functiondef(f), 'FROM allocation l JOIN', 'FROM standing_allocation l JOIN'),
            'FROM allocation a JOIN', 'FROM standing_allocation a JOIN'),
            'FROM allocation WHERE (bank_line_id, invoice_id)', 'FROM standing_allocation WHERE (bank_line_id, invoice_id)');
    END LOOP;
END $$;
