//! The lines of a claim as a table: one for the invoice, one for each segment of interest, one for each addition.

use chrono::NaiveDate;

use crate::kernel::money::Minor;

/// A line of a claim; amounts in minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRow {
    /// The number of the invoice.
    pub invoice: String,
    /// `principal`, `interest`, `compensation` or `reminder_costs`.
    pub kind: String,
    /// The first day of interest.
    pub from: Option<NaiveDate>,
    /// The last day of interest.
    pub through: Option<NaiveDate>,
    /// How many they are.
    pub days: Option<i64>,
    /// On which amount.
    pub base_minor: Option<Minor>,
    /// At which rate of a year, in parts per million.
    pub rate_ppm: Option<i64>,
    /// What it comes to.
    pub amount_minor: Minor,
}

/// Writes the table with a header row.
///
/// # Errors
/// None in practice: it is written to memory.
pub fn write(rows: &[ClaimRow]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["invoice", "kind", "from", "through", "days", "base_minor", "rate_ppm", "amount_minor"])?;
    let shown = |value: Option<String>| value.unwrap_or_default();
    for row in rows {
        writer.write_record([
            row.invoice.clone(),
            row.kind.clone(),
            shown(row.from.map(|on| on.to_string())),
            shown(row.through.map(|on| on.to_string())),
            shown(row.days.map(|days| days.to_string())),
            shown(row.base_minor.map(|base| base.get().to_string())),
            shown(row.rate_ppm.map(|rate| rate.to_string())),
            row.amount_minor.get().to_string(),
        ])?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}
