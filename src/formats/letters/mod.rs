//! Mails as text and HTML with the same words, in four languages.
//!
//! The words are in one file per language, the two layouts in `letter.txt` and `letter.html`. Lines become blocks
//! before any value is put in, and the HTML layout escapes every value, so nothing that a person typed can become
//! structure. One fact stands in the subject, the date that matters comes first, then what to do or that there is
//! nothing to do. Letters about security carry no link: whoever expects them to have one is easier to deceive.

mod facts;

use std::sync::LazyLock;

use chrono::{NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

use super::layout::Layouts;
use super::texts::{self, Texts};
use crate::kernel::language::Language;
use crate::kernel::money::Money;
use crate::kernel::roles::Role;

/// The longest subject, in characters; what a phone shows is shorter still.
const SUBJECT_MAX: usize = 160;

static FR: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("fr.txt")));
static NL: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("nl.txt")));
static EN: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("en.txt")));
static DE: LazyLock<Texts> = LazyLock::new(|| Texts::parse(include_str!("de.txt")));

fn words(language: Language) -> &'static Texts {
    match language {
        Language::Fr => &FR,
        Language::Nl => &NL,
        Language::En => &EN,
        Language::De => &DE,
    }
}

/// Whom a letter is from.
#[derive(Debug, Clone, Copy)]
pub struct Letterhead<'a> {
    /// The name of the mutual.
    pub mutual: &'a str,
    /// Where questions go: an e-mail address or telephone number, shown as text.
    pub contact: &'a str,
}

