-- Every value that does not change from one invoice to the next, from the newest issued invoice, for pgbench.
SELECT jsonb_build_object(
    'members', (SELECT count(*) FROM bench.member), 'scope', 'session', 'none', '-', 'now', now(), 'kind', 'person',
    'address', '127.0.0.1', 'created', 201, 'done', 200, 'create_invoice', 'create_invoice', 'submit_invoice', 'submit_invoice',
    'issue_invoice', 'issue_invoice', 'submitted', 'submitted', 'issued', 'issued', 'topic', 'send_invoice', 'series', 'invoice',
    'entity', i.entity_id, 'country', 'BE', 'today', i.issued_on, 'year', i.series_year, 'due', i.due_on, 'title', i.title,
    'currency', i.currency, 'net', i.net_minor, 'tax', i.tax_minor, 'gross', i.gross_minor, 'rule_set', i.rule_set_id,
    'bank_account', i.bank_account_id, 'seller', i.seller_snapshot::text, 'buyer', i.buyer_snapshot::text,
    'reviewer', e.actor_id, 'reviewer_session',
        (SELECT id FROM session WHERE person_id = e.actor_id ORDER BY created_at DESC, id DESC LIMIT 1))
  || jsonb_build_object(
    'entities', '{' || i.entity_id || '}', 'todays', '{' || i.issued_on || '}', 'events', '{invoice_issued}',
    'sources', '{invoice}', 'reverses', '{NULL}', 'fingerprint', (SELECT max(fingerprint::text) FROM idempotency_key WHERE subject_id = i.id),
    'created_body', (SELECT body FROM idempotency_key WHERE subject_id = i.id AND operation = 'create_invoice'),
    'submitted_body', (SELECT body FROM idempotency_key WHERE subject_id = i.id AND operation = 'submit_invoice'),
    'issued_body', (SELECT body FROM idempotency_key WHERE subject_id = i.id AND operation = 'issue_invoice'))
  || (SELECT jsonb_build_object('labels', array_agg(label ORDER BY n)::text, 'quantities', array_agg(quantity ORDER BY n)::text,
        'prices', array_agg(unit_price_minor ORDER BY n)::text, 'cases', array_agg(vat_case ORDER BY n)::text,
        'nets', array_agg(net_minor ORDER BY n)::text, 'line_kinds', array_agg(kind ORDER BY n)::text,
        'units', array_agg(unit ORDER BY n)::text, 'exact_prices', array_agg(unit_price_e4 ORDER BY n)::text,
        'adjustments', array_agg(adjustments ORDER BY n)::text, 'justifications', array_agg(vat_justification ORDER BY n)::text)
      FROM invoice_line WHERE invoice_id = i.id)
  || (SELECT jsonb_build_object('tax_cases', array_agg(vat_case)::text, 'tax_categories', array_agg(category)::text,
        'tax_rates', array_agg(rate_ppm)::text, 'tax_bases', array_agg(base_minor)::text,
        'tax_amounts', array_agg(tax_minor)::text) FROM invoice_tax WHERE invoice_id = i.id)
  || (SELECT jsonb_build_object('levy_kinds', array_agg(kind)::text, 'levy_bases', array_agg(base_minor)::text,
        'levy_rates', array_agg(rate_ppm)::text, 'levy_amounts', array_agg(amount_minor)::text,
        'levy_uncapped', array_agg(uncapped_minor)::text, 'levy_basis', array_agg(basis)::text)
      FROM levy_charge WHERE invoice_id = i.id)
  || (SELECT jsonb_build_object('entries', array_agg(0)::text,
        'accounts', array_agg(account ORDER BY id)::text, 'amounts', array_agg(amount_minor ORDER BY id)::text,
        'currencies', array_agg(currency)::text, 'nothings', array_agg(NULL::uuid)::text,
        'tax_codes', array_agg(tax_code ORDER BY id)::text) FROM posting WHERE entry_id = e.id) AS found
FROM invoice i JOIN journal_entry e ON e.source_kind = 'invoice' AND e.source_id = i.id
WHERE i.state = 'issued' AND i.kind = 'invoice' ORDER BY i.seq DESC LIMIT 1
