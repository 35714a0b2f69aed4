//! A past period of one activity played again under other rules: pure, in the order of its days, in little memory.
//! A file of its own beside the rulebook, because it decides nothing and computes much.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::collections::BTreeMap;

use chrono::NaiveDate;
use uuid::Uuid;

use super::rules::{Month, Period};
use crate::kernel::ids::PersonId;
use crate::kernel::levies::{self, Basis, Charge, Exempt, Levy, LevyBase, LevyKind, Standing, Term};
use crate::kernel::money::{Minor, MoneyError, divide_half_away, split};

/// What an activity did that a levy can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// An invoice was issued. What was booked of it is known when a credit note follows.
    Issued {
        /// The invoice.
        invoice: Uuid,
        /// What was charged, if that will be taken back.
        booked: Option<Kinds>,
    },
    /// A credit note gave a part of an invoice back.
    Credited {
        /// The invoice.
        invoice: Uuid,
        /// What was taken back: nothing or negative.
        booked: Kinds,
    },
    /// A client paid a part of an invoice.
    Collected {
        /// The invoice.
        invoice: Uuid,
        /// What was charged on the payment.
        booked: Kinds,
    },
    /// A cost lowered the margin.
    Spent,
}

/// An amount of each kind of levy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds {
    /// The mutual's fee.
    pub fee: Minor,
    /// The contribution to the guarantee fund.
    pub guarantee: Minor,
}

impl Kinds {
    const fn of(&self, kind: LevyKind) -> Minor {
        match kind {
            LevyKind::Fee => self.fee,
            LevyKind::Guarantee => self.guarantee,
        }
    }

    fn of_mut(&mut self, kind: LevyKind) -> &mut Minor {
        match kind {
            LevyKind::Fee => &mut self.fee,
            LevyKind::Guarantee => &mut self.guarantee,
        }
    }

    /// Adds an amount of a kind.
    ///
    /// # Errors
    /// Refuses a sum out of range.
    pub fn add(&mut self, kind: LevyKind, amount: Minor) -> Result<(), MoneyError> {
        let sum = self.of_mut(kind);
        *sum = sum.plus(amount)?;
        Ok(())
    }

    /// Adds another.
    ///
    /// # Errors
    /// Refuses a sum out of range.
    pub fn add_all(&mut self, other: Self) -> Result<(), MoneyError> {
        self.add(LevyKind::Fee, other.fee)?;
        self.add(LevyKind::Guarantee, other.guarantee)
    }
}

/// A deed on its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub on: NaiveDate,
    /// The net amount, never negative: the deed says whether it raises or lowers a base. Nothing for a payment.
    pub net: Minor,
    /// The same with VAT; of a payment all of it.
    pub gross: Minor,
    /// What.
    pub deed: Deed,
}

/// Something that holds for one kind of levy from a day until before another.
#[derive(Debug, Clone)]
pub struct Dated<T> {
    /// For this kind.
    pub kind: LevyKind,
    /// From this day on.
    pub from: NaiveDate,
    /// No longer on this day.
    pub until: Option<NaiveDate>,
    /// What holds.
    pub what: T,
}

impl<T> Dated<T> {
    fn holds(&self, kind: LevyKind, on: NaiveDate) -> bool {
        self.kind == kind && self.from <= on && self.until.is_none_or(|until| on < until)
    }
}

/// An activity with what is its own.
#[derive(Debug, Clone, Default)]
pub struct Personal {
    /// Levies of its own instead of those of the rules.
    pub overrides: Vec<Dated<(Uuid, Levy)>>,
    /// What it need not pay.
    pub exemptions: Vec<Dated<Exempt>>,
    /// What levies were charged on before the year of the period.
    pub before: BTreeMap<LevyKind, Minor>,
    /// The day on which it was opened.
    pub opened_on: NaiveDate,
    /// The day on which it was closed.
    pub closed_on: Option<NaiveDate>,
}

/// What is remembered of an invoice that will be credited: what it came to, and what was given back of it so far.
#[derive(Debug, Clone, Copy, Default)]
struct Credited {
    net: Minor,
    proposed: Kinds,
    booked: Kinds,
    net_back: Minor,
    proposed_back: Kinds,
    booked_back: Kinds,
}

