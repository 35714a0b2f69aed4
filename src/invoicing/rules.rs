//! What may happen to an invoice, and what issuing it means.

mod credit;
mod foreign;
mod numbering;
mod parts;

use chrono::{Days, Duration, NaiveDate};
pub use credit::{Credited, Rest, RestLevy, RestLine, RestTax, Standing, Waiting, Wanted};
pub(super) use credit::{credit, levies_left, may_credit, take};
pub(super) use foreign::{DIFFERENCE_PARTS, credit_foreign, in_euro, totals as foreign_totals};
pub use numbering::Template;
pub use parts::{ByCase, Stage};
pub(super) use parts::{balance_of, label as part_label, share_of};

use super::Draft;
use super::store::{InvoiceRow, IssueContext, Open};
use crate::formats::einvoice::codes;
use crate::kernel::language::Language;
use crate::kernel::levies::Charge;
use crate::kernel::lines;
use crate::kernel::money::{Minor, MoneyError};
use crate::kernel::references::Ogm;
use crate::kernel::refusal::{Checks, Refusal};
use crate::kernel::vat::{self, Buyer, Totals};
use crate::ledger::events::{self, ClientPayment};
use crate::ledger::{Entry, Holders};
use crate::named;

named! {
    /// Where an invoice stands. Whether it is paid is another question.
    InvoiceState {
        /// Being written.
        Draft = "draft",
        /// With the office.
        Submitted = "submitted",
        /// A legal document.
        Issued = "issued",
        /// Thrown away before it was one.
        Discarded = "discarded",
    }
}

named! {
    /// What has come of an invoice.
    Settlement {
        /// Not issued: nothing is owed.
        None = "none",
        /// Nothing was paid yet.
        Open = "open",
        /// A part was paid.
        PartSettled = "part_settled",
        /// Nothing is open any more: paid, or given back.
        Settled = "settled",
        /// Nothing is open any more, because the rest was given up.
        WrittenOff = "written_off",
    }
}

/// What has come of an invoice, from what is open of it and what was taken off it without being paid.
pub(super) fn settlement(state: InvoiceState, gross: Minor, open: Open) -> Settlement {
    match state {
        InvoiceState::Issued if open.amount <= Minor::ZERO && open.written_off > Minor::ZERO => Settlement::WrittenOff,
        InvoiceState::Issued if open.amount <= Minor::ZERO => Settlement::Settled,
        InvoiceState::Issued if open.amount.plus(open.reduced) == Ok(gross) => Settlement::Open,
        InvoiceState::Issued => Settlement::PartSettled,
        InvoiceState::Draft | InvoiceState::Submitted | InvoiceState::Discarded => Settlement::None,
    }
}

/// What may be done with an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Revise,
    Submit,
    Return,
    Issue,
    Discard,
}

