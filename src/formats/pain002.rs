//! What a bank says about a file that it was sent: ISO 20022 `pain.002`, any version of the message.
//!
//! Banks say it of the whole file, of its payment block, or of single transfers; a "no" of the whole stands for every
//! transfer of which nothing else is said. Read within the limits of [`super::safe_xml`]: document types and entities are
//! refused, what is not known is passed over.

use std::io::BufRead;

use super::safe_xml::{self, Limits, Node, Step, Tree, Vocabulary};

/// What is read of a report, sorted for the search.
#[rustfmt::skip]
const ELEMENTS: [&str; 17] = [
    "AddtlInf", "Cd", "CstmrPmtStsRpt", "Document", "GrpHdr", "GrpSts", "MsgId", "OrgnlEndToEndId",
    "OrgnlGrpInfAndSts", "OrgnlMsgId", "OrgnlPmtInfAndSts", "PmtInfSts", "Prtry", "Rsn",
    "StsRsnInf", "TxInfAndSts", "TxSts",
];

const VOCABULARY: Vocabulary = Vocabulary { elements: &ELEMENTS, attributes: &[], is_one_line: true };

/// The word for "no" (ISO 20022 external code set of payment statuses).
pub const REJECTED: &str = "RJCT";

/// Why, as a bank puts it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reason {
    /// An ISO code such as `AC04`, or the bank's own; may be empty.
    pub code: String,
    /// What it adds in words.
    pub text: String,
}

/// What is said of one transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Our name for the transfer.
    pub end_to_end_id: String,
    /// `RJCT`, `ACSC`, `ACSP`, `PDNG` …
    pub status: String,
    /// Why.
    pub reason: Reason,
}

/// A report on one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The bank's name for the report.
    pub message_id: String,
    /// Our name for the file.
    pub original_message_id: String,
    /// What is said of the file, else of its payment block.
    pub status: Option<String>,
    /// Why.
    pub reason: Reason,
    /// What is said of single transfers.
    pub transactions: Vec<Transaction>,
}

impl Report {
    /// Whether the file as a whole was refused.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        self.status.as_deref() == Some(REJECTED)
    }
}

/// Why a report cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not XML within the limits.
    #[error(transparent)]
    Xml(#[from] safe_xml::Refused),
    /// Another message.
    #[error("not a pain.002: {found}")]
    NotPain002 {
        /// What it begins with.
        found: String,
    },
    /// Something that a report must say is missing.
    #[error("{at} is missing")]
    FieldMissing {
        /// Which element.
        at: &'static str,
    },
}

/// Reads a report.
///
/// # Errors
/// See [`Refused`].
pub fn read(bytes: &[u8], limits: Limits) -> Result<Report, Refused> {
    let (mut tree, root) = Tree::open(bytes, &VOCABULARY, limits)?;
    if root.name != "Document" {
        return Err(Refused::NotPain002 { found: root.name });
    }
    let mut message = None;
    loop {
        match tree.step()? {
            Step::Open(opened) if opened.name == "CstmrPmtStsRpt" && message.is_none() => {
                message = Some(report(&mut tree)?);
            }
            Step::Open(opened) => return Err(Refused::NotPain002 { found: opened.name.to_owned() }),
            Step::Unknown(found) => return Err(Refused::NotPain002 { found }),
            Step::Text(_) | Step::Close => {}
            Step::End => break,
        }
    }
    message.ok_or(Refused::FieldMissing { at: "CstmrPmtStsRpt" })
}

fn report<R: BufRead>(tree: &mut Tree<R>) -> Result<Report, Refused> {
    let (mut message_id, mut original, mut status, mut reason) = (None, None, None, Reason::default());
    let mut transactions = Vec::new();
    let mut block = (None, Reason::default());
    loop {
        let opened = match tree.step()? {
            Step::Open(opened) => opened,
            Step::Unknown(_) => {
                tree.skip()?;
                continue;
            }
            Step::Text(_) => continue,
            Step::Close | Step::End => break,
        };
        let node = tree.node(opened)?;
        if node.is("GrpHdr") {
            message_id = text(&node, "MsgId");
        } else if node.is("OrgnlGrpInfAndSts") {
            original = text(&node, "OrgnlMsgId");
            status = text(&node, "GrpSts");
            reason = reason_of(&node);
        } else if node.is("OrgnlPmtInfAndSts") {
            if let Some(said) = text(&node, "PmtInfSts") {
                block = (Some(said), reason_of(&node));
            }
            for found in node.children("TxInfAndSts") {
                transactions.push(Transaction {
                    end_to_end_id: text(found, "OrgnlEndToEndId")
                        .ok_or(Refused::FieldMissing { at: "TxInfAndSts/OrgnlEndToEndId" })?,
                    status: text(found, "TxSts").ok_or(Refused::FieldMissing { at: "TxInfAndSts/TxSts" })?,
                    reason: reason_of(found),
                });
            }
        }
    }
    // A block that was refused says more than a file that was taken in part.
    if status.as_deref() != Some(REJECTED) && (status.is_none() || block.0.as_deref() == Some(REJECTED)) {
        (status, reason) = block;
    }
    Ok(Report {
        message_id: message_id.ok_or(Refused::FieldMissing { at: "GrpHdr/MsgId" })?,
        original_message_id: original.ok_or(Refused::FieldMissing { at: "OrgnlGrpInfAndSts/OrgnlMsgId" })?,
        status,
        reason,
        transactions,
    })
}

