//! Umbel: the back office of a freelancer mutual.

pub mod access;
pub mod archive;
pub mod formats;
pub mod guarantee;
pub mod kernel;
pub mod ledger;
pub mod outbox;
pub mod platform;
