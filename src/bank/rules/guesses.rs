//! What money that waits may be: invoices that it could pay, with how likely and why. A guess is never acted on by
//! itself; it saves a person the search.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::Payer;
use crate::bank::store::LineRow;
use crate::kernel::ids::{ClientId, InvoiceId};
use crate::kernel::money::Minor;

/// How many guesses a person looks at.
const SHOWN: usize = 10;
/// Below this a guess is noise.
const SCORE_MIN: u8 = 30;
/// A guess is no knowledge.
const SCORE_MAX: u8 = 99;
/// Open invoices of one client among which sums are looked for; 2^12 sums at most.
const SUMMED: usize = 12;
/// What banks on the way take off a payment at most, in minor units, and as one part in this many of it.
const CHARGES_MAX: Minor = Minor::new(5_000);
const CHARGES_PART: i64 = 20;
/// Words of a name that say nothing about whose it is.
const FORMS: [&str; 14] =
    ["sprl", "srl", "bv", "bvba", "nv", "sa", "asbl", "vzw", "gmbh", "sarl", "sas", "ltd", "and", "the"];

/// Why a guess is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuessReason {
    /// The number of the invoice stands in the text.
    NumberInText,
    /// The reference is that of the invoice but for one digit.
    ReferenceNearlyRight,
    /// Exactly what is open.
    ExactAmount,
    /// Exactly what is open of several invoices of one client.
    SumOfSeveral,
    /// What is open less what banks on the way may have taken.
    AmountLessCharges,
    /// Less than what is open.
    PartOfAmount,
    /// More than what is open.
    MoreThanOpen,
    /// The account paid invoices of this client before.
    KnownAccount,
    /// The payer is called like the client.
    NameAlike,
}

impl GuessReason {
    const fn weight(self) -> u8 {
        match self {
            Self::NumberInText | Self::ReferenceNearlyRight => 45,
            Self::ExactAmount => 35,
            Self::SumOfSeveral | Self::KnownAccount => 30,
            Self::NameAlike => 20,
            Self::AmountLessCharges => 15,
            Self::PartOfAmount | Self::MoreThanOpen => 0,
        }
    }
}

/// An invoice that may be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// It.
    pub invoice: InvoiceId,
    /// Its number.
    pub number: String,
    /// Its structured reference, digits alone.
    pub reference: String,
    /// Who pays.
    pub client: ClientId,
    /// What they are called.
    pub client_name: String,
    /// Still to pay.
    pub open: Minor,
}

/// What money that waits may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// The invoices, in the order of the candidates.
    pub invoices: Vec<Candidate>,
    /// From 30 to 99; a hundred would be knowledge.
    pub score: u8,
    /// Why, the strongest reason first.
    pub why: Vec<GuessReason>,
}

/// The likeliest guesses about `waiting` of a line, the likeliest first. `candidates` are in the order in which they are
/// due; `known` are the clients that paid from this account before.
pub fn guesses(line: &LineRow, waiting: Minor, candidates: &[Candidate], known: &[ClientId]) -> Vec<Guess> {
    if waiting <= Minor::ZERO {
        return Vec::new();
    }
    let payer = words(&line.counterparty);
    let text =
        compact(&[&line.remittance, &line.structured_reference, &line.end_to_end_id].map(String::as_str).join(" "));
    let digits: String = line.structured_reference.chars().filter(char::is_ascii_digit).collect();
    let about_client = |candidate: &Candidate| {
        let mut why = Vec::new();
        if known.contains(&candidate.client) {
            why.push(GuessReason::KnownAccount);
        }
        if is_alike(&payer, &words(&candidate.client_name)) {
            why.push(GuessReason::NameAlike);
        }
        why
    };
    let mut guesses = Vec::new();
    for candidate in candidates.iter().filter(|it| it.open > Minor::ZERO) {
        let mut why = about_client(candidate);
        if names(&text, &candidate.number) {
            why.push(GuessReason::NumberInText);
        }
        if is_one_digit_off(&digits, &candidate.reference) {
            why.push(GuessReason::ReferenceNearlyRight);
        }
        why.push(amount(waiting, candidate.open));
        guesses.push(guess(vec![candidate.clone()], why));
    }
    let mut by_client: BTreeMap<ClientId, Vec<&Candidate>> = BTreeMap::new();
    for candidate in candidates.iter().filter(|it| it.open > Minor::ZERO) {
        by_client.entry(candidate.client).or_default().push(candidate);
    }
    for open in by_client.values() {
        let Some(several) = summing_to(waiting, open) else { continue };
        let mut why = several.first().map(about_client).unwrap_or_default();
        if several.iter().all(|it| names(&text, &it.number)) {
            why.push(GuessReason::NumberInText);
        }
        why.push(GuessReason::SumOfSeveral);
        guesses.push(guess(several, why));
    }
    guesses.retain(|guess| guess.score >= SCORE_MIN);
    // Stable: of two that are as likely, the one that is due first.
    guesses.sort_by_key(|guess| std::cmp::Reverse(guess.score));
    guesses.truncate(SHOWN);
    guesses
}

