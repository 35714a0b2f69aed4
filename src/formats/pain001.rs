//! The file of payouts that a bank executes: ISO 20022 `pain.001.001.09`, SEPA credit transfer.
//!
//! Rules: the ISO schema and the implementation guidelines of the European Payments Council for customer-to-bank credit
//! transfers (EPC132-08): euro only, charges shared, structured addresses, SEPA character set, identifiers without a
//! slash at either end or two in a row. What breaks a rule is refused here rather than by the bank three days later.
//!
//! Texts must already be in the SEPA set: see [`super::sepa_text::to_sepa`], whose caller records what changed. The same
//! facts give the same bytes, which is what makes a hash of them worth approving.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use iban::{Iban, IbanLike};

use super::bank_xml::BankXml;
use super::sepa_text::is_sepa;
use crate::kernel::money::{Currency, Minor, to_plain};
use crate::kernel::references::Ogm;

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09";
/// Whatever is called an identification in the schema (`Max35Text`).
const ID_LENGTH_MAX: usize = 35;
/// Names; the schema has 140, the EPC guidelines 70.
const NAME_LENGTH_MAX: usize = 70;
/// Unstructured remittance information.
const REMITTANCE_LENGTH_MAX: usize = 140;
/// 999,999,999.99 EUR, the most that one SEPA credit transfer carries.
const AMOUNT_MAX: Minor = Minor::new(99_999_999_999);

/// Everything a file of payouts says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditTransferFile {
    /// Our name for the message, unique for ever per bank; at most 35 characters.
    pub message_id: String,
    /// When the file was sealed.
    pub created_at: DateTime<Utc>,
    /// Who sends the file.
    pub initiator_name: String,
    /// Our name for the one payment block in it; comes back in statements when the bank books the batch in one line.
    pub payment_id: String,
    /// The day the bank is asked to debit.
    pub execution_on: NaiveDate,
    /// One line per file (true) or per transfer (false) on the statement.
    pub batch_booking: bool,
    /// Who pays.
    pub debtor: Party,
    /// Who is paid what, in this order.
    pub transfers: Vec<Transfer>,
}

/// A holder of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// As the account is held; at most 70 characters.
    pub name: String,
    /// Structured, as required since 15 November 2026.
    pub address: Address,
    /// The account.
    pub iban: Iban,
    /// The bank, where known; the IBAN alone suffices within SEPA.
    pub bic: Option<String>,
}

/// A structured postal address. Town and country are required.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Street without number; at most 70 characters.
    pub street: Option<String>,
    /// Number and box; at most 16 characters.
    pub building: Option<String>,
    /// At most 16 characters.
    pub post_code: Option<String>,
    /// At most 35 characters.
    pub town: String,
    /// ISO 3166, two capital letters.
    pub country: String,
}

/// One transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Comes back on both statements; unique within the file, at most 35 characters.
    pub end_to_end_id: String,
    /// Between us and our bank only.
    pub instruction_id: Option<String>,
    /// Cents of euro.
    pub amount: Minor,
    /// Who is paid.
    pub creditor: Party,
    /// What the payee reads; at most 140 characters.
    pub remittance: Option<String>,
    /// In its place the twelve digits of a Belgian structured communication.
    pub structured: Option<String>,
}

/// Why a file cannot be written. `at` is the field, as in `transfers[2].creditor.name` (counted from 0).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A file without a transfer asks for nothing.
    #[error("the file has no transfer")]
    Empty,
    /// Zero, negative, or above 999,999,999.99 EUR.
    #[error("{at}: an amount of {} EUR cannot be transferred", to_plain(*.amount, 2))]
    AmountOutOfRange {
        /// The field.
        at: String,
        /// The amount in cents.
        amount: Minor,
    },
    /// The sum does not fit an amount.
    #[error("the total of the file is out of range")]
    TotalOutOfRange,
    /// Two transfers that could not be told apart on a statement.
    #[error("{at}: {id} is already used by another transfer of the file")]
    EndToEndIdTwice {
        /// The field.
        at: String,
        /// The identifier.
        id: String,
    },
    /// A required text is empty, or a text has blanks at an end.
    #[error("{at}: the text is empty or has blanks at an end")]
    Blank {
        /// The field.
        at: String,
    },
    /// More characters than the field carries.
    #[error("{at}: more than {length_max} characters")]
    TooLong {
        /// The field.
        at: String,
        /// What it carries.
        length_max: usize,
    },
    /// A character outside the SEPA set.
    #[error("{at}: the character {character:?} is outside the SEPA set")]
    Character {
        /// The field.
        at: String,
        /// The first such character.
        character: char,
    },
    /// An identifier with a slash at an end, with two in a row, or the word that means there is none.
    #[error("{at}: not an identifier that banks carry")]
    Identifier {
        /// The field.
        at: String,
    },
    /// Not two capital letters.
    #[error("{at}: a country is two capital letters (ISO 3166)")]
    Country {
        /// The field.
        at: String,
    },
    /// Not the shape of a BIC (ISO 9362).
    #[error("{at}: not a BIC (ISO 9362)")]
    Bic {
        /// The field.
        at: String,
    },
}

