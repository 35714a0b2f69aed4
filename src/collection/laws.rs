//! What the law lets a creditor claim, and how an entity pursues its clients: dated, sourced rows, never edited.

use chrono::NaiveDate;

use super::rules::{self, Law, Step, TrackKind};
use super::store;
pub use super::store::{Citations, LawRow, RateRow, TrackRow};
use crate::charter;
use crate::kernel::identifiers;
use crate::kernel::ids::{CollectionLawId, EntityId, LateRateId, TrackId};
use crate::kernel::language::Language;
use crate::kernel::money::{Minor, Ppm};
use crate::kernel::refusal::Checks;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

/// A rate as it was published.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are those of the table")]
pub struct NewRate {
    pub id: LateRateId,
    pub country: String,
    pub track: TrackKind,
    pub valid_from: NaiveDate,
    pub rate: String,
    pub source: String,
    pub citations: Citations,
    pub needs_review_on: NaiveDate,
    pub reason: Option<String>,
}

/// What the law says beside the rate.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are those of the table")]
pub struct NewLaw {
    pub id: CollectionLawId,
    pub country: String,
    pub track: TrackKind,
    pub valid_from: NaiveDate,
    pub law: Law,
    pub source: String,
    pub citations: Citations,
    pub needs_review_on: NaiveDate,
    pub reason: Option<String>,
}

/// How an entity pursues one kind of client.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are those of the table")]
pub struct NewTrack {
    pub id: TrackId,
    pub entity: EntityId,
    pub track: TrackKind,
    pub valid_from: NaiveDate,
    pub claims_interest: bool,
    pub claims_compensation: bool,
    pub question_days: i32,
    pub wait_max_days: i32,
    pub steps: Vec<Step>,
    pub source: String,
    pub reason: Option<String>,
}

/// What every dated row must say: from where it is, and why it takes the place of another.
fn check_dated(source: &str, reason: Option<&str>, checks: &mut Checks) {
    checks.text(source, "/source", 1, 400);
    if let Some(reason) = reason {
        checks.text(reason, "/reason", 1, 500);
    }
}

/// How letters name it: in no language with an empty text.
fn check_citations(citations: &Citations, checks: &mut Checks) {
    for language in Language::ALL {
        if let Some(text) = citations.in_language(language) {
            checks.text(text, &format!("/citations/{}", language.tag()), 1, 400);
        }
    }
}

/// Enters a rate. One for the same day stays, and counts no more; the reason says why.
///
/// # Errors
/// 422 for every field that is not acceptable.
pub fn add_rate(tx: &mut Tx<'_>, new: &NewRate) -> Result<RateRow> {
    let mut checks = Checks::default();
    checks.require(identifiers::is_country(&new.country), "/country", "invalid");
    let rate = Ppm::from_fraction(&new.rate);
    checks.require(rate.is_some(), "/rate", "invalid");
    checks.require(new.needs_review_on > new.valid_from, "/needs_review_on", "out_of_range");
    check_dated(&new.source, new.reason.as_deref(), &mut checks);
    check_citations(&new.citations, &mut checks);
    checks.done()?;
    let by = tx.person()?;
    store::insert_rate(tx, new, rate.ok_or_else(|| Error::field("/rate", "invalid"))?, by)
}

/// Rates, by country and kind of debtor, the last day first.
///
/// # Errors
/// Fails with the database.
pub fn rates(tx: &mut Tx<'_>, country: Option<&str>) -> Result<Vec<RateRow>> {
    store::list_rates(tx, country)
}

/// Enters what a law says. One for the same day stays, and counts no more.
///
/// # Errors
/// 422 for every field that is not acceptable.
pub fn add_law(tx: &mut Tx<'_>, new: &NewLaw) -> Result<(LawRow, Law)> {
    let mut checks = Checks::default();
    let law = &new.law;
    checks.require(identifiers::is_country(&new.country), "/country", "invalid");
    checks.require(new.needs_review_on > new.valid_from, "/needs_review_on", "out_of_range");
    checks.require(law.grace_days <= 90, "/grace_days", "out_of_range");
    checks.require(law.post_working_days <= 10, "/post_working_days", "out_of_range");
    let begins = law.interest_starts != rules::InterestStart::Grace || law.grace_days > 0;
    checks.require(begins, "/interest_starts", "not_allowed");
    checks.require(law.reminder_cost_max.is_none_or(|most| most >= Minor::ZERO), "/reminder_cost_max", "out_of_range");
    checks.require(law.bands.len() <= 10, "/bands", "out_of_range");
    let rises = law.bands.windows(2).all(|pair| matches!(pair, [low, high] if low.above < high.above));
    let holds = law.bands.iter().all(|band| {
        let amounts = band.above >= Minor::ZERO && band.fixed >= Minor::ZERO;
        amounts && (0..=Ppm::WHOLE).contains(&band.rate.0) && band.most.is_none_or(|most| most >= band.fixed)
    });
    checks.require(rises && holds, "/bands", "invalid");
    check_dated(&new.source, new.reason.as_deref(), &mut checks);
    check_citations(&new.citations, &mut checks);
    checks.done()?;
    let by = tx.person()?;
    Ok((store::insert_law(tx, new, by)?, law.clone()))
}

/// What the laws say, with their bands.
///
/// # Errors
/// Fails with the database.
pub fn laws(tx: &mut Tx<'_>, country: Option<&str>) -> Result<Vec<(LawRow, Law)>> {
    let rows = store::list_laws(tx, country)?;
    rows.into_iter().map(|row| with_bands(tx, row)).collect()
}

fn with_bands(tx: &mut Tx<'_>, row: LawRow) -> Result<(LawRow, Law)> {
    let bands = store::bands_of(tx, row.id)?;
    let law = row.law(bands)?;
    Ok((row, law))
}

/// What the law of a country says about one kind of debtor on a day.
pub(super) fn law_on(tx: &mut Tx<'_>, country: &str, track: TrackKind, on: NaiveDate) -> Result<Option<Law>> {
    match store::law_on(tx, country, track, on)? {
        Some(row) => with_bands(tx, row).map(|(_, law)| Some(law)),
        None => Ok(None),
    }
}

/// Decides how an entity pursues one kind of client from a day on. What has begun goes on as it began.
///
/// # Errors
/// 404 for the entity; 409 `collection_law_missing`; 422 for every field that is not acceptable.
pub fn add_track(tx: &mut Tx<'_>, new: &NewTrack) -> Result<(TrackRow, Vec<Step>)> {
    let entity = charter::entity(tx, new.entity)?;
    let law = law_on(tx, &entity.country, new.track, new.valid_from)?.ok_or_else(|| {
        Error::conflict("collection_law_missing").with("country", &entity.country).with("track", new.track)
    })?;
    let mut checks = Checks::default();
    rules::check_steps(&new.steps, &law, &mut checks);
    checks.require((1..=30).contains(&new.question_days), "/question_days", "out_of_range");
    checks.require((1..=180).contains(&new.wait_max_days), "/wait_max_days", "out_of_range");
    check_dated(&new.source, new.reason.as_deref(), &mut checks);
    checks.done()?;
    let by = tx.person()?;
    Ok((store::insert_track(tx, new, by)?, new.steps.clone()))
}

/// The tracks of an entity with their steps.
///
/// # Errors
/// 404 for the entity.
pub fn tracks(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<(TrackRow, Vec<Step>)>> {
    charter::entity(tx, entity)?;
    let rows = store::list_tracks(tx, entity)?;
    rows.into_iter().map(|row| Ok((row.clone(), store::steps_of(tx, row.id)?))).collect()
}