pub(super) fn may(state: InvoiceState, command: Command) -> Result<(), Refusal> {
    let (name, allowed) = match command {
        Command::Revise => ("revise", InvoiceState::Draft),
        Command::Submit => ("submit", InvoiceState::Draft),
        Command::Discard => ("discard", InvoiceState::Draft),
        Command::Return => ("return", InvoiceState::Submitted),
        Command::Issue => ("issue", InvoiceState::Submitted),
    };
    if state == allowed {
        return Ok(());
    }
    if state == InvoiceState::Issued {
        return Err(Refusal::state("already_issued").with("command", name));
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", name))
}

/// How far a day of work may lie in the past or the future.
const YEARS: i64 = 5;

pub(super) fn check_draft(draft: &Draft, today: NaiveDate) -> Result<(), Refusal> {
    let mut checks = Checks::default();
    checks.text(&draft.title, "/title", 1, 200);
    if let Some(reference) = &draft.buyer_reference {
        checks.text(reference, "/buyer_reference", 1, 50);
    }
    let is_near = draft.supplied_on.signed_duration_since(today).abs() <= Duration::days(366 * YEARS);
    checks.require(is_near, "/supplied_on", "out_of_range");
    checks.require(draft.stage == Stage::Single || draft.order.is_some(), "/order_id", "required");
    if let Some(order) = &draft.purchase_order {
        checks.text(order, "/purchase_order", 1, 50);
    }
    lines::check(&draft.lines, draft.currency, &mut checks);
    lines::check_adjustments(&draft.adjustments, &draft.lines, draft.currency, &mut checks);
    codes::check_units(&draft.lines, &mut checks);
    checks.done()
}

/// What issuing decides: totals, what the mutual keeps, when it is due, and the entry. All together.
#[derive(Debug, Clone)]
pub struct Issued {
    /// What the document comes to.
    pub totals: Totals,
    /// What the mutual keeps.
    pub charges: Vec<Charge>,
    /// The day of issue.
    pub issued_on: NaiveDate,
    /// The last day of payment.
    pub due_on: NaiveDate,
    /// The promised day, when the guarantee covers it.
    pub advance_due_on: Option<NaiveDate>,
    /// What is booked.
    pub entry: Entry,
}

/// What is booked when an invoice is issued: computed again, and refused where it is not what the member saw. What is in
/// another currency was compared and `converted` before.
pub(super) fn issue_totals(
    invoice: &InvoiceRow,
    context: &IssueContext,
    converted: Option<Totals>,
) -> Result<Totals, Refusal> {
    let (lines, adjustments) = lines::apart(&context.lines, invoice.currency);
    let buyer = Buyer {
        country: &context.buyer.country,
        vat_number: context.buyer.vat_number.as_deref(),
        is_consumer: context.buyer_kind == "consumer",
    };
    vat::check_cases(lines.iter().map(|line| line.vat_case), &context.seller.country, buyer)?;
    let mut checks = Checks::default();
    let needs = |case| context.terms.get(&case).is_some_and(|terms| terms.needs_justification);
    lines::check_justified(&lines, needs, &mut checks);
    checks.done()?;
    if let Some(converted) = converted {
        return Ok(converted);
    }
    let totals = lines::totals(&lines, &adjustments, &context.rates)?;
    if (totals.net, totals.tax) != (invoice.net_minor, invoice.tax_minor) {
        // The rate changed between writing and issuing: the member sees the new total first.
        return Err(Refusal::state("totals_changed").with("tax_minor", totals.tax.get()));
    }
    Ok(totals)
}

pub(super) fn issue(
    invoice: &InvoiceRow,
    context: &IssueContext,
    totals: Totals,
    charges: Vec<Charge>,
    (today, advance_due_on): (NaiveDate, Option<NaiveDate>),
) -> Result<Issued, Refusal> {
    let terms = u64::try_from(context.payment_terms_days).unwrap_or_default();
    let due_on = today.checked_add_days(Days::new(terms)).ok_or_else(|| Refusal::value("date_out_of_range"))?;
    let at = events::Booking { entity: invoice.entity_id, on: today, currency: invoice.currency };
    let facts = events::IssuedInvoice {
        invoice: invoice.id,
        activity: invoice.activity_id,
        member: invoice.member_id,
        client: invoice.client_id,
        gross: totals.gross,
        net: totals.net,
        taxes: &totals.taxes,
        charges: &charges,
    };
    let entry = events::invoice_issued(at, facts)?;
    Ok(Issued { totals, charges, issued_on: today, due_on, advance_due_on, entry })
}

/// The structured communication of a number: two digits of the year, eight of the sequence.
pub(super) fn payment_reference(year: i32, seq: i64) -> Option<Ogm> {
    let year = u64::try_from(year.checked_rem(100)?).ok()?;
    let seq = u64::try_from(seq).ok().filter(|seq| *seq < 100_000_000)?;
    Ogm::from_base(year.checked_mul(100_000_000)?.checked_add(seq)?)
}

/// What a payment of `amount` does while `open` is owed and the holders wait for their parts, of which some were taken by
/// the levies on this payment: what they held before those, and after.
pub(super) fn payment(
    amount: Minor,
    open: Minor,
    (before, holders): (&Holders, &Holders),
    is_advanced: bool,
) -> Result<ClientPayment, MoneyError> {
    let is_last = amount == open;
    if is_advanced {
        // What an advance left for the levies on payments and they did not take is freed at the end.
        let (freed, advances_closed) =
            if is_last { (holders.pending(), holders.advanced()) } else { (Vec::new(), Vec::new()) };
        return Ok(ClientPayment { amount, freed, advances_closed });
    }
    let freed = if is_last {
        holders.pending()
    } else {
        // Half away from zero, and never more than what waits: the last part frees the rest.
        let waits = before.pending_total()?;
        let rest = open.minus(amount)?;
        let weights = [amount.get().unsigned_abs(), rest.get().unsigned_abs()];
        let part = crate::kernel::money::split(waits, &weights)?.first().copied().unwrap_or_default();
        let levied = waits.minus(holders.pending_total()?)?;
        holders.divide(part.minus(levied)?.max(Minor::ZERO))?
    };
    Ok(ClientPayment { amount, freed, advances_closed: Vec::new() })
}

/// The mention of the reverse charge (Directive 2006/112/EC art. 226, 11a), in the language of the document.
#[must_use]
pub fn mention(language: Language) -> &'static str {
    match language {
        Language::Fr => "Autoliquidation : TVA due par le preneur (art. 44 et 196 de la directive 2006/112/CE).",
        Language::Nl => "Btw verlegd: btw te voldoen door de afnemer (art. 44 en 196 van richtlijn 2006/112/EG).",
        Language::En => {
            "Reverse charge: VAT to be accounted for by the customer (art. 44 and 196 of Directive 2006/112/EC)."
        }
        Language::De => "Steuerschuldnerschaft des Leistungsempfängers (Art. 44 und 196 der Richtlinie 2006/112/EG).",
    }
}

