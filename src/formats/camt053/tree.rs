//! Untrusted XML, one bounded step at a time.
//!
//! Only the elements a statement is read from are kept; everything else is walked over, still bounded and still checked
//! for being XML. An entry becomes a small tree, is read, and is dropped before the next.

use quick_xml::Reader;
use quick_xml::events::{BytesDecl, BytesStart, Event};

use super::{Limits, Refused};
use crate::formats::bank_xml::is_xml_character;
use crate::kernel::money::Currency;

/// The elements that are read, sorted for the search.
#[rustfmt::skip]
const KNOWN: [&str; 57] = [
    "Acct", "AcctSvcrRef", "AddtlNtryInf", "AddtlTxInf", "Amt", "AmtDtls", "Bal", "BkToCstmrStmt", "BkTxCd",
    "BookgDt", "Btch", "Ccy", "Cd", "CdOrPrtry", "CdtDbtInd", "Cdtr", "CdtrAcct", "CdtrRefInf",
    "Dbtr", "DbtrAcct", "Document", "Domn", "Dt", "DtTm", "ElctrncSeqNb", "EndToEndId", "Fmly",
    "FrDtTm", "FrToDt", "IBAN", "Id", "LglSeqNb", "Nm", "Ntry", "NtryDtls", "NtryRef",
    "Othr", "PmtInfId", "Prtry", "Pty", "Ref", "Refs", "RltdPties", "RmtInf", "Rsn",
    "RtrInf", "RvslInd", "Stmt", "Strd", "Sts", "SubFmlyCd", "ToDtTm", "Tp", "TxAmt",
    "TxDtls", "Ustrd", "ValDt",
];

/// How much of a name or text from the file a refusal repeats.
const QUOTED_MAX: usize = 60;

/// The start of `text`, fit for a message.
pub(super) fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_MAX).collect()
}

/// One element with what is known inside it.
#[derive(Debug)]
pub(super) struct Node {
    name: &'static str,
    /// The text with runs of blanks as one space.
    text: String,
    /// The `Ccy` attribute, where it is a currency.
    pub(super) currency: Option<Currency>,
    children: Vec<Node>,
}

impl Node {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    pub(super) fn children<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first element at `path`, as in `Acct/Id/IBAN`.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |node, name| node.children.iter().find(|child| child.name == name))
    }

    /// The text at `path`, unless there is none or it is empty.
    pub(super) fn text_at(&self, path: &str) -> Option<&str> {
        self.at(path).map(Self::text).filter(|text| !text.is_empty())
    }
}

/// What comes next in the file.
pub(super) enum Step {
    /// An element that is read.
    Open(Opened),
    /// An element that nobody reads; its name.
    Unknown(String),
    Text(String),
    Close,
    /// The end of the file, with every element closed.
    End,
}

/// The start tag of an element that is read.
pub(super) struct Opened {
    pub(super) name: &'static str,
    currency: Option<Currency>,
}

/// The file, from its first element to its last.
pub(super) struct Tree<'a> {
    reader: Reader<&'a [u8]>,
    limits: Limits,
    depth: usize,
    elements: usize,
}

impl<'a> Tree<'a> {
    pub(super) fn open(bytes: &'a [u8], limits: Limits) -> Result<Self, Refused> {
        if bytes.len() > limits.bytes_max {
            return Err(Refused::TooLarge { bytes: bytes.len(), bytes_max: limits.bytes_max });
        }
        let text =
            std::str::from_utf8(bytes).map_err(|invalid| Refused::Encoding { position: invalid.valid_up_to() })?;
        let mut reader = Reader::from_str(text.strip_prefix('\u{FEFF}').unwrap_or(text));
        reader.config_mut().expand_empty_elements = true;
        Ok(Self { reader, limits, depth: 0, elements: 0 })
    }

