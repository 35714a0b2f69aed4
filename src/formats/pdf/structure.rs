//! What the parts of a document are, for readers aloud: headings, paragraphs, tables (ISO 32000-1, 14.7 and 14.8).
//!
//! The order of the tree is the order of drawing, and a document draws in reading order.

use lopdf::{Dictionary, Document, Object, ObjectId, dictionary};

use super::Length;
use super::canvas::points;
use super::document::{of, utf16};

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
    Marked(usize, i64),
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
    pub(super) fn mark(&mut self, page: usize) -> (&'static str, i64) {
        let (part, role) = self.current();
        if self.owners.len() <= page {
            self.owners.resize_with(page + 1, Vec::new);
        }
        let number = self.owners.get_mut(page).map_or(0, |owners| {
            let number = i64::try_from(owners.len()).unwrap_or(i64::MAX);
            owners.push(part);
            number
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

    /// Adds the tree to the file, whose pages are `pages`; answers its root.
    pub(super) fn add_to(&self, file: &mut Document, pages: &[ObjectId]) -> ObjectId {
        let root = file.new_object_id();
        let ids: Vec<Option<ObjectId>> = self.used().iter().map(|used| used.then(|| file.new_object_id())).collect();
        let at = |number: usize| ids.get(number).copied().flatten();
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
            if let Some(own) = at(number) {
                file.set_object(own, part.element(*parent, pages, at));
            }
        }
        let mut numbers = Vec::new();
        for (page, number) in (0..pages.len()).zip(0_i64..) {
            let owners = self.owners.get(page).map_or(&[][..], Vec::as_slice);
            let list = owners.iter().filter_map(|part| at(*part)).map(Object::Reference).collect();
            numbers.extend([Object::Integer(number), Object::Array(list)]);
        }
        let parents = file.add_object(dictionary! { "Nums" => numbers });
        let next = i64::try_from(pages.len()).unwrap_or(i64::MAX);
        let kids: Vec<Object> = at(0).map(Object::Reference).into_iter().collect();
        let tree = dictionary! {
            "Type" => of("StructTreeRoot"), "K" => kids, "ParentTree" => parents, "ParentTreeNextKey" => next,
        };
        file.set_object(root, tree);
        root
    }
}

impl Part {
    /// The part as the file has it; `at` says where the parts within are.
    fn element(&self, parent: ObjectId, pages: &[ObjectId], at: impl Fn(usize) -> Option<ObjectId>) -> Dictionary {
        let first = self.kids.iter().find_map(|kid| match kid {
            Kid::Marked(page, _) => Some(*page),
            Kid::Part(_) => None,
        });
        let kid = |kid: &Kid| match kid {
            Kid::Part(part) => at(*part).map(Object::Reference),
            Kid::Marked(page, mark) if Some(*page) == first => Some(Object::Integer(*mark)),
            Kid::Marked(page, mark) => {
                let page = pages.get(*page)?;
                Some(dictionary! { "Type" => of("MCR"), "Pg" => *page, "MCID" => *mark }.into())
            }
        };
        let kids: Vec<Object> = self.kids.iter().filter_map(kid).collect();
        let mut dict = dictionary! {
            "Type" => of("StructElem"), "S" => of(self.role.name()), "P" => parent, "K" => kids,
        };
        if let Some(page) = first.and_then(|page| pages.get(page)) {
            dict.set("Pg", *page);
        }
        if self.role == Role::Heading {
            dict.set("A", dictionary! { "O" => of("Table"), "Scope" => of("Column") });
        }
        if let Some((text, bounds)) = &self.picture {
            dict.set("Alt", utf16(text));
            let bounds: Vec<Object> = bounds.iter().map(|edge| points(*edge).0.into()).collect();
            dict.set("A", dictionary! { "O" => of("Layout"), "BBox" => bounds });
        }
        dict
    }
}
