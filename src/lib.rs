//! Umbel: the back office of a freelancer mutual.

pub mod formats;
pub mod kernel;
pub mod platform;
