//! What may become of a delivery, and which status of the French life cycle may follow which.

use super::access_point::Outcome;
use crate::kernel::refusal::Refusal;
use crate::named;

named! {
    /// A way to the client.
    Channel {
        /// A mail with the document attached.
        Email = "email",
        /// The Peppol network, through an access point.
        Peppol = "peppol",
        /// An approved platform of the French reform; its statuses are reported here.
        FrenchPlatform = "french_platform",
        /// Handed over or uploaded by somebody, who has a paper that proves it.
        ByHand = "by_hand",
    }
}

named! {
    /// Where a delivery stands. Whether the document is paid is another question.
    DeliveryState {
        /// Waits for its turn.
        Queued = "queued",
        /// Being handed over, or the program died while it was.
        Sending = "sending",
        /// The next server, access point or platform has it.
        Deposited = "deposited",
        /// It is with the client.
        Delivered = "delivered",
        /// It will not be taken; the reason says why.
        Refused = "refused",
        /// It was certainly not sent; it is tried again.
        Failed = "failed",
        /// It may have been sent or not: a person finds out, and nothing is sent again before.
        Unknown = "unknown",
    }
}

/// What may be done with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryCommand {
    /// A person has it sent again.
    Retry,
}

pub(super) fn may(state: DeliveryState, command: DeliveryCommand) -> Result<(), Refusal> {
    use DeliveryState::{Failed, Refused};
    let (name, allowed): (_, &[DeliveryState]) = match command {
        DeliveryCommand::Retry => ("retry", &[Failed, Refused]),
    };
    if allowed.contains(&state) {
        return Ok(());
    }
    if state == DeliveryState::Unknown {
        return Err(Refusal::state("delivery_outcome_unknown"));
    }
    Err(Refusal::state("state_conflict").with("state", state).with("command", name))
}

/// What an answer makes of a delivery; nothing when it says nothing new.
pub(super) fn answered(state: DeliveryState, outcome: Outcome) -> Option<DeliveryState> {
    use DeliveryState::{Delivered, Deposited, Failed, Queued, Refused, Sending, Unknown};
    match (state, outcome) {
        (Sending | Unknown, Outcome::Deposited) => Some(Deposited),
        (Sending | Unknown | Deposited, Outcome::Delivered) => Some(Delivered),
        (Sending | Unknown | Deposited | Delivered, Outcome::Refused) => Some(Refused),
        (Deposited | Delivered, Outcome::Deposited)
        | (Delivered, Outcome::Delivered)
        | (Queued | Refused | Failed, Outcome::Deposited | Outcome::Delivered | Outcome::Refused) => None,
    }
}

named! {
    /// A status of the life cycle of an invoice under the French reform (external specifications of the tax
    /// administration, AFNOR XP Z12-012).
    LifeCycle {
        /// Déposée.
        Deposited = "200",
        /// Émise par la plateforme.
        Issued = "201",
        /// Reçue par la plateforme.
        Received = "202",
        /// Mise à disposition.
        MadeAvailable = "203",
        /// Prise en charge.
        TakenOver = "204",
        /// Approuvée.
        Approved = "205",
        /// Approuvée partiellement.
        PartlyApproved = "206",
        /// En litige.
        Disputed = "207",
        /// Suspendue.
        Suspended = "208",
        /// Complétée.
        Completed = "209",
        /// Refusée.
        Refused = "210",
        /// Paiement transmis.
        PaymentSent = "211",
        /// Encaissée.
        Cashed = "212",
        /// Rejetée.
        Rejected = "213",
    }
}

