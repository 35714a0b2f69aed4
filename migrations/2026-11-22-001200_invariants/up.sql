-- What must always be true, one view each: a row is a violation. `umbel check`, the tests and drills read the same views.

CREATE VIEW invoice_open WITH (security_invoker = true) AS
SELECT i.id AS invoice_id, i.entity_id, i.member_id, i.gross_minor,
       i.gross_minor - coalesce((SELECT sum(a.amount_minor) FROM allocation a WHERE a.invoice_id = i.id), 0)::bigint AS open_minor
FROM invoice i WHERE i.state = 'issued';

-- What the mutual carries for a client, over all members who work for it: invoices that are not paid, and covered
-- orders as far as they are not invoiced. A client is the same when its VAT number is. Only the sum leaves the function.
CREATE FUNCTION client_exposure(p_client uuid) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    WITH same AS (SELECT c.id FROM client c, client p
                  WHERE p.id = p_client AND (c.id = p.id OR c.vat_number = p.vat_number))
    SELECT (coalesce((SELECT sum(o.open_minor) FROM invoice_open o JOIN invoice i ON i.id = o.invoice_id
                      WHERE i.client_id IN (SELECT id FROM same)), 0)
          + coalesce((SELECT sum(greatest(0, r.gross_minor - coalesce((SELECT sum(i.gross_minor) FROM invoice i
                                                     WHERE i.order_id = r.id AND i.state = 'issued'), 0)))
                      FROM orders r JOIN guarantee_decision d ON d.order_id = r.id AND d.eligible
                      WHERE r.client_id IN (SELECT id FROM same)), 0))::bigint
$$;
GRANT EXECUTE ON FUNCTION client_exposure TO umbel_app;

CREATE VIEW invariant_i01_entries_balance WITH (security_invoker = true) AS
SELECT e.id::text AS subject, format('entry is off by %s %s', sum(p.amount_minor), p.currency) AS detail
FROM journal_entry e JOIN posting p ON p.entry_id = e.id
GROUP BY e.id, p.currency HAVING sum(p.amount_minor) <> 0
UNION ALL
SELECT e.id::text, 'entry has no postings' FROM journal_entry e
WHERE NOT EXISTS (SELECT FROM posting p WHERE p.entry_id = e.id);

CREATE VIEW invariant_i02_receivable_is_open_amount WITH (security_invoker = true) AS
SELECT o.invoice_id::text AS subject, format('open %s, ledger %s', o.open_minor, coalesce(l.amount, 0)) AS detail
FROM invoice_open o
LEFT JOIN (SELECT invoice_id, sum(amount_minor) AS amount FROM posting WHERE account = 'receivable' GROUP BY invoice_id) l
       ON l.invoice_id = o.invoice_id
WHERE o.open_minor <> coalesce(l.amount, 0);

CREATE VIEW invariant_i03_balances_are_postings WITH (security_invoker = true) AS
SELECT b.activity_id::text AS subject,
       format('rows %s/%s/%s, ledger %s/%s/%s', b.pending_minor, b.available_minor, b.reserved_minor,
              coalesce(l.pending, 0), coalesce(l.available, 0), coalesce(l.reserved, 0)) AS detail
FROM activity_balance b
LEFT JOIN (SELECT activity_id,
                  -coalesce(sum(amount_minor) FILTER (WHERE account = 'funds.pending'), 0) AS pending,
                  -coalesce(sum(amount_minor) FILTER (WHERE account = 'funds.available'), 0) AS available,
                  -coalesce(sum(amount_minor) FILTER (WHERE account = 'funds.reserved'), 0) AS reserved
           FROM posting WHERE activity_id IS NOT NULL GROUP BY activity_id) l ON l.activity_id = b.activity_id
WHERE (b.pending_minor, b.available_minor, b.reserved_minor)
      IS DISTINCT FROM (coalesce(l.pending, 0)::bigint, coalesce(l.available, 0)::bigint, coalesce(l.reserved, 0)::bigint);

CREATE VIEW invariant_i04_floors WITH (security_invoker = true) AS
SELECT activity_id::text AS subject, format('pending %s, available %s, reserved %s', pending_minor, available_minor, reserved_minor) AS detail
FROM activity_balance
WHERE pending_minor < 0 OR reserved_minor < 0 OR available_minor < -overdraft_minor;

CREATE VIEW invariant_i05_bank_is_statement WITH (security_invoker = true) AS
SELECT a.id::text AS subject, format('statement %s, ledger %s', coalesce(s.closing_minor, 0), coalesce(l.amount, 0)) AS detail
FROM entity_bank_account a
LEFT JOIN LATERAL (SELECT closing_minor FROM bank_statement s WHERE s.bank_account_id = a.id ORDER BY position DESC LIMIT 1) s ON true
LEFT JOIN (SELECT bank_account_id, sum(amount_minor) AS amount FROM posting WHERE account = 'bank' GROUP BY bank_account_id) l
       ON l.bank_account_id = a.id
