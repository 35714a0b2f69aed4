//! The elements and attributes of a statement that are read.

use crate::formats::safe_xml::Vocabulary;

/// What is read of a statement. Banks break texts into lines of fixed width, so runs of blanks are one space.
pub(super) const VOCABULARY: Vocabulary = Vocabulary { elements: &ELEMENTS, attributes: &["Ccy"], is_one_line: true };

/// The elements that are read, sorted for the search.
#[rustfmt::skip]
const ELEMENTS: [&str; 70] = [
    "Acct", "AcctSvcrRef", "AddtlNtryInf", "AddtlTxInf", "Agt", "Amt", "AmtDtls", "Bal", "BkToCstmrAcctRpt",
    "BkToCstmrDbtCdtNtfctn", "BkToCstmrStmt", "BkTxCd", "BookgDt", "Btch", "Ccy", "Cd", "CdOrPrtry",
    "CdtDbtInd", "Cdtr", "CdtrAcct", "CdtrRefInf", "CreDtTm", "Dbtr", "DbtrAcct", "Document", "Domn", "Dt",
    "DtTm", "ElctrncSeqNb", "EndToEndId", "FinInstnId", "Fmly", "FrDtTm", "FrToDt", "GrpHdr", "IBAN", "Id",
    "InstdAmt", "LglSeqNb", "Nm", "Ntfctn", "NtfctnPgntn", "Ntry", "NtryDtls", "NtryRef", "Othr", "PgNb",
    "PmtInfId", "Prtry", "Pty", "Ref", "Refs", "RltdPties", "RmtInf", "Rpt", "RptPgntn", "Rsn", "RtrInf",
    "RvslInd", "Stmt", "StmtPgntn", "Strd", "Sts", "SubFmlyCd", "ToDtTm", "Tp", "TxAmt", "TxDtls", "Ustrd",
    "ValDt",
];

#[cfg(test)]
mod tests {
    use super::ELEMENTS;

    #[test]
    fn the_elements_are_sorted_so_that_the_search_finds_them() {
        assert!(ELEMENTS.is_sorted());
    }
}
