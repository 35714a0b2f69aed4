//! What a client must be.

crate::named! {
    /// What a client is, as far as VAT and the guarantee care.
    ClientKind {
        /// An enterprise.
        Business = "business",
        /// The state and what belongs to it.
        PublicBody = "public_body",
        /// A private person.
        Consumer = "consumer",
    }
}

crate::named! {
    /// What the VAT registry answered.
    VatOutcome {
        /// The number exists.
        Valid = "valid",
        /// It does not.
        Invalid = "invalid",
        /// The registry did not answer; nothing is known.
        Unavailable = "unavailable",
    }
}
