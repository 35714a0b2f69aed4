//! Tests through the door: the real service over HTTP on a real PostgreSQL, one database for each test.
//!
//! When a test ends well, the invariants of the books are checked once more: every test is also a ledger test.

mod bad_input;
mod contract;
mod described;
mod journeys;
mod permissions;
mod sessions;
mod support;
mod world;
