//! XML from strangers, read within limits.
//!
//! One bounded step at a time: the elements of a [`Vocabulary`] become small trees, everything else is walked over,
//! still bounded and still checked for being XML. Document types and entities are refused wherever they stand.

use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::encoding::DecodingReader;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesStart, Event};

use super::bank_xml::is_xml_character;

/// What a file may cost us at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole file, attachments included.
    pub bytes_max: usize,
    /// Elements inside one another.
    pub depth_max: usize,
    /// Attributes of one element.
    pub attributes_max: usize,
    /// Elements of the whole file.
    pub elements_max: usize,
    /// Elements of one part that is read as a tree; bounds memory where bytes do not (`<a/>` is four of them).
    pub part_max: usize,
}

impl Limits {
    /// Of a file that is held in memory.
    pub const FILE: Self = Self {
        bytes_max: 20 * 1024 * 1024,
        depth_max: 32,
        attributes_max: 64,
        elements_max: 1_000_000,
        part_max: 1_000_000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::FILE
    }
}

/// What a format has that we read.
#[derive(Debug)]
pub struct Vocabulary {
    /// Names without prefix, sorted for the search.
    pub elements: &'static [&'static str],
    /// Names without prefix.
    pub attributes: &'static [&'static str],
    /// Whether runs of blanks in a text are one space, as where line breaks come from fixed-width systems.
    pub is_one_line: bool,
}

/// Why a file is refused before anybody looks at what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Larger than the limit.
    #[error("the file has {bytes} bytes, more than {bytes_max}")]
    TooLarge {
        /// Bytes of the file.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Not UTF-8, by its bytes or by its own declaration.
    #[error("the file is not UTF-8 (byte {position})")]
    Encoding {
        /// Where, in bytes.
        position: usize,
    },
    /// Not well-formed, or it ends too early.
    #[error("the file is not well-formed XML at byte {position}: {detail}")]
    NotXml {
        /// Where, in bytes.
        position: usize,
        /// What the XML reader says.
        detail: String,
    },
    /// A document type declaration, the door of entity attacks.
    #[error("the file has a document type declaration (byte {position})")]
    Doctype {
        /// Where, in bytes.
        position: usize,
    },
    /// An entity other than the five of XML itself.
    #[error("the file uses an entity (byte {position})")]
    Entity {
        /// Where, in bytes.
        position: usize,
    },
    /// More elements inside one another than any real file has.
    #[error("elements are nested more than {depth_max} deep (byte {position})")]
    TooDeep {
        /// Where, in bytes.
        position: usize,
        /// The limit.
        depth_max: usize,
    },
    /// More attributes than any real file has.
    #[error("an element has more than {attributes_max} attributes (byte {position})")]
    TooManyAttributes {
        /// Where, in bytes.
        position: usize,
        /// The limit.
        attributes_max: usize,
    },
    /// More elements than we read.
    #[error("the file has more than {elements_max} elements")]
    TooManyElements {
        /// The limit.
        elements_max: usize,
    },
}

impl Refused {
    /// The byte of the file at which it was refused, where there is one.
    #[must_use]
    pub const fn position(&self) -> Option<usize> {
        match self {
            Self::TooLarge { .. } | Self::TooManyElements { .. } => None,
            Self::Encoding { position }
            | Self::NotXml { position, .. }
            | Self::Doctype { position }
            | Self::Entity { position }
            | Self::TooDeep { position, .. }
            | Self::TooManyAttributes { position, .. } => Some(*position),
        }
    }
}

/// How much of a name or text from the file a refusal repeats.
const QUOTED_MAX: usize = 60;

/// The start of `text`, fit for a message.
pub(in crate::formats) fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_MAX).collect()
}

/// One element with what is known inside it.
#[derive(Debug)]
pub(in crate::formats) struct Node {
    name: &'static str,
    text: String,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Node>,
}

impl Node {
    /// The text without blanks at its ends.
    pub(in crate::formats) fn text(&self) -> &str {
        self.text.trim()
    }

    pub(in crate::formats) fn name(&self) -> &'static str {
        self.name
    }

    pub(in crate::formats) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    pub(in crate::formats) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| *known == name)?;
        Some(found.1.trim()).filter(|value| !value.is_empty())
    }

    pub(in crate::formats) fn children<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first element at `path`, as in `Party/PostalAddress`.
    pub(in crate::formats) fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |node, name| node.children.iter().find(|child| child.name == name))
    }

    /// The text at `path`, unless there is none or it is empty.
    pub(in crate::formats) fn text_at(&self, path: &str) -> Option<&str> {
        self.at(path).map(Self::text).filter(|text| !text.is_empty())
    }

    /// The text at `path` to keep.
    pub(in crate::formats) fn owned(&self, path: &str) -> Option<String> {
        self.text_at(path).map(str::to_owned)
    }
}