impl Refused {
    /// The stable name of the refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "transfers_missing",
            Self::AmountOutOfRange { .. } => "transfer_amount_out_of_range",
            Self::TotalOutOfRange => "transfers_total_out_of_range",
            Self::EndToEndIdTwice { .. } => "transfer_end_to_end_id_twice",
            Self::Blank { .. } => "transfer_text_blank",
            Self::TooLong { .. } => "transfer_text_too_long",
            Self::Character { .. } => "transfer_text_character",
            Self::Identifier { .. } => "transfer_identifier_invalid",
            Self::Country { .. } => "transfer_country_invalid",
            Self::Bic { .. } => "transfer_bic_invalid",
        }
    }
}

/// Writes the file; count and control sum are computed here from the transfers.
///
/// # Errors
/// Refuses the first fact that a bank would, and says which field it stands in.
pub fn write(file: &CreditTransferFile) -> Result<Vec<u8>, Refused> {
    check(file)?;
    let total = Minor::sum(file.transfers.iter().map(|transfer| transfer.amount))
        .map_err(|_overflow| Refused::TotalOutOfRange)?;
    let count = file.transfers.len().to_string();
    let total = to_plain(total, Currency::EUR.exponent());
    Ok(BankXml::message(NAMESPACE, |xml| {
        xml.within("CstmrCdtTrfInitn", |xml| {
            xml.within("GrpHdr", |xml| {
                xml.leaf("MsgId", &file.message_id);
                xml.leaf("CreDtTm", &file.created_at.format("%Y-%m-%dT%H:%M:%SZ").to_string());
                xml.leaf("NbOfTxs", &count);
                xml.leaf("CtrlSum", &total);
                xml.leaf("InitgPty/Nm", &file.initiator_name);
            });
            xml.within("PmtInf", |xml| {
                write_block_head(xml, file, &count, &total);
                for transfer in &file.transfers {
                    xml.within("CdtTrfTxInf", |xml| write_transfer(xml, transfer));
                }
            });
        });
    }))
}

fn write_block_head(xml: &mut BankXml, file: &CreditTransferFile, count: &str, total: &str) {
    xml.leaf("PmtInfId", &file.payment_id);
    xml.leaf("PmtMtd", "TRF");
    xml.leaf("BtchBookg", if file.batch_booking { "true" } else { "false" });
    xml.leaf("NbOfTxs", count);
    xml.leaf("CtrlSum", total);
    xml.leaf("PmtTpInf/SvcLvl/Cd", "SEPA");
    xml.leaf("ReqdExctnDt/Dt", &file.execution_on.to_string());
    write_party(xml, "Dbtr", &file.debtor);
    xml.leaf("DbtrAcct/Id/IBAN", file.debtor.iban.electronic_str());
    // The schema wants a bank for the debtor: the guidelines name the word for "see the IBAN".
    match &file.debtor.bic {
        Some(bic) => xml.leaf("DbtrAgt/FinInstnId/BICFI", bic),
        None => xml.leaf("DbtrAgt/FinInstnId/Othr/Id", "NOTPROVIDED"),
    }
    xml.leaf("ChrgBr", "SLEV");
}

fn write_transfer(xml: &mut BankXml, transfer: &Transfer) {
    xml.within("PmtId", |xml| {
        xml.leaf_if("InstrId", transfer.instruction_id.as_deref());
        xml.leaf("EndToEndId", &transfer.end_to_end_id);
    });
    xml.within("Amt", |xml| xml.amount("InstdAmt", transfer.amount, Currency::EUR));
    xml.leaf_if("CdtrAgt/FinInstnId/BICFI", transfer.creditor.bic.as_deref());
    write_party(xml, "Cdtr", &transfer.creditor);
    xml.leaf("CdtrAcct/Id/IBAN", transfer.creditor.iban.electronic_str());
    match &transfer.structured {
        None => xml.leaf_if("RmtInf/Ustrd", transfer.remittance.as_deref()),
        Some(digits) => xml.within("RmtInf/Strd/CdtrRefInf", |xml| {
            xml.within("Tp", |xml| {
                xml.leaf("CdOrPrtry/Cd", "SCOR");
                xml.leaf("Issr", "BBA");
            });
            xml.leaf("Ref", digits);
        }),
    }
}