/// What a client still owes of an invoice.
#[derive(Debug, Clone, Copy)]
struct Unpaid {
    gross: Minor,
    net: Minor,
}

impl Unpaid {
    /// The net part of a payment: by largest remainder, and the last payment takes the rest.
    fn net_part(self, paid: Minor) -> Result<Minor, MoneyError> {
        if paid >= self.gross {
            return Ok(self.net);
        }
        let weights = [paid.get().unsigned_abs(), self.gross.minus(paid)?.get().unsigned_abs()];
        Ok(split(self.net, &weights)?.first().copied().unwrap_or_default())
    }

    fn less(self, gross: Minor, net: Minor) -> Result<Self, MoneyError> {
        Ok(Self { gross: self.gross.minus(gross)?.max(Minor::ZERO), net: self.net.minus(net)?.max(Minor::ZERO) })
    }
}

/// `amount x part / whole`, rounded half away from zero; nothing of nothing.
fn share(amount: Minor, part: Minor, whole: Minor) -> Result<Minor, MoneyError> {
    if whole == Minor::ZERO {
        return Ok(Minor::ZERO);
    }
    let product = i128::from(amount.get()).checked_mul(i128::from(part.get())).ok_or(MoneyError::Overflow)?;
    divide_half_away(product, i128::from(whole.get()))
        .and_then(|units| i64::try_from(units).ok())
        .map(Minor::new)
        .ok_or(MoneyError::Overflow)
}

/// A charge whose amount is not computed from a rate.
fn given(levy: &Levy, base: Minor, amount: Minor) -> Charge {
    let basis = Basis::bare(levy.base, base, amount);
    Charge { kind: levy.kind, base, rate: None, amount, uncapped: None, basis }
}

/// One activity under the proposed rules.
pub struct Replay<'a> {
    rules: &'a [Levy],
    personal: &'a Personal,
    period: Period,
    month: Month,
    standing: BTreeMap<LevyKind, Standing>,
    charged: Kinds,
    credited: BTreeMap<Uuid, Credited>,
    follows_payments: bool,
    unpaid: BTreeMap<Uuid, Unpaid>,
    months: BTreeMap<String, Kinds>,
}

impl<'a> Replay<'a> {
    /// Begins with the year of the period, so that what runs over a year is right when the period begins within it.
    #[must_use]
    pub fn begin(rules: &'a [Levy], personal: &'a Personal, period: Period) -> Self {
        let own = personal.overrides.iter().map(|own| &own.what.1);
        let follows_payments = rules.iter().chain(own).any(|levy| levy.base == LevyBase::CollectedNet);
        let mut replay = Self {
            rules,
            personal,
            period,
            month: period.from.new_year(),
            standing: BTreeMap::new(),
            charged: Kinds::default(),
            credited: BTreeMap::new(),
            follows_payments,
            unpaid: BTreeMap::new(),
            months: BTreeMap::new(),
        };
        for kind in LevyKind::ALL {
            let lifetime_base = personal.before.get(kind).copied().unwrap_or_default();
            replay.standing.insert(*kind, Standing { lifetime_base, ..Standing::default() });
        }
        replay
    }

