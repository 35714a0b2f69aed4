//! Running a service: configuration, database, errors, web, mail, clock, languages.

pub mod clock;
pub mod cluster;
pub mod config;
pub mod db;
pub mod error;
pub mod faults;
pub mod i18n;
pub mod keys;
pub mod telemetry;
pub mod web;
