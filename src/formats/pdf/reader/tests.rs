use std::io::Write as _;

use proptest::prelude::*;

use super::*;

/// A file with one embedded file of `name`, its dictionary and its bytes given.
fn with(name: &str, dict: &str, data: &[u8]) -> Vec<u8> {
    let mut file = format!(
        "%PDF-1.7\n1 0 obj\n<</Type/Filespec/F({name})/EF<</F 2 0 R>>>>\nendobj\n2 0 obj\n<<{dict}>>\nstream\n"
    )
    .into_bytes();
    file.extend_from_slice(data);
    file.extend_from_slice(b"\nendstream\nendobj\ntrailer<</Root 1 0 R>>\n%%EOF\n");
    file
}

fn deflated(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_xml_is_found_by_its_name_plain_or_compressed() {
    for name in ["factur-x.xml", "ZUGFeRD-invoice.xml", "xrechnung.xml", "factur\\055x.xml"] {
        assert_eq!(invoice_xml(&with(name, "/Length 4", b"<a/>")).unwrap().bytes, b"<a/>", "{name}");
    }
    let data = deflated(b"<a/>");
    let said = format!("/Filter/FlateDecode/Length {}", data.len());
    for dict in [said.as_str(), "/Filter[/FlateDecode]/Length 99999", "/Filter/Fl#61teDecode"] {
        assert_eq!(invoice_xml(&with("factur-x.xml", dict, &data)).unwrap().bytes, b"<a/>", "{dict}");
    }
}

#[test]
fn a_file_without_it_says_why() {
    assert_eq!(invoice_xml(b"<?xml?>"), Err(ReadError::NotPdf));
    assert_eq!(invoice_xml(&with("photo.xml", "/Length 4", b"<a/>")), Err(ReadError::NoInvoice));
    assert_eq!(invoice_xml(&vec![b' '; LARGEST_FILE + 1]), Err(ReadError::TooLarge));
    let other = with("factur-x.xml", "/Filter/LZWDecode", b"abc");
    assert_eq!(invoice_xml(&other), Err(ReadError::Damaged));
    let mut locked = other;
    locked.extend(b"trailer<</Encrypt 9 0 R>>");
    assert_eq!(invoice_xml(&locked), Err(ReadError::Encrypted));
    let mut two = with("factur-x.xml", "/Length 4", b"<a/>");
    two.extend(b"3 0 obj<</F(factur-x.xml)/EF<</F 4 0 R>>>>endobj 4 0 obj<</Length 4>>stream\n<b/>\nendstream endobj");
    assert_eq!(invoice_xml(&two), Err(ReadError::Ambiguous));
}

#[test]
fn bombs_are_not_inflated() {
    let bomb = deflated(&vec![b' '; 100 * 1024 * 1024]);
    assert!(bomb.len() < 200_000);
    let dict = "/Filter/FlateDecode";
    assert_eq!(invoice_xml(&with("factur-x.xml", dict, &bomb)), Err(ReadError::TooLarge));
    // Pages and pictures are nobody's business.
    let mut page = with("factur-x.xml", "/Length 4", b"<a/>");
    let mut put = |dict: &str, times: usize| {
        for number in 0..times {
            writeln!(page, "{} 0 obj<<{dict}/Filter/FlateDecode/Length {}>>stream", 10 + number, bomb.len()).unwrap();
            page.extend_from_slice(&bomb);
            page.extend_from_slice(b"\nendstream endobj\n");
        }
        invoice_xml(&page).map(|it| it.bytes)
    };
    assert_eq!(put("/Subtype/Image", 5), Ok(b"<a/>".to_vec()));
    assert_eq!(put("/Type/ObjStm/N 9/First 9", 5), Err(ReadError::TooLarge));
}

#[test]
fn deep_and_endless_files_are_refused_or_passed_over() {
    let deep = |what: &[u8]| [b"%PDF-1.7 1 0 obj ".as_slice(), &what.repeat(1_000_000)].concat();
    assert_eq!(invoice_xml(&deep(b"[")), Err(ReadError::TooManyParts));
    assert_eq!(invoice_xml(&deep(b"<</A ")), Err(ReadError::TooManyParts));
    for what in [b"1 0 obj ".as_slice(), b"stream ", b"9 0 obj<<>>stream\n", b"0 ", b"(", b"/A", b"obj", b"%"] {
        let _ = invoice_xml(&deep(what));
    }
}

proptest! {
    #[test]
    fn damaged_files_never_end_the_program(
        places in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..12), cut in any::<u16>(), junk in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let data = deflated(b"<a/>");
        let mut file = with("factur-x.xml", "/Filter/FlateDecode/Length 12", &data);
        file.extend(with("factur-x.xml", "/Type/ObjStm/N 1/First 4/Length 30", b"7 0 <</F(factur-x.xml)/EF<</F 2 0 R>>>>"));
        let length = file.len();
        for (at, value) in places {
            file[usize::from(at) % length] = value;
        }
        let _ = invoice_xml(&file);
        let _ = invoice_xml(&file[..usize::from(cut) % length]);
        let _ = invoice_xml(&[b"%PDF-".as_slice(), &junk].concat());
    }
}