    /// The next step. Comments and processing instructions are passed over.
    pub(super) fn step(&mut self) -> Result<Step, Refused> {
        loop {
            let event = self.reader.read_event().map_err(|error| self.not_xml(&error.to_string()))?;
            match event {
                Event::Start(start) | Event::Empty(start) => return self.opened(&start),
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Step::Close);
                }
                Event::Text(text) => return self.text(&text.xml10_content()),
                Event::CData(text) => return self.text(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().map_err(|error| self.not_xml(&error.to_string()))?;
                    return match character.or_else(|| predefined(&reference)) {
                        Some(c) => self.text(c.encode_utf8(&mut [0; 4])),
                        None => Err(Refused::Entity { position: self.position() }),
                    };
                }
                Event::DocType(_) => return Err(Refused::Doctype { position: self.position() }),
                Event::Decl(declaration) => Self::check_encoding(&declaration)?,
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof if self.depth == 0 => return Ok(Step::End),
                Event::Eof => return Err(self.not_xml("the file ends inside an element")),
            }
        }
    }

    /// The element that was just opened, to its end.
    pub(super) fn node(&mut self, opened: Opened) -> Result<Node, Refused> {
        let mut node = Node { name: opened.name, text: String::new(), currency: opened.currency, children: Vec::new() };
        loop {
            match self.step()? {
                // Recursion is bounded by the depth limit.
                Step::Open(child) => node.children.push(self.node(child)?),
                Step::Unknown(_) => self.skip()?,
                Step::Text(text) => node.text.push_str(&text),
                Step::Close | Step::End => break,
            }
        }
        node.text = node.text.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(node)
    }

    /// Passes over the rest of the element that was just opened.
    pub(super) fn skip(&mut self) -> Result<(), Refused> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.step()?;
        }
        Ok(())
    }

    pub(super) fn not_xml(&self, detail: &str) -> Refused {
        Refused::NotXml { position: self.position(), detail: quoted(detail) }
    }

    fn opened(&mut self, start: &BytesStart<'_>) -> Result<Step, Refused> {
        self.depth = self.depth.saturating_add(1);
        self.elements = self.elements.saturating_add(1);
        if self.depth > self.limits.depth_max {
            return Err(Refused::TooDeep { position: self.position(), depth_max: self.limits.depth_max });
        }
        if self.elements > self.limits.elements_max {
            return Err(Refused::TooManyElements { elements_max: self.limits.elements_max });
        }
        let currency = self.currency(start)?;
        let name = start.local_name();
        Ok(match KNOWN.binary_search(&name.as_ref()).ok().and_then(|index| KNOWN.get(index)) {
            Some(name) => Step::Open(Opened { name, currency }),
            None => Step::Unknown(quoted(name.as_ref())),
        })
    }

    /// The `Ccy` attribute. Looks at each attribute, so that broken and repeated ones are refused, and stops at the limit.
    fn currency(&self, start: &BytesStart<'_>) -> Result<Option<Currency>, Refused> {
        let mut currency = None;
        for (count, attribute) in start.attributes().enumerate() {
            if count >= self.limits.attributes_max {
                let attributes_max = self.limits.attributes_max;
                return Err(Refused::TooManyAttributes { position: self.position(), attributes_max });
            }
            let attribute = attribute.map_err(|error| self.not_xml(&error.to_string()))?;
            if attribute.key.as_ref() == "Ccy" {
                currency = attribute.value.trim().parse().ok();
            }
        }
        Ok(currency)
    }

    fn text(&self, text: &str) -> Result<Step, Refused> {
        if !text.chars().all(is_xml_character) {
            return Err(self.not_xml("a character that XML does not have"));
        }
        if self.depth == 0 && !text.trim().is_empty() {
            return Err(self.not_xml("text outside the document"));
        }
        Ok(Step::Text(text.to_owned()))
    }

    fn check_encoding(declaration: &BytesDecl<'_>) -> Result<(), Refused> {
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii") => Ok(()),
            Some(Ok(_) | Err(_)) => Err(Refused::Encoding { position: 0 }),
        }
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }
}

/// The five entities of XML itself.
fn predefined(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::KNOWN;

    #[test]
    fn the_known_elements_are_sorted_so_that_the_search_finds_them() {
        assert!(KNOWN.is_sorted());
    }
}
