use super::super::samples::{all, line, s};
use super::super::{Kind, cii, ubl};
use super::*;
use crate::kernel::money::Minor;

fn sample(name: &str) -> Document {
    Document::new(all().into_iter().find(|(known, _)| *known == name).unwrap().1).unwrap()
}

fn as_ubl(name: &str) -> String {
    String::from_utf8(ubl::write(&sample(name)).unwrap()).unwrap()
}

fn as_cii(name: &str) -> String {
    String::from_utf8(cii::write(&sample(name))).unwrap()
}

fn refused(text: &str) -> &'static str {
    match read(text.as_bytes(), Limits::default()) {
        Ok(_) => "nothing",
        Err(refused) => refused.code(),
    }
}

#[test]
fn the_syntax_is_told_by_the_first_element() {
    assert_eq!(syntax(as_ubl("standard_21").as_bytes()), Some(Syntax::UblInvoice));
    assert_eq!(syntax(as_ubl("credit_standard").as_bytes()), Some(Syntax::UblCreditNote));
    assert_eq!(syntax(as_cii("standard_21").as_bytes()), Some(Syntax::Cii));
    let other = as_ubl("standard_21").replace("Invoice-2\"", "Order-2\"");
    for text in [other.as_str(), "<Invoice/>", "<Invoice xmlns='urn:x'/>", "%PDF-1.7", "", "<a", "<!DOCTYPE a><a/>"] {
        assert_eq!(syntax(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn prefixes_and_elements_nobody_asked_for_do_not_matter() {
    let text = as_ubl("everything");
    let expected = read(text.as_bytes(), Limits::default()).unwrap();
    let renamed = text
        .replace("cbc:", "b:")
        .replace("xmlns:cbc", "xmlns:b")
        .replace("<Invoice xmlns=", "<n:Invoice xmlns:n=")
        .replace("</Invoice>", "</n:Invoice>")
        .replace(
            "<b:ProfileID>",
            "<n:UBLExtensions><n:X><b:ID>1</b:ID></n:X></n:UBLExtensions><!-- x --><?pi x?><b:ProfileID>",
        );
    assert_ne!(renamed, text);
    let found = read(format!("\u{FEFF}{renamed}").as_bytes(), Limits::default()).unwrap();
    assert_eq!(found, expected);
}

#[test]
fn hostile_files_are_refused_by_name() {
    let good = as_ubl("standard_21");
    let inside = |what: &str| good.replacen("<cbc:ProfileID>", &format!("{what}<cbc:ProfileID>"), 1);
    let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
    let attributes = (0..70).map(|n| format!(" a{n}='1'")).collect::<Vec<_>>().concat();
    let many_on_root = good.replacen("<Invoice ", &format!("<Invoice{attributes} "), 1);
    let cases = [
        (good.replacen("?>", "?><!DOCTYPE Invoice [<!ENTITY a \"b\">]>", 1), "einvoice_doctype"),
        (inside("<!DOCTYPE x>"), "einvoice_doctype"),
        (inside("<a>&xxe;</a>"), "einvoice_entity"),
        (inside("<a b='&xxe;'/>"), "einvoice_entity"),
        (inside(&deep), "einvoice_too_deep"),
        (inside(&format!("<a{attributes}/>")), "einvoice_too_many_attributes"),
        (many_on_root, "einvoice_too_many_attributes"),
        (inside("<a b='1' b='2'/>"), "einvoice_not_xml"),
        (inside("<a>\u{0}</a>"), "einvoice_not_xml"),
        (inside("<a>&#1;</a>"), "einvoice_not_xml"),
        (inside("<a b='&#1;'/>"), "einvoice_not_xml"),
        (inside("</Invoice>"), "einvoice_not_xml"),
        (good[..good.len() / 2].to_owned(), "einvoice_not_xml"),
        (format!("{good}x"), "einvoice_not_xml"),
        (good.replacen("UTF-8", "UTF-16", 1), "einvoice_encoding"),
        ("<Order/>".to_owned(), "einvoice_not_an_invoice"),
        (String::new(), "einvoice_not_xml"),
    ];
    for (index, (text, code)) in cases.iter().enumerate() {
        assert_eq!(refused(text), *code, "{index}");
    }
    assert_eq!(read(b"<\xFF/>", Limits::default()).unwrap_err().code(), "einvoice_encoding");
}

#[test]
fn a_file_costs_no_more_than_its_limits() {
    let text = as_ubl("two_hundred_lines");
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        read(text.as_bytes(), limits).map(|_| ()).map_err(|refused| refused.code())
    };
    assert_eq!(limits(|_| {}), Ok(()));
    assert_eq!(limits(|l| l.xml.bytes_max = 1_000), Err("einvoice_too_large"));
    assert_eq!(limits(|l| l.xml.elements_max = 1_000), Err("einvoice_too_many_elements"));
    assert_eq!(limits(|l| l.lines_max = 199), Err("einvoice_too_many_lines"));
    assert_eq!(limits(|l| l.xml.depth_max = 3), Err("einvoice_too_deep"));
    let cii = as_cii("two_hundred_lines");
    let few = Limits { lines_max: 199, ..Limits::default() };
    assert_eq!(read(cii.as_bytes(), few).unwrap_err().code(), "einvoice_too_many_lines");
    let row = cii.find("<ram:ApplicableTradeTax>\n    <ram:CalculatedAmount>").unwrap();
    let end = row + cii[row..].find("</ram:ApplicableTradeTax>").unwrap() + "</ram:ApplicableTradeTax>".len();
    let rows = format!("{}{}{}", &cii[..row], cii[row..end].repeat(101), &cii[end..]);
    assert_eq!(refused(&rows), "einvoice_too_many_lines");
    let large = vec![b' '; 100 * 1024 * 1024];
    assert_eq!(read(&large, Limits::default()).unwrap_err().code(), "einvoice_too_large");
}

#[test]
fn values_that_are_none_are_refused_by_name() {
    let (ubl, cii) = (as_ubl("discounts"), as_cii("discounts"));
    let cases = [
        (ubl.replacen(">12.3456<", ">1e3<", 1), "einvoice_amount_invalid"),
        (ubl.replacen(">12.3456<", ">12,34<", 1), "einvoice_amount_invalid"),
        (ubl.replacen(">12.3456<", "><", 1), "einvoice_field_missing"),
        (ubl.replacen(">890.44<", ">99999999999999999999.00<", 1), "einvoice_amount_invalid"),
        (ubl.replacen(">21<", ">-21<", 1), "einvoice_amount_invalid"),
        (ubl.replacen("2026-03-12", "2026-02-30", 1), "einvoice_date_invalid"),
        (ubl.replacen("2026-03-12", "12/03/2026", 1), "einvoice_date_invalid"),
        (ubl.replacen(">EUR<", ">euro<", 1), "einvoice_code_unknown"),
        (ubl.replacen("<cbc:ID>S<", "<cbc:ID>Q<", 1), "einvoice_code_unknown"),
        (ubl.replacen(">false<", ">no<", 1), "einvoice_code_unknown"),
        (ubl.replace("LegalMonetaryTotal", "Total"), "einvoice_field_missing"),
        (ubl.replace("<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>", ""), "einvoice_field_missing"),
        (as_ubl("everything").replacen("am91", "!!!!", 1), "einvoice_attachment_invalid"),
        (cii.replacen("20260312", "20260230", 1), "einvoice_date_invalid"),
        (cii.replacen("format=\"102\"", "format=\"203\"", 1), "einvoice_code_unknown"),
        (cii.replacen(">12.3456<", ">x<", 1), "einvoice_amount_invalid"),
        (cii.replace("ApplicableHeaderTradeSettlement", "Settlement"), "einvoice_field_missing"),
        (cii.replace("rsm:ExchangedDocument>", "rsm:Other>"), "einvoice_field_missing"),
    ];
    for (index, (text, code)) in cases.iter().enumerate() {
        assert_eq!(refused(text), *code, "{index}");
    }
}

#[test]
fn what_is_claimed_wrongly_is_told_by_rule_and_amount() {
    let rules = |text: String| -> (Vec<&'static str>, Vec<&'static str>) {
        let incoming = read(text.as_bytes(), Limits::default()).unwrap();
        (
            incoming.faults.iter().map(|fault| fault.rule).collect(),
            incoming.differences.iter().map(|difference| difference.term).collect(),
        )
    };
    let (ubl, cii) = (as_ubl("standard_21"), as_cii("standard_21"));
    let of = |name: &str, wrong: &str| {
        let start = ubl.find(&format!("<cbc:{name} ")).unwrap();
        let open = start + ubl[start..].find('>').unwrap() + 1;
        let close = open + ubl[open..].find('<').unwrap();
        format!("{}{wrong}{}", &ubl[..open], &ubl[close..])
    };
    let payable = of("PayableAmount", "1210.01");
    assert_eq!(rules(payable.clone()), (vec!["BR-CO-16"], vec!["BT-115"]));
    let incoming = read(payable.as_bytes(), Limits::default()).unwrap();
    let difference = &incoming.differences[0];
    assert_eq!((difference.claimed, difference.computed), (Some(Minor::new(121_001)), Some(Minor::new(121_000))));
    assert_eq!(rules(of("TaxInclusiveAmount", "1211.00")), (vec!["BR-CO-15", "BR-CO-16"], vec!["BT-112"]));
    assert_eq!(rules(of("TaxExclusiveAmount", "1000.5")), (vec!["BR-CO-13", "BR-CO-15"], vec!["BT-109"]));
    assert_eq!(rules(of("PayableAmount", "1210.004")).0, ["UBL-DT-01"]);
    // The document agrees with itself; the line does not come to what it says.
    assert_eq!(
        rules(of("PriceAmount", "999.99")),
        (vec![], vec!["BT-131", "BT-116", "BT-106", "BT-109", "BT-112", "BT-115"])
    );
    let taxed = cii.replacen("<ram:CalculatedAmount>210.00<", "<ram:CalculatedAmount>215.00<", 1);
    assert_eq!(rules(taxed), (vec!["BR-CO-14", "BR-CO-17"], vec!["BT-117"]));
    let unknown_unit = ubl.replace("unitCode=\"HUR\"", "unitCode=\"HOURS\"");
    assert_eq!(rules(unknown_unit), (vec!["BR-CL-23"], vec![]));
}

#[test]
fn a_tax_that_the_seller_may_state_is_kept() {
    let mut facts = super::super::samples::invoice(vec![line(1, "1", "33.35", s(210_000))]);
    facts.vat = vec![super::super::VatTerms { vat: s(210_000), reason: None, code: None, tax: Some(Minor::new(701)) }];
    let document = Document::new(facts).unwrap();
    let incoming = read(&cii::write(&document), Limits::default()).unwrap();
    assert_eq!((incoming.differences.len(), incoming.document().unwrap().totals().tax), (0, Minor::new(701)));
}

#[test]
fn other_types_are_taken_for_an_invoice_or_a_credit_note() {
    for (code, kind) in
        [("384", Kind::Invoice), ("389", Kind::Invoice), ("326", Kind::Partial), ("386", Kind::Prepayment)]
    {
        let text = as_ubl("standard_21").replace(">380<", &format!(">{code}<"));
        let incoming = read(text.as_bytes(), Limits::default()).unwrap();
        assert_eq!((incoming.facts.kind, incoming.type_code.as_str()), (kind, code));
    }
    let text = as_ubl("credit_standard").replace(">381<", ">396<");
    assert_eq!(read(text.as_bytes(), Limits::default()).unwrap().facts.kind, Kind::CreditNote);
    let text = as_cii("standard_21").replace(">380<", ">261<");
    assert_eq!(read(text.as_bytes(), Limits::default()).unwrap().facts.kind, Kind::CreditNote);
}

#[test]
fn no_cut_and_no_changed_byte_makes_the_reader_stumble() {
    for text in [as_ubl("everything"), as_cii("everything")] {
        let bytes = text.as_bytes();
        for step in (0..bytes.len()).step_by(97) {
            let _refused = read(&bytes[..step], Limits::default());
            let mut changed = bytes.to_vec();
            changed[step] = b"<>&\"0-."[step % 7];
            let _either = read(&changed, Limits::default());
        }
    }
}
