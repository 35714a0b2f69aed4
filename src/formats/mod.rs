//! Facts in, bytes out, or back: documents and bank files. Nothing here reads a database or a clock.

pub mod bank_statement;
mod bank_xml;
pub mod beancount;
pub mod claim_csv;
pub mod einvoice;
pub mod evidence;
#[cfg(test)]
mod golden;
pub mod hledger;
pub mod invoice_pdf;
pub mod journal;
pub mod journal_csv;
mod layout;
pub mod letters;
pub mod local;
pub mod pages;
pub mod pain001;
pub mod pain002;
pub mod payslip;
pub mod pdf;
pub mod safe_xml;
pub mod sepa_text;
pub mod share_certificate;
pub mod solvency;
pub mod statement;
pub mod texts;
pub mod traces;