fn write_party(xml: &mut BankXml, element: &str, party: &Party) {
    xml.within(element, |xml| {
        xml.leaf("Nm", &party.name);
        xml.within("PstlAdr", |xml| {
            xml.leaf_if("StrtNm", party.address.street.as_deref());
            xml.leaf_if("BldgNb", party.address.building.as_deref());
            xml.leaf_if("PstCd", party.address.post_code.as_deref());
            xml.leaf("TwnNm", &party.address.town);
            xml.leaf("Ctry", &party.address.country);
        });
    });
}

fn check(file: &CreditTransferFile) -> Result<(), Refused> {
    if file.transfers.is_empty() {
        return Err(Refused::Empty);
    }
    check_id("message_id", &file.message_id)?;
    check_id("payment_id", &file.payment_id)?;
    check_text("initiator_name", &file.initiator_name, NAME_LENGTH_MAX)?;
    check_party("debtor", &file.debtor)?;
    let mut seen = BTreeSet::new();
    for (index, transfer) in file.transfers.iter().enumerate() {
        let at = |field: &str| format!("transfers[{index}].{field}");
        if transfer.amount <= Minor::ZERO || transfer.amount > AMOUNT_MAX {
            return Err(Refused::AmountOutOfRange { at: at("amount"), amount: transfer.amount });
        }
        check_id(&at("end_to_end_id"), &transfer.end_to_end_id)?;
        if !seen.insert(transfer.end_to_end_id.as_str()) {
            return Err(Refused::EndToEndIdTwice { at: at("end_to_end_id"), id: transfer.end_to_end_id.clone() });
        }
        if let Some(id) = &transfer.instruction_id {
            check_id(&at("instruction_id"), id)?;
        }
        check_party(&at("creditor"), &transfer.creditor)?;
        if let Some(remittance) = &transfer.remittance {
            check_text(&at("remittance"), remittance, REMITTANCE_LENGTH_MAX)?;
        }
        if let Some(digits) = &transfer.structured
            && Ogm::parse(digits).is_none_or(|ogm| ogm.digits() != digits)
        {
            return Err(Refused::Identifier { at: at("structured") });
        }
    }
    Ok(())
}

fn check_party(at: &str, party: &Party) -> Result<(), Refused> {
    check_text(&format!("{at}.name"), &party.name, NAME_LENGTH_MAX)?;
    let address = &party.address;
    let optional =
        [("street", &address.street, 70), ("building", &address.building, 16), ("post_code", &address.post_code, 16)];
    for (field, text, length_max) in optional {
        if let Some(text) = text {
            check_text(&format!("{at}.address.{field}"), text, length_max)?;
        }
    }
    check_text(&format!("{at}.address.town"), &address.town, 35)?;
    if address.country.len() != 2 || !address.country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(Refused::Country { at: format!("{at}.address.country") });
    }
    match &party.bic {
        Some(bic) if !is_bic(bic) => Err(Refused::Bic { at: format!("{at}.bic") }),
        Some(_) | None => Ok(()),
    }
}

fn check_text(at: &str, text: &str, length_max: usize) -> Result<(), Refused> {
    if text.is_empty() || text.trim() != text {
        return Err(Refused::Blank { at: at.to_owned() });
    }
    if let Some(character) = text.chars().find(|c| !is_sepa(*c)) {
        return Err(Refused::Character { at: at.to_owned(), character });
    }
    if text.len() > length_max {
        return Err(Refused::TooLong { at: at.to_owned(), length_max });
    }
    Ok(())
}

fn check_id(at: &str, id: &str) -> Result<(), Refused> {
    check_text(at, id, ID_LENGTH_MAX)?;
    if id.starts_with('/') || id.ends_with('/') || id.contains("//") || id == "NOTPROVIDED" {
        return Err(Refused::Identifier { at: at.to_owned() });
    }
    Ok(())
}

/// Four characters of the bank, two letters of the country, two of the place, three of the branch or none.
fn is_bic(text: &str) -> bool {
    matches!(text.len(), 8 | 11)
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && text.get(4..6).is_some_and(|country| country.bytes().all(|byte| byte.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests;
