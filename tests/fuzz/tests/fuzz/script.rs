//! Whatever happens to an allocator, tokens are conserved and answers tell the truth.

use anyhow::Result;
use tidegate_conformance::{Choices, Outcome, Player, Recipe, Script};
use tidegate_fuzz::{Fuzz, Notes, Witness, iterations};

fn watch(recipe: &Recipe, notes: &mut Notes) {
    let (mut player, mut witness) = (Player::new(), Witness::default());
    for event in Script::of(recipe) {
        note(&witness.play(&mut player, &event), notes);
    }
}

fn note(outcome: &Outcome, notes: &mut Notes) {
    match outcome {
        Outcome::Nothing | Outcome::Explained(_) => {}
        Outcome::Applied(Ok(_)) => notes.add("applied"),
        Outcome::Applied(Err(error)) | Outcome::Staged(Err(error)) => notes.add(error),
        Outcome::Staged(Ok(())) => notes.add("staged"),
        Outcome::Installing(stretch) => notes.add(format!("{stretch:?}")),
        Outcome::Admitted { payer, receipt, .. } => notes.add(format!("{payer:?} {receipt}")),
        Outcome::Waiting { .. } => notes.add("waiting"),
        Outcome::Refused { shortage, retry_after_ns, .. } => {
            notes.add(format!("{shortage:?} {}", retry_after_ns.is_some()));
        }
        Outcome::Released(released) => {
            notes.add(format!("released {}", released.len().min(2)));
            released.iter().for_each(|(_, outcome)| note(outcome, notes));
        }
        Outcome::NextRelease(next) => notes.add(format!("next {}", next.is_some())),
        Outcome::Cancelled(waited) => notes.add(format!("cancelled {waited}")),
        Outcome::Instead { smaller_permille, as_critical, next_step_ns } => {
            notes.add(format!("{} {as_critical} {}", smaller_permille.is_some(), next_step_ns.is_some()));
        }
        Outcome::Settled(open) => notes.add(format!("settled {open}")),
        Outcome::Reported(report) => notes.add(format!("reported {}", report.is_some())),
        Outcome::Standing { table, .. } => notes.add(table),
        Outcome::Counted(_) => notes.add("counted"),
    }
}

#[test]
fn any_script_conserves_tokens_and_tells_when_to_come_again() -> Result<()> {
    let random = (0..16).map(|seed| {
        let mut choices = Choices::seeded(seed);
        (0..1_500).map(|_| choices.below(256) as u8).collect()
    });
    Fuzz::target("script", 400).seeds(random).run(|input, notes| watch(&Recipe::Bytes(input.to_vec()), notes))
}

#[test]
fn scripts_by_seed_conserve_tokens_and_tell_when_to_come_again() -> Result<()> {
    const USUAL_SCRIPTS: u64 = 8;
    let scripts = USUAL_SCRIPTS.max(iterations(0)? / 500);
    for seed in 100..100 + scripts {
        watch(&Recipe::Seed { seed, requests: 8_000 }, &mut Notes::default());
    }
    Ok(())
}
