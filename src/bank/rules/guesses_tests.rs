use super::*;
use crate::bank::rules::tests::{kept, movement};
use proptest::prelude::*;
use uuid::Uuid;

fn candidate(n: u128, client: u128, open: i64) -> Candidate {
    Candidate {
        invoice: InvoiceId(Uuid::from_u128(n)),
        number: format!("2026-{n:04}"),
        reference: format!("{:012}", n * 97),
        client: ClientId(Uuid::from_u128(client)),
        client_name: format!("Client number {client}"),
        open: Minor::new(open),
    }
}

fn line(text: &str, reference: &str, payer: &str) -> LineRow {
    LineRow {
        remittance: text.to_owned(),
        structured_reference: reference.to_owned(),
        counterparty: payer.to_owned(),
        ..kept(&movement(121_000))
    }
}

fn told(
    line: &LineRow,
    waiting: i64,
    candidates: &[Candidate],
    known: &[ClientId],
) -> Vec<(Vec<u128>, u8, Vec<GuessReason>)> {
    let ids = |guess: &Guess| guess.invoices.iter().map(|it| it.invoice.0.as_u128()).collect();
    let guesses = guesses(line, Minor::new(waiting), candidates, known);
    guesses.iter().map(|guess| (ids(guess), guess.score, guess.why.clone())).collect()
}

#[test]
fn the_reasons_add_up_and_the_likeliest_comes_first() {
    let open = [candidate(1, 1, 50_000), candidate(2, 2, 121_000), candidate(3, 2, 121_000)];
    let paid = line("Payment of invoice 2026/0003, thank you", "", "NUMBER 2 CLIENT");
    let known = [ClientId(Uuid::from_u128(2))];
    assert_eq!(
        told(&paid, 121_000, &open, &known),
        [
            (
                vec![3],
                99,
                vec![
                    GuessReason::NumberInText,
                    GuessReason::ExactAmount,
                    GuessReason::KnownAccount,
                    GuessReason::NameAlike
                ]
            ),
            (vec![2], 85, vec![GuessReason::ExactAmount, GuessReason::KnownAccount, GuessReason::NameAlike]),
        ]
    );
    assert_eq!(told(&line("", "", ""), 121_000, &open, &[])[0], (vec![2], 35, vec![GuessReason::ExactAmount]));
    assert_eq!(told(&line("", "", ""), 777, &open, &[]), []);
    assert_eq!(told(&paid, 0, &open, &known), []);
}

#[test]
fn a_mistyped_digit_charges_on_the_way_parts_and_more_than_is_open() {
    let open = [candidate(1_234, 1, 121_000)];
    let reference = &open[0].reference;
    let mistyped = format!("{}9{}", &reference[..5], &reference[6..]);
    let whys =
        |line: &LineRow, waiting| told(line, waiting, &open, &[]).first().map(|it| it.2.clone()).unwrap_or_default();
    assert_eq!(whys(&line("", &mistyped, ""), 121_000), [GuessReason::ReferenceNearlyRight, GuessReason::ExactAmount]);
    let two = format!("{}99{}", &reference[..5], &reference[7..]);
    assert_eq!(whys(&line("", &two, ""), 121_000), [GuessReason::ExactAmount]);
    let named = line("2026-1234", "", "");
    assert_eq!(whys(&named, 118_500), [GuessReason::NumberInText, GuessReason::AmountLessCharges]);
    assert_eq!(whys(&named, 60_000), [GuessReason::NumberInText, GuessReason::PartOfAmount]);
    assert_eq!(whys(&named, 121_001), [GuessReason::NumberInText, GuessReason::MoreThanOpen]);
}

#[test]
fn several_invoices_of_one_client_are_found_by_their_sum_and_never_across_clients() {
    let open = [candidate(1, 1, 10_000), candidate(2, 1, 20_000), candidate(3, 1, 30_000), candidate(4, 2, 40_000)];
    let found = |waiting| told(&line("", "", "Client number 1 SRL"), waiting, &open, &[]);
    assert_eq!(found(60_000)[0], (vec![1, 2, 3], 50, vec![GuessReason::SumOfSeveral, GuessReason::NameAlike]));
    assert_eq!(found(50_000)[0], (vec![2, 3], 50, vec![GuessReason::SumOfSeveral, GuessReason::NameAlike]));
    assert!(found(70_000).iter().all(|it| it.0.len() == 1), "30,000 + 40,000 are of two clients");
}

#[test]
fn names_are_alike_by_their_words_and_not_by_their_form() {
    let alike = |left: &str, right: &str| is_alike(&words(left), &words(right));
    assert!(alike("ATELIER NOORD BV", "Atelier Noord"));
    assert!(alike("NUNEZ ET FILS", "Łukasz Øster-Ñuñez & Fils SPRL"));
    assert!(alike("Théâtre d'Hélène", "THEATRE D HELENE ASBL"));
    assert!(!alike("Studio SPRL", "Bureau SPRL") && !alike("", "Bureau") && !alike("BV", "BV"));
}

proptest! {
    #[test]
    fn a_guess_never_costs_more_than_it_may_and_a_sum_is_a_sum(
        opens in proptest::collection::vec(1_i64..500, 0..30), waiting in 0_i64..3_000, text in ".{0,40}"
    ) {
        let candidates: Vec<_> = opens.iter().zip(1_u128..).map(|(open, n)| candidate(n, n % 3, *open)).collect();
        let found = guesses(&line(&text, &text, &text), Minor::new(waiting), &candidates, &[]);
        prop_assert!(found.len() <= SHOWN && found.is_sorted_by_key(|it| std::cmp::Reverse(it.score)));
        for guess in found {
            prop_assert!((SCORE_MIN..=SCORE_MAX).contains(&guess.score));
            if guess.invoices.len() > 1 {
                prop_assert_eq!(guess.invoices.iter().map(|it| it.open.get()).sum::<i64>(), waiting);
                prop_assert!(guess.invoices.iter().all(|it| it.client == guess.invoices[0].client));
            }
        }
    }
}
