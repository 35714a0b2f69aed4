//! What an incoming invoice can be refused for.

/// Why a file is refused. `at` is the element, as in `InvoiceLine[3]/Price/PriceAmount` (lines counted from 1).
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
    /// A document type declaration, the door of entity attacks.
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
    /// More elements inside one another than any invoice has.
    #[error("elements are nested more than {depth_max} deep (byte {position})")]
    TooDeep {
        /// Where, in bytes.
        position: usize,
        /// The limit.
        depth_max: usize,
    },
    /// More attributes than any invoice has.
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
            Self::TooLarge { .. } => "einvoice_too_large",
            Self::Encoding { .. } => "einvoice_encoding",
            Self::NotXml { .. } => "einvoice_not_xml",
            Self::Doctype { .. } => "einvoice_doctype",
            Self::Entity { .. } => "einvoice_entity",
            Self::TooDeep { .. } => "einvoice_too_deep",
            Self::TooManyAttributes { .. } => "einvoice_too_many_attributes",
            Self::TooManyElements { .. } => "einvoice_too_many_elements",
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
