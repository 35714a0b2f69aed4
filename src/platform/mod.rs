//! Running a service: settings, keys, the clock, logs and figures, and a PostgreSQL of our own.

pub mod clock;
pub mod cluster;
pub mod config;
pub mod keys;
pub mod telemetry;
