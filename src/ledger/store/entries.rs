//! The SQL that writes entries with their postings.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Date, Integer, Nullable, Text, Uuid as SqlUuid};
use uuid::Uuid;

use crate::kernel::ids::{ActivityId, BankAccountId, BankLineId, ClientId, InvoiceId, PayoutId, PersonId, PoolId};
use crate::kernel::money::Minor;
use crate::ledger::entry::{Account, Dimensions, Entry, Event, Posting, Source};
use crate::ledger::events::Posted;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::platform::prepared::Prepare;

/// How many postings the plan that is kept may write.
const FEW: usize = 50;

/// Inserts entries and all their postings in one statement: the triggers see each entry whole.
pub(in crate::ledger) fn insert_entries(tx: &mut Tx<'_>, entries: &[Entry]) -> Result<()> {
    let actor = tx.principal().map(|who| who.person.0);
    let request = tx.request();
    let mut head = Heads::default();
    let mut lines = Lines::default();
    for (index, entry) in entries.iter().enumerate() {
        let (kind, id) = entry.source.parts();
        head.entity.push(entry.entity.0);
        head.booked_on.push(entry.booked_on);
        head.event.push(entry.event.name());
        head.source_kind.push(kind);
        head.source.push(id);
        head.owner.push(entry.owner.map(|owner| owner.0));
        head.reverses.push(entry.reverses);
        lines.push(i32::try_from(index).unwrap_or(i32::MAX), entry);
    }
    let is_long = lines.entry.len() > FEW;
    let statement = diesel::sql_query(
        "WITH head AS (SELECT * FROM unnest($1::uuid[], $2::date[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $23::bigint[]) \
             WITH ORDINALITY AS h (entity_id, booked_on, event, source_kind, source_id, owner_id, reverses_id, n)), \
         entry AS (INSERT INTO journal_entry (entity_id, booked_on, event, source_kind, source_id, owner_id, reverses_id, actor_id, request_id) \
             SELECT entity_id, booked_on, event, source_kind, source_id, owner_id, reverses_id, $7, $8 FROM head ORDER BY n \
             RETURNING id, event, source_kind, source_id, owner_id) \
         INSERT INTO posting (entry_id, account, amount_minor, currency, activity_id, client_id, invoice_id, payout_id, \
                              member_id, bank_line_id, bank_account_id, tax_code, pool_id, owner_id) \
         SELECT e.id, l.account, l.amount, l.currency, l.activity, l.client, l.invoice, l.payout, l.member, l.bank_line, \
                l.bank_account, l.tax_code, l.pool, coalesce(l.owner, e.owner_id) \
         FROM unnest($9::int[], $10::text[], $11::bigint[], $12::text[], $13::uuid[], $14::uuid[], $15::uuid[], $16::uuid[], \
                     $17::uuid[], $18::uuid[], $19::uuid[], $20::text[], $21::uuid[], $22::uuid[]) \
              WITH ORDINALITY AS l (entry, account, amount, currency, activity, client, invoice, payout, member, bank_line, \
                                    bank_account, tax_code, pool, owner, n) \
         JOIN head h ON h.n = l.entry + 1 \
         JOIN entry e ON e.event = h.event AND e.source_kind = h.source_kind AND e.source_id = h.source_id \
         ORDER BY l.n",
    )
    .bind::<Array<SqlUuid>, _>(head.entity)
    .bind::<Array<Date>, _>(head.booked_on)
    .bind::<Array<Text>, _>(head.event)
    .bind::<Array<Text>, _>(head.source_kind)
    .bind::<Array<SqlUuid>, _>(head.source)
    .bind::<Array<Nullable<SqlUuid>>, _>(head.owner)
    .bind::<Nullable<SqlUuid>, _>(actor)
    .bind::<Nullable<SqlUuid>, _>(request)
    .bind::<Array<Integer>, _>(lines.entry)
    .bind::<Array<Text>, _>(lines.account)
    .bind::<Array<BigInt>, _>(lines.amount)
    .bind::<Array<Text>, _>(lines.currency)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.activity)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.client)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.invoice)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.payout)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.member)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.bank_line)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.bank_account)
    .bind::<Array<Nullable<Text>>, _>(lines.tax_code)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.pool)
    .bind::<Array<Nullable<SqlUuid>>, _>(lines.owner)
    .bind::<Array<Nullable<BigInt>>, _>(head.reverses);
    // A plan that is kept is made for a few rows: for many it would compare each with each.
    if is_long {
        statement.execute(tx.conn())?;
    } else {
        statement.prepared().execute(tx.conn())?;
    }
    Ok(())
}

