//! Every text of a document, each with its place: settled (line ends, blanks at the ends) and checked for characters
//! that a document must not carry.

use std::fmt;

use super::model::{Address, Adjustment, Contact, Facts, Identifier, Line, LineAdjustment, Party, VatTerms};
use super::{Fault, Kind};
use crate::formats::bank_xml::is_xml_character;

/// A place in a document, as in `lines[2].vat.rate`.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    inside: Option<&'a At<'a>>,
    name: &'static str,
    index: Option<usize>,
}

impl<'a> At<'a> {
    pub(super) const fn of(name: &'static str) -> Self {
        Self { inside: None, name, index: None }
    }

    pub(super) const fn nth(name: &'static str, index: usize) -> Self {
        Self { inside: None, name, index: Some(index) }
    }

    /// Whether the place is in the list `name`.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    pub(super) const fn field(&'a self, name: &'static str) -> Self {
        Self { inside: Some(self), name, index: None }
    }

    pub(super) const fn item(&'a self, name: &'static str, index: usize) -> Self {
        Self { inside: Some(self), name, index: Some(index) }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(inside) = self.inside {
            write!(f, "{inside}.")?;
        }
        f.write_str(self.name)?;
        self.index.map_or(Ok(()), |index| write!(f, "[{index}]"))
    }
}

/// Settles every text and notes those with characters that a document must not carry. What says nothing is dropped.
pub(super) fn settle(facts: &mut Facts, faults: &mut Vec<Fault>) {
    let mut texts = Texts { faults };
    texts.head(facts);
    texts.party(At::of("seller"), &mut facts.seller);
    texts.party(At::of("buyer"), &mut facts.buyer);
    texts.delivery_and_payment(facts);
    for (index, allowance) in facts.allowances.iter_mut().enumerate() {
        texts.adjustment(At::nth("allowances", index), allowance);
    }
    for (index, charge) in facts.charges.iter_mut().enumerate() {
        texts.adjustment(At::nth("charges", index), charge);
    }
    for (index, VatTerms { reason, code, .. }) in facts.vat.iter_mut().enumerate() {
        let at = At::nth("vat", index);
        texts.maybe(at.field("reason"), reason);
        texts.maybe(at.field("code"), code);
    }
    for (index, attachment) in facts.attachments.iter_mut().enumerate() {
        let at = At::nth("attachments", index);
        texts.word(at.field("id"), &mut attachment.id);
        texts.maybe(at.field("description"), &mut attachment.description);
        texts.maybe(at.field("location"), &mut attachment.location);
        if let Some(file) = &mut attachment.file {
            texts.word(at.field("file.name"), &mut file.name);
            texts.word(at.field("file.mime"), &mut file.mime);
        }
    }
    for (index, line) in facts.lines.iter_mut().enumerate() {
        texts.line(At::nth("lines", index), line);
    }
    if facts.kind == Kind::CreditNote && facts.payment.is_none() {
        facts.due_on = None;
    }
}

struct Texts<'f> {
    faults: &'f mut Vec<Fault>,
}

