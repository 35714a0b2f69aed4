//! Every word of a certificate, in the four languages. Braces name what is put in.

use crate::kernel::language::Language;

/// The words of a certificate in one language.
pub(super) struct Words {
    /// What the document is.
    pub title: &'static str,
    /// Before the number of the certificate.
    pub number: &'static str,
    /// The statement itself.
    pub statement: &'static str,
    /// Of a certificate of the rest: what was given back.
    pub rest: &'static str,
    /// Holder of the shares.
    pub holder: &'static str,
    /// Their number in the register of members.
    pub member_number: &'static str,
    /// How many shares.
    pub quantity: &'static str,
    /// What one costs.
    pub nominal: &'static str,
    /// What all of them cost.
    pub amount: &'static str,
    /// When they were paid.
    pub paid_on: &'static str,
    /// What holds beside it.
    pub note: &'static str,
    /// Enterprise number.
    pub enterprise_number: &'static str,
}

/// The words of a language.
pub(super) const fn of(language: Language) -> &'static Words {
    match language {
        Language::Fr => &FR,
        Language::Nl => &NL,
        Language::En => &EN,
        Language::De => &DE,
    }
}

const FR: Words = Words {
    title: "Certificat de parts",
    number: "n°",
    statement: "{entity} certifie que {member}, membre n° {member_number}, est titulaire de {quantity} part(s) \
                nominative(s) de {nominal}, soit {amount}, entièrement libérée(s) le {paid_on}.",
    rest: "{quantity} part(s) de ce certificat ont été remboursées, la dernière fois le {given_back_on}. Il remplace les précédents.",
    holder: "Titulaire",
    member_number: "N° de membre",
    quantity: "Nombre de parts",
    nominal: "Valeur nominale",
    amount: "Montant libéré",
    paid_on: "Libéré le",
    note: "Les parts sont nominatives. Une personne a une voix, quel que soit le nombre de ses parts. Le registre des \
           parts fait foi.",
    enterprise_number: "N° d'entreprise",
};

const NL: Words = Words {
    title: "Aandelencertificaat",
    number: "nr.",
    statement: "{entity} verklaart dat {member}, lid nr. {member_number}, houder is van {quantity} aandeel/aandelen op \
                naam van {nominal}, samen {amount}, volledig volgestort op {paid_on}.",
    rest: "{quantity} aandeel/aandelen van dit certificaat werden terugbetaald, laatst op {given_back_on}. Het vervangt de vorige.",
    holder: "Houder",
    member_number: "Lidnummer",
    quantity: "Aantal aandelen",
    nominal: "Nominale waarde",
    amount: "Volgestort bedrag",
    paid_on: "Volgestort op",
    note: "De aandelen zijn op naam. Eén persoon heeft één stem, hoeveel aandelen hij ook heeft. Het register van \
           aandelen is bepalend.",
    enterprise_number: "Ondernemingsnr.",
};

const EN: Words = Words {
    title: "Share certificate",
    number: "no.",
    statement: "{entity} certifies that {member}, member no. {member_number}, holds {quantity} registered share(s) of \
                {nominal} each, {amount} in all, fully paid on {paid_on}.",
    rest: "{quantity} share(s) of this certificate were given back, the last on {given_back_on}. It takes the place of earlier ones.",
    holder: "Holder",
    member_number: "Member no.",
    quantity: "Number of shares",
    nominal: "Nominal value",
    amount: "Amount paid",
    paid_on: "Paid on",
    note: "The shares are registered. One person has one vote, whatever the number of their shares. The register of \
           shares prevails.",
    enterprise_number: "Enterprise no.",
};

const DE: Words = Words {
    title: "Anteilsurkunde",
    number: "Nr.",
    statement: "{entity} bestätigt, dass {member}, Mitglied Nr. {member_number}, {quantity} auf den Namen lautende(n) \
                Geschäftsanteil(e) zu je {nominal} hält, zusammen {amount}, voll eingezahlt am {paid_on}.",
    rest: "{quantity} Anteil(e) dieser Urkunde wurden zurückgegeben, zuletzt am {given_back_on}. Sie ersetzt die früheren.",
    holder: "Inhaber/in",
    member_number: "Mitgliedsnummer",
    quantity: "Zahl der Anteile",
    nominal: "Nennwert",
    amount: "Eingezahlt",
    paid_on: "Eingezahlt am",
    note: "Die Anteile lauten auf den Namen. Jede Person hat eine Stimme, gleich wie viele Anteile sie hält. \
           Maßgeblich ist das Anteilsregister.",
    enterprise_number: "Unternehmensnr.",
};