/// Which status may follow which. Only 200, 210, 212 and 213 must be told, so the others may be passed over; 210, 212
/// and 213 are final.
#[rustfmt::skip] // a table is read as a table
const FOLLOWS: &[(LifeCycle, &[LifeCycle])] = {
    use LifeCycle::{Approved, Cashed, Completed, Deposited, Disputed, Issued, MadeAvailable, PartlyApproved, PaymentSent, Received, Refused, Rejected, Suspended, TakenOver};
    &[
        (Deposited, &[Issued, Received, MadeAvailable, TakenOver, Approved, PartlyApproved, Disputed, Suspended, Refused, PaymentSent, Cashed, Rejected]),
        (Issued, &[Received, MadeAvailable, TakenOver, Approved, PartlyApproved, Disputed, Suspended, Refused, PaymentSent, Cashed, Rejected]),
        (Received, &[MadeAvailable, TakenOver, Approved, PartlyApproved, Disputed, Suspended, Refused, PaymentSent, Cashed, Rejected]),
        (MadeAvailable, &[TakenOver, Approved, PartlyApproved, Disputed, Suspended, Refused, PaymentSent, Cashed]),
        (TakenOver, &[Approved, PartlyApproved, Disputed, Suspended, Refused, PaymentSent, Cashed]),
        (Approved, &[Disputed, PaymentSent, Cashed]),
        (PartlyApproved, &[Approved, Disputed, Suspended, Refused, PaymentSent, Cashed]),
        (Disputed, &[Approved, PartlyApproved, Suspended, Refused, PaymentSent, Cashed]),
        (Suspended, &[Completed, Refused]),
        (Completed, &[TakenOver, Approved, PartlyApproved, Disputed, Suspended, Refused, PaymentSent, Cashed]),
        (PaymentSent, &[Disputed, Cashed]),
    ]
};

impl LifeCycle {
    /// What may follow it; nothing after the final ones.
    #[must_use]
    pub fn next(self) -> &'static [Self] {
        FOLLOWS.iter().find(|(from, _)| *from == self).map_or(&[], |(_, next)| next)
    }

    /// Whether the law wants to know why.
    #[must_use]
    pub const fn needs_reason(self) -> bool {
        matches!(self, Self::PartlyApproved | Self::Disputed | Self::Suspended | Self::Refused | Self::Rejected)
    }

    /// Where it leaves the delivery.
    #[must_use]
    pub const fn state(self) -> DeliveryState {
        match self {
            Self::Deposited | Self::Issued | Self::Received => DeliveryState::Deposited,
            Self::MadeAvailable
            | Self::TakenOver
            | Self::Approved
            | Self::PartlyApproved
            | Self::Disputed
            | Self::Suspended
            | Self::Completed
            | Self::PaymentSent
            | Self::Cashed => DeliveryState::Delivered,
            Self::Refused | Self::Rejected => DeliveryState::Refused,
        }
    }
}

/// Whether a status may come next.
pub(super) fn follows(last: Option<LifeCycle>, next: LifeCycle) -> Result<(), Refusal> {
    let allowed = last.map_or(&[LifeCycle::Deposited][..], LifeCycle::next);
    if allowed.contains(&next) {
        return Ok(());
    }
    let names: Vec<&str> = allowed.iter().map(|code| code.name()).collect();
    let refusal = Refusal::state("delivery_status_order").with("code", next);
    let refusal = if let Some(last) = last { refusal.with("last", last) } else { refusal };
    Err(if names.is_empty() { refusal } else { refusal.with("allowed", names.join(", ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_never_goes_back_and_never_starts_anything() {
        use DeliveryState as S;
        assert_eq!(answered(S::Unknown, Outcome::Deposited), Some(S::Deposited));
        assert_eq!(answered(S::Delivered, Outcome::Deposited), None);
        assert_eq!(answered(S::Delivered, Outcome::Refused), Some(S::Refused));
        assert_eq!(answered(S::Refused, Outcome::Delivered), None);
        assert_eq!(answered(S::Queued, Outcome::Delivered), None);
    }

    #[test]
    fn the_life_cycle_ends_in_refused_cashed_or_rejected() {
        for code in LifeCycle::ALL {
            let is_final = matches!(code, LifeCycle::Refused | LifeCycle::Cashed | LifeCycle::Rejected);
            assert_eq!(code.next().is_empty(), is_final, "{code}");
        }
        assert!(follows(None, LifeCycle::Deposited).is_ok());
        assert_eq!(follows(None, LifeCycle::Cashed).unwrap_err().code, "delivery_status_order");
        assert!(follows(Some(LifeCycle::Suspended), LifeCycle::Approved).is_err(), "first it is completed");
        assert!(follows(Some(LifeCycle::Cashed), LifeCycle::Disputed).is_err());
    }
}