WHERE coalesce(s.closing_minor, 0) <> coalesce(l.amount, 0);

CREATE VIEW invariant_i06_numbers_without_gap WITH (security_invoker = true) AS
SELECT format('%s %s %s', d.entity_id, d.series, d.year) AS subject,
       format('counter %s, issued %s, lowest %s, highest %s', d.last_seq, coalesce(n.n, 0), n.low, n.high) AS detail
FROM document_series d
LEFT JOIN (SELECT entity_id, kind, series_year, count(*) AS n, min(seq) AS low, max(seq) AS high
           FROM invoice WHERE state = 'issued' GROUP BY entity_id, kind, series_year) n
       ON n.entity_id = d.entity_id AND n.kind = d.series AND n.series_year = d.year
WHERE d.last_seq <> coalesce(n.n, 0) OR n.low IS DISTINCT FROM 1 OR n.high IS DISTINCT FROM d.last_seq
UNION ALL
SELECT id::text, format('number %s is dated before its predecessor', number)
FROM (SELECT id, number, issued_on, lag(issued_on) OVER (PARTITION BY entity_id, kind, series_year ORDER BY seq) AS before
      FROM invoice WHERE state = 'issued') ordered
WHERE issued_on < before;

CREATE VIEW invariant_i08_advances_match_memo WITH (security_invoker = true) AS
SELECT coalesce(g.invoice_id, m.invoice_id)::text AS subject,
       format('open advance %s, memo %s', coalesce(g.amount, 0), coalesce(m.amount, 0)) AS detail
FROM (SELECT a.invoice_id, a.amount_minor AS amount FROM guarantee_advance a JOIN invoice_open o ON o.invoice_id = a.invoice_id
      WHERE o.open_minor > 0) g
FULL JOIN (SELECT invoice_id, sum(amount_minor) AS amount FROM posting WHERE account = 'memo.advances' GROUP BY invoice_id
           HAVING sum(amount_minor) <> 0) m ON m.invoice_id = g.invoice_id
WHERE coalesce(g.amount, 0) <> coalesce(m.amount, 0);

CREATE VIEW invariant_i09_vat_is_documents WITH (security_invoker = true) AS
SELECT format('%s %s', coalesce(d.entity_id, l.entity_id), coalesce(d.period, l.period)) AS subject,
       format('documents %s, ledger %s', coalesce(d.tax, 0), coalesce(l.tax, 0)) AS detail
FROM (SELECT entity_id, to_char(issued_on, 'YYYY-MM') AS period, sum(tax_minor) AS tax FROM invoice WHERE state = 'issued'
      GROUP BY 1, 2) d
FULL JOIN (SELECT e.entity_id, e.period::text AS period, -sum(p.amount_minor) AS tax FROM posting p JOIN journal_entry e ON e.id = p.entry_id
           WHERE p.account = 'vat_output' GROUP BY 1, 2) l ON l.entity_id = d.entity_id AND l.period = d.period
WHERE coalesce(d.tax, 0) <> coalesce(l.tax, 0);

CREATE VIEW invariant_i10_in_transit_is_released WITH (security_invoker = true) AS
SELECT coalesce(p.id, l.payout_id)::text AS subject,
       format('in transit %s, ledger %s', coalesce(p.amount_minor, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT id, amount_minor FROM payout WHERE state = 'released') p
FULL JOIN (SELECT payout_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'payouts_in_transit' GROUP BY payout_id
           HAVING sum(amount_minor) <> 0) l ON l.payout_id = p.id
WHERE coalesce(p.amount_minor, 0) <> coalesce(l.amount, 0);

CREATE VIEW invariant_i11_documents_agree_with_entries WITH (security_invoker = true) AS
SELECT i.id::text AS subject, format('invoice %s: totals %s/%s/%s, ledger %s/%s/%s', i.number, i.gross_minor, i.net_minor, i.tax_minor,
       coalesce(l.receivable, 0), coalesce(l.turnover, 0), coalesce(l.vat, 0)) AS detail
FROM invoice i
LEFT JOIN (SELECT e.source_id,
                  sum(p.amount_minor) FILTER (WHERE p.account = 'receivable') AS receivable,
                  -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'turnover'), 0) AS turnover,
                  -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'vat_output'), 0) AS vat
           FROM journal_entry e JOIN posting p ON p.entry_id = e.id WHERE e.event = 'invoice_issued' GROUP BY e.source_id) l
       ON l.source_id = i.id
WHERE i.state = 'issued' AND (i.gross_minor, i.net_minor, i.tax_minor)
      IS DISTINCT FROM (coalesce(l.receivable, 0)::bigint, coalesce(l.turnover, 0)::bigint, coalesce(l.vat, 0)::bigint)