fn text(node: &Node, path: &str) -> Option<String> {
    node.text_at(path).map(|text| text.chars().take(35).collect())
}

fn reason_of(node: &Node) -> Reason {
    let said = |path: &str, max: usize| node.text_at(path).map(|text| text.chars().take(max).collect::<String>());
    Reason {
        code: said("StsRsnInf/Rsn/Cd", 35).or_else(|| said("StsRsnInf/Rsn/Prtry", 35)).unwrap_or_default(),
        text: said("StsRsnInf/AddtlInf", 300).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>
        <GrpHdr><MsgId>B-1</MsgId><CreDtTm>2026-05-04T10:00:00Z</CreDtTm></GrpHdr>"#;
    const TAIL: &str = "</CstmrPmtStsRpt></Document>";

    fn reads(body: &str) -> Result<Report, Refused> {
        read(format!("{HEAD}{body}{TAIL}").as_bytes(), Limits::default())
    }

    #[test]
    fn the_names_are_sorted_so_that_the_search_finds_them() {
        assert!(ELEMENTS.is_sorted());
    }

    #[test]
    fn a_file_taken_in_part_names_the_transfers_that_were_not() {
        let report = reads(
            "<OrgnlGrpInfAndSts><OrgnlMsgId>UMBEL1</OrgnlMsgId><GrpSts>PART</GrpSts></OrgnlGrpInfAndSts>\
             <OrgnlPmtInfAndSts><OrgnlPmtInfId>UMBEL1</OrgnlPmtInfId>\
             <TxInfAndSts><OrgnlEndToEndId>AAA</OrgnlEndToEndId><TxSts>ACSC</TxSts></TxInfAndSts>\
             <TxInfAndSts><OrgnlEndToEndId>BBB</OrgnlEndToEndId><TxSts>RJCT</TxSts><StsRsnInf><Rsn><Cd>AC04</Cd></Rsn>\
             <AddtlInf>Compte clos</AddtlInf></StsRsnInf></TxInfAndSts></OrgnlPmtInfAndSts>",
        )
        .unwrap();
        assert_eq!((report.original_message_id.as_str(), report.status.as_deref()), ("UMBEL1", Some("PART")));
        assert!(!report.is_rejected());
        let [first, second] = report.transactions.as_slice() else { panic!("{report:?}") };
        assert_eq!((first.status.as_str(), first.reason.clone()), ("ACSC", Reason::default()));
        assert_eq!((second.end_to_end_id.as_str(), second.reason.code.as_str()), ("BBB", "AC04"));
        assert_eq!(second.reason.text, "Compte clos");
    }

    #[test]
    fn a_block_that_is_refused_is_a_file_that_is_refused() {
        for body in [
            "<OrgnlGrpInfAndSts><OrgnlMsgId>U</OrgnlMsgId><GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Prtry>X9</Prtry></Rsn></StsRsnInf></OrgnlGrpInfAndSts>",
            "<OrgnlGrpInfAndSts><OrgnlMsgId>U</OrgnlMsgId></OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><PmtInfSts>RJCT</PmtInfSts>\
             <StsRsnInf><Rsn><Prtry>X9</Prtry></Rsn></StsRsnInf></OrgnlPmtInfAndSts>",
        ] {
            let report = reads(body).unwrap();
            assert!(report.is_rejected() && report.reason.code == "X9", "{report:?}");
        }
    }

    #[test]
    fn what_is_no_report_is_refused() {
        assert_eq!(reads("<OrgnlGrpInfAndSts/>"), Err(Refused::FieldMissing { at: "OrgnlGrpInfAndSts/OrgnlMsgId" }));
        let nameless = "<OrgnlGrpInfAndSts><OrgnlMsgId>U</OrgnlMsgId></OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><TxInfAndSts><TxSts>RJCT</TxSts></TxInfAndSts></OrgnlPmtInfAndSts>";
        assert_eq!(reads(nameless), Err(Refused::FieldMissing { at: "TxInfAndSts/OrgnlEndToEndId" }));
        let entity = r#"<!DOCTYPE d [<!ENTITY a "b">]><Document/>"#;
        assert!(matches!(read(entity.as_bytes(), Limits::default()), Err(Refused::Xml(_))));
        assert!(matches!(read(b"<Document><Other/></Document>", Limits::default()), Err(Refused::NotPain002 { .. })));
        assert!(read(&b"<Document><CstmrPmtStsRpt>"[..], Limits::default()).is_err());
    }
}
