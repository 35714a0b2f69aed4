//! Facts in, bytes out, or back: documents and bank files. Nothing here reads a database or a clock.

mod layout;
pub mod letters;
pub mod local;
pub mod pages;
pub mod texts;
