//! What each letter says, in the reader's notation, and made safe to stand in a line.

use super::{Letter, LetterError, Letterhead};
use crate::formats::local;
use crate::kernel::language::Language;
use crate::kernel::money::Money;
use crate::kernel::roles::Role;

/// The values of a letter by the name of their placeholder; none for what is not known.
type Facts = Vec<(&'static str, Option<String>)>;

impl Letter {
    /// The name of the letter: its section of the words, and part of the key by which it is sent once.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ConfirmEmail { .. } => "confirm_email",
            Self::ApplicationReceived => "application_received",
            Self::ApplicationInfoRequested { .. } => "application_info_requested",
            Self::ApplicationAccepted { .. } => "application_accepted",
            Self::ApplicationRejected { .. } => "application_rejected",
            Self::Welcome => "welcome",
            Self::NewDevice { .. } => "new_device",
            Self::PasswordReset { .. } => "password_reset",
            Self::PasswordChanged => "password_changed",
            Self::SecondFactorAdded => "second_factor_added",
            Self::SecondFactorRemoved => "second_factor_removed",
            Self::SecondFactorReset { .. } => "second_factor_reset",
            Self::RoleAsked { .. } => "role_asked",
            Self::RoleGranted { .. } => "role_granted",
            Self::ApprovalsExpired { .. } => "approvals_expired",
            Self::BankDetailsSet { .. } => "bank_details_set",
            Self::EmailChanged { .. } => "email_changed",
            Self::ConfirmAddress { .. } => "confirm_address",
            Self::PhoneChanged { .. } => "phone_changed",
            Self::BankChangeAsked { .. } => "bank_change_asked",
            Self::BankChangeSoon { .. } => "bank_change_soon",
            Self::BankChangeActive { .. } => "bank_change_active",
            Self::BankChangeCancelled { .. } => "bank_change_cancelled",
            Self::BankChangeRefused { .. } => "bank_change_refused",
            Self::BankDetailsWanted { .. } => "bank_details_wanted",
            Self::PayoutHeld { .. } => "payout_held",
            Self::PayoutFree { .. } => "payout_free",
            Self::OrderToClient { .. } => "order_to_client",
            Self::OrderConfirmed { .. } => "order_confirmed",
            Self::OrderDeclined { .. } => "order_declined",
            Self::OrderChangeRequested { .. } => "order_change_requested",
            Self::InvoiceToClient { .. } => "invoice_to_client",
            Self::PaymentReminder { .. } => "payment_reminder",
            Self::FormalDemand { .. } => "formal_demand",
            Self::CollectionQuestion { .. } => "collection_question",
            Self::InvoiceDisputed { .. } => "invoice_disputed",
            Self::InvoiceIssued { .. } => "invoice_issued",
            Self::InvoiceReturned { .. } => "invoice_returned",
            Self::RecurringDrafted { .. } => "recurring_drafted",
            Self::RecurringHandedIn { .. } => "recurring_handed_in",
            Self::RecurringPaused { .. } => "recurring_paused",
            Self::PlanPays { .. } => "plan_pays",
            Self::PlanPaysNothing { .. } => "plan_pays_nothing",
            Self::PlanRefused { .. } => "plan_refused",
            Self::CreditNoteToClient { .. } => "credit_note_to_client",
            Self::CreditNoteToMember { .. } => "credit_note_to_member",
            Self::AdvancePaid { .. } => "advance_paid",
            Self::ClientPaid { .. } => "client_paid",
            Self::PaymentTakenBack { .. } => "payment_taken_back",
            Self::CollectiveInvitation { .. } => "collective_invitation",
            Self::CollectiveHandOver { .. } => "collective_hand_over",
            Self::InternalInvoiceReceived { .. } => "internal_invoice_received",
            Self::InternalInvoiceWithdrawn { .. } => "internal_invoice_withdrawn",
            Self::InternalInvoicePaid { .. } => "internal_invoice_paid",
            Self::InternalInvoiceRefused { .. } => "internal_invoice_refused",
            Self::WrittenOffCovered { .. } => "written_off_covered",
            Self::WrittenOffNotCovered { .. } => "written_off_not_covered",
            Self::PayoutSent { .. } => "payout_sent",
            Self::Payslip { .. } => "payslip",
            Self::PayoutReturned { .. } => "payout_returned",
            Self::PayoutRejected { .. } => "payout_rejected",
            Self::PayoutUnconfirmed { .. } => "payout_unconfirmed",
            Self::PayoutGivenBack { .. } => "payout_given_back",
            Self::ShareEnding { .. } => "share_ending",
            Self::ShareLapsed { .. } => "share_lapsed",
            Self::ShareRedeemed { .. } => "share_redeemed",
        }
    }

    /// The letter with its link made by `make` from what stood there, so that a working link need not lie in a
    /// queue: the writer signs it at the last moment. A letter without a link is itself.
    #[must_use]
    pub fn with_link(mut self, make: impl FnOnce(&str) -> String) -> Self {
        if let Self::ConfirmEmail { link, .. }
        | Self::ConfirmAddress { link }
        | Self::PasswordReset { link }
        | Self::OrderToClient { link, .. }
        | Self::InvoiceToClient { link, .. }
        | Self::PaymentReminder { link, .. }
        | Self::FormalDemand { link, .. } = &mut self
        {
            *link = make(link);
        }
        self
    }
}

