//! What running a service needs: configuration, database, web, mail, time, languages.

pub mod i18n;
pub mod mail;
pub mod mail_catcher;