    /// Plays the next event; events come in the order of their days.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn play(&mut self, event: &Event) -> Result<(), MoneyError> {
        self.go_to(Month::of(event.on))?;
        let mut proposed = Kinds::default();
        for kind in LevyKind::ALL {
            let Some(term) = self.term(*kind, event.on) else { continue };
            let standing = self.standing.get(kind).copied().unwrap_or_default();
            if let Some(charge) = self.charge(&term, event, &standing)? {
                proposed.add(*kind, charge.amount)?;
                self.standing.insert(*kind, standing.after(&charge)?);
            }
        }
        self.remember(event, proposed)?;
        self.charged.add_all(proposed)?;
        self.book(proposed)
    }

    /// Closes what is left of the period. Answers what each month of it came to.
    ///
    /// # Errors
    /// Refuses amounts out of range.
    pub fn end(mut self) -> Result<BTreeMap<String, Kinds>, MoneyError> {
        self.go_to(self.period.to.next())?;
        Ok(self.months)
    }

    /// What holds for a kind on a day: as for a charge that is booked.
    fn term(&self, kind: LevyKind, on: NaiveDate) -> Option<Term> {
        let own = self.personal.overrides.iter().find(|own| own.holds(kind, on)).map(|own| &own.what);
        let of_rules = self.rules.iter().find(|levy| levy.kind == kind);
        let mut term = match own {
            Some((id, levy)) => Term { override_id: Some(*id), ..Term::plain(levy.clone()) },
            None => Term::plain(of_rules?.clone()),
        };
        let exempt = self.personal.exemptions.iter().filter(|exempt| exempt.holds(kind, on));
        term.exempt = exempt.map(|exempt| exempt.what).collect();
        Some(term)
    }

    fn charge(&self, term: &Term, event: &Event, standing: &Standing) -> Result<Option<Charge>, MoneyError> {
        let net = match (term.levy.base, event.deed) {
            (LevyBase::InvoicedNet | LevyBase::GrossMargin, Deed::Issued { .. }) => event.net,
            (LevyBase::CollectedNet, Deed::Collected { invoice, booked }) => match self.unpaid.get(&invoice) {
                Some(unpaid) => unpaid.net_part(event.gross)?,
                // Issued before what is played: it was charged then, or is charged as it was.
                None => return Ok(Some(given(&term.levy, Minor::ZERO, booked.of(term.levy.kind)))),
            },
            (LevyBase::GrossMargin, Deed::Spent) => event.net.negated()?,
            (LevyBase::InvoicedNet | LevyBase::GrossMargin, Deed::Credited { invoice, booked }) => {
                return self.reversal(term, event.net.negated()?, invoice, booked).map(Some);
            }
            _ => return Ok(None),
        };
        levies::apply(term, net, standing).map(Some)
    }

    /// A credit note takes back a share of what its invoice was charged, nothing computed anew: the share of what was
    /// booked that was taken back, or where nothing was booked, the share of the net amount. What was charged before
    /// the period stays what it was, and so does its share.
    fn reversal(&self, term: &Term, net: Minor, invoice: Uuid, booked: Kinds) -> Result<Charge, MoneyError> {
        let kind = term.levy.kind;
        let back = booked.of(kind);
        let amount = match self.credited.get(&invoice) {
            None => back,
            Some(known) => {
                let (part, whole) = if known.booked.of(kind) == Minor::ZERO {
                    (known.net_back.plus(net)?, known.net)
                } else {
                    (known.booked_back.of(kind).plus(back)?, known.booked.of(kind))
                };
                share(known.proposed.of(kind), part, whole)?.minus(known.proposed_back.of(kind))?
            }
        };
        Ok(given(&term.levy, net, amount))
    }

    fn remember(&mut self, event: &Event, proposed: Kinds) -> Result<(), MoneyError> {
        match event.deed {
            Deed::Issued { invoice, booked } => {
                if let Some(booked) = booked {
                    let known = Credited { net: event.net, proposed, booked, ..Credited::default() };
                    self.credited.insert(invoice, known);
                }
                if self.follows_payments {
                    self.unpaid.insert(invoice, Unpaid { gross: event.gross, net: event.net });
                }
            }
            Deed::Credited { invoice, booked } => {
                if let Some(known) = self.credited.get_mut(&invoice) {
                    known.net_back = known.net_back.minus(event.net)?;
                    known.proposed_back.add_all(proposed)?;
                    known.booked_back.add_all(booked)?;
                }
                self.owe_less(invoice, event.gross, Some(event.net))?;
            }
            Deed::Collected { invoice, .. } => self.owe_less(invoice, event.gross, None)?,
            Deed::Spent => {}
        }
        Ok(())
    }

    fn owe_less(&mut self, invoice: Uuid, gross: Minor, net: Option<Minor>) -> Result<(), MoneyError> {
        let Some(unpaid) = self.unpaid.get(&invoice).copied() else { return Ok(()) };
        let net = match net {
            Some(net) => net,
            None => unpaid.net_part(gross)?,
        };
        let left = unpaid.less(gross, net)?;
        if left.gross == Minor::ZERO {
            self.unpaid.remove(&invoice);
        } else {
            self.unpaid.insert(invoice, left);
        }
        Ok(())
    }

    /// Closes months until a month is open.
    fn go_to(&mut self, month: Month) -> Result<(), MoneyError> {
        while self.month < month {
            self.close()?;
            self.month = self.month.next();
            self.charged = Kinds::default();
            if self.month.is_january() {
                for standing in self.standing.values_mut() {
                    *standing = Standing { lifetime_base: standing.lifetime_base, ..Standing::default() };
                }
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), MoneyError> {
        let mut proposed = Kinds::default();
        for kind in LevyKind::ALL {
            let Some(term) = self.term(*kind, self.month.last()).filter(|term| term.levy.has_month()) else { continue };
            let Some(month) = self.presence(self.charged.of(*kind)) else { continue };
            let standing = self.standing.entry(*kind).or_default();
            for charge in levies::close(&term, &month, standing)? {
                proposed.add(*kind, charge.amount)?;
                standing.year_amount = standing.year_amount.plus(charge.amount)?;
                standing.year_uncapped = standing.year_uncapped.plus(charge.amount)?;
            }
        }
        self.book(proposed)
    }

    /// The days of the open month on which the activity was there; none when it was not open at its end.
    fn presence(&self, charged: Minor) -> Option<levies::Month> {
        let (first, last) = (self.month.first(), self.month.last());
        if self.personal.opened_on > last || self.personal.closed_on.is_some_and(|closed| closed <= last) {
            return None;
        }
        let from = first.max(self.personal.opened_on);
        let days = u32::try_from(last.signed_duration_since(from).num_days().checked_add(1)?).ok()?;
        let of_days = u32::try_from(last.signed_duration_since(first).num_days().checked_add(1)?).ok()?;
        Some(levies::Month { name: self.month.name(), days, of_days, charged })
    }

    fn book(&mut self, proposed: Kinds) -> Result<(), MoneyError> {
        if self.month < self.period.from || proposed == Kinds::default() {
            return Ok(());
        }
        self.months.entry(self.month.name()).or_default().add_all(proposed)
    }
}

/// What a member, or a month, was charged and would have been charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compared {
    /// Documents of the period.
    pub documents: i64,
    /// Their net amounts.
    pub invoiced: Minor,
    /// What was booked.
    pub booked: Kinds,
    /// What the proposed rules come to.
    pub proposed: Kinds,
}