/// What there is to tell. Amounts and dates are written in the reader's language; an IBAN in full is only ever the
/// mutual's own, a member's account is its last four characters.
///
/// A letter can wait in the outbox as JSON; a secret link then stands in it as a reference, see [`Letter::with_link`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are the nouns of the letter that their variant names")]
pub enum Letter {
    /// To an applicant: confirm that the address is theirs.
    ConfirmEmail { name: String, link: String },
    /// To an applicant: submitted, the office reads it.
    ApplicationReceived,
    /// To an applicant: what the office still needs.
    ApplicationInfoRequested { message: String },
    /// To an applicant: how to pay the share, into the mutual's account.
    ApplicationAccepted { share_amount: Money, reference: String, iban: String },
    /// To an applicant: no, and why.
    ApplicationRejected { reason: String },
    /// To a member: the share is paid.
    Welcome,
    /// Security, no link. `when` is in the mutual's legal zone.
    NewDevice { when: NaiveDateTime, device: String },
    /// To anyone with an account: a link that works once.
    PasswordReset { link: String },
    /// Security, no link.
    PasswordChanged,
    /// Security, no link: an authenticator was set up.
    SecondFactorAdded,
    /// Security, no link: it was taken away.
    SecondFactorRemoved,
    /// Security, no link: it will be taken away at this moment, in universal time, unless the reader objects.
    SecondFactorReset { when: NaiveDateTime },
    /// Security, no link, to an administrator: a role of the office is asked for by another one, and waits for a second.
    RoleAsked { name: String, role: Role, by: String },
    /// Security, no link, to an administrator: a role of the office counts from this moment on, in universal time.
    RoleGranted { name: String, role: Role, when: NaiveDateTime },
    /// Security, no link.
    BankDetailsSet { last4: String },
    /// Security, no link: the address of mail is another now.
    EmailChanged { address: String },
    /// To the new address: confirm that it is theirs.
    ConfirmAddress { link: String },
    /// Security, no link: the telephone number is another now.
    PhoneChanged { ending: String },
    /// Security, no link: another account is asked for; the code calls it off. Times are in the mutual's legal zone.
    BankChangeAsked { last4: String, when: NaiveDateTime, device: String, due: NaiveDateTime, code: String },
    /// Security, no link: the other account is active soon.
    BankChangeSoon { last4: String, due: NaiveDateTime, code: String },
    /// Security, no link: the other account is the one that is paid to.
    BankChangeActive { last4: String },
    /// Security, no link: the other account was called off.
    BankChangeCancelled { last4: String },
    /// Security, no link: the office turned the other account down.
    BankChangeRefused { last4: String, reason: String },
    /// Security, no link: the office asks the member to look after their bank details.
    BankDetailsWanted { message: String },
    /// To the member: a payout waits, and why.
    PayoutHeld { reason: String },
    /// To the member: it waits no longer.
    PayoutFree { reason: String },
    /// To a client: an order to confirm by link.
    OrderToClient { member: String, entity: String, title: String, total: Money, link: String, valid_until: NaiveDate },
    /// To the member: the client said yes.
    OrderConfirmed { title: String, client: String, message: Option<String> },
    /// To the member: the client said no.
    OrderDeclined { title: String, client: String, message: Option<String> },
    /// To the member: the client wants something else.
    OrderChangeRequested { title: String, client: String, message: Option<String> },
    /// To a client, with the PDF attached; the IBAN is the entity's, the link shows the invoice.
    InvoiceToClient {
        entity: String,
        number: String,
        total: Money,
        due_on: NaiveDate,
        reference: String,
        iban: String,
        link: String,
    },
    /// To a client, with the PDF attached: an invoice is late by so many days; what is open of it, and the link to it.
    PaymentReminder {
        entity: String,
        number: String,
        open: Money,
        /// What the client owes for reminders by now.
        cost: Option<Money>,
        /// The last day on which nothing is added.
        pay_by: Option<NaiveDate>,
        due_on: NaiveDate,
        days: i32,
        level: i32,
        reference: String,
        iban: String,
        link: String,
    },
    /// To a client, with the PDF attached: the last letter before the claim goes to others; what the law adds.
    FormalDemand {
        entity: String,
        number: String,
        open: Money,
        added: Money,
        total: Money,
        pay_by: NaiveDate,
        reference: String,
        iban: String,
        link: String,
    },
    /// To the member: whether a formal demand may go to the client; from a day on silence means yes.
    CollectionQuestion { number: String, client: String, open: Money, silent_on: NaiveDate },
    /// To the member: the client disputes the invoice by the link of its mail.
    InvoiceDisputed { number: String, client: String, total: Money, reason: String },
    /// To the member: numbered and sent; when the money is expected on the activity, if that can be said.
    InvoiceIssued { number: String, total: Money, expected_on: Option<NaiveDate> },
    /// To the member: a submitted invoice that the office did not issue.
    InvoiceReturned { client: String, total: Money, reason: String },
    /// To the member: an invoice that comes again is a draft now.
    RecurringDrafted { title: String, total: Money },
    /// To the member: an invoice that comes again was handed to the office.
    RecurringHandedIn { title: String, total: Money },
    /// To the member: an invoice should have come again and was refused; the series pauses.
    RecurringPaused { title: String, reason: String },
    /// To the member: their plan asked for a payout, which leaves on a day.
    PlanPays { activity: String, amount: Money, on: NaiveDate },
    /// To the member: a date of their plan passed, because less was there than the plan pays.
    PlanPaysNothing { activity: String, available: Money, least: Money, on: NaiveDate },
    /// To the member: the payout of their plan was refused.
    PlanRefused { activity: String, on: NaiveDate, reason: String },
    /// To a client, with the PDF attached: an invoice is corrected, and by how much.
    CreditNoteToClient { entity: String, number: String, corrects: String, total: Money, reason: String },
    /// To the member: their invoice was corrected; `share` is what their activity gives back.
    CreditNoteToMember { number: String, corrects: String, total: Money, share: Money, reason: String },
    /// To the member: available although the client has not paid.
    AdvancePaid { number: String, amount: Money },
    /// To the member: the client has paid.
    ClientPaid { number: String, amount: Money },
    /// To the member: a payment was not for this invoice.
    PaymentTakenBack { number: String, amount: Money },
    /// To a member: another one asks them to share a collective.
    CollectiveInvitation { inviter: String, collective: String },
    /// To a member: the manager asks them to take a collective over.
    CollectiveHandOver { inviter: String, collective: String },
    /// To a member: another one of the same legal person asks for payment.
    InternalInvoiceReceived { from: String, number: String, title: String, total: Money },
    /// To a member: what another one asked for was taken back.
    InternalInvoiceWithdrawn { from: String, number: String, total: Money },
    /// To the member: the other side accepted, and paid.
    InternalInvoicePaid { from: String, number: String, total: Money },
    /// To the member: the other side refused.
    InternalInvoiceRefused { from: String, number: String, total: Money, reason: String },
    /// To the member: the client will not pay, and the guarantee bears it; what of it still waits for the fund.
    WrittenOffCovered { number: String, client: String, total: Money, waiting: Option<Money> },
    /// To the member: the client will not pay, and what the member bears.
    WrittenOffNotCovered { number: String, client: String, total: Money, borne: Money, reason: String },
    /// To the member: on its way to the account.
    PayoutSent { amount: Money, last4: String },
    /// To the member, with the payslip attached: what was paid out.
    Payslip { amount: Money, on: NaiveDate },
    /// To the member: the bank sent it back.
    PayoutReturned { amount: Money, reason: String },
    /// To the member: the bank refused it; the money is held while the office looks.
    PayoutRejected { amount: Money, reason: String },
    /// To the member: the bank has said nothing about it for too long, and somebody asks.
    PayoutUnconfirmed { amount: Money, last4: String },
    /// To the member: it did not leave, and its money is on the activity again.
    PayoutGivenBack { amount: Money },
    /// To who sealed a batch: its approvals are too old to count.
    ApprovalsExpired { entity: String, total: Money, days: i32 },
    /// To the member: their last share ends on this day.
    ShareEnding { through: NaiveDate },
    /// To the member: no share is current any more.
    ShareLapsed { through: NaiveDate },
    /// To the member: what a share that they gave back is worth.
    ShareRedeemed { amount: Money, nominal: Money, closing_on: NaiveDate },
}

