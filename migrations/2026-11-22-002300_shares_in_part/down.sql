-- Before shares were given back in part and notices taken back. Refuses while there are any.

ALTER VIEW invariant_i26_proofs_chain RENAME TO invariant_i23_proofs_chain;
CREATE OR REPLACE VIEW invariant_i14_shares_are_capital WITH (security_invoker = true) AS
SELECT coalesce(s.member_id, l.member_id)::text AS subject,
       format('register %s, ledger %s', coalesce(s.amount, 0), coalesce(l.amount, 0)) AS detail
FROM (SELECT member_id, sum(quantity * nominal_minor) AS amount FROM share WHERE state <> 'redeemed' GROUP BY member_id) s
FULL JOIN (SELECT member_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'share_capital' GROUP BY member_id) l
       ON l.member_id = s.member_id
WHERE coalesce(s.amount, 0) <> coalesce(l.amount, 0)
UNION ALL
SELECT coalesce(r.member_id, l.member_id)::text, format('to be paid back %s, ledger %s', coalesce(r.amount, 0), coalesce(l.amount, 0))
FROM (SELECT member_id, sum(amount_minor) AS amount FROM redemption WHERE state = 'decided' GROUP BY member_id) r
FULL JOIN (SELECT member_id, -sum(amount_minor) AS amount FROM posting WHERE account = 'redemption_payable' GROUP BY member_id) l
       ON l.member_id = r.member_id
WHERE coalesce(r.amount, 0) <> coalesce(l.amount, 0)
UNION ALL
SELECT s.id::text, format('share %s, redemption %s', s.state, coalesce(r.state, 'none'))
FROM share s LEFT JOIN redemption r ON r.share_id = s.id
WHERE CASE coalesce(r.state, 'none') WHEN 'none' THEN s.state NOT IN ('subscribed', 'paid')
           WHEN 'noticed' THEN s.state <> 'redeeming' ELSE s.state <> 'redeemed' END;
CREATE OR REPLACE FUNCTION share_net_assets(p_entity uuid, p_on date)
RETURNS TABLE (capital_minor bigint, retained_minor bigint, result_minor bigint, share_count bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT coalesce(-sum(p.amount_minor) FILTER (WHERE p.account = 'share_capital'), 0)::bigint,
           coalesce(-sum(p.amount_minor) FILTER (WHERE p.account = 'retained_surplus'), 0)::bigint,
           coalesce(-sum(p.amount_minor) FILTER (WHERE a.kind IN ('income', 'expense')), 0)::bigint,
           (SELECT coalesce(sum(s.quantity), 0) FROM share s
            WHERE s.entity_id = p_entity AND s.subscribed_on <= p_on
              AND NOT EXISTS (SELECT FROM redemption r WHERE r.share_id = s.id AND r.decided_on <= p_on))::bigint
    FROM posting p JOIN journal_entry e ON e.id = p.entry_id JOIN ledger_account a ON a.code = p.account
    WHERE e.entity_id = p_entity AND e.booked_on <= p_on
      AND (p.account IN ('share_capital', 'retained_surplus') OR a.kind IN ('income', 'expense'))
$$;

REVOKE UPDATE (withdrawn_on) ON redemption FROM umbel_app;
ALTER TABLE redemption DROP CONSTRAINT redemption_withdrawn, DROP CONSTRAINT redemption_decided, DROP COLUMN withdrawn_on;
ALTER TABLE redemption ADD CONSTRAINT redemption_check2 CHECK ((state = 'noticed') = (run_id IS NULL));
DROP INDEX redemption_once, redemption_share;
ALTER TABLE redemption ADD CONSTRAINT redemption_once UNIQUE (share_id);

REVOKE UPDATE (redeemed_quantity) ON share FROM umbel_app;
ALTER TABLE share DROP CONSTRAINT share_given_back, DROP COLUMN redeemed_quantity;

DELETE FROM state_transition
WHERE (machine, from_state, to_state) IN (('share', 'redeeming', 'paid'), ('redemption', 'noticed', 'withdrawn'));
