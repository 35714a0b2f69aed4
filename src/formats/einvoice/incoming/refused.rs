//! What an incoming invoice can be refused for.

use crate::formats::safe_xml;

/// Why a file is refused. `at` is the element, as in `InvoiceLine[3]/Price/PriceAmount` (lines counted from 1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not XML that is safe to read.
    #[error(transparent)]
    Xml(#[from] safe_xml::Refused),
    /// More lines, or rows of another list, than we read.
    #[error("the invoice has a list of more than {lines_max} lines")]
    TooManyLines {
        /// The limit.
        lines_max: usize,
    },
    /// XML, but neither UBL nor CII.
    #[error("the file is no invoice that we read: its first element is {root}")]
    NotAnInvoice {
        /// The first element.
        root: String,
    },
    /// Without it the invoice cannot be understood.
    #[error("{at} is missing")]
    Missing {
        /// The element.
        at: String,
    },
    /// Not a plain number, or out of range.
    #[error("{at}: {text} is no amount")]
    Amount {
        /// The element.
        at: String,
        /// What stands there.
        text: String,
    },
    /// Not a day of the calendar.
    #[error("{at}: {text} is no date")]
    Date {
        /// The element.
        at: String,
        /// What stands there.
        text: String,
    },
    /// A code that decides the meaning of an amount and is unknown: a currency, a VAT category, a charge indicator.
    #[error("{at}: {text} is not known")]
    Code {
        /// The element.
        at: String,
        /// What stands there.
        text: String,
    },
    /// An attachment that is not Base64.
    #[error("{at}: the attachment is not Base64")]
    Attachment {
        /// The element.
        at: String,
    },
}

impl Refused {
    /// The stable name of the refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Xml(safe_xml::Refused::TooLarge { .. }) => "einvoice_too_large",
            Self::Xml(safe_xml::Refused::Encoding { .. }) => "einvoice_encoding",
            Self::Xml(safe_xml::Refused::NotXml { .. }) => "einvoice_not_xml",
            Self::Xml(safe_xml::Refused::Doctype { .. }) => "einvoice_doctype",
            Self::Xml(safe_xml::Refused::Entity { .. }) => "einvoice_entity",
            Self::Xml(safe_xml::Refused::TooDeep { .. }) => "einvoice_too_deep",
            Self::Xml(safe_xml::Refused::TooManyAttributes { .. }) => "einvoice_too_many_attributes",
            Self::Xml(safe_xml::Refused::TooManyElements { .. }) => "einvoice_too_many_elements",
            Self::TooManyLines { .. } => "einvoice_too_many_lines",
            Self::NotAnInvoice { .. } => "einvoice_not_an_invoice",
            Self::Missing { .. } => "einvoice_field_missing",
            Self::Amount { .. } => "einvoice_amount_invalid",
            Self::Date { .. } => "einvoice_date_invalid",
            Self::Code { .. } => "einvoice_code_unknown",
            Self::Attachment { .. } => "einvoice_attachment_invalid",
        }
    }
}
