//! Scripts are worth playing: they reach everything that the allocator can do.

use std::collections::BTreeMap;

use tidegate_conformance::{
    Answer, Event, Outcome, Player, Question, Recipe, Script, Shortage, Stretch, play,
};

/// One word for an outcome, detailed where it matters.
fn kind(event: &Event, outcome: &Outcome) -> String {
    let asked = match event {
        Event::Decide(ask) => ask.parts.first().map_or(0, |part| part.cost),
        _ => 0,
    };
    match outcome {
        Outcome::Nothing => "nothing".into(),
        Outcome::Admitted { payer, receipt, granted, .. } => {
            let payer = format!("{payer:?}").to_lowercase();
            let receipt = if *receipt { ", with a receipt" } else { "" };
            format!("{payer}{receipt}{}", if *granted < asked { ", in part" } else { "" })
        }
        Outcome::Waiting { .. } => "waiting".into(),
        Outcome::Refused { shortage: Shortage::Malformed, .. } => "malformed".into(),
        Outcome::Refused { shortage, retry_after_ns, .. } => {
            format!("{shortage:?}, {}", if retry_after_ns.is_some() { "told when" } else { "never" })
        }
        Outcome::Released(left) => match left.last() {
            Some((_, last)) => format!("released: {}", kind(event, last)),
            None => "released: nobody".into(),
        },
        Outcome::NextRelease(next) => format!("next release: {}", next.is_some()),
        Outcome::Cancelled(waited) => format!("cancelled: {waited}"),
        Outcome::Explained(text) => {
            let known = text.contains("\"known\":true");
            let table = ["absent", "live", "stale"].into_iter().find(|state| text.contains(state));
            format!("explained: {known} {}", table.unwrap_or("?"))
        }
        Outcome::Instead { smaller_permille, as_critical, next_step_ns } => {
            format!("instead: {} {as_critical} {}", smaller_permille.is_some(), next_step_ns.is_some())
        }
        Outcome::Counted(_) => "counted".into(),
        Outcome::Settled(open) => format!("settled: {open}"),
        Outcome::Applied(Ok(_)) => {
            let delta = matches!(event, Event::Apply(bytes)
                if tidegate_core::table::Table::decode(bytes).is_ok_and(|table| table.base_epoch > 0));
            if delta { "delta".into() } else { "snapshot".into() }
        }
        Outcome::Applied(Err(error)) => format!("refused: {}", words(error)),
        Outcome::Staged(Ok(())) => "staged".into(),
        Outcome::Staged(Err(error)) => format!("not staged: {}", words(error)),
        Outcome::Installing(Stretch::Installed(_)) => "installed".into(),
        Outcome::Installing(Stretch::Refused(error)) => format!("not installed: {}", words(error)),
        Outcome::Installing(stretch) => format!("{stretch:?}"),
        Outcome::Standing { table, .. } => format!("table {table}"),
        Outcome::Reported(report) => format!("report: {}", report.is_some()),
    }
}

/// A sentence without what has numbers in it.
fn words(error: &str) -> String {
    let words = error.split(' ').filter(|word| !word.bytes().any(|byte| byte.is_ascii_digit()));
    words.collect::<Vec<_>>().join(" ")
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
        "opportunistic, in part",
        "guaranteed, in part",
        "emergency",
        "emergency, with a receipt",
        "waiting",
        "released: nobody",
        "released: guaranteed",
        "released: opportunistic",
        "released: opportunistic, with a receipt",
        "released: Pool, told when",
        "next release: true",
        "next release: false",
        "cancelled: true",
        "cancelled: false",
        "explained: true live",
        "explained: true stale",
        "explained: false absent",
        "instead: true false false",
        "instead: false true false",
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
        "refused: tier does not exist",
        "staged",
        "Working",
        "Idle",
        "installed",
        "not installed: a key appears twice",
        "table Absent",
        "table Live",
        "table Stale",
        "report: true",
        "report: false",
    ] {
        assert!(seen.get(expected).is_some_and(|times| *times >= 5), "{expected:?} is too rare in {seen:#?}");
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
