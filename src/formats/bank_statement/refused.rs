//! What a bank file can be refused for.

use crate::formats::safe_xml;
use crate::kernel::money::{Currency, Minor, to_plain};

/// Why a file is refused. `at` is the element, as in `Stmt[1]/Ntry[3]/Amt` (counted from 1, elements of one name).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not XML that is safe to read.
    #[error(transparent)]
    Xml(#[from] safe_xml::Refused),
    /// Well-formed, but another message.
    #[error("not a statement, report or notification of camt: {found}")]
    NotCamt {
        /// The element found in place of the message, as `Document/BkToCstmrStmt`.
        found: String,
    },
    /// More of something than any real file has.
    #[error("{at}: more than {max}")]
    TooMany {
        /// The element.
        at: String,
        /// How many are read.
        max: usize,
    },
    /// A file without a statement.
    #[error("the file has no statement")]
    NoStatement,
    /// A record that is none, in a file of records.
    #[error("{at}: not a record that we know: {text:?}")]
    RecordInvalid {
        /// The line and position.
        at: String,
        /// What stands there.
        text: String,
    },
    /// The file ends before it is over, or does not hold what its trailer counts.
    #[error("{at}: the file is not whole")]
    Incomplete {
        /// The line and position.
        at: String,
    },
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
            Self::Xml(safe_xml::Refused::TooLarge { .. }) => "statement_too_large",
            Self::Xml(safe_xml::Refused::Encoding { .. }) => "statement_encoding",
            Self::Xml(safe_xml::Refused::NotXml { .. }) => "statement_not_xml",
            Self::Xml(safe_xml::Refused::Doctype { .. }) => "statement_doctype",
            Self::Xml(safe_xml::Refused::Entity { .. }) => "statement_entity",
            Self::Xml(safe_xml::Refused::TooDeep { .. }) => "statement_too_deep",
            Self::Xml(safe_xml::Refused::TooManyAttributes { .. }) => "statement_too_many_attributes",
            Self::Xml(safe_xml::Refused::TooManyElements { .. }) | Self::TooMany { .. } => {
                "statement_too_many_elements"
            }
            Self::NotCamt { .. } => "statement_not_camt",
            Self::NoStatement => "statement_missing",
            Self::RecordInvalid { .. } => "statement_record_invalid",
            Self::Incomplete { .. } => "statement_incomplete",
            Self::FieldMissing { .. } => "statement_field_missing",
            Self::AmountInvalid { .. } => "statement_amount_invalid",
            Self::DirectionInvalid { .. } => "statement_direction_invalid",
            Self::DateInvalid { .. } => "statement_date_invalid",
            Self::CurrencyDiffers { .. } => "statement_currency_differs",
            Self::DoesNotBalance { .. } => "statement_does_not_balance",
        }
    }
}

fn plain(amount: Minor, currency: Currency) -> String {
    format!("{} {currency}", to_plain(amount, currency.exponent()))
}
