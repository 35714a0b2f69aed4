//! XML for banks: the one place where elements become bytes. No string templates, so nothing in a name can become markup.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::kernel::money::{Currency, Minor, to_plain};

/// A document being written, indented so that people can read it too.
pub(super) struct BankXml {
    writer: Writer<Vec<u8>>,
}

impl BankXml {
    /// One ISO 20022 message: `inner` fills the `Document` of the namespace.
    pub(super) fn message(namespace: &str, inner: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut xml = Self { writer: Writer::new_with_indent(Vec::new(), b' ', 2) };
        xml.put(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        let root = BytesStart::new("Document").with_attributes([("xmlns", namespace)]);
        xml.put(Event::Start(root.borrow()));
        inner(&mut xml);
        xml.put(Event::End(root.to_end()));
        let mut bytes = xml.writer.into_inner();
        bytes.push(b'\n');
        bytes
    }

    /// The elements of `path`, one in the other (`CdtrAcct/Id`), filled by `inner`.
    pub(super) fn within(&mut self, path: &str, inner: impl FnOnce(&mut Self)) {
        for name in path.split('/') {
            self.put(Event::Start(BytesStart::new(name)));
        }
        inner(self);
        for name in path.rsplit('/') {
            self.put(Event::End(BytesEnd::new(name)));
        }
    }

    /// The elements of `path`, the last with `text`.
    pub(super) fn leaf(&mut self, path: &str, text: &str) {
        self.within(path, |xml| xml.text(text));
    }

    /// The elements of `path` when there is a text for them.
    pub(super) fn leaf_if(&mut self, path: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.leaf(path, text);
        }
    }

    /// An amount element with its currency. The sign is dropped: ISO 20022 amounts carry their direction beside them.
    pub(super) fn amount(&mut self, name: &str, amount: Minor, currency: Currency) {
        let element = BytesStart::new(name).with_attributes([("Ccy", currency.code())]);
        self.put(Event::Start(element.borrow()));
        self.text(to_plain(amount, currency.exponent()).trim_start_matches('-'));
        self.put(Event::End(element.to_end()));
    }

    /// Escaped text. Characters that XML 1.0 cannot carry at all become a question mark.
    fn text(&mut self, text: &str) {
        let carried: String = text.chars().map(|c| if is_xml_character(c) { c } else { '?' }).collect();
        self.put(Event::Text(BytesText::new(&carried)));
    }

    #[expect(clippy::expect_used, reason = "a Vec takes every byte: this writer has no failing path")]
    fn put(&mut self, event: Event<'_>) {
        self.writer.write_event(event).expect("writing to memory");
    }
}

/// Whether XML 1.0 can carry the character (production 2, `Char`).
pub(super) fn is_xml_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}
