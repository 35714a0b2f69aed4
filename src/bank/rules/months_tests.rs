//! Fifty months of a bank account, made up by a generator that knows what each payment was for: nothing may be matched by
//! itself with what it was not for. The generator shares no code with the matcher but the check digits.
//!
//! Payers pay exactly, in parts, several invoices at once, twice, too much and less charges; with the reference, with it in
//! the text, with a digit mistyped, with none, with that of an invoice that is paid, with that of another open invoice of
//! theirs, with that of somebody else's; banks take payments back and bring money that is for nobody here. Who gives a
//! reference with exactly what is open of it pays that invoice, whatever they meant: that is the rule of every bookkeeper.

use std::collections::BTreeMap;

use super::tests::{kept, movement};
use super::*;

const MONTHS: u32 = 50;
const LINES: usize = 2_000;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

struct Bill {
    reference: Ogm,
    number: String,
    client: usize,
    open: i64,
}

/// A line and the invoices that it was for.
struct Said {
    line: Line,
    meant: Vec<usize>,
}

struct World {
    dice: Dice,
    bills: Vec<Bill>,
    /// What each client was sent.
    sent: Vec<Vec<usize>>,
}

const NAMES: [&str; 8] = [
    "Atelier Nord",
    "Boulangerie Lumen",
    "Theater Kade",
    "Studio Vier",
    "Huis Oost",
    "Fonderie Sud",
    "Galerie Zin",
    "Radio Plein",
];

fn client_name(client: usize) -> String {
    format!(
        "{} {} SRL",
        NAMES[client % NAMES.len()],
        ["Alfa", "Bravo", "Charlie", "Delta", "Echolot", "Foxtrott", "Golfer"][client / NAMES.len()]
    )
}

impl World {
    fn bill(&mut self) -> usize {
        let n = self.bills.len();
        let client = usize::try_from(self.dice.roll(56)).unwrap();
        // Few amounts, so that equal ones are common.
        let open = i64::try_from(1 + self.dice.roll(40)).unwrap() * 6_050;
        let reference = Ogm::from_base(2_600_000_000 + u64::try_from(n).unwrap()).unwrap();
        self.bills.push(Bill { reference, number: format!("2026-{n:05}"), client, open });
        self.sent[client].push(n);
        n
    }

    fn says(&self, of: usize, amount: i64, reference: Option<&Ogm>, text: &str) -> Line {
        let client = self.bills[of].client;
        Line {
            creditor_reference: reference.map(|reference| reference.digits().to_owned()),
            remittance: Some(text.to_owned()).filter(|text| !text.is_empty()),
            counterparty_name: Some(client_name(client)),
            counterparty_iban: Some(format!("BE00{client:012}")),
            ..movement(amount)
        }
    }

    /// How somebody pays an invoice.
    fn pays(&mut self, of: usize) -> Vec<Said> {
        let (open, reference) = (self.bills[of].open, self.bills[of].reference.clone());
        let client = self.bills[of].client;
        let number = self.bills[of].number.clone();
        let exact = |line: Line| vec![Said { line, meant: vec![of] }];
        let others = |world: &Self, client: usize, pick: &dyn Fn(&Bill) -> bool| -> Vec<usize> {
            world.sent[client].iter().copied().filter(|n| *n != of && pick(&world.bills[*n])).collect()
        };
        match self.dice.roll(100) {
            0..55 => exact(self.says(of, open, Some(&reference), "")),
            55..63 => exact(self.says(of, open, None, &format!("Invoice {number} {}", reference.printed()))),
            63..69 => {
                let part = open / 3;
                [part, open - part]
                    .map(|amount| Said { line: self.says(of, amount, Some(&reference), ""), meant: vec![of] })
                    .into()
            }
            69..74 => {
                let mut meant = others(self, client, &|bill| bill.open > 0);
                meant.truncate(2);
                meant.push(of);
                let sum = meant.iter().map(|n| self.bills[*n].open).sum();
                vec![Said { line: self.says(of, sum, Some(&reference), ""), meant }]
            }
            74..78 => match others(self, client, &|bill| bill.open == 0).first() {
                Some(paid) => exact(self.says(of, open, Some(&self.bills[*paid].reference.clone()), "")),
                None => Vec::new(),
            },
            78..82 => match others(self, client, &|bill| bill.open > 0).first() {
                Some(other) => {
                    let line = self.says(of, open, Some(&self.bills[*other].reference.clone()), "");
                    let meant = if self.bills[*other].open == open { vec![of, *other] } else { vec![of] };
                    vec![Said { line, meant }]
                }
                None => Vec::new(),
            },
            82..84 => match others(self, (client + 1) % 56, &|bill| bill.open > 0).first() {
                Some(other) => {
                    let line = self.says(of, open, Some(&self.bills[*other].reference.clone()), "");
                    let meant = if self.bills[*other].open == open { vec![of, *other] } else { vec![of] };
                    vec![Said { line, meant }]
                }
                None => Vec::new(),
            },
            84..87 => {
                let mut line = self.says(of, open, Some(&reference), "");
                let mut digits = reference.digits().to_owned();
                let last = if digits.ends_with('7') { "3" } else { "7" };
                digits.replace_range(11.., last);
                line.creditor_reference = Some(digits);
                exact(line)
            }
            87..91 => exact(self.says(of, open, None, &format!("your invoice {number}"))),
            91..94 => {
                let line = self.says(of, open, Some(&reference), "");
                // Paid twice: the first to arrive pays, the other one finds nothing open.
                vec![Said { line: line.clone(), meant: vec![of] }, Said { line, meant: vec![of] }]
            }
            94..96 => exact(self.says(of, open - 1_500, Some(&reference), "less charges")),
            96..98 => exact(self.says(of, open + 37, Some(&reference), "")),
            _ => {
                let line = self.says(of, open, Some(&reference), "");
                let back = Line { is_reversal: true, amount: line.amount.negated().unwrap(), ..line.clone() };
                vec![Said { line, meant: vec![of] }, Said { line: back, meant: Vec::new() }]
            }
        }
    }

