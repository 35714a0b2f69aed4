//! Tests through the door: the real service over HTTP on a real PostgreSQL, one database for each test.
//!
//! When a test ends well, the invariants of the books are checked once more: every test is also a ledger test.

#[cfg(feature = "faults")]

mod concurrency;
mod house;
mod invariants;
mod journeys;
mod ledger;
mod migrations;
mod privileges;
mod stories;
mod support;