/// Entries by column, as `unnest` takes them.
#[derive(Default)]
struct Heads {
    entity: Vec<Uuid>,
    booked_on: Vec<NaiveDate>,
    event: Vec<&'static str>,
    source_kind: Vec<&'static str>,
    source: Vec<Uuid>,
    owner: Vec<Option<Uuid>>,
    reverses: Vec<Option<i64>>,
}

/// Postings by column, as `unnest` takes them.
#[derive(Default)]
struct Lines {
    entry: Vec<i32>,
    account: Vec<&'static str>,
    amount: Vec<i64>,
    currency: Vec<String>,
    activity: Vec<Option<Uuid>>,
    client: Vec<Option<Uuid>>,
    invoice: Vec<Option<Uuid>>,
    payout: Vec<Option<Uuid>>,
    member: Vec<Option<Uuid>>,
    bank_line: Vec<Option<Uuid>>,
    bank_account: Vec<Option<Uuid>>,
    tax_code: Vec<Option<String>>,
    pool: Vec<Option<Uuid>>,
    owner: Vec<Option<Uuid>>,
}

impl Lines {
    fn push(&mut self, index: i32, entry: &Entry) {
        for posting in &entry.postings {
            let about = &posting.about;
            self.entry.push(index);
            self.account.push(posting.account.name());
            self.amount.push(posting.amount.get());
            self.currency.push(entry.currency.to_string());
            self.activity.push(about.activity.map(Into::into));
            self.client.push(about.client.map(Into::into));
            self.invoice.push(about.invoice.map(Into::into));
            self.payout.push(about.payout.map(Into::into));
            self.member.push(about.member.map(Into::into));
            self.bank_line.push(about.bank_line.map(Into::into));
            self.bank_account.push(about.bank_account.map(Into::into));
            self.tax_code.push(about.tax_code.clone());
            self.pool.push(about.pool.map(Into::into));
            self.owner.push(about.owner.map(Into::into));
        }
    }
}

#[derive(QueryableByName)]
struct PostedRow {
    #[diesel(sql_type = BigInt)]
    entry_id: i64,
    #[diesel(sql_type = Text)]
    account: String,
    #[diesel(sql_type = BigInt)]
    amount_minor: Minor,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    activity_id: Option<ActivityId>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    client_id: Option<ClientId>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    invoice_id: Option<InvoiceId>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    payout_id: Option<PayoutId>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    member_id: Option<PersonId>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    bank_line_id: Option<BankLineId>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    bank_account_id: Option<BankAccountId>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pool_id: Option<PoolId>,
    #[diesel(sql_type = Nullable<Text>)]
    tax_code: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    owner_id: Option<PersonId>,
}

/// The entry of a fact with all its lines.
pub(in crate::ledger) fn find_posted(tx: &mut Tx<'_>, event: Event, source: Source) -> Result<Option<Posted>> {
    let (kind, id) = source.parts();
    let rows: Vec<PostedRow> = diesel::sql_query(
        "SELECT p.* FROM journal_entry e JOIN posting p ON p.entry_id = e.id \
         WHERE e.event = $1 AND e.source_kind = $2 AND e.source_id = $3 ORDER BY p.id",
    )
    .bind::<Text, _>(event.name())
    .bind::<Text, _>(kind)
    .bind::<SqlUuid, _>(id)
    .load(tx.conn())?;
    let Some(entry) = rows.first().map(|row| row.entry_id) else { return Ok(None) };
    let mut postings = Vec::with_capacity(rows.len());
    for row in rows {
        let account =
            row.account.parse::<Account>().map_err(|_unknown| Error::internal("an account of another program"))?;
        let about = Dimensions {
            activity: row.activity_id,
            client: row.client_id,
            invoice: row.invoice_id,
            payout: row.payout_id,
            member: row.member_id,
            bank_line: row.bank_line_id,
            bank_account: row.bank_account_id,
            pool: row.pool_id,
            tax_code: row.tax_code,
            owner: row.owner_id,
        };
        postings.push(Posting { account, amount: row.amount_minor, about });
    }
    Ok(Some(Posted { entry, postings }))
}
