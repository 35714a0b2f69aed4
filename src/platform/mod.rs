//! Running a service: settings, database, errors, web, mail, clock, languages, and a PostgreSQL of our own.

pub mod clock;
pub mod cluster;
pub mod config;
pub mod db;
pub mod error;
pub mod faults;
pub mod i18n;
pub mod keys;
pub mod mail;
pub mod mail_catcher;
pub mod prepared;
pub mod telemetry;
pub mod web;
