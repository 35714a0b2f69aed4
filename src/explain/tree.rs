//! How an explanation is put together: a sixth kind of file, between the desk and what the rulebook says of each line.

use std::collections::BTreeMap;

use super::rules::{self, By, Origin};
use super::step::{EntryStep, RuleStep, Step};
use super::store::{self, LineRow, PieceRow};
use crate::charter;
use crate::formats::local;
use crate::formats::traces::{Params, say};
use crate::invoicing::{self, Invoice, InvoiceLineRow, TaxRow};
use crate::kernel::ids::{ActivityId, InvoiceId, RuleSetId, ShareId};
use crate::kernel::language::Language;
use crate::kernel::levies::LevyKind;
use crate::kernel::money::{Currency, Minor, Money, Ppm};
use crate::ledger::{Account, Event, Source};
use crate::levies::{self, ChargeSource};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::{members, orders};

/// Lines that one answer explains at most; whatever is left can be asked for by its own address.
const LINES_MAX: usize = 300;
/// Movements that are named one by one below one line.
pub(super) const PIECES_MAX: usize = 50;

/// What is found out about a line.
#[derive(Default)]
pub(super) struct Found {
    pub(super) parts: Vec<Step>,
    pub(super) rests_on: Vec<Step>,
    pub(super) rule: Option<RuleStep>,
}

/// Explains in one language, for one reader, in one transaction.
pub(super) struct Explainer<'a, 'b> {
    pub(super) tx: &'a mut Tx<'b>,
    pub(super) language: Language,
    lines_left: usize,
    invoices: BTreeMap<InvoiceId, Invoice>,
    rules: BTreeMap<RuleSetId, RuleStep>,
}

impl<'a, 'b> Explainer<'a, 'b> {
    pub(super) fn new(tx: &'a mut Tx<'b>, language: Language) -> Self {
        Self { tx, language, lines_left: LINES_MAX, invoices: BTreeMap::new(), rules: BTreeMap::new() }
    }

