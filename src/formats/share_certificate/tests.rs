use super::*;
use crate::formats::golden::keep_sample;
use crate::kernel::money::Minor;

fn facts(language: Language) -> CertificateFacts {
    CertificateFacts {
        language,
        number: 42,
        entity: "Ombelle".to_owned(),
        legal_form: "SC agréée".to_owned(),
        address: vec!["Rue de la Coopération 12".to_owned(), "1000 Bruxelles".to_owned()],
        enterprise_number: "0123456749".to_owned(),
        register: "RPM Bruxelles".to_owned(),
        member: "Łukasz Øster-Ñuñez".to_owned(),
        member_number: 17,
        quantity: 3,
        nominal: Money::eur(Minor::new(3_000)),
        amount: Money::eur(Minor::new(9_000)),
        paid_on: "2026-05-04".parse().unwrap(),
        given_back: None,
    }
}

#[test]
fn equal_facts_give_equal_bytes_on_one_page_in_every_language() {
    for language in Language::ALL {
        let bytes = render(&facts(language)).unwrap();
        assert_eq!(bytes, render(&facts(language)).unwrap(), "{language}");
        let pdf = lopdf::Document::load_mem(&bytes).unwrap();
        assert_eq!(pdf.get_pages().len(), 1, "{language}");
        let keep =
            |name: &str, bytes: &[u8]| keep_sample(&format!("documents/certificate_{name}_{language}.pdf"), bytes);
        keep("whole", &bytes);
        let rest = CertificateFacts { given_back: Some((2, "2027-01-04".parse().unwrap())), ..facts(language) };
        keep("rest", &render(&rest).unwrap());
        let long = "Association des illustratrices, traducteurs et machinistes ".repeat(3);
        keep("names", &render(&CertificateFacts { entity: long.clone(), member: long, ..rest }).unwrap());
    }
}

#[test]
fn every_place_of_a_statement_is_filled_and_no_name_breaks_the_page() {
    let values = values(&facts(Language::En));
    for language in Language::ALL {
        let words = words::of(language);
        let filled = texts::fill(words.statement, |name| {
            values.iter().find(|(known, _)| *known == name).map(|(_, text)| text.clone())
        });
        let rest = CertificateFacts { given_back: Some((2, "2027-01-04".parse().unwrap())), ..facts(language) };
        let rest = super::rest(&rest, words).unwrap();
        assert!(!rest.contains('{') && rest.contains("2027"), "{language}: {rest}");
        assert!(!filled.contains('{') && filled.contains("Łukasz Øster-Ñuñez"), "{language}: {filled}");
    }
    let long = CertificateFacts {
        entity: "W".repeat(70),
        member: "M\u{202e}".repeat(200),
        address: vec!["x ".repeat(80); 2],
        ..facts(Language::De)
    };
    let page = lopdf::Document::load_mem(&render(&long).unwrap()).unwrap();
    assert_eq!(page.get_pages().len(), 1);
    let text = page.extract_text(&[1]).unwrap();
    assert_eq!(text.matches("2026").count(), 2, "the statement is whole: {text}");
}

#[test]
fn a_belgian_number_is_written_as_people_do() {
    assert_eq!(grouped("0123456749"), "0123.456.749");
    assert_eq!(grouped("552032534"), "552032534");
}
