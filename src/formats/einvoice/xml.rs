//! Elements into bytes. No string templates, so nothing in a name can become markup.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

/// A document being written, indented so that people can read it too.
pub(super) struct Xml {
    writer: Writer<Vec<u8>>,
}

impl Xml {
    /// A document: `inner` fills the root.
    pub(super) fn document(root: &str, namespaces: &[(&str, &str)], inner: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut xml = Self { writer: Writer::new_with_indent(Vec::with_capacity(16 * 1024), b' ', 1) };
        xml.put(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        xml.put(Event::Start(BytesStart::new(root).with_attributes(namespaces.iter().copied())));
        inner(&mut xml);
        xml.put(Event::End(BytesEnd::new(root)));
        let mut bytes = xml.writer.into_inner();
        bytes.push(b'\n');
        bytes
    }

    /// The elements of `path`, one in the other, filled by `inner`.
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
        self.within(path, |xml| xml.put(Event::Text(BytesText::new(text))));
    }

    /// The elements of `path` when there is a text for them.
    pub(super) fn leaf_if(&mut self, path: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.leaf(path, text);
        }
    }

    /// One element with attributes and `text`.
    pub(super) fn leaf_with(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.put(Event::Start(BytesStart::new(name).with_attributes(attributes.iter().copied())));
        self.put(Event::Text(BytesText::new(text)));
        self.put(Event::End(BytesEnd::new(name)));
    }

    /// An identifier with its scheme, where it has one.
    pub(super) fn id(&mut self, name: &str, value: &str, scheme: Option<&str>) {
        match scheme {
            Some(scheme) => self.leaf_with(name, &[("schemeID", scheme)], value),
            None => self.leaf(name, value),
        }
    }

    #[expect(clippy::expect_used, reason = "a Vec takes every byte: this writer has no failing path")]
    fn put(&mut self, event: Event<'_>) {
        self.writer.write_event(event).expect("writing to memory");
    }
}
