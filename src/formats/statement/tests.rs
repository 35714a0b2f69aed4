use super::*;
use crate::formats::golden::keep_sample;

/// A statement with `n` movements, some with names that are hard to set.
fn facts(language: Language, n: i64) -> StatementFacts {
    let total = |pending, available| Amounts {
        pending: Minor::new(pending),
        available: Minor::new(available),
        total: Minor::new(pending + available),
        ..Amounts::default()
    };
    let events = ["invoice_issued", "guarantee_advanced", "transferred", "payout_reserved"];
    let moves = (0..n).map(|index| StatementMove {
        on: NaiveDate::from_ymd_opt(2026, 5, 1 + u32::try_from(index % 28).unwrap()).unwrap(),
        event: events[usize::try_from(index).unwrap() % events.len()].to_owned(),
        document: (index % 2 == 0).then(|| format!("2026-{index:04}")),
        amounts: total(92_500, 0),
        running: Minor::new(10_000 + 92_500 * (index + 1)),
    });
    StatementFacts {
        language,
        entity: "Ombelle SC agréée".to_owned(),
        member: "Łukasz Øster-Ñuñez".to_owned(),
        activity: "Collectif « Les Ombelles » : illustrations, ateliers et fresques".to_owned(),
        currency: Currency::EUR,
        first: "2026-05-01".parse().unwrap(),
        last: "2026-06-30".parse().unwrap(),
        opening: total(0, 10_000),
        moves: moves.collect(),
        totals: vec![("invoice_issued".to_owned(), total(92_500 * n, 0))],
        closing: total(92_500 * n, 10_000),
    }
}

#[test]
fn the_four_languages_have_the_same_words() {
    for language in Language::ALL {
        assert!(words(language).strays().is_empty(), "{language}: {:?}", words(language).strays());
        assert_eq!(words(language).outline(), EN.outline(), "{language}");
    }
    assert_eq!(event(Language::Fr, "client_paid"), "Paiement du client");
    assert_eq!(event(Language::Fr, "not_yet_known"), "not yet known");
}

#[test]
fn equal_facts_give_equal_files_and_long_ones_go_on() {
    let pages = |bytes: &[u8]| lopdf::Document::load_mem(bytes).unwrap().get_pages().len();
    for language in Language::ALL {
        let short = pdf(&facts(language, 3)).unwrap();
        assert_eq!(short, pdf(&facts(language, 3)).unwrap());
        assert_eq!(pages(&short), 1);
    }
    assert_eq!(pages(&pdf(&facts(Language::Fr, 0)).unwrap()), 1);
    assert_eq!(pages(&pdf(&facts(Language::De, 120)).unwrap()), 4);
    if std::env::var_os("UMBEL_SAMPLES").is_some() {
        let keep = |name: &str, facts: &StatementFacts| {
            keep_sample(&format!("documents/statement_{name}_{}.pdf", facts.language), &pdf(facts).unwrap());
        };
        for language in Language::ALL {
            keep("short", &facts(language, 6));
            keep("long", &facts(language, 60));
            let long = "Association des illustratrices, traducteurs et machinistes ".repeat(3);
            let mut named =
                StatementFacts { entity: long.clone(), member: long.clone(), activity: long, ..facts(language, 6) };
            named.moves[1].event = "pool_allocation_reversed".to_owned();
            named.moves[2].amounts.total = Minor::new(-99_999_999_999);
            named.moves[2].running = Minor::new(-99_999_999_999);
            keep("names", &named);
        }
    }
}

#[test]
fn a_table_has_what_was_there_what_moved_and_what_is_there() {
    let mut facts = facts(Language::En, 2);
    facts.moves[1].event = "=HYPERLINK(1)".to_owned();
    facts.moves[1].document = Some("@SUM(1,2)\n\"x\"".to_owned());
    let text = String::from_utf8(csv(&facts)).unwrap();
    assert!(text.ends_with("\r\n") && text.matches("\r\n").count() == 5, "{text:?}");
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let kinds: Vec<&str> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!(kinds, ["opening", "move", "move", "closing"]);
    assert_eq!((&rows[0][9], &rows[1][9], &rows[1][10], &rows[3][10]), ("100.00", "925.00", "1025.00", "1950.00"));
    assert_eq!((&rows[2][2], &rows[2][3]), ("'=HYPERLINK(1)", "'=HYPERLINK(1)"));
    assert_eq!(&rows[2][4], "'@SUM(1,2)\n\"x\"");
}
