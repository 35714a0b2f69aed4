//! The schemes that come with the program: dated data with its source, for a mutual to take over and to edit. None of
//! them is advice; each says on which day somebody should look at it again.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::typed::TypedScheme;

/// A scheme that comes with the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Its name.
    pub code: String,
    /// The country whose rules it follows.
    pub country: String,
    /// From this day on its rates hold.
    pub valid_from: NaiveDate,
    /// Where its rates come from.
    pub source: String,
    /// On this day somebody should look at it again.
    pub needs_review_on: NaiveDate,
    /// What it leaves out or only comes near to.
    pub approximates: String,
    /// The scheme.
    pub rules: TypedScheme,
}

/// The schemes that come with the program.
///
/// # Errors
/// When the shipped file cannot be read, which a test rules out.
pub fn all() -> Result<Vec<Preset>, serde_json::Error> {
    serde_json::from_str(include_str!("presets.json"))
}
