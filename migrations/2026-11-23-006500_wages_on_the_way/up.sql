-- A wage that the bank has not confirmed, or that a person has, is owed to the offices like any other that left; one that the
-- bank rejected is not.
CREATE OR REPLACE VIEW invariant_i31_wages_are_slips WITH (security_invoker = true) AS
SELECT coalesce(s.payout_id, l.source_id)::text AS subject,
       format('slip %s/%s, ledger %s/%s', coalesce(s.social, 0), coalesce(s.tax, 0), coalesce(l.social, 0), coalesce(l.tax, 0)) AS detail
FROM (SELECT s.payout_id, s.employer_minor + s.employee_minor - coalesce(r.social_minor, 0) AS social,
             s.levy_minor + s.withheld_minor + s.rights_withheld_minor - coalesce(r.tax_minor, 0) AS tax
      FROM pay_slip s JOIN payout p ON p.id = s.payout_id LEFT JOIN wage_return r ON r.payout_id = s.payout_id
      WHERE p.state IN ('released', 'settled', 'unknown', 'confirmed') OR r.payout_id IS NOT NULL) s
FULL JOIN (SELECT e.source_id, -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'social_security_payable'), 0) AS social,
                  -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'withholding_payable'), 0) AS tax
           FROM journal_entry e JOIN posting p ON p.entry_id = e.id
           WHERE e.event IN ('payout_released', 'payout_returned', 'payout_rejected') AND p.account IN ('social_security_payable', 'withholding_payable')
           GROUP BY e.source_id
           HAVING sum(p.amount_minor) FILTER (WHERE p.account = 'social_security_payable') <> 0
               OR sum(p.amount_minor) FILTER (WHERE p.account = 'withholding_payable') <> 0) l ON l.source_id = s.payout_id
WHERE (coalesce(s.social, 0), coalesce(s.tax, 0)) IS DISTINCT FROM (coalesce(l.social, 0)::bigint, coalesce(l.tax, 0)::bigint);
