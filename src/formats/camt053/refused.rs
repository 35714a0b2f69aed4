//! What a bank file can be refused for.

use crate::kernel::money::{Currency, Minor, to_plain};

/// Why a file is refused. `at` is the element, as in `Stmt[1]/Ntry[3]/Amt` (counted from 1, elements of one name).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Larger than the limit.
    #[error("the file has {bytes} bytes, more than {bytes_max}")]
    TooLarge {
        /// Bytes of the file.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Not UTF-8, by its bytes or by its own declaration.
    #[error("the file is not UTF-8 (byte {position})")]
    Encoding {
        /// Where, in bytes.
        position: usize,
    },
    /// Not well-formed, or it ends too early.
    #[error("the file is not well-formed XML at byte {position}: {detail}")]
    NotXml {
        /// Where, in bytes.
        position: usize,
        /// What the XML reader says.
        detail: String,
    },
    /// A document type declaration, the door of entity attacks. No bank sends one.
    #[error("the file has a document type declaration (byte {position})")]
    Doctype {
        /// Where, in bytes.
        position: usize,
    },
    /// An entity other than the five of XML itself.
    #[error("the file uses an entity (byte {position})")]
    Entity {
        /// Where, in bytes.
        position: usize,
    },
    /// More elements inside one another than any statement has.
    #[error("elements are nested more than {depth_max} deep (byte {position})")]
    TooDeep {
        /// Where, in bytes.
        position: usize,
        /// The limit.
        depth_max: usize,
    },
    /// More attributes than any statement has.
    #[error("an element has more than {attributes_max} attributes (byte {position})")]
    TooManyAttributes {
        /// Where, in bytes.
        position: usize,
        /// The limit.
        attributes_max: usize,
    },
    /// More elements than we read.
    #[error("the file has more than {elements_max} elements")]
    TooManyElements {
        /// The limit.
        elements_max: usize,
    },
    /// Well-formed, but another message.
    #[error("not a camt.053 statement: {found}")]
    NotCamt053 {
        /// The element found in place of `Document/BkToCstmrStmt`.
        found: String,
    },
    /// A camt.053 without a statement.
    #[error("the file has no statement")]
    NoStatement,
    /// Something without which a statement says nothing.
    #[error("{at}: missing")]
    FieldMissing {
        /// The element.
        at: String,
    },
    /// Not an amount of its currency (`1.005` euro), negative, or out of range.
    #[error("{at}: not an amount: {text:?}")]
    AmountInvalid {
        /// The element.
        at: String,
        /// What stands there.
        text: String,
    },
    /// Neither `CRDT` nor `DBIT`.
    #[error("{at}: neither CRDT nor DBIT")]
    DirectionInvalid {
        /// The element.
        at: String,
    },
    /// Not a date.
    #[error("{at}: not a date: {text:?}")]
    DateInvalid {
        /// The element.
        at: String,
        /// What stands there.
        text: String,
    },
    /// An amount in another currency than the account's.
    #[error("{at}: {found} in a statement of {expected}")]
    CurrencyDiffers {
        /// The element.
        at: String,
        /// The currency of the account.
        expected: Currency,
        /// The currency found.
        found: Currency,
    },
    /// The transactions of a batch do not sum to its entry.
    #[error("{at}: the transactions sum to {}, the entry is {}", plain(*.parts, *.currency), plain(*.entry, *.currency))]
    BatchDoesNotAddUp {
        /// The entry.
        at: String,
        /// Its amount.
        entry: Minor,
        /// The sum of its transactions.
        parts: Minor,
        /// Of both.
        currency: Currency,
    },
    /// Opening balance plus entries is not the closing balance.
    #[error(
        "{at}: opening {} plus entries {} is not closing {}",
        plain(*.opening, *.currency), plain(*.entries, *.currency), plain(*.closing, *.currency)
    )]
    DoesNotBalance {
        /// The statement.
        at: String,
        /// The opening balance.
        opening: Minor,
        /// The sum of the booked entries.
        entries: Minor,
        /// The closing balance.
        closing: Minor,
        /// Of all three.
        currency: Currency,
    },
}

impl Refused {
    /// The stable name of the refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "statement_too_large",
            Self::Encoding { .. } => "statement_encoding",
            Self::NotXml { .. } => "statement_not_xml",
            Self::Doctype { .. } => "statement_doctype",
            Self::Entity { .. } => "statement_entity",
            Self::TooDeep { .. } => "statement_too_deep",
            Self::TooManyAttributes { .. } => "statement_too_many_attributes",
            Self::TooManyElements { .. } => "statement_too_many_elements",
            Self::NotCamt053 { .. } => "statement_not_camt053",
            Self::NoStatement => "statement_missing",
            Self::FieldMissing { .. } => "statement_field_missing",
            Self::AmountInvalid { .. } => "statement_amount_invalid",
            Self::DirectionInvalid { .. } => "statement_direction_invalid",
            Self::DateInvalid { .. } => "statement_date_invalid",
            Self::CurrencyDiffers { .. } => "statement_currency_differs",
            Self::BatchDoesNotAddUp { .. } => "statement_batch_does_not_add_up",
            Self::DoesNotBalance { .. } => "statement_does_not_balance",
        }
    }
}

fn plain(amount: Minor, currency: Currency) -> String {
    format!("{} {currency}", to_plain(amount, currency.exponent()))
}
