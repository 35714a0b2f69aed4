use super::*;
use crate::formats::golden::keep_sample;
use crate::kernel::money::Ppm;
use crate::kernel::schemes::presets;

fn facts(language: Language) -> PayslipFacts {
    let step = |code: &str, sign: Sign, amount: i64| Step {
        code: code.to_owned(),
        payer: None,
        base: None,
        rates: Vec::new(),
        sign,
        amount: Minor::new(amount),
    };
    let rated = |code: &str, payer: Payer, base: i64, rate: i64, amount: i64| Step {
        payer: Some(payer),
        base: Some(Minor::new(base)),
        rates: vec![Slice { amount_minor: Minor::new(base), rate_ppm: Ppm(rate) }],
        ..step(code, Sign::Less, amount)
    };
    PayslipFacts {
        language,
        entity: "Ombelle SC".to_owned(),
        address: "Rue de la Coopération 12, 1000 Bruxelles".to_owned(),
        enterprise_number: "0123456749".to_owned(),
        member: "Łukasz Øster-Ñuñez".to_owned(),
        member_number: 17,
        activity: "Illustration".to_owned(),
        payout: "01997F0000007000800000000000002A".to_owned(),
        on: "2026-05-04".parse().unwrap(),
        scheme: "Employee".to_owned(),
        scheme_from: "2026-01-01".parse().unwrap(),
        currency: Currency::EUR,
        steps: vec![
            step("invoice_net", Sign::Sum, 100_000),
            Step { base: Some(Minor::new(100_000)), ..step("fee", Sign::Less, 6_500) },
            step("budget", Sign::Sum, 93_500),
            rated("pooled_margin", Payer::Margin, 93_500, 61_000, 5_704),
            step("residual", Sign::Less, 1),
            rated("employer_contribution", Payer::Employer, 70_236, 250_000, 17_559),
            step("gross", Sign::Sum, 70_236),
            rated("employee_contribution", Payer::Employee, 70_236, 130_700, 9_180),
            rated("income_tax", Payer::Withholding, 61_056, 111_100, 6_783),
            step("net", Sign::Sum, 54_273),
        ],
    }
}

#[test]
fn a_payslip_is_one_page_in_every_language_and_always_the_same_bytes() {
    for language in Language::ALL {
        let bytes = render(&facts(language)).unwrap();
        assert_eq!(bytes, render(&facts(language)).unwrap(), "{language}");
        let pdf = lopdf::Document::load_mem(&bytes).unwrap();
        assert_eq!(pdf.get_pages().len(), 1, "{language}");
        keep_sample(&format!("documents/payslip_{language}.pdf"), &bytes);
        for step in facts(language).steps {
            let drawn = [step.label(language), step.figure(language, Currency::EUR)];
            for text in drawn.into_iter().chain(step.basis(language, Currency::EUR)) {
                assert_eq!(clean(&text).unwrap(), text, "{language}: a letter that the faces do not have");
            }
        }
    }
}

#[test]
fn every_language_has_the_same_words_and_every_shipped_component_has_some() {
    let outline = EN.outline();
    for language in Language::ALL {
        assert_eq!(words(language).outline(), outline, "{language}");
        assert!(words(language).strays().is_empty(), "{language}");
        assert!(!advice(language).is_empty());
        for component in presets::all().unwrap().into_iter().flat_map(|preset| preset.rules.components) {
            assert!(words(language).get("steps", &component.code).is_some(), "{language}: {}", component.code);
        }
        for payer in Payer::ALL {
            assert!(words(language).get("payers", payer.name()).is_some(), "{language}: {payer}");
        }
        for step in facts(language).steps {
            assert!(words(language).get("steps", &step.code).is_some(), "{language}: {}", step.code);
        }
    }
    let own =
        Step { code: "holiday_pay".to_owned(), payer: Some(Payer::Employer), ..facts(Language::En).steps[0].clone() };
    assert_eq!(own.label(Language::En), "Employer's part (holiday pay)");
}
