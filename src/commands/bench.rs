//! `bench`.

use std::process::ExitCode;

use umbel::platform::config::Config;

use super::Outcome;

/// Measures.
pub fn run(_config: &Config, _json: bool) -> Outcome<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
