//! Scripts are worth playing: they reach everything that the allocator can do.

use std::collections::BTreeMap;

use tidegate_conformance::{Answer, Event, Outcome, Payer, Player, Question, Recipe, Script, Shortage, play};

/// One word for an outcome, detailed where it matters.
fn kind(event: &Event, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Nothing => "nothing".into(),
        Outcome::Admitted { payer, receipt, wait_ns, .. } => {
            let payer = if *payer == Payer::Guaranteed { "guaranteed" } else { "opportunistic" };
            let receipt = if *receipt { ", with a receipt" } else { "" };
            format!("{payer}{receipt}{}", if *wait_ns > 0 { ", later" } else { "" })
        }
        Outcome::Refused { shortage: Shortage::Malformed, .. } => "malformed".into(),
        Outcome::Refused { shortage, retry_after_ns, .. } => {
            format!("{shortage:?}, {}", if retry_after_ns.is_some() { "told when" } else { "never" })
        }
        Outcome::Counted(_) => "counted".into(),
        Outcome::Settled(open) => format!("settled: {open}"),
        Outcome::Applied(Ok(_)) => {
            let delta = matches!(event, Event::Apply(bytes)
                if tidegate_core::table::Table::decode(bytes).is_ok_and(|table| table.base_epoch > 0));
            if delta { "delta".into() } else { "snapshot".into() }
        }
        Outcome::Applied(Err(error)) => {
            let words = error.split(' ').filter(|word| !word.bytes().any(|byte| byte.is_ascii_digit()));
            format!("refused: {}", words.collect::<Vec<_>>().join(" "))
        }
        Outcome::Standing { table, .. } => format!("table {table}"),
        Outcome::Reported(report) => format!("report: {}", report.is_some()),
    }
}

#[test]
fn scripts_reach_every_outcome() {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 0..4 {
        let mut player = Player::new();
        for event in Script::of(&Recipe::Seed { seed, requests: 16_000 }) {
            let outcome = player.play(&event);
            *seen.entry(kind(&event, &outcome)).or_default() += 1;
        }
    }
    for expected in [
        "guaranteed",
        "guaranteed, with a receipt",
        "opportunistic",
        "opportunistic, with a receipt",
        "opportunistic, later",
        "Contract, told when",
        "Contract, never",
        "Pool, told when",
        "Pool, never",
        "malformed",
        "counted",
        "settled: true",
        "settled: false",
        "snapshot",
        "delta",
        "refused: truncated after bytes",
        "refused: bytes left after the message",
        "refused: not a table message",
        "refused: epoch is not newer than",
        "refused: capacity is out of range",
        "refused: tier does not exist",
        "table Absent",
        "table Live",
        "table Stale",
        "report: true",
        "report: false",
    ] {
        assert!(
            seen.get(expected).is_some_and(|times| *times >= 20),
            "{expected:?} is too rare in {seen:#?}"
        );
    }
}

#[test]
fn a_script_is_a_function_of_its_seed() {
    let question = |seed| Question::of(Recipe::Seed { seed, requests: 2_000 });
    let answers: Vec<Answer> = [1, 1, 2].iter().map(|seed| play(&question(*seed))).collect();
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].decisions >= 2_000);
    assert_ne!(answers[0].script, answers[2].script);
}

#[test]
fn what_is_told_in_full_is_what_happened() {
    let question = Question { recipe: Recipe::Seed { seed: 3, requests: 500 }, from: 300, to: 320 };
    let told = play(&question).told;
    let mut player = Player::new();
    let all: Vec<(Event, Outcome)> = Script::of(&question.recipe)
        .map(|event| {
            let outcome = player.play(&event);
            (event, outcome)
        })
        .collect();
    assert_eq!(told, all[300..320]);
}
