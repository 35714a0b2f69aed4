//! What the parts of a document are, for readers aloud: headings, paragraphs, tables (ISO 32000-1, 14.7 and 14.8).
//!
//! The order of the tree is the order of drawing, and a document draws in reading order.

use super::Length;
use super::writer::{Array, Dict, Ref, Writer};

/// What a part of a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// All of it.
    Document,
    /// Parts that belong together.
    Section,
    /// What the document is.
    Title,
    /// A paragraph.
    Paragraph,
    /// A table of rows.
    Table,
    /// A row of cells.
    Row,
    /// A cell that names its column.
    Heading,
    /// A cell.
    Cell,
    /// A picture, described by a text.
    Figure,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Document => "Document",
            Self::Section => "Sect",
            Self::Title => "H1",
            Self::Paragraph => "P",
            Self::Table => "Table",
            Self::Row => "TR",
            Self::Heading => "TH",
            Self::Cell => "TD",
            Self::Figure => "Figure",
        }
    }

    /// Whether text may stand in it directly.
    pub(super) const fn holds_text(self) -> bool {
        matches!(self, Self::Title | Self::Paragraph | Self::Heading | Self::Cell | Self::Figure)
    }

    /// Whether it counts when nothing was drawn in it: an empty cell still has its column.
    const fn stays_empty(self) -> bool {
        matches!(self, Self::Heading | Self::Cell)
    }
}

#[derive(Debug)]
enum Kid {
    Part(usize),
    /// Marked content: page, number on it.
    Marked(usize, usize),
}

#[derive(Debug)]
struct Part {
    role: Role,
    kids: Vec<Kid>,
    /// What a picture shows, and where: left, bottom, right, top.
    picture: Option<(String, [Length; 4])>,
}

/// The tree in the making: a root, and the path to the part in hand.
#[derive(Debug)]
pub(super) struct Structure {
    parts: Vec<Part>,
    path: Vec<usize>,
    /// By page: the part of each marked content.
    owners: Vec<Vec<usize>>,
}

impl Structure {
    pub(super) fn new() -> Self {
        let root = Part { role: Role::Document, kids: Vec::new(), picture: None };
        Self { parts: vec![root], path: vec![0], owners: Vec::new() }
    }

    /// Begins a part within the one in hand.
    pub(super) fn open(&mut self, role: Role, picture: Option<(String, [Length; 4])>) {
        let number = self.parts.len();
        self.parts.push(Part { role, kids: Vec::new(), picture });
        let parent = self.path.last().copied().unwrap_or_default();
        if let Some(parent) = self.parts.get_mut(parent) {
            parent.kids.push(Kid::Part(number));
        }
        self.path.push(number);
    }

    /// Ends the part in hand; the root stays.
    pub(super) fn close(&mut self) {
        if self.path.len() > 1 {
            self.path.pop();
        }
    }

    /// The part in hand, and what it is.
    pub(super) fn current(&self) -> (usize, Role) {
        let number = self.path.last().copied().unwrap_or_default();
        (number, self.parts.get(number).map_or(Role::Document, |part| part.role))
    }

    /// The name and the number on `page` for content of the part in hand.
    pub(super) fn mark(&mut self, page: usize) -> (&'static str, usize) {
        let (part, role) = self.current();
        if self.owners.len() <= page {
            self.owners.resize_with(page + 1, Vec::new);
        }
        let number = self.owners.get_mut(page).map_or(0, |owners| {
            owners.push(part);
            owners.len() - 1
        });
        if let Some(part) = self.parts.get_mut(part) {
            part.kids.push(Kid::Marked(page, number));
        }
        (role.name(), number)
    }

    /// Whether a part, or one within it, has content. Parts within come after it.
    fn used(&self) -> Vec<bool> {
        let mut used = vec![false; self.parts.len()];
        for (number, part) in self.parts.iter().enumerate().rev() {
            let any = part.role.stays_empty()
                || part.kids.iter().any(|kid| match kid {
                    Kid::Part(part) => used.get(*part).copied().unwrap_or_default(),
                    Kid::Marked(..) => true,
                });
            if let Some(place) = used.get_mut(number) {
                *place = any;
            }
        }
        used
    }

    /// Writes the tree; answers its root.
    pub(super) fn write(&self, file: &mut Writer, pages: &[Ref]) -> Ref {
        let root = file.reserve();
        let used = self.used();
        let refs: Vec<Option<Ref>> = used.iter().map(|used| used.then(|| file.reserve())).collect();
        let at = |number: usize| refs.get(number).copied().flatten();
        let mut parents = vec![root; self.parts.len()];
        for (number, part) in self.parts.iter().enumerate() {
            for kid in &part.kids {
                if let (Kid::Part(kid), Some(own)) = (kid, at(number))
                    && let Some(parent) = parents.get_mut(*kid)
                {
                    *parent = own;
                }
            }
        }
        for ((number, part), parent) in self.parts.iter().enumerate().zip(&parents) {
            let Some(own) = at(number) else { continue };
            let mut dict = Dict::of("StructElem").name("S", part.role.name()).refer("P", *parent);
            let mut kids = Array::default();
            let first = part.kids.iter().find_map(|kid| match kid {
                Kid::Marked(page, _) => Some(*page),
                Kid::Part(_) => None,
            });
            for kid in &part.kids {
                kids = match kid {
                    Kid::Part(part) => at(*part).map_or(kids.clone(), |kid| kids.refer(kid)),
                    Kid::Marked(page, mark) if Some(*page) == first => {
                        kids.int(i64::try_from(*mark).unwrap_or_default())
                    }
                    Kid::Marked(page, mark) => {
                        let content = Dict::of("MCR").count("MCID", *mark);
                        kids.dict(pages.get(*page).map_or(content.clone(), |page| content.refer("Pg", *page)))
                    }
                };
            }
            if let Some(page) = first.and_then(|page| pages.get(page)) {
                dict = dict.refer("Pg", *page);
            }
            if part.role == Role::Heading {
                dict = dict.dict("A", Dict::default().name("O", "Table").name("Scope", "Column"));
            }
            if let Some((text, bounds)) = &part.picture {
                let bounds = bounds.iter().fold(Array::default(), |list, length| list.length(*length));
                dict = dict.text("Alt", text).dict("A", Dict::default().name("O", "Layout").array("BBox", bounds));
            }
            file.put(own, dict.array("K", kids));
        }
        let mut numbers = Array::default();
        for page in 0..pages.len() {
            let owners = self.owners.get(page).map_or(&[][..], Vec::as_slice);
            let list = owners.iter().filter_map(|part| at(*part)).fold(Array::default(), Array::refer);
            numbers = numbers.int(i64::try_from(page).unwrap_or_default()).array(list);
        }
        let tree = file.add(Dict::default().array("Nums", numbers));
        let dict = Dict::of("StructTreeRoot").refer("ParentTree", tree).count("ParentTreeNextKey", pages.len());
        let dict = at(0).map_or(dict.clone(), |document| dict.array("K", Array::default().refer(document)));
        file.put(root, dict);
        root
    }
}
