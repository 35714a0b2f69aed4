//! Every word the renderer itself prints, in the four languages.

use super::DocumentKind;
use crate::kernel::language::Language;

/// The labels of a document in one language.
pub struct Words {
    /// By kind of document, in the order of [`DocumentKind`].
    titles: [&'static str; 10],
    /// Before the number.
    pub number: &'static str,
    issued_on: &'static str,
    /// The date of a document that is no invoice.
    dated: &'static str,
    /// The invoice that is corrected; `{}` are its number and its date.
    pub(super) corrects: (&'static str, &'static str),
    /// Before the reason why it is corrected.
    pub(super) reason: &'static str,
    /// The last day to pay.
    pub due_on: &'static str,
    /// When the work was done.
    pub supplied: &'static str,
    /// The buyer's reference.
    pub buyer_reference: &'static str,
    /// The order.
    pub order_reference: &'static str,
    /// The member who did the work.
    pub member: &'static str,
    bill_to: &'static str,
    credit_to: &'static str,
    /// Above whoever gets a document that is neither.
    to: &'static str,
    /// The buyer's purchase order.
    pub purchase_order: &'static str,
    /// The last day on which a quote can be accepted.
    pub valid_until: &'static str,
    /// Where a quote is signed.
    pub agreed: &'static str,
    /// Less to pay.
    pub discount: &'static str,
    /// More to pay.
    pub charge: &'static str,
    /// The lines together, before discounts and charges of the document.
    pub lines_total: &'static str,
    /// Paid before.
    pub deposit: &'static str,
    /// What is left to pay.
    pub due: &'static str,
    /// The VAT of a document in a foreign currency.
    pub vat_in_euro: &'static str,
    /// Under the code to scan.
    pub scan: &'static str,
    /// Column of a reminder: the invoice.
    pub document: &'static str,
    /// Column of a reminder: its total.
    pub total: &'static str,
    /// Column of a reminder: what is not paid of it.
    pub open: &'static str,
    /// Enterprise number.
    pub enterprise_number: &'static str,
    /// VAT number.
    pub vat_number: &'static str,
    /// Column: what.
    pub description: &'static str,
    /// Column: how many.
    pub quantity: &'static str,
    /// Column: price of one.
    pub unit_price: &'static str,
    /// Column: VAT rate, and the VAT in the totals.
    pub vat: &'static str,
    /// Column: amount without VAT.
    pub amount: &'static str,
    /// Last row of a page that goes on.
    pub carried_forward: &'static str,
    /// First row of a page that goes on.
    pub brought_forward: &'static str,
    /// VAT summary: rate.
    pub rate: &'static str,
    /// VAT summary: taxable amount.
    pub base: &'static str,
    /// Total without VAT.
    pub net: &'static str,
    /// Total with VAT.
    pub gross: &'static str,
    /// Above the amount in the payment box.
    pub to_pay: &'static str,
    /// Between that amount and the date.
    pub by: &'static str,
    /// Holder of the account.
    pub beneficiary: &'static str,
    /// What the payer must write.
    pub reference: &'static str,
    page: (&'static str, &'static str),
    /// From `{}` to `{}`.
    pub(super) period: &'static str,
    hour: [&'static str; 2],
    day: [&'static str; 2],
    week: [&'static str; 2],
    month: [&'static str; 2],
    /// What the VAT categories Z, E, AE, K, G and O of EN 16931 are called.
    categories: [&'static str; 6],
}

/// The labels of a document: in one language, or in two side by side.
#[derive(Clone, Copy)]
pub(super) struct Labels {
    pub(super) first: &'static Words,
    second: Option<&'static Words>,
}

impl Labels {
    pub(super) fn new(first: Language, second: Option<Language>) -> Self {
        Self { first: of(first), second: second.filter(|second| *second != first).map(of) }
    }

    /// A label: `Total`, `Total / Totaal`.
    pub(super) fn say(self, pick: impl Fn(&'static Words) -> &'static str) -> String {
        self.all(pick).join(" / ")
    }

    /// A label with a line for each language, for the head of a column.
    pub(super) fn stacked(self, pick: impl Fn(&'static Words) -> &'static str) -> String {
        self.all(pick).join("\n")
    }

    /// A label in each language; once where both say the same.
    fn all(self, pick: impl Fn(&'static Words) -> &'static str) -> Vec<&'static str> {
        let first = pick(self.first);
        let second = self.second.map(pick).filter(|second| *second != first);
        [first].into_iter().chain(second).collect()
    }
}

/// The labels of a language.
#[must_use]
pub const fn of(language: Language) -> &'static Words {
    match language {
        Language::Fr => &FR,
        Language::Nl => &NL,
        Language::En => &EN,
        Language::De => &DE,
    }
}

/// What an order form says beside its lines: that the VAT is not decided yet, and how to answer.
#[must_use]
pub const fn of_orders(language: Language) -> [&'static str; 2] {
    match language {
        Language::Fr => [
            "TVA estimée\u{a0}: le taux et le régime définitifs sont ceux de la facture.",
            "Vous pouvez confirmer, refuser ou demander un changement par le lien de l’e-mail auquel ce document est joint.",
        ],
        Language::Nl => [
            "Geraamde btw: het definitieve tarief en stelsel staan op de factuur.",
            "U kunt bevestigen, weigeren of een wijziging vragen via de link in de e-mail waarbij dit document is gevoegd.",
        ],
        Language::En => [
            "Estimated VAT: the final rate and treatment are those of the invoice.",
            "You can confirm, decline or ask for a change by the link in the e-mail that this document came with.",
        ],
        Language::De => [
            "Geschätzte USt.: maßgeblich sind Satz und Regelung der Rechnung.",
            "Bestätigen, ablehnen oder um eine Änderung bitten können Sie über den Link in der E-Mail zu diesem Dokument.",
        ],
    }
}

impl Words {
    /// What the document is called.
    #[must_use]
    pub const fn title(&self, kind: DocumentKind) -> &'static str {
        let [invoice, credit_note, deposit, intermediate, balance, quote, order, reminder, demand, internal] =
            self.titles;
        match kind {
            DocumentKind::Invoice => invoice,
            DocumentKind::CreditNote => credit_note,
            DocumentKind::Deposit => deposit,
            DocumentKind::Intermediate => intermediate,
            DocumentKind::Balance => balance,
            DocumentKind::Quote => quote,
            DocumentKind::Order => order,
            DocumentKind::Reminder => reminder,
            DocumentKind::FormalDemand => demand,
            DocumentKind::Internal => internal,
        }
    }

    /// The label of the date of the document.
    #[must_use]
    pub const fn issued_on(&self, kind: DocumentKind) -> &'static str {
        match kind {
            DocumentKind::Invoice | DocumentKind::Deposit | DocumentKind::Intermediate | DocumentKind::Balance => {
                self.issued_on
            }
            DocumentKind::CreditNote
            | DocumentKind::Quote
            | DocumentKind::Order
            | DocumentKind::Reminder
            | DocumentKind::FormalDemand
            | DocumentKind::Internal => self.dated,
        }
    }

    /// What stands above the buyer.
    #[must_use]
    pub const fn addressed_to(&self, kind: DocumentKind) -> &'static str {
        match kind {
            DocumentKind::Invoice | DocumentKind::Deposit | DocumentKind::Intermediate | DocumentKind::Balance => {
                self.bill_to
            }
            DocumentKind::CreditNote => self.credit_to,
            DocumentKind::Quote
            | DocumentKind::Order
            | DocumentKind::Reminder
            | DocumentKind::FormalDemand
            | DocumentKind::Internal => self.to,
        }
    }

    /// `Page 2 of 5`.
    #[must_use]
    pub fn page_of(&self, page: usize, count: usize) -> String {
        let (before, between) = self.page;
        format!("{before} {page} {between} {count}")
    }

    /// The word for a unit code of UN/ECE Recommendation 20. Pieces (`C62`) need none; an unknown text stays.
    #[must_use]
    pub fn unit<'a>(&self, code: &'a str, is_one: bool) -> &'a str {
        let pick = |[one, many]: [&'static str; 2]| if is_one { one } else { many };
        match code {
            "HUR" => pick(self.hour),
            "DAY" => pick(self.day),
            "WEE" => pick(self.week),
            "MON" => pick(self.month),
            "KMT" => "km",
            "C62" | "H87" => "",
            other => other,
        }
    }

    /// What a VAT category of EN 16931 means; nothing for the standard one, an unknown code as it is.
    #[must_use]
    pub fn category<'a>(&self, code: &'a str) -> &'a str {
        let [zero, exempt, reverse, intra, export, outside] = self.categories;
        match code {
            "S" => "",
            "Z" => zero,
            "E" => exempt,
            "AE" => reverse,
            "K" => intra,
            "G" => export,
            "O" => outside,
            other => other,
        }
    }
}

const FR: Words = Words {
    titles: [
        "Facture",
        "Note de crédit",
        "Facture d’acompte",
        "Facture intermédiaire",
        "Facture de solde",
        "Devis",
        "Bon de commande",
        "Rappel",
        "Mise en demeure",
        "Document interne",
    ],
    number: "N°",
    issued_on: "Date de facture",
    dated: "Date",
    corrects: ("Corrige", "facture {} du {}"),
    reason: "Motif\u{a0}: ",
    due_on: "Échéance",
    supplied: "Prestation",
    buyer_reference: "Votre référence",
    order_reference: "Bon de commande",
    member: "Réalisé par",
    bill_to: "Facturé à",
    credit_to: "Crédité à",
    to: "Destinataire",
    purchase_order: "Votre commande",
    valid_until: "Valable jusqu’au",
    agreed: "Bon pour accord\u{a0}: date, nom et signature",
    discount: "Remise",
    charge: "Supplément",
    lines_total: "Total des lignes",
    deposit: "Acompte",
    due: "Solde à payer",
    vat_in_euro: "TVA en euros",
    scan: "Scannez pour payer",
    document: "Facture",
    total: "Total",
    open: "Reste dû",
    enterprise_number: "N° d’entreprise",
    vat_number: "TVA",
    description: "Description",
    quantity: "Quantité",
    unit_price: "Prix unitaire",
    vat: "TVA",
    amount: "Montant HTVA",
    carried_forward: "À reporter",
    brought_forward: "Report",
    rate: "Taux de TVA",
    base: "Base imposable",
    net: "Total hors TVA",
    gross: "Total TVA comprise",
    to_pay: "À payer",
    by: "au plus tard le",
    beneficiary: "Bénéficiaire",
    reference: "Communication",
    page: ("Page", "sur"),
    period: "du {} au {}",
    hour: ["h", "h"],
    day: ["jour", "jours"],
    week: ["semaine", "semaines"],
    month: ["mois", "mois"],
    categories: [
        "Taux zéro",
        "Exonéré",
        "Autoliquidation",
        "Livraison intracommunautaire",
        "Exportation",
        "Hors du champ de la TVA",
    ],
};

const NL: Words = Words {
    titles: [
        "Factuur",
        "Creditnota",
        "Voorschotfactuur",
        "Tussentijdse factuur",
        "Slotfactuur",
        "Offerte",
        "Bestelbon",
        "Herinnering",
        "Ingebrekestelling",
        "Intern document",
    ],
    number: "Nr.",
    issued_on: "Factuurdatum",
    dated: "Datum",
    corrects: ("Corrigeert", "factuur {} van {}"),
    reason: "Reden: ",
    due_on: "Vervaldag",
    supplied: "Prestatie",
    buyer_reference: "Uw referentie",
    order_reference: "Bestelbon",
    member: "Uitgevoerd door",
    bill_to: "Gefactureerd aan",
    credit_to: "Gecrediteerd aan",
    to: "Bestemmeling",
    purchase_order: "Uw bestelling",
    valid_until: "Geldig tot",
    agreed: "Voor akkoord: datum, naam en handtekening",
    discount: "Korting",
    charge: "Toeslag",
    lines_total: "Totaal van de lijnen",
    deposit: "Voorschot",
    due: "Nog te betalen",
    vat_in_euro: "Btw in euro",
    scan: "Scan om te betalen",
    document: "Factuur",
    total: "Totaal",
    open: "Openstaand",
    enterprise_number: "Ondernemingsnr.",
    vat_number: "Btw",
    description: "Omschrijving",
    quantity: "Aantal",
    unit_price: "Eenheidsprijs",
    vat: "Btw",
    amount: "Bedrag excl. btw",
    carried_forward: "Over te dragen",
    brought_forward: "Overgedragen",
    rate: "Btw-tarief",
    base: "Maatstaf van heffing",
    net: "Totaal exclusief btw",
    gross: "Totaal inclusief btw",
    to_pay: "Te betalen",
    by: "uiterlijk op",
    beneficiary: "Begunstigde",
    reference: "Mededeling",
    page: ("Pagina", "van"),
    period: "van {} tot {}",
    hour: ["uur", "uur"],
    day: ["dag", "dagen"],
    week: ["week", "weken"],
    month: ["maand", "maanden"],
    categories: [
        "Nultarief",
        "Vrijgesteld",
        "Btw verlegd",
        "Intracommunautaire levering",
        "Uitvoer",
        "Buiten het toepassingsgebied van de btw",
    ],
};

const EN: Words = Words {
    titles: [
        "Invoice",
        "Credit note",
        "Deposit invoice",
        "Interim invoice",
        "Final invoice",
        "Quote",
        "Order form",
        "Reminder",
        "Formal demand",
        "Internal invoice",
    ],
    number: "No.",
    issued_on: "Invoice date",
    dated: "Date",
    corrects: ("Corrects", "invoice {} of {}"),
    reason: "Reason: ",
    due_on: "Due date",
    supplied: "Supplied",
    buyer_reference: "Your reference",
    order_reference: "Order",
    member: "Carried out by",
    bill_to: "Billed to",
    credit_to: "Credited to",
    to: "To",
    purchase_order: "Your order",
    valid_until: "Valid until",
    agreed: "Agreed: date, name and signature",
    discount: "Discount",
    charge: "Charge",
    lines_total: "Sum of lines",
    deposit: "Deposit",
    due: "Amount due",
    vat_in_euro: "VAT in euro",
    scan: "Scan to pay",
    document: "Invoice",
    total: "Total",
    open: "Open",
    enterprise_number: "Enterprise no.",
    vat_number: "VAT",
    description: "Description",
    quantity: "Quantity",
    unit_price: "Unit price",
    vat: "VAT",
    amount: "Amount excl. VAT",
    carried_forward: "Carried forward",
    brought_forward: "Brought forward",
    rate: "VAT rate",
    base: "Taxable amount",
    net: "Total excluding VAT",
    gross: "Total including VAT",
    to_pay: "To pay",
    by: "by",
    beneficiary: "Beneficiary",
    reference: "Reference",
    page: ("Page", "of"),
    period: "{} to {}",
    hour: ["h", "h"],
    day: ["day", "days"],
    week: ["week", "weeks"],
    month: ["month", "months"],
    categories: [
        "Zero rate",
        "Exempt",
        "Reverse charge",
        "Intra-Community supply",
        "Export",
        "Outside the scope of VAT",
    ],
};

const DE: Words = Words {
    titles: [
        "Rechnung",
        "Rechnungskorrektur",
        "Anzahlungsrechnung",
        "Abschlagsrechnung",
        "Schlussrechnung",
        "Angebot",
        "Auftragsformular",
        "Zahlungserinnerung",
        "Mahnung",
        "Internes Dokument",
    ],
    number: "Nr.",
    issued_on: "Rechnungsdatum",
    dated: "Datum",
    corrects: ("Berichtigt", "Rechnung {} vom {}"),
    reason: "Grund: ",
    due_on: "Fällig am",
    supplied: "Leistung",
    buyer_reference: "Ihre Referenz",
    order_reference: "Bestellung",
    member: "Ausgeführt von",
    bill_to: "Rechnung an",
    credit_to: "Gutgeschrieben an",
    to: "Empfänger",
    purchase_order: "Ihre Bestellung",
    valid_until: "Gültig bis",
    agreed: "Einverstanden: Datum, Name und Unterschrift",
    discount: "Rabatt",
    charge: "Zuschlag",
    lines_total: "Summe der Positionen",
    deposit: "Anzahlung",
    due: "Noch zu zahlen",
    vat_in_euro: "USt. in Euro",
    scan: "Zum Zahlen scannen",
    document: "Rechnung",
    total: "Gesamt",
    open: "Offen",
    enterprise_number: "Unternehmensnr.",
    vat_number: "USt-IdNr.",
    description: "Beschreibung",
    quantity: "Menge",
    unit_price: "Einzelpreis",
    vat: "USt.",
    amount: "Betrag ohne USt.",
    carried_forward: "Übertrag",
    brought_forward: "Übertrag",
    rate: "USt.-Satz",
    base: "Bemessungsgrundlage",
    net: "Summe ohne USt.",
    gross: "Gesamtbetrag",
    to_pay: "Zu zahlen",
    by: "bis zum",
    beneficiary: "Empfänger",
    reference: "Verwendungszweck",
    page: ("Seite", "von"),
    period: "{} bis {}",
    hour: ["Std.", "Std."],
    day: ["Tag", "Tage"],
    week: ["Woche", "Wochen"],
    month: ["Monat", "Monate"],
    categories: [
        "Nullsatz",
        "Steuerbefreit",
        "Steuerschuldnerschaft des Leistungsempfängers",
        "Innergemeinschaftliche Lieferung",
        "Ausfuhr",
        "Nicht steuerbar",
    ],
};