/// What a credit note of a Belgian seller must say about the VAT on it (Royal Decree no. 4, art. 4), in the language of
/// the document.
#[must_use]
pub fn vat_back_mention(language: Language) -> &'static str {
    match language {
        Language::Fr => "TVA à reverser à l’État dans la mesure où elle a été initialement déduite.",
        Language::Nl => {
            "Btw terug te storten aan de Staat in de mate waarin ze oorspronkelijk in aftrek werd gebracht."
        }
        Language::En => "VAT to be paid back to the State in so far as it was initially deducted.",
        Language::De => "MwSt. an den Staat zurückzuzahlen, soweit sie ursprünglich in Abzug gebracht wurde.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ids::{ActivityId, PersonId};
    use crate::ledger::{Held, Holding};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn freed(amount: i64, open: i64, pending: i64, advanced: Option<i64>) -> (i64, i64) {
        freed_after(amount, open, (pending, 0), advanced)
    }

    fn freed_after(amount: i64, open: i64, (pending, levied): (i64, i64), advanced: Option<i64>) -> (i64, i64) {
        let holding = Holding {
            activity_id: ActivityId(Uuid::nil()),
            member_id: PersonId(Uuid::nil()),
            pending_minor: Minor::new(pending),
            advanced_minor: Minor::new(advanced.unwrap_or_default()),
        };
        let before = Holders::new(vec![holding]);
        let after = before.less(&before.divide(Minor::new(levied)).unwrap()).unwrap();
        let paid = payment(Minor::new(amount), Minor::new(open), (&before, &after), advanced.is_some()).unwrap();
        let sum = |held: &[Held]| held.iter().map(|held| held.amount.get()).sum();
        (sum(&paid.freed), sum(&paid.advances_closed))
    }

    #[test]
    fn a_payment_frees_its_part_and_the_last_one_frees_the_rest() {
        assert_eq!(freed(121_000, 121_000, 92_500, None), (92_500, 0));
        assert_eq!(freed(60_500, 121_000, 92_500, None), (46_250, 0));
        assert_eq!(freed(1, 121_000, 92_500, None), (1, 0));
        assert_eq!(freed(121_000, 121_000, 0, Some(92_500)), (0, 92_500));
        assert_eq!(freed(60_500, 121_000, 0, Some(92_500)), (0, 0));
        // 98.00 pending of 100.00, and 5.5 % of what is collected.
        assert_eq!(freed_after(60_500, 121_000, (98_000, 2_750), None), (46_250, 0));
        assert_eq!(freed_after(60_500, 60_500, (49_000, 2_750), None), (46_250, 0));
        assert_eq!(freed_after(121_000, 121_000, (5_500, 5_500), Some(92_500)), (0, 92_500));
        assert_eq!(freed_after(121_000, 121_000, (5_500, 5_000), Some(92_500)), (500, 92_500));
    }

    #[test]
    fn an_invoice_is_issued_once_and_only_when_it_was_submitted() {
        assert!(may(InvoiceState::Submitted, Command::Issue).is_ok());
        assert_eq!(may(InvoiceState::Draft, Command::Issue).unwrap_err().code, "state_conflict");
        assert_eq!(may(InvoiceState::Issued, Command::Issue).unwrap_err().code, "already_issued");
        assert_eq!(may(InvoiceState::Issued, Command::Revise).unwrap_err().code, "already_issued");
    }

    proptest! {
        #[test]
        fn parts_free_exactly_what_was_pending(parts in proptest::collection::vec(1_i64..100_000, 1..12), share in 1_i64..=100) {
            let gross: i64 = parts.iter().sum();
            let all = gross * share / 100;
            let (mut open, mut pending) = (gross, all);
            for part in parts {
                let (now, _) = freed(part, open, pending, None);
                prop_assert!(now >= 0 && now <= pending);
                open -= part;
                pending -= now;
            }
            prop_assert_eq!(pending, 0);
        }
    }
}
