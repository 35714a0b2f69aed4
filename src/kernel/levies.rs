//! What the mutual keeps of an invoice: its fee and the contribution to the guarantee fund.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::fmt;
use std::str::FromStr;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use serde::{Deserialize, Serialize};

use super::money::{Minor, MoneyError, Ppm};

/// What a levy is for.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    AsExpression,
    FromSqlRow,
    utoipa::ToSchema,
)]
#[diesel(sql_type = Text)]
#[serde(rename_all = "snake_case")]
pub enum LevyKind {
    /// Pays for the mutual's services.
    Fee,
    /// Feeds the guarantee fund.
    Guarantee,
}

impl LevyKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Fee, Self::Guarantee];

    /// The stored name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fee => "fee",
            Self::Guarantee => "guarantee",
        }
    }
}

impl fmt::Display for LevyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LevyKind {
    type Err = UnknownLevy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(UnknownLevy)
    }
}

/// Not a levy that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown levy")]
pub struct UnknownLevy;

impl ToSql<Text, Pg> for LevyKind {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <str as ToSql<Text, Pg>>::to_sql(self.name(), out)
    }
}

impl FromSql<Text, Pg> for LevyKind {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let text = <String as FromSql<Text, Pg>>::from_sql(value)?;
        Ok(text.parse()?)
    }
}

/// A levy of a rule set: a flat share of the net amount invoiced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levy {
    /// What it is for.
    pub kind: LevyKind,
    /// Its rate.
    pub rate: Ppm,
}

/// A levy applied to one invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// What it is for.
    pub kind: LevyKind,
    /// What it was computed on.
    pub base: Minor,
    /// At which rate.
    pub rate: Ppm,
    /// What it came to, rounded half away from zero.
    pub amount: Minor,
}

/// Applies each levy to `net`. Levies that come to nothing are left out.
///
/// # Errors
/// Refuses amounts out of range.
pub fn charge(net: Minor, levies: &[Levy]) -> Result<Vec<Charge>, MoneyError> {
    let mut charges = Vec::with_capacity(levies.len());
    for levy in levies {
        let amount = net.share(levy.rate)?;
        if amount != Minor::ZERO {
            charges.push(Charge { kind: levy.kind, base: net, rate: levy.rate, amount });
        }
    }
    Ok(charges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_leaves_nine_hundred_and_twenty_five() {
        let levies =
            [Levy { kind: LevyKind::Fee, rate: Ppm(55_000) }, Levy { kind: LevyKind::Guarantee, rate: Ppm(20_000) }];
        let charges = charge(Minor::new(100_000), &levies).unwrap();
        let amounts: Vec<i64> = charges.iter().map(|charge| charge.amount.get()).collect();
        assert_eq!(amounts, [5_500, 2_000]);
    }
}