/// What comes next in the file.
pub(in crate::formats) enum Step {
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
pub(in crate::formats) struct Opened {
    pub(in crate::formats) name: &'static str,
    attributes: Vec<(&'static str, String)>,
}

/// The root of a file: its name without prefix, and its namespace.
pub(in crate::formats) struct Root {
    pub(in crate::formats) name: String,
    pub(in crate::formats) namespace: String,
}

/// The file, from its first element to its last; in UTF-8, or in what its first bytes or its declaration say.
pub(in crate::formats) struct Tree<R> {
    reader: Reader<DecodingReader<R>>,
    vocabulary: &'static Vocabulary,
    limits: Limits,
    depth: usize,
    elements: usize,
    /// Elements before the part that is being read.
    before: usize,
    buffer: Vec<u8>,
}

impl<R: BufRead> Tree<R> {
    /// Opens the file and its first element.
    pub(in crate::formats) fn open(
        input: R,
        vocabulary: &'static Vocabulary,
        limits: Limits,
    ) -> Result<(Self, Root), Refused> {
        let mut reader = Reader::from_reader(DecodingReader::new(input));
        reader.config_mut().expand_empty_elements = true;
        let mut tree = Self { reader, vocabulary, limits, depth: 0, elements: 0, before: 0, buffer: Vec::new() };
        let mut buffer = Vec::new();
        loop {
            match tree.event(&mut buffer)? {
                Some(Event::Start(start)) => {
                    tree.count(&start)?;
                    let root = tree.root(&start)?;
                    return Ok((tree, root));
                }
                Some(Event::Eof) | None => return Err(tree.not_xml("the file has no element")),
                Some(_) => {}
            }
        }
    }

    /// The next step.
    pub(in crate::formats) fn step(&mut self) -> Result<Step, Refused> {
        // Lent out, because an event borrows it while the tree counts.
        let mut buffer = std::mem::take(&mut self.buffer);
        let step = self.next(&mut buffer);
        self.buffer = buffer;
        step
    }

    fn next(&mut self, buffer: &mut Vec<u8>) -> Result<Step, Refused> {
        loop {
            match self.event(buffer)? {
                Some(Event::Start(start)) => return self.opened(&start),
                Some(Event::End(_)) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Step::Close);
                }
                Some(Event::Text(text)) => return self.text(&text.xml10_content()),
                Some(Event::CData(text)) => return self.text(&text.xml10_content()),
                Some(Event::GeneralRef(reference)) => {
                    let character = reference.resolve_char_ref().map_err(|error| self.not_xml(&error.to_string()))?;
                    return match character.or_else(|| predefined(&reference)) {
                        Some(c) => self.text(c.encode_utf8(&mut [0; 4])),
                        None => Err(Refused::Entity { position: self.position() }),
                    };
                }
                None | Some(Event::Eof) if self.depth == 0 => return Ok(Step::End),
                None | Some(Event::Eof) => return Err(self.not_xml("the file ends inside an element")),
                Some(Event::Empty(_) | Event::DocType(_) | Event::Decl(_) | Event::Comment(_) | Event::PI(_)) => {}
            }
        }
    }

    /// The next event; document types and other encodings are refused here, wherever they stand.
    fn event<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<Option<Event<'b>>, Refused> {
        buffer.clear();
        let begins = self.position();
        let event = self.reader.read_event_into(buffer).map_err(|error| {
            let is_letters = matches!(&error, quick_xml::Error::Encoding(_))
                || matches!(&error, quick_xml::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData);
            let position = self.position();
            if is_letters { Refused::Encoding { position } } else { self.not_xml(&error.to_string()) }
        })?;
        if self.position() > self.limits.bytes_max {
            return Err(Refused::TooLarge { bytes: self.position(), bytes_max: self.limits.bytes_max });
        }
        match &event {
            Event::DocType(_) => return Err(Refused::Doctype { position: self.position() }),
            Event::Decl(declaration) => self.take_encoding(declaration, begins)?,
            Event::Eof => return Ok(None),
            Event::Start(_)
            | Event::End(_)
            | Event::Empty(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::PI(_)
            | Event::GeneralRef(_) => {}
        }
        Ok(Some(event))
    }

    /// The element that was just opened, to its end.
    pub(in crate::formats) fn node(&mut self, opened: Opened) -> Result<Node, Refused> {
        self.before = self.elements;
        self.inner(opened)
    }

