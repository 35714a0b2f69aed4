//! What a late client reads, in four languages: the letters of a whole track, with everything that a demand must say.

use super::collection::{client_that_reads, issued, look, standing, track, until, usual, words};
use super::guarantee::id;
use super::support::TestApp;
use super::world::text;

#[test]
fn letters_speak_the_language_of_the_client_and_leave_nothing_out() {
    let app = TestApp::start();
    let (mut cast, member) = app.with_member();
    track(&app, &cast, "b2b", &usual()).expect(201).unwrap();
    let words_of = [
        (
            "fr",
            [
                "18 juin 2026",
                "10 août 2026",
                "270,88",
                "10,5",
                "sans TVA",
                "l’an",
                "loi du 2 août 2002, art. 5",
                "loi du 2 août 2002, art. 6",
                "Moniteur belge",
            ],
        ),
        (
            "nl",
            [
                "18 juni 2026",
                "10 augustus 2026",
                "270,88",
                "10,5",
                "zonder btw",
                "per jaar",
                "wet van 2 augustus 2002, art. 5",
                "wet van 2 augustus 2002, art. 6",
                "Belgisch Staatsblad",
            ],
        ),
        (
            "en",
            [
                "18 June 2026",
                "10 August 2026",
                "270.88",
                "10.5",
                "without VAT",
                "a year",
                "Law of 2 August 2002, art. 5",
                "Law of 2 August 2002, art. 6",
                "Official Gazette",
            ],
        ),
        (
            "de",
            [
                "18. Juni 2026",
                "10. August 2026",
                "270,88",
                "10,5",
                "ohne Umsatzsteuer",
                "im Jahr",
                "Gesetz vom 2. August 2002, Art. 5",
                "Gesetz vom 2. August 2002, Art. 6",
                "Belgisches Staatsblatt",
            ],
        ),
    ];
    let of_language = words_of.map(|(language, _)| {
        let client =
            client_that_reads(&member, "business", "Straßen- und Brückenbaugesellschaft Nord-Ostsee mbH", language);
        issued(&app, &cast, &client, 100_000)
    });
    let member = until(&app, &mut cast, member, 90);
    for ((language, needles), invoice) in words_of.iter().zip(&of_language) {
        let seen = standing(&member.client, invoice);
        for (n, action) in seen["actions"].as_array().unwrap().iter().enumerate() {
            let pdf = member.client.get(&format!("/v1/collection_actions/{}/pdf", id(action))).unwrap();
            assert_eq!(pdf.status, 200);
            look(&format!("{language}-{n}"), &pdf.body);
            let said = words(&pdf.body);
            let digits: String = said.chars().filter(char::is_ascii_digit).collect();
            assert!(said.contains(&invoice.number) && digits.contains(&invoice.reference), "{said}");
            let is_demand = text(action, "kind") == "formal_demand";
            let needles = needles.iter().chain(["40"].iter()).filter(|_| is_demand);
            for needle in needles {
                assert!(said.contains(needle), "{needle} is not in {said}");
            }
        }
    }
}