impl Letter {
    /// As [`Letter::with_link`], for the code of a notice that has one.
    #[must_use]
    pub fn with_code(mut self, make: impl FnOnce(&str) -> String) -> Self {
        if let Self::BankChangeAsked { code, .. } | Self::BankChangeSoon { code, .. } = &mut self {
            *code = make(code);
        }
        self
    }
}

/// The facts of a letter.
#[expect(clippy::too_many_lines, reason = "one row for each letter: a table is read as a table")]
pub(super) fn of(letter: &Letter, language: Language, from: &Letterhead<'_>) -> Result<Facts, LetterError> {
    let line = |text: &str| Some(one_line(text));
    let money = |amount: Money| Some(local::money(language, amount));
    let date = |on| Some(local::date(language, on));
    let mut facts = match letter {
        Letter::ApplicationReceived
        | Letter::Welcome
        | Letter::PasswordChanged
        | Letter::SecondFactorAdded
        | Letter::SecondFactorRemoved => Vec::new(),
        Letter::SecondFactorReset { when } => vec![("when", Some(local::moment(language, *when)))],
        Letter::RoleAsked { name, role, by } => vec![
            ("name", Some(without_links(name))),
            ("role", line(role_name(language, *role))),
            ("by", Some(without_links(by))),
        ],
        Letter::RoleGranted { name, role, when } => vec![
            ("name", Some(without_links(name))),
            ("role", line(role_name(language, *role))),
            ("when", Some(local::moment(language, *when))),
        ],
        Letter::ApprovalsExpired { entity, total, days } => {
            vec![("entity", line(entity)), ("total", money(*total)), ("days", Some(days.to_string()))]
        }
        Letter::ConfirmEmail { name, link } => vec![("name", line(name)), ("link", Some(web_link(link)?))],
        Letter::EmailChanged { address } => vec![("address", Some(without_links(address)))],
        Letter::PhoneChanged { ending } => vec![("ending", line(ending))],
        Letter::BankChangeAsked { last4, when, device, due, code } => vec![
            ("last4", Some(last_four(last4))),
            ("when", Some(local::moment(language, *when))),
            ("device", Some(without_links(device))),
            ("due", Some(local::moment(language, *due))),
            ("code", line(code)),
        ],
        Letter::BankChangeSoon { last4, due, code } => {
            vec![("last4", Some(last_four(last4))), ("due", Some(local::moment(language, *due))), ("code", line(code))]
        }
        Letter::BankChangeRefused { last4, reason } => {
            vec![("last4", Some(last_four(last4))), ("reason", Some(lines(reason)))]
        }
        Letter::ConfirmAddress { link } | Letter::PasswordReset { link } => vec![("link", Some(web_link(link)?))],
        Letter::ApplicationInfoRequested { message } | Letter::BankDetailsWanted { message } => {
            vec![("message", Some(lines(message)))]
        }
        Letter::ApplicationAccepted { share_amount, reference, iban } => {
            vec![("share_amount", money(*share_amount)), ("reference", line(reference)), ("iban", Some(in_fours(iban)))]
        }
        Letter::ApplicationRejected { reason } | Letter::PayoutHeld { reason } | Letter::PayoutFree { reason } => {
            vec![("reason", Some(lines(reason)))]
        }
        Letter::NewDevice { when, device } => {
            vec![("when", Some(local::moment(language, *when))), ("device", line(device))]
        }
        Letter::BankDetailsSet { last4 }
        | Letter::BankChangeActive { last4 }
        | Letter::BankChangeCancelled { last4 } => vec![("last4", Some(last_four(last4)))],
        Letter::OrderToClient { member, entity, title, total, link, valid_until } => vec![
            ("member", Some(without_links(member))),
            ("entity", line(entity)),
            ("title", Some(without_links(title))),
            ("total", money(*total)),
            ("link", Some(web_link(link)?)),
            ("valid_until", date(*valid_until)),
        ],
        Letter::OrderConfirmed { title, client, message }
        | Letter::OrderDeclined { title, client, message }
        | Letter::OrderChangeRequested { title, client, message } => {
            vec![("title", line(title)), ("client", line(client)), ("message", message.as_deref().map(lines))]
        }
        Letter::InvoiceToClient { entity, number, total, due_on, reference, iban, link } => vec![
            ("entity", line(entity)),
            ("number", line(number)),
            ("total", money(*total)),
            ("due_on", date(*due_on)),
            ("reference", line(reference)),
            ("iban", Some(in_fours(iban))),
            ("link", Some(web_link(link)?)),
        ],
        Letter::PaymentReminder { entity, number, open, cost, pay_by, due_on, days, level, reference, iban, link } => {
            vec![
                ("cost", cost.and_then(money)),
                ("free", cost.is_none().then(String::new)),
                ("pay_by", pay_by.and_then(date)),
                ("entity", line(entity)),
                ("number", line(number)),
                ("open", money(*open)),
                ("due_on", date(*due_on)),
                ("days", Some(days.to_string())),
                ("level", Some(level.to_string())),
                ("reference", line(reference)),
                ("iban", Some(in_fours(iban))),
                ("link", Some(web_link(link)?)),
            ]
        }
        Letter::FormalDemand { entity, number, open, added, total, pay_by, reference, iban, link } => vec![
            ("entity", line(entity)),
            ("number", line(number)),
            ("open", money(*open)),
            ("added", money(*added)),
            ("total", money(*total)),
            ("pay_by", date(*pay_by)),
            ("reference", line(reference)),
            ("iban", Some(in_fours(iban))),
            ("link", Some(web_link(link)?)),
        ],
        Letter::CollectionQuestion { number, client, open, silent_on } => vec![
            ("number", line(number)),
            ("client", Some(without_links(client))),
            ("open", money(*open)),
            ("silent_on", date(*silent_on)),
        ],
        Letter::InvoiceDisputed { number, client, total, reason } => vec![
            ("number", line(number)),
            ("client", Some(without_links(client))),
            ("total", money(*total)),
            ("reason", Some(lines(reason))),
        ],
        Letter::InvoiceIssued { number, total, expected_on } => {
            vec![("number", line(number)), ("total", money(*total)), ("expected_on", expected_on.and_then(date))]
        }
        Letter::InvoiceReturned { client, total, reason } => {
            vec![("client", line(client)), ("total", money(*total)), ("reason", Some(lines(reason)))]
        }
        Letter::RecurringDrafted { title, total } | Letter::RecurringHandedIn { title, total } => {
            vec![("title", line(title)), ("total", money(*total))]
        }
        Letter::RecurringPaused { title, reason } => vec![("title", line(title)), ("reason", Some(lines(reason)))],
        Letter::PlanPays { activity, amount, on } => {
            vec![("activity", line(activity)), ("amount", money(*amount)), ("on", date(*on))]
        }
        Letter::PlanPaysNothing { activity, available, least, on } => vec![
            ("activity", line(activity)),
            ("available", money(*available)),
            ("least", money(*least)),
            ("on", date(*on)),
        ],
        Letter::PlanRefused { activity, on, reason } => {
            vec![("activity", line(activity)), ("on", date(*on)), ("reason", Some(lines(reason)))]
        }
        Letter::CreditNoteToClient { entity, number, corrects, total, reason } => vec![
            ("entity", line(entity)),
            ("number", line(number)),
            ("corrects", line(corrects)),
            ("total", money(*total)),
            ("reason", Some(lines(reason))),
        ],
        Letter::CreditNoteToMember { number, corrects, total, share, reason } => vec![
            ("number", line(number)),
            ("corrects", line(corrects)),
            ("total", money(*total)),
            ("share", money(*share)),
            ("reason", Some(lines(reason))),
        ],
        Letter::AdvancePaid { number, amount }
        | Letter::ClientPaid { number, amount }
        | Letter::PaymentTakenBack { number, amount } => {
            vec![("number", line(number)), ("amount", money(*amount))]
        }
        Letter::CollectiveInvitation { inviter, collective } | Letter::CollectiveHandOver { inviter, collective } => {
            vec![("inviter", Some(without_links(inviter))), ("collective", Some(without_links(collective)))]
        }
        Letter::InternalInvoiceReceived { from, number, title, total } => vec![
            ("from", Some(without_links(from))),
            ("number", line(number)),
            ("title", Some(without_links(title))),
            ("total", money(*total)),
        ],
        Letter::InternalInvoiceWithdrawn { from, number, total }
        | Letter::InternalInvoicePaid { from, number, total } => {
            vec![("from", Some(without_links(from))), ("number", line(number)), ("total", money(*total))]
        }
        Letter::InternalInvoiceRefused { from, number, total, reason } => vec![
            ("from", Some(without_links(from))),
            ("number", line(number)),
            ("total", money(*total)),
            ("reason", Some(lines(reason))),
        ],
        Letter::WrittenOffCovered { number, client, total, waiting } => vec![
            ("number", line(number)),
            ("client", line(client)),
            ("total", money(*total)),
            ("waiting", waiting.and_then(money)),
        ],
        Letter::WrittenOffNotCovered { number, client, total, borne, reason } => vec![
            ("number", line(number)),
            ("client", line(client)),
            ("total", money(*total)),
            ("borne", money(*borne)),
            ("reason", Some(lines(reason))),
        ],
        Letter::PayoutSent { amount, last4 } | Letter::PayoutUnconfirmed { amount, last4 } => {
            vec![("amount", money(*amount)), ("last4", Some(last_four(last4)))]
        }
        Letter::Payslip { amount, on } => vec![("amount", money(*amount)), ("on", date(*on))],
        Letter::PayoutReturned { amount, reason } | Letter::PayoutRejected { amount, reason } => {
            vec![("amount", money(*amount)), ("reason", line(reason))]
        }
        Letter::PayoutGivenBack { amount } => vec![("amount", money(*amount))],
        Letter::ShareEnding { through } | Letter::ShareLapsed { through } => vec![("through", date(*through))],
        Letter::ShareRedeemed { amount, nominal, closing_on } => {
            vec![("amount", money(*amount)), ("nominal", money(*nominal)), ("closing_on", date(*closing_on))]
        }
    };
    facts.push(("mutual", line(from.mutual)));
    facts.push(("contact", line(from.contact)));
    Ok(facts)
}