/// Who pays another amount than is open of `invoice`, whose reference the line carries. `open`: all that is unpaid;
/// `known`: the clients that paid from this account before.
pub fn payer(line: &LineRow, invoice: InvoiceId, open: &[Candidate], known: &[ClientId]) -> Payer {
    let Some(named) = open.iter().find(|it| it.invoice == invoice) else { return Payer::MayMeanAnother };
    let name = words(&line.counterparty);
    let is_client = known.contains(&named.client) || is_alike(&name, &words(&named.client_name));
    let others = open.iter().filter(|it| it.invoice != invoice && it.open > Minor::ZERO);
    let (theirs, elsewhere): (Vec<&Candidate>, Vec<&Candidate>) = others.partition(|it| it.client == named.client);
    let is_another_client =
        !is_client && (!known.is_empty() || elsewhere.iter().any(|it| is_alike(&name, &words(&it.client_name))));
    let amount = line.amount_minor;
    let is_exact = |it: &&Candidate| it.open == amount;
    let is_exact_elsewhere = theirs.iter().any(is_exact) || (!is_client && elsewhere.iter().any(is_exact));
    // Beyond a dozen open invoices nobody can tell what a sum is made of.
    if is_another_client || is_exact_elsewhere || theirs.len() > SUMMED || summing_to(amount, &theirs).is_some() {
        return Payer::MayMeanAnother;
    }
    Payer::Fits
}

fn guess(invoices: Vec<Candidate>, mut why: Vec<GuessReason>) -> Guess {
    let score = why.iter().fold(0_u8, |sum, why| sum.saturating_add(why.weight())).min(SCORE_MAX);
    why.sort_by_key(|why| std::cmp::Reverse(why.weight()));
    Guess { invoices, score, why }
}

fn amount(waiting: Minor, open: Minor) -> GuessReason {
    let missing = open.minus(waiting).unwrap_or_default();
    let part = open.get().checked_div(CHARGES_PART).unwrap_or_default();
    if missing == Minor::ZERO {
        GuessReason::ExactAmount
    } else if missing < Minor::ZERO {
        GuessReason::MoreThanOpen
    } else if missing <= CHARGES_MAX && missing.get() <= part {
        GuessReason::AmountLessCharges
    } else {
        GuessReason::PartOfAmount
    }
}

/// Two or more invoices that come to exactly this, as few as there can be, those that are due first preferred.
fn summing_to(waiting: Minor, open: &[&Candidate]) -> Option<Vec<Candidate>> {
    let all = open.get(..open.len().min(SUMMED))?;
    let chosen =
        |set: u32| all.iter().enumerate().filter(move |(n, _)| set.checked_shr(u32_of(*n)).unwrap_or(0) & 1 == 1);
    let sets = 1_u32.checked_shl(u32_of(all.len())).unwrap_or_default();
    let sums = |set: &u32| Minor::sum(chosen(*set).map(|(_, it)| it.open)) == Ok(waiting);
    let best = (1..sets).filter(|set| set.count_ones() > 1).filter(sums).min_by_key(|set| (set.count_ones(), *set))?;
    Some(chosen(best).map(|(_, it)| (*it).clone()).collect())
}

fn u32_of(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Letters and digits alone, in small letters.
fn compact(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a text names a number: all of it, as people write it with other signs in between.
fn names(text: &str, number: &str) -> bool {
    let number = compact(number);
    // A number of a few digits is in every text.
    number.len() >= 5 && text.contains(&number)
}

/// Whether two references of twelve digits differ in one place: a digit mistyped.
fn is_one_digit_off(given: &str, reference: &str) -> bool {
    given.len() == 12
        && reference.len() == 12
        && given.bytes().zip(reference.bytes()).filter(|(left, right)| left != right).count() == 1
}

/// The words by which a name is known.
fn words(name: &str) -> Vec<String> {
    let plain: String = unicode_normalization::UnicodeNormalization::nfd(name)
        .filter(|c| !unicode_normalization::char::is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect();
    let mut words: Vec<String> = plain
        .split_whitespace()
        .filter(|word| word.chars().count() > 1 && !FORMS.contains(word))
        .map(str::to_owned)
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// At least half of the shorter name's words are in the other, and one of them is no short one.
fn is_alike(left: &[String], right: &[String]) -> bool {
    let shared = left.iter().filter(|word| right.contains(word));
    let (count, longest) = shared.fold((0_usize, 0_usize), |(count, longest), word| {
        (count.saturating_add(1), longest.max(word.chars().count()))
    });
    longest >= 4 && count.saturating_mul(2) >= left.len().min(right.len())
}

#[cfg(test)]
#[path = "guesses_tests.rs"]
mod tests;
