//! Facts in, bytes out, or back: documents and bank files. Nothing here reads a database or a clock.

pub mod invoice_pdf;
pub mod local;
pub mod pdf;
pub mod texts;
