//! Facts in, bytes out, or back: documents and bank files. Nothing here reads a database or a clock.

pub mod invoice_pdf;
pub mod local;
pub mod pdf;
pub mod texts;
mod bank_xml;
pub mod beancount;
pub mod camt053;
#[cfg(test)]
mod golden;
pub mod hledger;
pub mod journal;
pub mod journal_csv;
pub mod pain001;
pub mod sepa_text;