impl Texts<'_> {
    fn head(&mut self, facts: &mut Facts) {
        self.word(At::of("number"), &mut facts.number);
        let references = [
            ("buyer_reference", &mut facts.buyer_reference),
            ("project", &mut facts.project),
            ("contract", &mut facts.contract),
            ("purchase_order", &mut facts.purchase_order),
            ("sales_order", &mut facts.sales_order),
            ("accounting_reference", &mut facts.accounting_reference),
        ];
        for (name, text) in references {
            self.maybe_word(At::of(name), text);
        }
        self.maybe(At::of("payment_terms"), &mut facts.payment_terms);
        for (index, note) in facts.notes.iter_mut().enumerate() {
            let at = At::nth("notes", index);
            self.maybe_word(at.field("subject"), &mut note.subject);
            self.text(at.field("text"), &mut note.text);
        }
        facts.notes.retain(|note| !note.text.is_empty());
        for (index, preceding) in facts.preceding.iter_mut().enumerate() {
            self.word(At::nth("preceding", index).field("number"), &mut preceding.number);
        }
    }

    fn party(&mut self, at: At<'_>, party: &mut Party) {
        self.text(at.field("name"), &mut party.name);
        self.maybe(at.field("trading_name"), &mut party.trading_name);
        for (index, identifier) in party.identifiers.iter_mut().enumerate() {
            self.identifier(at.item("identifiers", index), identifier);
        }
        party.identifiers.retain(|identifier| !identifier.value.is_empty());
        let of = [("registration", &mut party.registration), ("electronic_address", &mut party.electronic_address)];
        for (name, identifier) in of {
            if let Some(some) = identifier {
                self.identifier(at.field(name), some);
                if some.value.is_empty() {
                    *identifier = None;
                }
            }
        }
        self.maybe_word(at.field("vat_id"), &mut party.vat_id);
        self.maybe_word(at.field("tax_registration"), &mut party.tax_registration);
        self.maybe(at.field("legal_information"), &mut party.legal_information);
        self.address(at.field("address"), &mut party.address);
        if let Some(Contact { name, phone, email }) = &mut party.contact {
            let at = at.field("contact");
            self.maybe(at.field("name"), name);
            self.maybe(at.field("phone"), phone);
            self.maybe(at.field("email"), email);
        }
        party.contact.take_if(|contact| *contact == Contact::default());
    }

    fn identifier(&mut self, at: At<'_>, identifier: &mut Identifier) {
        self.word(at.field("value"), &mut identifier.value);
        self.maybe_word(at.field("scheme"), &mut identifier.scheme);
    }

    fn address(&mut self, at: At<'_>, address: &mut Address) {
        let lines = [
            ("line1", &mut address.line1),
            ("line2", &mut address.line2),
            ("line3", &mut address.line3),
            ("city", &mut address.city),
            ("post_code", &mut address.post_code),
            ("subdivision", &mut address.subdivision),
        ];
        for (name, text) in lines {
            self.maybe(at.field(name), text);
        }
        self.word(at.field("country"), &mut address.country);
    }

    fn delivery_and_payment(&mut self, facts: &mut Facts) {
        if let Some(delivery) = &mut facts.delivery {
            let at = At::of("delivery");
            self.maybe(at.field("name"), &mut delivery.name);
            if let Some(address) = &mut delivery.address {
                self.address(at.field("address"), address);
            }
            delivery.address.take_if(|address| *address == Address::default());
        }
        facts
            .delivery
            .take_if(|delivery| delivery.name.is_none() && delivery.on.is_none() && delivery.address.is_none());
        if let Some(payment) = &mut facts.payment {
            let at = At::of("payment");
            self.word(at.field("means"), &mut payment.means);
            self.maybe_word(at.field("reference"), &mut payment.reference);
            for (index, account) in payment.accounts.iter_mut().enumerate() {
                let at = at.item("accounts", index);
                self.word(at.field("id"), &mut account.id);
                self.maybe(at.field("name"), &mut account.name);
                self.maybe_word(at.field("bic"), &mut account.bic);
            }
        }
    }

    fn adjustment(&mut self, at: At<'_>, adjustment: &mut Adjustment) {
        self.maybe(at.field("reason"), &mut adjustment.reason);
        self.maybe_word(at.field("code"), &mut adjustment.code);
    }

    fn line_adjustments(&mut self, at: At<'_>, name: &'static str, adjustments: &mut [LineAdjustment]) {
        for (index, adjustment) in adjustments.iter_mut().enumerate() {
            let at = at.item(name, index);
            self.maybe(at.field("reason"), &mut adjustment.reason);
            self.maybe_word(at.field("code"), &mut adjustment.code);
        }
    }

    fn line(&mut self, at: At<'_>, line: &mut Line) {
        self.word(at.field("id"), &mut line.id);
        self.maybe(at.field("note"), &mut line.note);
        self.word(at.field("unit"), &mut line.unit);
        self.line_adjustments(at, "allowances", &mut line.allowances);
        self.line_adjustments(at, "charges", &mut line.charges);
        self.maybe_word(at.field("order_line"), &mut line.order_line);
        self.maybe_word(at.field("accounting_reference"), &mut line.accounting_reference);
        self.text(at.field("name"), &mut line.name);
        self.maybe(at.field("description"), &mut line.description);
        self.maybe_word(at.field("seller_item_id"), &mut line.seller_item_id);
        self.maybe_word(at.field("buyer_item_id"), &mut line.buyer_item_id);
    }

    fn maybe(&mut self, at: At<'_>, text: &mut Option<String>) {
        if let Some(some) = text {
            self.text(at, some);
        }
        text.take_if(|text| text.is_empty());
    }

    fn maybe_word(&mut self, at: At<'_>, text: &mut Option<String>) {
        if let Some(some) = text {
            self.word(at, some);
        }
        text.take_if(|text| text.is_empty());
    }

    /// A text of people: may have several lines.
    fn text(&mut self, at: At<'_>, text: &mut String) {
        if text.contains('\r') {
            *text = text.replace("\r\n", "\n").replace('\r', "\n");
        }
        self.trim(at, text, |c| c == '\n' || c == '\t');
    }

    /// A number, a code or a reference: one line.
    fn word(&mut self, at: At<'_>, text: &mut String) {
        self.trim(at, text, |_| false);
    }

    fn trim(&mut self, at: At<'_>, text: &mut String, is_fine: impl Fn(char) -> bool) {
        let trimmed = text.trim();
        if trimmed.len() != text.len() {
            *text = trimmed.to_owned();
        }
        if text.chars().any(|c| !is_fine(c) && is_hostile(c)) {
            self.faults.push(Fault { rule: CHARACTERS, field: at.to_string() });
        }
    }
}

/// The rule against characters that nobody sees and programs stumble over.
pub(super) const CHARACTERS: &str = "XML-CHARACTERS";

/// Control characters, characters that change the reading direction, and what XML cannot carry.
fn is_hostile(c: char) -> bool {
    c.is_control() || !is_xml_character(c) || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}