    pub(super) fn say(&self, section: &str, key: &str, params: &[(&'static str, String)]) -> String {
        say(self.language, section, key, params)
    }

    pub(super) fn money(&self, amount: Minor, currency: Currency) -> String {
        local::amount(self.language, amount, currency)
    }

    /// An invoice, read once.
    pub(super) fn invoice(&mut self, id: InvoiceId) -> Result<Invoice> {
        if let Some(known) = self.invoices.get(&id) {
            return Ok(known.clone());
        }
        let found = invoicing::find(self.tx, id)?;
        self.invoices.insert(id, found.clone());
        Ok(found)
    }

    pub(super) fn rule(&mut self, id: RuleSetId) -> Result<RuleStep> {
        if let Some(known) = self.rules.get(&id) {
            return Ok(known.clone());
        }
        let rules = charter::rule_set(self.tx, id)?;
        let params = [
            ("valid_on", local::date(self.language, rules.valid_from)),
            ("version", rules.version_number.to_string()),
            ("decision", rules.decision.clone()),
            ("decided_on", local::date(self.language, rules.decided_on)),
        ];
        let step = RuleStep {
            rule_set_id: id,
            version_number: rules.version_number,
            valid_from: rules.valid_from,
            decided_on: rules.decided_on,
            href: format!("/v1/rule_sets/{id}"),
            text: self.say("rule", "version", &params),
            decision: rules.decision,
        };
        self.rules.insert(id, step.clone());
        Ok(step)
    }

    /// The invoice that a line is about, be it by another line of its entry.
    fn document(&mut self, line: &LineRow) -> Result<Option<InvoiceId>> {
        if line.invoice_id.is_some() || line.source_kind != "allocation" {
            return Ok(line.invoice_id);
        }
        Ok(store::list_entry(self.tx, line.entry_id)?.into_iter().find_map(|other| other.invoice_id))
    }

    /// That invoice, if the reader may see it: money that was moved to them waits for an invoice of somebody else.
    fn visible(&mut self, line: &LineRow) -> Result<Option<Invoice>> {
        let Some(id) = self.document(line)? else { return Ok(None) };
        match self.invoice(id) {
            Ok(invoice) => Ok(Some(invoice)),
            Err(error) if error.code == "not_found" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What happened, in words.
    pub(super) fn event(&mut self, line: &LineRow) -> Result<String> {
        let mut params: Params = Vec::new();
        if let Some(row) = self.visible(line)?.map(|invoice| invoice.row) {
            params.push(("document", row.number.unwrap_or_default()));
            let buyer = row.buyer_snapshot.as_ref().and_then(|buyer| buyer.get("name")).and_then(|name| name.as_str());
            params.extend(buyer.map(|name| ("client", name.to_owned())));
        }
        Ok(self.say("event", line.event.name(), &params))
    }

    /// Explains a line. Beyond the limit of an answer it is named and left to its own address.
    pub(super) fn line(&mut self, line: &LineRow, why: Option<&str>) -> Result<Step> {
        let event = self.event(line)?;
        let account = self.say("account", line.account.name(), &[]);
        let text = self.say("part", "posting", &[("account", account), ("event", event.clone())]);
        let amount = rules::shown(line.account, line.amount_minor)?;
        let mut step = Step::new(amount, line.currency, text);
        step.why = why.map(|key| self.say("why", key, &[]));
        step.href = Some(format!("/v1/postings/{}/trace", line.id));
        step.posting_id = Some(line.id);
        step.account = Some(line.account);
        step.entry = Some(EntryStep {
            id: line.entry_id,
            event: line.event,
            text: event,
            booked_on: line.booked_on,
            source_kind: line.source_kind.clone(),
            source_id: line.source_id,
            href: source(line)?.and_then(|source| address(source, line)),
            reverses_id: line.reverses_id,
        });
        let Some(left) = self.lines_left.checked_sub(1) else { return Ok(step) };
        self.lines_left = left;
        let found = self.find(line, amount)?;
        step.parts = found.parts;
        step.rests_on = found.rests_on;
        step.rule = found.rule;
        Ok(step)
    }

    fn find(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        match rules::origin(line.event, line.account, line.amount_minor > Minor::ZERO) {
            Origin::Shares => self.shares(line, amount),
            Origin::InvoiceNet => {
                let invoice = self.invoice_of(line)?;
                Ok(Found {
                    parts: self.lines(&invoice.lines, invoice.row.currency, &address_of(&invoice), amount)?,
                    rests_on: self.order(&invoice)?,
                    ..Found::default()
                })
            }
            Origin::InvoiceGross => {
                let invoice = self.invoice_of(line)?;
                let mut parts = self.lines(&invoice.lines, invoice.row.currency, &address_of(&invoice), amount)?;
                parts.extend(self.taxes(
                    &invoice.taxes,
                    invoice.row.currency,
                    &address_of(&invoice),
                    (amount, None),
                )?);
                Ok(Found { parts, rests_on: self.order(&invoice)?, ..Found::default() })
            }
            Origin::InvoiceTax => {
                let invoice = self.invoice_of(line)?;
                let of = (amount, line.tax_code.as_deref());
                let parts = self.taxes(&invoice.taxes, invoice.row.currency, &address_of(&invoice), of)?;
                Ok(Found { parts, ..Found::default() })
            }
            Origin::Levy(kind) => self.levy(line, kind, amount),
            Origin::LevyPaid => {
                let kind = self.levy_beside(line)?;
                self.levy(line, kind, amount)
            }
            Origin::Pending => self.pending(line, amount),
            Origin::Freed => self.freed(line, amount),
            Origin::Advanced => self.earlier(line, Account::MemoAdvances, "closed"),
            Origin::Available => self.spent(line, amount),
            Origin::Reserved => self.reserved(line),
            Origin::Bank => self.bank(line),
            Origin::Charge => self.charged(line, amount),
            Origin::Arrears => self.settled(line, amount),
            Origin::Cost => self.cost(line, amount),
            Origin::CostCredit => self.cost_credit(line, amount),
            Origin::PoolPart => self.pool_part(line, amount),
            Origin::Reversed => self.reversed(line),
            Origin::Redemption => self.redemption(line, amount),
            Origin::Redeemed => self.redeemed(line),
            Origin::SurplusPart => self.surplus_part(line, amount),
            Origin::CreditNet => self.credit_net(line, amount),
            Origin::CreditGross => self.credit_gross(line, amount),
            Origin::CreditTax => self.credit_tax(line, amount),
            Origin::CreditLevy(kind) => self.credit_levy(line, kind),
            Origin::CreditShare => self.credit_share(line),
            Origin::Waited => self.earlier(line, Account::FundsPending, "waited"),
            Origin::Opposite => self.opposite(line),
            Origin::Lost => self.lost(line, amount),
            Origin::Drawn => self.drawn(line, amount),
            Origin::CameBack => self.came_back(line, amount),
            Origin::Document => Ok(Found::default()),
        }
    }

    fn invoice_of(&mut self, line: &LineRow) -> Result<Invoice> {
        let id = line.invoice_id.ok_or_else(|| Error::internal("a line of an invoice without the invoice"))?;
        self.invoice(id)
    }

    /// Shares: how many, times the price of one.
    fn shares(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        let share = members::share(self.tx, ShareId(line.source_id))?;
        let quantity = rust_decimal::Decimal::from(share.quantity);
        let price = Money { amount_minor: share.nominal_minor, currency: share.currency };
        let params = [("quantity", share.quantity.to_string())];
        let mut part = Step::new(amount, line.currency, self.say("part", "shares", &params));
        let whole = if amount < Minor::ZERO { amount.negated()? } else { amount };
        part.calculation = rules::calculate(self.language, price, By::Quantity(quantity), whole);
        part.why = Some(self.say("why", "share", &[]));
        part.href = Some(format!("/v1/shares/{}", share.id));
        Ok(Found { parts: vec![part], ..Found::default() })
    }

    /// The lines of a document, with the sign of `like`.
    pub(super) fn lines(
        &self,
        lines: &[InvoiceLineRow],
        currency: Currency,
        href: &str,
        like: Minor,
    ) -> Result<Vec<Step>> {
        let mut parts = Vec::with_capacity(lines.len());
        for line in lines {
            let text = self.say("part", "line", &[("label", line.label.clone())]);
            let mut part = Step::new(rules::signed(line.net_minor, like)?, currency, text);
            let price = Money { amount_minor: line.unit_price_minor, currency };
            part.calculation = rules::calculate(self.language, price, By::Quantity(line.quantity), line.net_minor);
            part.href = Some(href.to_owned());
            parts.push(part);
        }
        Ok(parts)
    }

    /// The VAT of a document, of one case or of all, with the sign of `like`.
    pub(super) fn taxes(
        &self,
        taxes: &[TaxRow],
        currency: Currency,
        href: &str,
        (like, case): (Minor, Option<&str>),
    ) -> Result<Vec<Step>> {
        let mut parts = Vec::new();
        for tax in taxes.iter().filter(|tax| case.is_none_or(|case| case == tax.vat_case.name())) {
            let text = self.say("part", "vat", &[("rate", local::percent(self.language, Ppm(tax.rate_ppm)))]);
            let mut part = Step::new(rules::signed(tax.tax_minor, like)?, currency, text);
            let base = Money { amount_minor: tax.base_minor, currency };
            part.calculation = rules::calculate(self.language, base, By::Rate(Ppm(tax.rate_ppm)), tax.tax_minor);
            part.href = Some(href.to_owned());
            parts.push(part);
        }
        Ok(parts)
    }

    /// The order of an invoice, with the rules that were frozen with it.
    fn order(&mut self, invoice: &Invoice) -> Result<Vec<Step>> {
        let Some(id) = invoice.row.order_id else { return Ok(Vec::new()) };
        let order = orders::find(self.tx, id)?;
        let mut params: Params = vec![("title", order.row.title.clone())];
        if let Some(answer) = order.answer.as_ref().filter(|answer| answer.answer == "confirmed") {
            let zone = charter::entity(self.tx, order.row.entity_id)?.zone();
            params.push(("signer", answer.signer.clone()));
            params.push(("answered_on", local::date(self.language, answer.at.with_timezone(&zone).date_naive())));
        }
        let mut step = Step::new(order.row.net_minor, order.row.currency, self.say("part", "order", &params));
        step.why = Some(self.say("why", "order", &[]));
        step.href = Some(format!("/v1/orders/{id}"));
        step.rule = order.row.rule_set_id.map(|rules| self.rule(rules)).transpose()?;
        Ok(vec![step])
    }

    /// For which purpose a line paid: the one of the line that was booked with it.
    fn levy_beside(&mut self, line: &LineRow) -> Result<LevyKind> {
        let opposite = line.amount_minor.negated()?;
        let lines = store::list_entry(self.tx, line.entry_id)?;
        let beside = lines.into_iter().find(|other| {
            other.id > line.id
                && other.amount_minor == opposite
                && matches!(other.account, Account::FeeIncome | Account::GuaranteeFund)
        });
        let beside = beside.ok_or_else(|| Error::internal("a levy without its other side"))?;
        Ok(if beside.account == Account::FeeIncome { LevyKind::Fee } else { LevyKind::Guarantee })
    }

    /// What the mutual kept of the invoice for one purpose.
    fn levy(&mut self, line: &LineRow, kind: LevyKind, amount: Minor) -> Result<Found> {
        let invoice = self.invoice_of(line)?;
        let charges = levies::charges_on(self.tx, ChargeSource::Invoice, invoice.row.id.0)?;
        let mut parts = Vec::new();
        for charge in charges.into_iter().filter(|charge| charge.kind == kind) {
            parts.push(self.charge(charge, line.currency, amount)?);
        }
        Ok(Found { parts, ..Found::default() })
    }

    /// The lines that still waited of the invoice, which sum to `amount` or its opposite.
    fn waiting(&mut self, line: &LineRow, like: Minor) -> Result<(Minor, Vec<Step>)> {
        self.earlier_lines(line, Account::FundsPending, line.activity_id, like)
    }

    /// The earlier lines of the invoice on an account, of one activity or of all, and their sum.
    pub(super) fn earlier_lines(
        &mut self,
        line: &LineRow,
        account: Account,
        activity: Option<ActivityId>,
        like: Minor,
    ) -> Result<(Minor, Vec<Step>)> {
        let id = line.invoice_id.ok_or_else(|| Error::internal("waiting money without its invoice"))?;
        let before = store::list_of_invoice(self.tx, id, account, activity, line.entry_id)?;
        let mut sum = Minor::ZERO;
        let mut parts = Vec::with_capacity(before.len());
        for earlier in before {
            let explained = self.line(&earlier, None)?;
            let shown = explained.amount.amount_minor;
            sum = sum.plus(shown)?;
            // Taken away, a part has the other sign; the line that it rests on keeps its own.
            let part = if like < Minor::ZERO {
                let mut part = Step::new(shown.negated()?, line.currency, explained.text.clone());
                part.rests_on.push(explained);
                part
            } else {
                explained
            };
            parts.push(part);
        }
        Ok((sum, parts))
    }

    /// An advance: everything that still waited of the invoice.
    fn pending(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        let (waited, mut parts) = self.waiting(line, amount)?;
        // The levies on what the client will pay stay behind.
        let kept = amount.minus(rules::signed(waited, amount)?)?;
        if kept != Minor::ZERO {
            parts.push(Step::new(kept, line.currency, self.say("part", "kept_back", &[])));
        }
        let rule = self.visible(line)?.and_then(|invoice| invoice.charges.first().map(|charge| charge.rule_set));
        let rule = rule.map(|id| self.rule(id)).transpose()?;
        Ok(Found { parts, rule, ..Found::default() })
    }

    /// What a payment of the client freed: its part of what waited, or the rest with the last payment.
    fn freed(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        let (waited, parts) = self.waiting(line, amount)?;
        if rules::signed(waited, amount)? == amount {
            return Ok(Found { parts, ..Found::default() });
        }
        // What somebody else's client paid is not shown: then the part stands for itself.
        let invoice = self.visible(line)?;
        let open = match &invoice {
            Some(invoice) => store::sum_of_invoice(self.tx, invoice.row.id, Account::Receivable, line.entry_id)?,
            None => Minor::ZERO,
        };
        let paid = store::list_entry(self.tx, line.entry_id)?;
        let paid = Minor::sum(paid.iter().filter(|it| it.account == Account::Receivable).map(|it| it.amount_minor))?;
        // The levies on this very payment were taken just before, out of the same part.
        let levied = self.levied_on(line)?;
        let taken = Minor::sum(levied.iter().map(|step| step.amount.amount_minor))?;
        let base = Money { amount_minor: waited.minus(taken)?, currency: line.currency };
        let part = rules::signed(amount, amount)?.minus(taken)?;
        let number = invoice.and_then(|invoice| invoice.row.number);
        let params: Params = number.map(|number| ("document", number)).into_iter().collect();
        let mut whole = Step::new(base.amount_minor, line.currency, self.say("part", "pending", &params));
        whole.why = Some(self.say("why", "payment", &[]));
        whole.href = line.invoice_id.map(|id| format!("/v1/invoices/{id}/trace"));
        let mut share =
            Step::new(rules::signed(part, amount)?, line.currency, self.say("part", "share_of_pending", &params));
        share.calculation = rules::calculate(self.language, base, By::Weight(paid.negated()?.get(), open.get()), part);
        share.rests_on.push(whole);
        let mut parts = vec![share];
        for mut step in levied {
            step.amount.amount_minor = rules::signed(step.amount.amount_minor, amount)?;
            parts.push(step);
        }
        Ok(Found { parts, ..Found::default() })
    }

    /// What the levies on a payment took from the money of its invoice that waited.
    fn levied_on(&mut self, line: &LineRow) -> Result<Vec<Step>> {
        let Some(id) = line.invoice_id else { return Ok(Vec::new()) };
        let charges = levies::charges_on(self.tx, ChargeSource::Allocation, line.source_id)?;
        let before = store::list_of_invoice(self.tx, id, Account::FundsPending, line.activity_id, line.entry_id)?;
        let is_of_payment =
            |it: &&LineRow| it.event == Event::LevyCharged && charges.iter().any(|row| row.id.0 == it.source_id);
        before
            .iter()
            .filter(is_of_payment)
            .map(|it| {
                let explained = self.line(it, None)?;
                let mut step = Step::new(explained.amount.amount_minor, line.currency, explained.text.clone());
                step.rests_on.push(explained);
                Ok(step)
            })
            .collect()
    }

    /// The newest earlier line of the same invoice on an account.
    pub(super) fn earlier(&mut self, line: &LineRow, account: Account, why: &str) -> Result<Found> {
        let Some(id) = self.document(line)? else { return Ok(Found::default()) };
        let before = store::list_of_invoice(self.tx, id, account, None, line.entry_id)?;
        let rests_on = before.last().map(|earlier| self.line(earlier, Some(why))).transpose()?;
        Ok(Found { rests_on: rests_on.into_iter().collect(), ..Found::default() })
    }

    /// Money that was available, in the order in which it came in.
    fn spent(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        let Some(activity) = line.activity_id else { return Ok(Found::default()) };
        let spender = if line.account == Account::FundsAvailable {
            Some(line.id)
        } else {
            let lines = store::list_entry(self.tx, line.entry_id)?;
            let of_available = |it: &LineRow| it.account == Account::FundsAvailable && it.amount_minor > Minor::ZERO;
            lines.into_iter().find(of_available).map(|it| it.id)
        };
        let Some(spender) = spender else { return Ok(Found::default()) };
        let pieces = store::list_pieces(self.tx, activity, Account::FundsAvailable, Some(spender))?;
        Ok(Found {
            parts: self.pieces(pieces, "spent", Money { amount_minor: amount, currency: line.currency }, PIECES_MAX)?,
            ..Found::default()
        })
    }

    /// Debts of the activity that were settled, in the order in which they arose.
    fn settled(&mut self, line: &LineRow, amount: Minor) -> Result<Found> {
        let lines = store::list_entry(self.tx, line.entry_id)?;
        let debt = lines.iter().find(|it| it.account == Account::ActivityArrears);
        let Some((debt, activity)) = debt.and_then(|debt| Some((debt, debt.activity_id?))) else {
            return Ok(Found::default());
        };
        let pieces = store::list_pieces(self.tx, activity, Account::ActivityArrears, Some(debt.id))?;
        let of = Money { amount_minor: amount, currency: line.currency };
        Ok(Found { parts: self.pieces(pieces, "settles", of, PIECES_MAX)?, ..Found::default() })
    }

    /// Pieces of earlier lines as parts that sum to `amount`, each resting on the line that it was taken from.
    pub(super) fn pieces(
        &mut self,
        pieces: Vec<PieceRow>,
        words: &str,
        of: Money,
        named_max: usize,
    ) -> Result<Vec<Step>> {
        let Money { amount_minor: amount, currency } = of;
        let mut left = amount;
        let mut parts = Vec::new();
        let more = pieces.len().saturating_sub(named_max);
        // The newest are named; how many came before them is said in one line.
        let (earlier, named) = pieces.split_at_checked(more).unwrap_or((&[], &pieces));
        if !earlier.is_empty() {
            let sum = rules::signed(Minor::sum(earlier.iter().map(|piece| piece.amount_minor))?, amount)?;
            left = left.minus(sum)?;
            parts.push(Step::new(sum, currency, self.say("part", "earlier", &[("count", more.to_string())])));
        }
        for piece in named {
            let share = rules::signed(piece.amount_minor, amount)?;
            left = left.minus(share)?;
            let mut part = Step::new(share, currency, String::new());
            match store::find(self.tx, piece.id) {
                Ok(origin) => {
                    let event = self.event(&origin)?;
                    part.text = self.say("part", words, &[("event", event)]);
                    part.why = Some(self.say("why", if words == "settles" { "settles" } else { "spent" }, &[]));
                    part.rests_on = vec![self.line(&origin, None)?];
                }
                // A line of somebody else in a shared activity.
                Err(error) if error.code == "not_found" => part.text = self.say("part", "without_origin", &[]),
                Err(error) => return Err(error),
            }
            parts.push(part);
        }
        if left != Minor::ZERO {
            parts.push(Step::new(left, currency, self.say("part", "without_origin", &[])));
        }
        Ok(parts)
    }

    /// What is held for invoices or payouts, each with the lines that it is the sum of.
    pub(super) fn held(&mut self, pieces: Vec<PieceRow>, activity: ActivityId, limit: usize) -> Result<Vec<Step>> {
        let more = pieces.len().saturating_sub(limit);
        let (earlier, named) = pieces.split_at_checked(more).unwrap_or((&[], &pieces));
        let mut parts = Vec::new();
        for piece in named {
            let newest = store::find(self.tx, piece.id)?;
            let after = newest.entry_id.saturating_add(1);
            let mut part = Step::new(piece.amount_minor, newest.currency, String::new());
            if let (Account::FundsPending, Some(id)) = (newest.account, newest.invoice_id) {
                let number = self.visible(&newest)?.and_then(|invoice| invoice.row.number);
                let params: Params = number.map(|number| ("document", number)).into_iter().collect();
                part.text = self.say("part", "pending", &params);
                part.href = Some(format!("/v1/invoices/{id}/trace"));
                for line in store::list_of_invoice(self.tx, id, newest.account, Some(activity), after)? {
                    part.parts.push(self.line(&line, None)?);
                }
            } else {
                part.text = self.event(&newest)?;
                part.rests_on.push(self.line(&newest, None)?);
            }
            parts.push(part);
        }
        if let Some(currency) = parts.first().map(|part| part.amount.currency).filter(|_| !earlier.is_empty()) {
            let sum = Minor::sum(earlier.iter().map(|piece| piece.amount_minor))?;
            parts.insert(0, Step::new(sum, currency, self.say("part", "earlier", &[("count", more.to_string())])));
        }
        Ok(parts)
    }

    /// What was set aside when the payout was asked for.
    fn reserved(&mut self, line: &LineRow) -> Result<Found> {
        let set_aside = store::list_of_source(self.tx, &line.source_kind, line.source_id, Account::FundsReserved)?;
        let first = set_aside.into_iter().find(|it| it.event == Event::PayoutReserved);
        let rests_on = first.map(|first| self.line(&first, Some("reserved"))).transpose()?;
        Ok(Found { rests_on: rests_on.into_iter().collect(), ..Found::default() })
    }

    /// What the bank's statement says: about an invoice, the receivable that it pays.
    fn bank(&mut self, line: &LineRow) -> Result<Found> {
        self.earlier(line, Account::Receivable, "bank")
    }
}

/// Where an invoice is.
fn address_of(invoice: &Invoice) -> String {
    format!("/v1/invoices/{}", invoice.row.id)
}

/// The fact behind a line.
fn source(line: &LineRow) -> Result<Option<Source>> {
    match Source::read(&line.source_kind, line.source_id) {
        Some(source) => Ok(Some(source)),
        None => Err(Error::internal(format!("a source of kind {}", line.source_kind))),
    }
}

/// Where the fact behind an entry can be read, if it has an address of its own. A new kind of fact does not compile
/// until it is placed here.
fn address(source: Source, line: &LineRow) -> Option<String> {
    let of_invoice = || line.invoice_id.map(|id| format!("/v1/invoices/{id}"));
    match source {
        Source::Share(id) => Some(format!("/v1/shares/{id}")),
        Source::WriteOff(id) => Some(format!("/v1/write_offs/{id}")),
        Source::Transfer(id) => Some(format!("/v1/transfers/{id}")),
        Source::Invoice(id) if line.event == Event::CreditNoteIssued => Some(format!("/v1/credit_notes/{id}")),
        Source::Invoice(id) => Some(format!("/v1/invoices/{id}")),
        Source::Payout(id) => Some(format!("/v1/payouts/{id}")),
        Source::ClientCredit(id) => Some(format!("/v1/client_credits/{id}")),
        Source::ClientRefund(id) => Some(format!("/v1/client_refunds/{id}")),
        Source::Remittance(id) => Some(format!("/v1/remittances/{id}")),
        Source::BankCharge(id) => Some(format!("/v1/bank_charges/{id}")),
        Source::Advance(_)
        | Source::Allocation(_)
        | Source::Draw(_)
        | Source::Recovery(_)
        | Source::ExchangeDifference(_)
        | Source::ContributionReturn(_) => of_invoice(),
        Source::CostCredit(id) => Some(format!("/v1/cost_credits/{id}")),
        Source::Statement(id) => Some(format!("/v1/bank_statements/{id}")),
        Source::BankLine(id) => Some(format!("/v1/bank_lines/{id}")),
        Source::Cost(id) => Some(format!("/v1/costs/{id}")),
        Source::PoolRun(id) => Some(format!("/v1/pool_runs/{id}")),
        Source::LevyCharge(id) => Some(format!("/v1/levy_charges/{id}")),
        Source::ArrearsSettlement(_) => line.activity_id.map(|id| format!("/v1/activities/{id}")),
        Source::Redemption(id) => Some(format!("/v1/redemptions/{id}")),
        Source::ProvisionRun(id) => Some(format!("/v1/provision_runs/{id}")),
        Source::TrueUp(id) => Some(format!("/v1/true_ups/{id}")),
        Source::TrueUpPart(_) => line.activity_id.map(|id| format!("/v1/activities/{id}")),
        Source::FiscalYear(_) | Source::ClientCreditUse(_) => None,
        Source::Appropriation(id) => Some(format!("/v1/appropriations/{id}")),
    }
}
