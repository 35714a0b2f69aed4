//! What comes next for a plan: its versions, the calendar, and the work it follows. A part of the desk.

use chrono::{Days, NaiveDate, NaiveTime};

use super::rules;
use super::store::{self, PlanRow, VersionRow};
use crate::charter::EntityRow;
use crate::kernel::payout_plans::{self, Calendar, CutOff, Planned, Rhythm, Smoothing, Version};
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};
use crate::{charter, invoicing};

/// Work that ended longer ago than this before the last date was paid by it.
const WORK_BACK: Days = Days::new(400);
/// The calendar is read from a little earlier: a date moves back over closed days, and its cut-off lies before it.
const CALENDAR_BACK: Days = Days::new(40);

/// A plan with all that decides its dates.
pub(super) struct Ahead {
    /// In the order in which they were decided.
    pub(super) versions: Vec<VersionRow>,
    pub(super) calendar: Calendar,
    dates: Vec<Version>,
    /// When work ended, and when it was invoiced.
    work: Vec<(NaiveDate, NaiveDate)>,
}

/// The calendar of an entity in the two years from a day.
pub(super) fn calendar(tx: &mut Tx<'_>, entity: &EntityRow, from: NaiveDate) -> Result<Calendar> {
    let from = from.checked_sub_days(CALENDAR_BACK).unwrap_or(from);
    let cut_offs = store::list_cut_offs(tx, entity.id)?.into_iter().filter_map(|row| {
        let at = NaiveTime::from_num_seconds_from_midnight_opt(u32::try_from(row.minute_of_day).ok()? * 60, 0)?;
        Some((row.valid_from, CutOff { days_before: u32::try_from(row.days_before).ok()?, at }))
    });
    let cut_offs = cut_offs.collect();
    Ok(Calendar { closed: charter::bank_holidays(tx, &entity.country, from)?, zone: entity.zone(), cut_offs })
}

impl VersionRow {
    /// How much this version pays.
    pub(super) fn pays(&self) -> payout_plans::Terms {
        let horizon = self.horizon_days.and_then(|days| u32::try_from(days).ok());
        let smoothing = self.fixed_minor.zip(self.floor_minor).zip(horizon);
        let smoothing = smoothing.map(|((amount, floor), horizon_days)| Smoothing { amount, floor, horizon_days });
        payout_plans::Terms { minimum: self.minimum_minor, smoothing }
    }
}

impl Ahead {
    pub(super) fn load(tx: &mut Tx<'_>, plan: &PlanRow) -> Result<Self> {
        let entity = charter::entity(tx, plan.entity_id)?;
        let versions = store::list_versions(tx, plan.id)?;
        let dates =
            rules::versions(&versions).ok_or_else(|| Error::internal("a version is not in the form of ours"))?;
        let since = plan.decided_through.checked_sub_days(WORK_BACK).unwrap_or(NaiveDate::MIN);
        let follows_work = dates.iter().any(|version| matches!(version.rhythm, Rhythm::AfterWork(_)));
        let work = if follows_work { invoicing::work_ends(tx, plan.activity_id, since)? } else { Vec::new() };
        Ok(Self { versions, calendar: calendar(tx, &entity, plan.decided_through)?, dates, work })
    }

    /// A plan that is only tried: one version, and the work that is known.
    pub(super) fn of(version: VersionRow, calendar: Calendar, work: Vec<(NaiveDate, NaiveDate)>) -> Option<Self> {
        let versions = vec![version];
        let dates = rules::versions(&versions)?;
        Some(Self { versions, calendar, dates, work })
    }

    /// The first date after a day, and the version that it comes from.
    pub(super) fn next(&self, after: NaiveDate) -> Option<(Planned, &VersionRow)> {
        let dated = payout_plans::next(&self.dates, after).map(|(date, _)| date);
        let date = dated.into_iter().chain(self.after_work(after)).min()?;
        let version = rules::on(&self.versions, date)?;
        Some((self.calendar.plan(date, version.on_closed)?, version))
    }

    /// The first date after a day that follows work.
    fn after_work(&self, after: NaiveDate) -> Option<NaiveDate> {
        let dates = self.dates.iter().enumerate().flat_map(|(place, version)| {
            let count = if let Rhythm::AfterWork(count) = version.rhythm { Some(count) } else { None };
            let closed = &self.calendar.closed;
            let work = self.work.iter().filter(move |_| count.is_some());
            let dates = work.filter_map(move |(ended, issued)| {
                payout_plans::after_work(*ended, *issued, count.unwrap_or_default(), closed)
            });
            dates.map(move |date| (date, place))
        });
        let holds = |(date, place): &(NaiveDate, usize)| {
            let newest = self.dates.iter().rposition(|version| version.from <= *date);
            *date > after && newest == Some(*place)
        };
        dates.filter(holds).map(|(date, _)| date).min()
    }

    /// The first open day from a day on, when work decides on it: money that came later than its date goes then.
    pub(super) fn late(&self, after: NaiveDate, today: NaiveDate) -> Option<(Planned, &VersionRow)> {
        let from = today.max(after.succ_opt()?);
        let date = self.calendar.value_date(from, payout_plans::OnClosed::After)?;
        let place = self.dates.iter().rposition(|version| version.from <= date)?;
        let follows_work = matches!(self.dates.get(place)?.rhythm, Rhythm::AfterWork(_));
        let version = self.versions.get(place).filter(|_| follows_work)?;
        Some((self.calendar.plan(date, version.on_closed)?, version))
    }

    /// Whether work decides on a day.
    pub(super) fn follows_work(&self, day: NaiveDate) -> bool {
        let newest = self.dates.iter().rfind(|version| version.from <= day);
        newest.is_some_and(|version| matches!(version.rhythm, Rhythm::AfterWork(_)))
    }

    /// The dates after a day up to another one, `most` at most.
    pub(super) fn dates(&self, after: NaiveDate, until: NaiveDate, most: usize) -> Vec<Planned> {
        let first = self.next(after).map(|(planned, _)| planned);
        std::iter::successors(first, |planned| self.next(planned.logical_on).map(|(next, _)| next))
            .take_while(|planned| planned.logical_on <= until)
            .take(most)
            .collect()
    }
}