/// A written letter, ready to be put in an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// One line without control characters.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part: the same words.
    pub html: String,
}

/// A letter that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// A link that is not http or https.
    #[error("a link in a letter must be http or https")]
    Link,
    /// The layout and the facts do not fit: a bug that the tests of this room would have found.
    #[error("the letter could not be laid out")]
    Layout(#[from] minijinja::Error),
}

/// A part of a letter.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Block {
    P { text: String },
    Quote { lines: Vec<String> },
    Action { label: String, text: String },
    Facts { facts: Vec<Fact> },
}

#[derive(Debug, Serialize)]
struct Fact {
    label: String,
    value: String,
}

static LAYOUTS: LazyLock<Layouts> = LazyLock::new(|| {
    Layouts::new(&[("letter.txt", include_str!("letter.txt")), ("letter.html", include_str!("letter.html"))])
});

/// What both layouts show.
#[derive(Debug, Serialize)]
struct Sheet<'a> {
    lang: &'static str,
    subject: &'a str,
    hello: String,
    footer: String,
    colon: &'static str,
    blocks: Vec<Block>,
}

/// Writes a letter in a language.
///
/// # Errors
/// Refuses a link that is neither http nor https.
pub fn write(letter: &Letter, language: Language, from: &Letterhead<'_>) -> Result<Mail, LetterError> {
    let facts = facts::of(letter, language, from)?;
    let value = |name: &str| facts.iter().find(|fact| fact.0 == name).and_then(|fact| fact.1.clone());
    let words = words(language);
    let frame = |key| texts::fill(words.get("frame", key).unwrap_or_default(), value);
    let section = letter.name();
    let subject = texts::fill(words.get(section, "subject").unwrap_or_default(), |name| {
        value(name).map(|text| facts::one_line(&text))
    });
    let subject: String = subject.chars().take(SUBJECT_MAX).collect();
    let sheet = Sheet {
        lang: language.tag(),
        subject: &subject,
        hello: frame("hello"),
        footer: frame("footer"),
        colon: if language == Language::Fr { "\u{a0}:" } else { ":" },
        blocks: blocks(words.section(section), value),
    };
    let text = LAYOUTS.render("letter.txt", &sheet)?;
    let html = LAYOUTS.render("letter.html", &sheet)?;
    Ok(Mail { subject, text, html })
}

/// The lines of a section as blocks, each filled after it was taken apart; facts that follow each other share one.
fn blocks(lines: &[texts::Line], value: impl Fn(&str) -> Option<String>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let filled = |text: &str| texts::fill(text, &value);
    for line in lines {
        let (label, rest) = line.value.split_once(" | ").unwrap_or(("", line.value));
        let text = filled(rest);
        if text.is_empty() {
            continue;
        }
        match line.key {
            "p" => blocks.push(Block::P { text }),
            "quote" => blocks.push(Block::Quote { lines: text.lines().map(str::to_owned).collect() }),
            "action" => blocks.push(Block::Action { label: filled(label), text }),
            "fact" => {
                let fact = Fact { label: filled(label), value: text };
                if let Some(Block::Facts { facts }) = blocks.last_mut() {
                    facts.push(fact);
                } else {
                    blocks.push(Block::Facts { facts: vec![fact] });
                }
            }
            _ => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests;
