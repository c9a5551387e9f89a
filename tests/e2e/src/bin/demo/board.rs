//! What the demo shows while it runs: every few seconds a table of tiers, and forecast against actual per customer.

use std::time::Duration;

use anyhow::{Context, Result};
use tidegate_e2e::{
    arena::{Arena, Arm},
    forecaster::{Closed, Prediction},
    http,
};

use crate::{
    cast::Cast,
    script::{STEP, Script, TIDEGATE},
    table::{Table, sparkline},
    tally::{Counts, Tally},
};

/// How often it is shown.
pub(crate) const PERIOD: Duration = Duration::from_secs(5);
/// Steps in a sparkline.
const SPARK: usize = 30;
/// Customers with a line of their own.
const SHOWN: usize = 12;

/// The tiers of a cast, in its order.
pub(crate) fn tiers(cast: &[Cast]) -> Vec<&'static str> {
    let mut tiers: Vec<&'static str> = Vec::new();
    for one in cast {
        if !tiers.contains(&one.tier) {
            tiers.push(one.tier);
        }
    }
    tiers
}

/// The counts of all customers of a tier, from those of each.
pub(crate) fn of_tier(cast: &[Cast], customers: &[Counts], tier: &str) -> Counts {
    cast.iter().zip(customers).filter(|(one, _)| one.tier == tier).map(|(_, counts)| *counts).sum()
}

/// The arm whose decisions and forecasts are shown, with its place among the arms.
pub(crate) fn shown(arena: &Arena) -> Result<(usize, &Arm)> {
    arena.arms.iter().enumerate().find(|(_, arm)| arm.name == TIDEGATE).context("no arm with foresight")
}

/// First lines: what runs where, and what to try.
pub(crate) fn introduce(script: &Script, arena: &Arena) -> Result<()> {
    let (_, arm) = shown(arena)?;
    let forecaster = arm.forecaster.as_ref().context("no forecaster")?.listen();
    println!("\nTidegate demo");
    script.title.iter().for_each(|line| println!("  {line}"));
    println!("\nWhat runs where");
    if let Some(envoy) = &arena.envoy {
        println!("  Envoy's statistics        http://{}", envoy.admin());
    }
    for one in &arena.arms {
        let own = one.forecaster.as_ref().map(|own| format!("   its forecaster http://{}", own.listen()));
        let proxy = if one.gateway.is_some() { "gateway" } else { "Envoy" };
        println!("  {proxy:<7} {:<17} http://{}{}", one.name, one.listen, own.unwrap_or_default());
    }
    println!("  upstream                  http://{}", arena.upstream.address());
    println!("  configuration, logs, data {}", arena.folder().display());
    let name = script.cast.first().map_or("acme", |one| one.key.as_str());
    let key = http::query_value(name);
    println!("\nTo try in another terminal");
    println!("  curl -s 'http://{forecaster}/predictUsage?key={key}&resource={}'", script.watched);
    println!("  curl -s 'http://{forecaster}/v1/explain?key={key}'");
    println!("  curl -s http://{forecaster}/resourceAvailability");
    println!("  curl -si -H 'x-customer: a-visitor' http://{}/", arm.listen);
    match (&arm.gateway, &arena.envoy) {
        (Some(gateway), _) => println!("  curl -s http://{}/metrics", gateway.admin()),
        (None, Some(envoy)) => {
            println!("  curl -s http://{}/stats/prometheus | grep tidegate", envoy.admin())
        }
        (None, None) => {}
    }
    println!("\nCustomers");
    let mut table = Table::new(&["key", "tier", "what it does"]);
    for one in script.cast.iter().take(SHOWN) {
        table.row([one.key.clone(), one.tier.to_owned(), one.what.to_owned()]);
    }
    table.print();
    Ok(())
}

/// The state after `elapsed`; `before` has the counts of the last time, of the arm that is shown.
pub(crate) async fn show(
    script: &Script,
    arena: &Arena,
    elapsed: Duration,
    before: &[Counts],
    tallies: &[Tally],
) -> Result<()> {
    let (position, arm) = shown(arena)?;
    let now = tallies.get(position).map_or(&[][..], Tally::customers);
    let epoch = arena.table_epoch(arm).await?;
    let phase = if elapsed < script.learning { "learning" } else { "measuring" };
    let under = if epoch == 0 { "no table yet: safe capacity".to_owned() } else { format!("table {epoch}") };
    println!("\n{:>4} s  {phase}  ({under})", elapsed.as_secs());
    let mut table = Table::new(&["tier", "offered/s", "guaranteed/s", "opportunistic/s", "refused/s"]);
    for tier in tiers(&script.cast) {
        let counts = of_tier(&script.cast, now, tier) - of_tier(&script.cast, before, tier);
        let rates =
            [counts.offered, counts.guaranteed, counts.admitted() - counts.guaranteed, counts.refused()];
        let rates = rates.map(|count| format!("{:.1}", count as f64 / PERIOD.as_secs_f64()));
        table.row(std::iter::once(tier.to_owned()).chain(rates));
    }
    table.print();
    let unit = format!("{}/s", script.watched);
    let mut table =
        Table::new(&["customer", &unit, "forecast (80 %)", "next", "actual, last 30 s", "forecast for them"]);
    for one in script.cast.iter().take(SHOWN) {
        let Some(forecaster) = &arm.forecaster else { continue };
        let prediction = forecaster.predict(&one.key, &script.watched).await;
        // A customer that has not been seen yet has no forecast.
        let cells = prediction.map_or_else(|_| vec!["-".to_owned()], |prediction| forecast(&prediction));
        table.row(std::iter::once(one.key.clone()).chain(cells));
    }
    table.print();
    if arena.arms.len() > 1 {
        let refused = refused_so_far(script, arena, tallies);
        println!("  refused in {} since the learning: {}", first_tier(&script.cast), refused.join(", "));
    }
    Ok(())
}

/// The tier that matters most.
fn first_tier(cast: &[Cast]) -> &'static str {
    cast.first().map_or("", |one| one.tier)
}

/// Per arm, what was refused of the first tier since the learning.
fn refused_so_far(script: &Script, arena: &Arena, tallies: &[Tally]) -> Vec<String> {
    let first = first_tier(&script.cast);
    let refused = |tally: &Tally| of_tier(&script.cast, tally.measured(), first).refused();
    arena.arms.iter().zip(tallies).map(|(arm, tally)| format!("{} {}", arm.name, refused(tally))).collect()
}

fn forecast(prediction: &Prediction) -> Vec<String> {
    let per_s = |tokens: f64| format!("{:.0}", tokens / STEP.as_secs_f64());
    let recent: Vec<&Closed> = prediction.recent.iter().rev().take(SPARK).rev().collect();
    let last = recent.last();
    let interval = last.and_then(|last| {
        Some(format!("{} ({} to {})", per_s(last.predicted?), per_s(last.low?), per_s(last.high?)))
    });
    let next = prediction.steps.first().map(|step| per_s(step.median));
    let highest = recent.iter().map(|closed| closed.actual).fold(0.0, f64::max);
    vec![
        last.map_or_else(|| "-".into(), |last| per_s(last.actual)),
        interval.unwrap_or_else(|| "-".into()),
        next.unwrap_or_else(|| "-".into()),
        sparkline(recent.iter().map(|closed| closed.actual), highest),
        sparkline(recent.iter().map(|closed| closed.predicted.unwrap_or_default()), highest),
    ]
}
