//! The arms of one run side by side.

use crate::{
    arms::Tuned,
    script::TIDEGATE,
    summary::{Arm, Run},
    table::Table,
    tally::Counts,
};

/// Shows a run of several arms: per tier, in sum, and what else is needed to judge it.
pub(crate) fn print(seed: u64, run: &Run) {
    println!("\nSeed {seed}. {}, side by side", run.what());
    per_tier(run);
    println!("\nIn sum: refusals of each tier, all that was admitted, and the most within any second");
    in_sum(run);
    if let Some(budget) = run.budget {
        println!(
            "  allowed within any second: {} + {} (times are the client's, a few ms off Envoy's)",
            budget.capacity_per_s, budget.burst
        );
    }
    for arm in &run.arms {
        if let Some(tuned) = &arm.tuned {
            limits(arm, tuned);
        }
    }
    if let Some(arm) = run.arm(TIDEGATE) {
        println!("\nArm {TIDEGATE}");
        arm.print();
    }
    run.print_pace();
    run.books.print();
}

/// The names of the tiers of a run, best first.
pub(crate) fn tier_names(run: &Run) -> Vec<&'static str> {
    run.arms.first().map_or_else(Vec::new, |arm| arm.tiers.iter().map(|tier| tier.tier).collect())
}

/// The counts of a tier in an arm.
pub(crate) fn of_tier(arm: &Arm, name: &str) -> Counts {
    arm.tiers.iter().find(|tier| tier.tier == name).map(|tier| tier.measured).unwrap_or_default()
}

fn per_tier(run: &Run) {
    let columns = ["tier", "arm", "offered", "guaranteed", "opportunistic", "own bucket", "refused", "share"];
    let mut table = Table::new(&columns);
    for tier in tier_names(run) {
        for arm in &run.arms {
            let counts = of_tier(arm, tier);
            let native = arm.tuned.is_some();
            let shown = |count: u64, applies: bool| if applies { count.to_string() } else { "-".into() };
            table.row([
                tier.to_owned(),
                arm.arm.to_owned(),
                counts.offered.to_string(),
                shown(counts.guaranteed, !native),
                shown(counts.opportunistic, !native),
                shown(counts.otherwise_admitted, native),
                counts.refused().to_string(),
                format!("{:.1} %", 100.0 * counts.refused() as f64 / counts.offered.max(1) as f64),
            ]);
        }
    }
    table.print();
}

fn in_sum(run: &Run) {
    let tiers = tier_names(run);
    let columns: Vec<String> = std::iter::once("arm".to_owned())
        .chain(tiers.iter().map(|tier| format!("{tier} refused")))
        .chain(["refused", "admitted", "most in 1 s"].map(str::to_owned))
        .collect();
    let mut table = Table::new(&columns.iter().map(String::as_str).collect::<Vec<_>>());
    for arm in &run.arms {
        let all = arm.measured();
        let refused = tiers.iter().map(|tier| of_tier(arm, tier).refused());
        let figures = refused.chain([all.refused(), all.admitted(), arm.highest_admitted_in_a_second as u64]);
        table.row(std::iter::once(arm.arm.to_owned()).chain(figures.map(|figure| figure.to_string())));
    }
    table.print();
}

/// How a native arm was tuned, and whether Envoy does what the simulation did.
fn limits(arm: &Arm, tuned: &Tuned) {
    let limit = |(whose, rate, burst): &(String, u32, u32)| format!("{whose} {rate}/s, burst {burst}");
    println!(
        "  {}: {}; simulated refusals {:?}",
        arm.arm,
        tuned.limits.iter().map(limit).collect::<Vec<_>>().join("; "),
        tuned.simulated_refusals,
    );
}