/// What a role is called.
const fn role_name(language: Language, role: Role) -> &'static str {
    let names = match role {
        Role::Member => ["membre", "lid", "member", "Mitglied"],
        Role::Reviewer => ["gestionnaire de dossiers", "dossierbeheerder", "reviewer", "Sachbearbeitung"],
        Role::PayoutApprover => {
            ["approbateur de paiements", "goedkeurder van betalingen", "payout approver", "Zahlungsfreigabe"]
        }
        Role::Accountant => ["comptable", "boekhouder", "accountant", "Buchhaltung"],
        Role::Administrator => ["administrateur", "beheerder", "administrator", "Administration"],
    };
    let [fr, nl, en, de] = names;
    match language {
        Language::Fr => fr,
        Language::Nl => nl,
        Language::En => en,
        Language::De => de,
    }
}

/// Characters that end a header or turn the direction of the text around, by which a name could pose as another.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(character, '\u{2028}' | '\u{2029}')
}

/// A text as one line.
pub(super) fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|character| if is_hidden(character) { ' ' } else { character }).collect();
    plain.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A text that may have several lines.
fn lines(text: &str) -> String {
    text.trim().lines().map(one_line).collect::<Vec<_>>().join("\n")
}

/// What a member wrote, for someone who does not know us yet: mail programs turn addresses into links, so a letter
/// that is sent in our name must not carry one of another's choosing.
fn without_links(text: &str) -> String {
    let words = one_line(text);
    let is_link = |word: &&str| word.contains("://") || word.to_ascii_lowercase().starts_with("www.");
    words.split(' ').map(|word| if is_link(&word) { "…" } else { word }).collect::<Vec<_>>().join(" ")
}

/// The last four characters of an account, whatever was handed in.
fn last_four(account: &str) -> String {
    let characters: Vec<char> = account.chars().filter(char::is_ascii_alphanumeric).collect();
    characters.iter().skip(characters.len().saturating_sub(4)).collect()
}

/// An IBAN in groups of four, which no line break parts.
fn in_fours(iban: &str) -> String {
    let characters: Vec<char> = iban.chars().filter(char::is_ascii_alphanumeric).collect();
    characters.chunks(4).map(|group| group.iter().collect()).collect::<Vec<String>>().join("\u{a0}")
}

/// A link that a mail program may open.
fn web_link(link: &str) -> Result<String, LetterError> {
    let web = link.starts_with("https://") || link.starts_with("http://");
    if web && !link.chars().any(|character| character.is_whitespace() || is_hidden(character)) {
        Ok(link.to_owned())
    } else {
        Err(LetterError::Link)
    }
}
