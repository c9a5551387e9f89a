//! What the limiters did: a row of figures for each, over all seeds, and whether ours reached its goals.

use serde::Serialize;

use crate::{
    limiter::{Candidate, candidates},
    run::{Outcome, run},
    scenario::Scenario,
    traffic::Traffic,
};

/// A limiter's overshoot may be this much rounding.
const CRUMB: f64 = 0.01;
/// Pool tokens that may go past a better tier within a millisecond, in parts of what is admitted: leases in the hands of others.
const INVERTED: f64 = 0.01;

/// What a limiter did in a scenario: means over seeds, or the worst seed where it says so.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The limiter's name.
    pub limiter: &'static str,
    /// Tokens asked for.
    pub offered: f64,
    /// Tokens admitted, net of refunds.
    pub admitted: f64,
    /// Admitted in parts of what the reference admitted; worst seed.
    pub of_central: f64,
    /// *conservation*: most tokens beyond C·t + B in any interval; worst seed.
    pub overshoot: f64,
    /// What the best tier was refused, in parts of what it asked for.
    pub best_refused: f64,
    /// *guarantee*: what was refused of demand that conforms to its reservation, in parts.
    pub broken: f64,
    /// Most of that in a row for one customer; worst seed.
    pub broken_in_a_row: f64,
    /// *priority*: pool tokens that went past a better tier within a millisecond, in parts of what was admitted.
    pub inverted: f64,
    /// Broker cells read and written per request.
    pub reads: f64,
    /// Broker cells written per request.
    pub writes: f64,
    /// Whether the goals are reached; nothing for what is only there for comparison.
    pub met: Option<bool>,
}

impl Row {
    const fn new(scenario: &Scenario, candidate: &Candidate) -> Self {
        Self {
            scenario: scenario.name,
            limiter: candidate.name,
            offered: 0.0,
            admitted: 0.0,
            of_central: f64::MAX,
            overshoot: 0.0,
            best_refused: 0.0,
            broken: 0.0,
            broken_in_a_row: 0.0,
            inverted: 0.0,
            reads: 0.0,
            writes: 0.0,
            met: None,
        }
    }

    /// Adds one seed of several, `weight` of the mean.
    fn add(&mut self, outcome: &Outcome, central: f64, weight: f64) {
        let Outcome { findings, operations } = outcome;
        let part = |amount: f64, whole: f64| if whole > 0.0 { amount / whole } else { 0.0 };
        let requests = findings.requests as f64;
        self.offered += findings.offered * weight;
        self.admitted += findings.admitted * weight;
        self.of_central = self.of_central.min(part(findings.admitted, central));
        self.overshoot = self.overshoot.max(findings.overshoot);
        self.best_refused += part(findings.best_refused, findings.best_offered) * weight;
        self.broken += part(findings.broken, findings.conforming) * weight;
        self.broken_in_a_row = self.broken_in_a_row.max(findings.broken_in_a_row);
        self.inverted += part(findings.inverted, findings.admitted) * weight;
        self.reads += part(operations.reads as f64, requests) * weight;
        self.writes += part(operations.writes as f64, requests) * weight;
    }

    fn judge(&mut self, scenario: &Scenario) {
        self.met = Some(
            self.overshoot <= CRUMB
                && self.of_central >= scenario.goals.of_central
                && self.broken_in_a_row <= scenario.goals.broken_in_a_row
                && self.inverted <= INVERTED,
        );
    }
}

/// Runs every limiter through a scenario with every seed.
#[must_use]
pub fn compare(scenario: &Scenario, seeds: &[u64]) -> Vec<Row> {
    let candidates = candidates(scenario);
    let mut rows: Vec<Row> = candidates.iter().map(|candidate| Row::new(scenario, candidate)).collect();
    for &seed in seeds {
        let traffic = Traffic::of(scenario, seed);
        let mut central = None;
        for (candidate, row) in candidates.iter().zip(&mut rows) {
            let outcome = run(scenario, &traffic, candidate, seed);
            let central = *central.get_or_insert(outcome.findings.admitted);
            row.add(&outcome, central, 1.0 / seeds.len() as f64);
        }
    }
    for (candidate, row) in candidates.iter().zip(&mut rows) {
        if candidate.is_ours {
            row.judge(scenario);
        }
    }
    rows
}

/// The rows of one scenario for people.
#[must_use]
pub fn table(scenario: &Scenario, rows: &[Row]) -> String {
    const HEAD: [&str; 10] = [
        "admitted",
        "of central",
        "overshoot",
        "best refused",
        "broken",
        "in a row",
        "inverted",
        "reads/req",
        "writes/req",
        "goals",
    ];
    let line = |name: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>13}")).collect();
        format!("{name:13}{cells}\n")
    };
    let mut text = format!("\n{}: {}\n", scenario.name, scenario.about);
    text += &line("", &HEAD.map(str::to_owned));
    for row in rows {
        let percent = |part: f64| format!("{:.3} %", part * 100.0);
        let goals = match row.met {
            None => String::new(),
            Some(true) => "met".to_owned(),
            Some(false) => "MISSED".to_owned(),
        };
        text += &line(
            row.limiter,
            &[
                format!("{:.0}", row.admitted),
                percent(row.of_central),
                format!("{:.1}", row.overshoot),
                percent(row.best_refused),
                percent(row.broken),
                format!("{:.0}", row.broken_in_a_row),
                percent(row.inverted),
                format!("{:.3}", row.reads),
                format!("{:.3}", row.writes),
                goals,
            ],
        );
    }
    text
}

/// What the limiters are.
#[must_use]
pub fn legend(scenario: &Scenario) -> String {
    candidates(scenario)
        .iter()
        .map(|candidate| format!("{:13}{}\n", candidate.name, candidate.about))
        .collect()
}
