//! The port to the register of VAT numbers. A sixth kind of file: what stands behind it is outside the program.
//!
//! The European Commission's VIES answers whether a number exists and, in most countries, whose it is. Whoever asks
//! must have no transaction open: a register takes seconds, or does not answer at all.

use super::rules::VatOutcome;

/// What a register answered about a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VatAnswer {
    /// Whether it exists.
    pub outcome: VatOutcome,
    /// Whose it is, where the country tells.
    pub registered_name: Option<String>,
    /// Which register answered.
    pub source: &'static str,
    /// The register's own number of this answer: the proof.
    pub consultation: Option<String>,
}

/// A register of VAT numbers.
pub trait VatRegistry: Send + Sync {
    /// Asks about a normalised number. A register that cannot be reached is an answer too.
    fn ask(&self, vat_number: &str) -> VatAnswer;
}

/// Answers by rule, for tests and demonstrations.
///
/// A number with eight zeros in a row does not exist, one with seven nines in a row gets no answer, and every other
/// one exists and belongs to `Registered <number>`. So `BE0000000097` and `DE000000000` are unknown, and
/// `DE999999999` is not answered.
#[derive(Debug, Clone, Copy, Default)]
pub struct FixtureRegistry;

impl VatRegistry for FixtureRegistry {
    fn ask(&self, vat_number: &str) -> VatAnswer {
        let outcome = if vat_number.contains("00000000") {
            VatOutcome::Invalid
        } else if vat_number.contains("9999999") {
            VatOutcome::Unavailable
        } else {
            VatOutcome::Valid
        };
        let is_valid = outcome == VatOutcome::Valid;
        VatAnswer {
            outcome,
            registered_name: is_valid.then(|| format!("Registered {vat_number}")),
            source: "fixture",
            consultation: is_valid.then(|| format!("FIXTURE-{vat_number}")),
        }
    }
}

/// Never answers: for a service without a way to the register.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnavailableRegistry;

impl VatRegistry for UnavailableRegistry {
    fn ask(&self, _vat_number: &str) -> VatAnswer {
        VatAnswer { outcome: VatOutcome::Unavailable, registered_name: None, source: "none", consultation: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixture_knows_all_three_answers() {
        let cases = [
            ("BE0123456749", VatOutcome::Valid),
            ("BE0000000097", VatOutcome::Invalid),
            ("DE999999999", VatOutcome::Unavailable),
        ];
        for (number, expected) in cases {
            assert_eq!(crate::kernel::identifiers::vat_number(number).as_deref(), Some(number));
            let answer = FixtureRegistry.ask(number);
            assert_eq!((answer.outcome, answer.registered_name.is_some()), (expected, expected == VatOutcome::Valid));
        }
        assert_eq!(UnavailableRegistry.ask("BE0123456749").outcome, VatOutcome::Unavailable);
    }
}
