//! Pure values and arithmetic: no clock, no randomness, no I/O.
//!
//! Everything that decides a cent lives here and is tested here: amounts, rounding, splitting,
//! VAT, levies, pay schemes, payout plans, working days, payment references. The rest of the program loads facts, calls
//! these functions and stores what they answer.

pub mod calendar;
pub mod canonical;
pub mod exchange;
pub mod identifiers;
pub mod ids;
pub mod interest;
pub mod language;
pub mod levies;
pub mod lines;
pub mod merkle;
pub mod money;
pub mod named;
pub mod patch;
pub mod payout_plans;
pub mod peppol;
pub mod references;
pub mod refusal;
pub mod roles;
pub mod schemes;
pub mod vat;