    fn noise(&mut self) -> Said {
        let amount = i64::try_from(1 + self.dice.roll(40)).unwrap() * 6_050;
        let strange = Ogm::from_base(9_000_000_000 + self.dice.roll(1_000_000)).unwrap();
        let client = usize::try_from(self.dice.roll(56)).unwrap();
        let line = match self.dice.roll(4) {
            0 => Line { creditor_reference: Some(strange.digits().to_owned()), ..movement(amount) },
            1 => Line {
                remittance: Some("subsidy".to_owned()),
                counterparty_name: Some(client_name(client)),
                ..movement(amount)
            },
            2 => movement(-amount),
            _ => Line { remittance: Some(format!("refund {}", strange.printed())), ..movement(amount) },
        };
        Said { line, meant: Vec::new() }
    }
}

#[test]
fn of_fifty_months_nothing_is_matched_by_itself_with_what_it_was_not_for() {
    let id_of = |n: usize| InvoiceId(uuid::Uuid::from_u128(u128::try_from(n).unwrap() + 1));
    let client_of =
        |client: usize| crate::kernel::ids::ClientId(uuid::Uuid::from_u128(u128::try_from(client).unwrap() + 1));
    let entity = EntityId(uuid::Uuid::from_u128(99));
    let mut world = World { dice: Dice(20_261_123), bills: Vec::new(), sent: vec![Vec::new(); 56] };
    let mut by_reference: BTreeMap<String, usize> = BTreeMap::new();
    let (mut lines, mut automatic, mut for_invoices) = (0_usize, 0_usize, 0_usize);
    for _month in 0..MONTHS {
        let mut said = Vec::new();
        let fresh: Vec<usize> = (0..600).map(|_| world.bill()).collect();
        for n in fresh {
            by_reference.insert(world.bills[n].reference.digits().to_owned(), n);
            // One in nine is paid another month, or never.
            if world.dice.roll(9) > 0 {
                said.extend(world.pays(n));
            }
        }
        while said.len() < LINES {
            said.push(world.noise());
        }
        for n in (1..said.len()).rev() {
            let other = usize::try_from(world.dice.roll(u64::try_from(n).unwrap() + 1)).unwrap();
            said.swap(n, other);
        }
        for Said { line, meant } in said {
            lines += 1;
            for_invoices += usize::from(!meant.is_empty());
            let row = kept(&line);
            let named = reference(&row).and_then(|found| by_reference.get(found.digits()).copied());
            let fact = named.filter(|_| row.amount_minor > Minor::ZERO).map(|n| {
                let payers: Vec<usize> =
                    row.counterparty_iban_last4.parse().ok().filter(|it| *it < 56).into_iter().collect();
                // What the payer and the named client owe: nobody else can be meant by name, account or sum.
                let mut clients = payers.clone();
                clients.push(world.bills[n].client);
                clients.sort_unstable();
                clients.dedup();
                let open: Vec<Candidate> = clients
                    .iter()
                    .flat_map(|client| world.sent[*client].iter().copied())
                    .filter(|other| world.bills[*other].open > 0)
                    .map(|other| Candidate {
                        invoice: id_of(other),
                        number: world.bills[other].number.clone(),
                        reference: world.bills[other].reference.digits().to_owned(),
                        client: client_of(world.bills[other].client),
                        client_name: client_name(world.bills[other].client),
                        open: Minor::new(world.bills[other].open),
                    })
                    .collect();
                let known: Vec<_> = payers.into_iter().map(client_of).collect();
                InvoiceFact {
                    id: id_of(n),
                    entity,
                    currency: Currency::EUR,
                    open: Minor::new(world.bills[n].open),
                    payer: payer(&row, id_of(n), &open, &known),
                }
            });
            let decision = judge(&row, entity, &Facts { invoice: fact, ..Facts::default() });
            let paid = match decision {
                Decision::PayInvoice { invoice, amount, .. } => {
                    automatic += 1;
                    let n = named.unwrap();
                    assert_eq!(invoice, id_of(n));
                    assert!(meant.contains(&n), "{line:?} was for {meant:?}, not {n}");
                    vec![(n, amount.get())]
                }
                // A person does what it was for.
                Decision::SettlePayout(_)
                | Decision::ReturnPayout(_)
                | Decision::SettleRemittance(_)
                | Decision::ReturnRemittance(_)
                | Decision::PayShare(_)
                | Decision::Wait => {
                    let mut rest = line.amount.get();
                    let mut paid = Vec::new();
                    for n in meant {
                        let amount = rest.min(world.bills[n].open);
                        paid.push((n, amount));
                        rest -= amount;
                    }
                    paid
                }
            };
            for (n, amount) in paid {
                world.bills[n].open -= amount;
                assert!(world.bills[n].open >= 0, "paid twice");
            }
        }
    }
    assert!(lines >= 100_000, "{lines}");
    assert!(automatic * 10 > for_invoices * 6, "{automatic} of {for_invoices} payments of invoices without a person");
}
