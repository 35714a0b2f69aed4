//! Umbel: the back office of a freelancer mutual.

pub mod access;
pub mod accounting;
pub mod activities;
pub mod archive;
pub mod bank;
pub mod charter;
pub mod clients;
pub mod formats;
pub mod guarantee;
pub mod invoicing;
pub mod kernel;
pub mod ledger;
pub mod members;
pub mod orders;
pub mod outbox;
pub mod payouts;
pub mod platform;
