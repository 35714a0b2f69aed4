//! Umbel: the back office of a freelancer mutual.
//!
//! Rooms in reading order: pure values in [`kernel`] and [`formats`]; running a service in [`platform`]; people,
//! work after commits, files, long work and the books in [`access`], [`outbox`], [`archive`], [`jobs`] and [`ledger`];
//! then the slices of the mutual itself, from [`charter`] to [`explain`]; on top the API, the worker and the service.

pub mod access;
pub mod accounting;
pub mod activities;
pub mod api;
pub mod archive;
pub mod bank;
pub mod bank_details;
pub mod charter;
pub mod clients;
pub mod collection;
pub mod costs;
pub mod delivery;
pub mod demo;
pub mod explain;
pub mod formats;
pub mod guarantee;
pub mod internal_invoices;
pub mod invoicing;
pub mod jobs;
pub mod kernel;
pub mod ledger;
pub mod levies;
pub mod members;
pub mod operations;
pub mod orders;
pub mod outbox;
pub mod payout_plans;
pub mod payouts;
pub mod payroll;
pub mod platform;
pub mod pools;
pub mod proposals;
pub mod recurring;
pub mod reminders;
pub mod risk;
pub mod service;
pub mod shares;
pub mod solvency;
pub mod supplier_invoices;
pub mod surplus;
pub mod transfers;
pub mod worker;
pub mod write_offs;
