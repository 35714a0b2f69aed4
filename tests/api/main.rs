//! Tests through the door: the real service over HTTP on a real PostgreSQL, one database for each test.
//!
//! When a test ends well, the invariants of the books are checked once more: every test is also a ledger test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and so do its helpers; clippy.toml allows it only inside of #[test]"
)]

mod a_year;
mod access;
mod archive;
mod bad_input;
mod bad_requests;
#[cfg(feature = "faults")]
mod bank_attacks;
mod bank_charges;
mod bank_details;
mod bank_files;
mod bank_in;
mod batch_limits;
mod batch_model;
#[cfg(feature = "faults")]
mod batch_races;
mod batches;
mod collection;
mod collection_letters;
mod collection_taken_back;
mod collection_work;
mod collection_year;
mod collectives;
#[cfg(feature = "faults")]
mod concurrency;
mod contract;
mod contributions;
mod costs;
mod credit_notes;
mod delivery;
#[cfg(feature = "faults")]
mod delivery_races;
mod described;
mod document_life;
mod einvoice_documents;
mod einvoices;
mod evidence;
mod explain;
mod forecasts;
mod foreign;
mod ground;
mod guarantee;
mod guarantee_limits;
mod holders;
mod house;
mod internal_invoices;
mod invariants;
mod invoice_page;
mod jobs;
mod journeys;
mod ledger;
mod levies;
mod levy_terms;
mod migrations;
#[cfg(feature = "faults")]
mod mixed;
mod papers;
mod payers;
#[cfg(feature = "faults")]
mod payout_guards;
mod payout_habits;
mod payout_plans;
mod payout_results;
mod payroll;
mod permissions;
mod pool_runs;
#[cfg(feature = "faults")]
mod pooled_mix;
mod pools;
mod prepared;
mod privileges;
mod proposals;
mod remittances;
mod risk;
mod sessions;
mod shares;
mod solvency;
mod statements;
mod stories;
mod supplier_credits;
mod supplier_invoices;
mod support;
mod surplus;
mod transfers;
mod true_ups;
mod world;