/// What a part of the activities adds to the results: for each member and for each month.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// By member.
    pub members: BTreeMap<PersonId, Compared>,
    /// By month.
    pub months: BTreeMap<String, Compared>,
}

impl Sums {
    /// Counts a document of the period. Answers whether it was one.
    ///
    /// # Errors
    /// Refuses a sum out of range.
    pub fn note(&mut self, member: PersonId, event: &Event, period: Period) -> Result<bool, MoneyError> {
        let net = match event.deed {
            Deed::Issued { .. } => event.net,
            Deed::Credited { .. } => event.net.negated()?,
            Deed::Collected { .. } | Deed::Spent => return Ok(false),
        };
        if event.on < period.from.first() {
            return Ok(false);
        }
        let sum = self.members.entry(member).or_default();
        sum.documents = sum.documents.saturating_add(1);
        sum.invoiced = sum.invoiced.plus(net)?;
        Ok(true)
    }

    /// Adds what was booked for a member in a month.
    ///
    /// # Errors
    /// Refuses a sum out of range.
    pub fn booked(&mut self, member: PersonId, month: &str, amounts: Kinds) -> Result<(), MoneyError> {
        self.members.entry(member).or_default().booked.add_all(amounts)?;
        self.months.entry(month.to_owned()).or_default().booked.add_all(amounts)
    }

    /// Adds what a member would have been charged in a month.
    ///
    /// # Errors
    /// Refuses a sum out of range.
    pub fn proposed(&mut self, member: PersonId, month: &str, amounts: Kinds) -> Result<(), MoneyError> {
        self.members.entry(member).or_default().proposed.add_all(amounts)?;
        self.months.entry(month.to_owned()).or_default().proposed.add_all(amounts)
    }
}

#[cfg(test)]
mod tests;
