use super::*;

fn proof(day: &str, bank: i64, before: Option<i64>) -> Proof {
    let part = |component: &str, amount: i64| Component {
        component: component.to_owned(),
        amount_minor: Minor::new(amount),
        accounts: 1,
    };
    let (owed, held) = (Minor::new(113_500), Minor::new(bank));
    let ratio = ratio_ppm(held, owed);
    Proof {
        version: 1,
        entity: Prover { id: EntityId(Uuid::nil()), enterprise_number: "0123456749".into(), name: "Ombelle".into() },
        day: day.parse().unwrap(),
        currency: Currency::EUR,
        owed: vec![part("available", 92_500), part("vat_output", 21_000)],
        owed_minor: owed,
        held: vec![part("bank", bank)],
        held_minor: held,
        ratio_ppm: ratio,
        trend_ppm: trend_ppm(ratio, before),
        activities: Commitment { count: 1, root: "00".repeat(32), sum_minor: Minor::new(92_500) },
        guarantee_fund_minor: Minor::new(2_000),
        through_entry: 7,
    }
}

/// Chains proofs as they are, right or wrong.
fn chain(proofs: &[Proof]) -> String {
    let mut before = GENESIS;
    let mut text = String::new();
    for proof in proofs {
        let body = proof.canonical().unwrap();
        let hash = link_hash(&before, &body);
        text.push_str(&line(&body, &before, &hash));
        before = hash;
    }
    text
}

fn three() -> Vec<Proof> {
    let first = proof("2026-05-04", 1_000_000, None);
    let second = proof("2026-05-05", 113_500, first.ratio_ppm);
    let third = proof("2026-05-06", 100_000, second.ratio_ppm);
    vec![first, second, third]
}

fn fault(text: &str) -> (usize, Fault) {
    let broken = check_chain(text).unwrap_err();
    (broken.line, broken.fault)
}

#[test]
fn a_sound_chain_is_read_with_its_ratios() {
    let links = check_chain(&chain(&three())).unwrap();
    let ratios: Vec<_> = links.iter().map(|link| (link.proof.ratio_ppm.unwrap(), link.proof.trend_ppm)).collect();
    assert_eq!(ratios, [(8_810_572, None), (1_000_000, Some(-7_810_572)), (881_057, Some(-118_943))]);
    assert_eq!(
        (ratio_ppm(Minor::new(1), Minor::ZERO), ratio_ppm(Minor::new(-1), Minor::new(3))),
        (None, Some(-333_334))
    );
}

#[test]
fn each_way_to_break_a_chain_is_named() {
    let sound = chain(&three());
    let lines: Vec<&str> = sound.lines().collect();
    assert_eq!(fault(""), (1, Fault::Unreadable));
    assert_eq!(fault(&sound.replacen("\"held\"", " \"held\"", 1)), (1, Fault::Unreadable));
    assert_eq!(fault(&sound.replacen("\"amount_minor\":92500", "\"amount_minor\":92501", 1)), (1, Fault::Hash));
    assert_eq!(fault(&format!("{}\n{}\n", lines[0], lines[2])), (2, Fault::Link));
    assert_eq!(fault(&format!("{}\n{}\n", lines[1], lines[2])), (1, Fault::Link), "cut off at its beginning");
    assert_eq!(fault(&format!("{sound}{}\n", lines[1])), (4, Fault::Link));
    let with = |place: usize, change: fn(&mut Proof)| {
        let mut proofs = three();
        change(&mut proofs[place]);
        fault(&chain(&proofs))
    };
    assert_eq!(with(1, |it| it.owed_minor = Minor::new(113_499)), (2, Fault::Owed));
    assert_eq!(with(1, |it| it.held_minor = Minor::new(113_501)), (2, Fault::Held));
    assert_eq!(with(0, |it| it.activities.sum_minor = Minor::new(92_499)), (1, Fault::Commitment));
    assert_eq!(with(2, |it| it.ratio_ppm = Some(1_000_000)), (3, Fault::Ratio));
    assert_eq!(with(2, |it| it.trend_ppm = None), (3, Fault::Trend));
    assert_eq!(with(2, |it| it.day = "2026-05-07".parse().unwrap()), (3, Fault::Day));
    let not_a_proof = |body: &str| line(body, &GENESIS, &link_hash(&GENESIS, body));
    assert_eq!(fault(&not_a_proof("{\"day\":\"2026-05-04\"}")), (1, Fault::NotAProof));
}

#[test]
fn any_byte_of_a_chain_that_changes_is_noticed() {
    let sound = chain(&three());
    for at in 0..sound.len() - 1 {
        let mut bytes = sound.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        assert!(check_chain(&changed).is_err(), "byte {at}");
    }
}

fn inclusion() -> (Inclusion, Vec<Checked>) {
    let ids: Vec<Uuid> = (1..=5_u128).map(Uuid::from_u128).collect();
    let salt = |id: &Uuid| -> [u8; 32] { Sha256::digest(id.as_bytes()).into() };
    let leaves: Vec<Node> = ids.iter().map(|id| merkle::leaf(&salt(id), *id, Minor::new(18_500)).unwrap()).collect();
    let root = merkle::root(&leaves).unwrap();
    let view = |node: &Node| NodeView { sum: Money::eur(node.sum), sha256: hex(&node.hash) };
    let mut proof = proof("2026-05-04", 1_000_000, None);
    proof.activities = Commitment { count: 5, root: hex(&root.hash), sum_minor: root.sum };
    let links = check_chain(&chain(&[proof])).unwrap();
    let path = merkle::path(&leaves, 4).unwrap();
    let path = path.iter().map(|step| NeighbourView { side: step.side, node: view(&step.node) }).collect();
    let mine = Included {
        activity_id: ActivityId(ids[4]),
        owed: Money::eur(Minor::new(18_500)),
        salt: hex(&salt(&ids[4])),
        path,
    };
    let it = Inclusion {
        entity_id: EntityId(Uuid::nil()),
        day: "2026-05-04".parse().unwrap(),
        proof_sha256: hex(&links[0].sha256),
        root: view(&root),
        activities: vec![mine],
    };
    (it, links)
}

#[test]
fn a_member_checks_alone_that_their_balance_is_counted() {
    let (it, links) = inclusion();
    let text = |it: &Inclusion| serde_json::to_string(it).unwrap();
    assert_eq!(check_inclusion(&text(&it), Some(&links)).unwrap(), it);
    let mut less = it.clone();
    less.activities[0].owed = Money::eur(Minor::new(18_499));
    assert_eq!(check_inclusion(&text(&less), None), Err(NotIncluded::Elsewhere(it.activities[0].activity_id)));
    let mut other = it.clone();
    other.proof_sha256 = "11".repeat(32);
    assert_eq!(check_inclusion(&text(&other), Some(&links)), Err(NotIncluded::NotInChain));
    assert_eq!(check_inclusion("{}", None), Err(NotIncluded::Unreadable));
}