    fn inner(&mut self, opened: Opened) -> Result<Node, Refused> {
        let Opened { name, attributes } = opened;
        let mut node = Node { name, text: String::new(), attributes, children: Vec::new() };
        loop {
            match self.step()? {
                // Recursion is bounded by the depth limit.
                Step::Open(child) => node.children.push(self.inner(child)?),
                Step::Unknown(_) => self.skip()?,
                Step::Text(text) => node.text.push_str(&text),
                Step::Close | Step::End => break,
            }
        }
        if self.vocabulary.is_one_line {
            node.text = node.text.split_whitespace().collect::<Vec<_>>().join(" ");
        } else if !node.children.is_empty() {
            node.text.clear();
        }
        Ok(node)
    }

    /// Passes over the rest of the element that was just opened.
    pub(in crate::formats) fn skip(&mut self) -> Result<(), Refused> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.step()?;
        }
        Ok(())
    }

    pub(in crate::formats) fn not_xml(&self, detail: &str) -> Refused {
        Refused::NotXml { position: self.position(), detail: quoted(detail) }
    }

    fn count(&mut self, start: &BytesStart<'_>) -> Result<(), Refused> {
        self.depth = self.depth.saturating_add(1);
        self.elements = self.elements.saturating_add(1);
        if self.depth > self.limits.depth_max {
            return Err(Refused::TooDeep { position: self.position(), depth_max: self.limits.depth_max });
        }
        if self.elements > self.limits.elements_max {
            return Err(Refused::TooManyElements { elements_max: self.limits.elements_max });
        }
        if self.elements.saturating_sub(self.before) > self.limits.part_max {
            return Err(Refused::TooManyElements { elements_max: self.limits.part_max });
        }
        // The reader finds repeated attributes by comparing each with each: bounded before it does.
        let marks = start.attributes_raw().matches('=').take(self.limits.attributes_max.saturating_add(1)).count();
        if marks > self.limits.attributes_max
            && start.attributes().with_checks(false).count() > self.limits.attributes_max
        {
            let attributes_max = self.limits.attributes_max;
            return Err(Refused::TooManyAttributes { position: self.position(), attributes_max });
        }
        Ok(())
    }

    fn opened(&mut self, start: &BytesStart<'_>) -> Result<Step, Refused> {
        self.count(start)?;
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| self.not_xml(&error.to_string()))?;
            let known = self.vocabulary.attributes.iter().find(|known| **known == attribute.key.local_name().as_ref());
            let value = self.value(&attribute)?;
            if let Some(known) = known {
                attributes.push((*known, value));
            }
        }
        let name = start.local_name();
        let elements = self.vocabulary.elements;
        Ok(match elements.binary_search(&name.as_ref()).ok().and_then(|index| elements.get(index)) {
            Some(name) => Step::Open(Opened { name, attributes }),
            None => Step::Unknown(quoted(name.as_ref())),
        })
    }

    fn value(&self, attribute: &Attribute<'_>) -> Result<String, Refused> {
        let value = attribute.normalized_value(XmlVersion::Explicit1_0);
        let value = value.map_err(|_unknown| Refused::Entity { position: self.position() })?;
        if !value.chars().all(is_xml_character) {
            return Err(self.not_xml("a character that XML does not have"));
        }
        Ok(value.into_owned())
    }

    fn root(&self, start: &BytesStart<'_>) -> Result<Root, Refused> {
        let prefix = start.name().prefix();
        let declares = match &prefix {
            Some(prefix) => format!("xmlns:{}", prefix.as_ref()),
            None => "xmlns".to_owned(),
        };
        let mut namespace = String::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| self.not_xml(&error.to_string()))?;
            if attribute.key.as_ref() == declares {
                namespace = self.value(&attribute)?;
            }
        }
        Ok(Root { name: quoted(start.local_name().as_ref()), namespace: quoted_namespace(namespace) })
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

    /// Reads on in the encoding that the declaration names. It stands at the very beginning, or it is none.
    fn take_encoding(&mut self, declaration: &BytesDecl<'_>, begins: usize) -> Result<(), Refused> {
        let refused = Refused::Encoding { position: begins };
        match (declaration.encoding(), declaration.encoder()) {
            (None, _) => Ok(()),
            // What was read so far was UTF-16 by its first bytes; a declaration that says otherwise is not believed.
            (Some(_), _) if self.reader.get_ref().encoding() != encoding_rs::UTF_8 => Ok(()),
            (Some(_), Some(encoding)) if begins == 0 && encoding.is_ascii_compatible() => {
                self.reader.get_mut().set_encoding(encoding);
                Ok(())
            }
            (Some(_), _) => Err(refused),
        }
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }
}

fn quoted_namespace(namespace: String) -> String {
    namespace.chars().take(200).collect()
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
