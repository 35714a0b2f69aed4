//! A mutual at work over HTTP: what the demonstration shows, what the benchmark loads, what tests start from.
//!
//! Everything here goes through the API as its users do: administrator, reviewer, approvers, accountant, member,
//! and the client who only has a link from a mail. The bank is played by its own file format.

mod bank;
mod client;
mod factors;
mod inbox;
mod stage;

pub use bank::Bank;
pub use client::{Answer, Client, DemoError};
pub use factors::Factors;
pub use inbox::{link_in, text_of};
pub use stage::{Cast, Invoiced, MemberCast, PASSWORD, StaffCast, Stage};
