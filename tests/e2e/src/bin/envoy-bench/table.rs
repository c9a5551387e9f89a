//! The table: what each limiter adds to the same Envoy without one, in the same round.

use anyhow::{Context, Result};
use serde::Serialize;

use crate::{
    arms::{Kind, Route},
    meter::Sample,
};

/// What a limiter costs on a route.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    id: String,
    /// Median over rounds of the CPU time added a request.
    figure: f64,
    /// A quarter of the rounds each are below and above.
    quartiles: [f64; 2],
    unit: &'static str,
    budget: Option<f64>,
    /// The same of the WebAssembly filter that does nothing.
    peer: Option<f64>,
    /// The same of the one that makes the plugin's calls and decides nothing.
    calls: Option<f64>,
    met: Option<bool>,
    cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
}

pub(crate) fn rows(samples: &[(Kind, Route, Sample)]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for route in Route::ALL {
        let of = |wanted: Kind| -> Vec<&Sample> {
            let of = samples.iter().filter(|(kind, on, _)| *kind == wanted && *on == route);
            of.map(|(_, _, sample)| sample).collect()
        };
        let plain = of(Kind::Nobody);
        let added = |kind: Kind, part: f64| {
            let pairs = of(kind).into_iter().zip(&plain);
            quantile(pairs.map(|(with, without)| with.cpu_us - without.cpu_us).collect(), part)
        };
        for kind in Kind::ALL.into_iter().filter(|kind| kind.takes(route)) {
            let own = of(kind);
            if own.is_empty() {
                continue;
            }
            let took: Vec<f64> =
                own.iter().flat_map(|sample| &sample.took).map(|took| took.as_secs_f64() * 1e6).collect();
            let [low, figure, high] = [0.25, 0.5, 0.75].map(|part| added(kind, part));
            let figure = figure.context("no rounds")?;
            let budget = match (kind, route) {
                (Kind::Enforcing, Route::Direct) => Some(4.5),
                (Kind::Enforcing, Route::Proxied) => Some(6.0),
                _ => None,
            };
            rows.push(Row {
                id: format!("{}, {}", kind.name(), route.name()),
                figure,
                quartiles: [low.context("no rounds")?, high.context("no rounds")?],
                unit: "us",
                budget,
                peer: added(Kind::Noop, 0.5),
                calls: added(Kind::Calls, 0.5),
                met: budget.map(|budget| figure <= budget),
                cpu_us: median(own.iter().map(|sample| sample.cpu_us).collect()).context("no rounds")?,
                p50_us: quantile(took.clone(), 0.5).context("no requests")?,
                p99_us: quantile(took, 0.99).context("no requests")?,
            });
        }
    }
    Ok(rows)
}

pub(crate) fn print(rows: &[Row]) {
    println!(
        "\n{:<44} {:>9} {:>13} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}  ",
        "Envoy's CPU time, us a request",
        "added",
        "quartiles",
        "budget",
        "no-op x",
        "calls x",
        "in all",
        "p50",
        "p99"
    );
    for row in rows {
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
        let times = |peer: Option<f64>| peer.filter(|peer| *peer > 0.0).map(|peer| row.figure / peer);
        let verdict = match row.met {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "",
        };
        println!(
            "{:<44} {:>9.1} {:>13} {:>9} {:>9} {:>9} {:>9.1} {:>9.0} {:>9.0}  {verdict}",
            row.id,
            row.figure,
            row.quartiles.map(|quartile| format!("{quartile:.1}")).join(".."),
            number(row.budget),
            number(times(row.peer)),
            number(times(row.calls)),
            row.cpu_us,
            row.p50_us,
            row.p99_us
        );
    }
}

fn median(values: Vec<f64>) -> Option<f64> {
    quantile(values, 0.5)
}

fn quantile(mut values: Vec<f64>, part: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    values.get((last as f64 * part).round() as usize).copied()
}