UNION ALL
SELECT e.id::text, format('%s has no %s %s', e.event, e.source_kind, e.source_id)
FROM journal_entry e
WHERE NOT CASE e.source_kind
    WHEN 'invoice' THEN EXISTS (SELECT FROM invoice x WHERE x.id = e.source_id AND x.state = 'issued')
    WHEN 'share' THEN EXISTS (SELECT FROM share x WHERE x.id = e.source_id)
    WHEN 'advance' THEN EXISTS (SELECT FROM guarantee_advance x WHERE x.id = e.source_id)
    WHEN 'payout' THEN EXISTS (SELECT FROM payout x WHERE x.id = e.source_id)
    WHEN 'statement' THEN EXISTS (SELECT FROM bank_statement x WHERE x.id = e.source_id)
    WHEN 'bank_line' THEN EXISTS (SELECT FROM bank_line x WHERE x.id = e.source_id)
    WHEN 'allocation' THEN EXISTS (SELECT FROM allocation x WHERE x.id = e.source_id)
    ELSE false END;

CREATE VIEW invariant_i12_closed_periods_unchanged WITH (security_invoker = true) AS
SELECT format('%s %s', entity_id, period) AS subject, 'the hash of a closed period has changed'::text AS detail
FROM accounting_period WHERE sha256 <> period_sha256(entity_id, period::text);

CREATE VIEW invariant_i13_released_by_four_eyes WITH (security_invoker = true) AS
SELECT b.id::text AS subject, 'released without an approval by another person over the same bytes'::text AS detail
FROM payout_batch b
WHERE b.state = 'released' AND NOT EXISTS (
    SELECT FROM batch_approval a WHERE a.batch_id = b.id AND a.sha256 = b.sha256 AND a.at >= b.sealed_at
      AND a.approver_id NOT IN (b.sealed_by, b.built_by)
      AND NOT EXISTS (SELECT FROM payout p WHERE p.batch_id = b.id AND p.member_id IN (a.approver_id, b.sealed_by)))
UNION ALL
SELECT b.id::text, 'the sealed file is not the approved one'
FROM payout_batch b JOIN archived_file f ON f.id = b.file_id
WHERE sha256(f.bytes) <> b.sha256 OR f.sha256 <> b.sha256
UNION ALL
SELECT b.id::text, 'the sealed count or sum is not that of its payouts'
FROM payout_batch b
CROSS JOIN LATERAL (SELECT count(*) AS n, coalesce(sum(amount_minor), 0) AS total FROM payout p WHERE p.batch_id = b.id) t
WHERE b.sha256 IS NOT NULL AND (b.payout_count, b.control_sum_minor) IS DISTINCT FROM (t.n::int, t.total::bigint);

CREATE VIEW invariant_i14_shares_are_capital WITH (security_invoker = true) AS
SELECT coalesce(s.member_id, l.member_id)::text AS subject,
       format('register %s, ledger %s', coalesce(s.amount, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT member_id, sum(quantity * nominal_minor) AS amount FROM share GROUP BY member_id) s
FULL JOIN (SELECT member_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'share_capital' GROUP BY member_id) l
       ON l.member_id = s.member_id
WHERE coalesce(s.amount, 0) <> coalesce(l.amount, 0);

-- Members' funds, advances owed and taxes held against bank and receivables that clients confirmed.
CREATE VIEW invariant_i15_solvent WITH (security_invoker = true) AS
SELECT s.entity_id::text AS subject, format('owed %s, held %s', s.owed, s.held) AS detail
FROM (SELECT e.entity_id,
             -coalesce(sum(p.amount_minor) FILTER (WHERE p.account IN
                 ('funds.available', 'funds.reserved', 'payouts_in_transit', 'vat_output')), 0) AS owed,
             coalesce(sum(p.amount_minor) FILTER (WHERE p.account IN ('bank', 'receivable')), 0) AS held
      FROM posting p JOIN journal_entry e ON e.id = p.entry_id GROUP BY e.entity_id) s
WHERE s.owed > s.held;

CREATE VIEW invariant_i16_suspense_has_owner WITH (security_invoker = true) AS
SELECT coalesce(b.id, l.bank_line_id)::text AS subject,
       format('unmatched line %s, ledger %s', coalesce(b.rest, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT x.id, CASE WHEN x.state = 'suspense' THEN x.amount_minor
                        WHEN x.matched_kind = 'invoice' THEN x.amount_minor - (SELECT coalesce(sum(a.amount_minor), 0) FROM allocation a WHERE a.bank_line_id = x.id)
                        ELSE 0 END AS rest FROM bank_line x) b
FULL JOIN (SELECT bank_line_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'bank_suspense' GROUP BY bank_line_id
           HAVING sum(amount_minor) <> 0) l ON l.bank_line_id = b.id
WHERE coalesce(b.rest, 0) <> coalesce(l.amount, 0);

DO $$
DECLARE v record;
BEGIN
    FOR v IN SELECT viewname FROM pg_views WHERE schemaname = 'public' AND (viewname LIKE 'invariant\_%' OR viewname = 'invoice_open') LOOP
        EXECUTE format('GRANT SELECT ON %I TO umbel_app', v.viewname);
    END LOOP;
END $$;
