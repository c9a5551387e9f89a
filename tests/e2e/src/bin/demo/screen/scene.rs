//! What the screen shows: tiers, the pool, the arms, and each customer's forecast against what came.

use std::{collections::VecDeque, time::Duration};

use anyhow::Result;
use tidegate_e2e::{
    arena::{Arena, Arm},
    forecaster::{AvailableStep, Prediction},
};

use super::{
    PERIOD, Screen,
    chart::chart,
    ink::{Ink, Line},
};
use crate::{
    board::{of_tier, shown, tiers},
    cast::Cast,
    script::{STEP, Script},
    tally::{Counts, Tally},
};

/// Rates are over this many frames.
const WINDOW: usize = 10;
/// Frames between two questions to the forecaster: its steps are no shorter.
const ASK_EVERY: usize = 2;
const CHARTS: usize = 4;
const NAME: usize = 9;
const FIGURE: usize = 14;
const BAR: usize = 24;
const WIDE: usize = 76;

/// What is known from one frame to the next.
pub(crate) struct Scene {
    screen: Screen,
    frames: usize,
    /// The counts of each customer in the arm that is shown.
    past: VecDeque<Vec<Counts>>,
    predictions: Vec<Option<Prediction>>,
    /// Capacity, and the present step of the plan.
    plan: Option<(f64, AvailableStep)>,
}

/// One moment of a demo.
pub(crate) struct Moment<'a> {
    pub(crate) script: &'a Script,
    pub(crate) arena: &'a Arena,
    pub(crate) elapsed: Duration,
    pub(crate) tallies: &'a [Tally],
}

impl Scene {
    /// Nothing is known yet.
    pub(crate) fn on(screen: Screen) -> Self {
        Self { screen, frames: 0, past: VecDeque::new(), predictions: Vec::new(), plan: None }
    }

    /// Brings it up to date and draws it.
    pub(crate) async fn draw(&mut self, moment: &Moment<'_>) -> Result<()> {
        let (position, arm) = shown(moment.arena)?;
        if self.frames.is_multiple_of(ASK_EVERY) {
            self.ask(moment.script, arm).await;
        }
        self.frames += 1;
        let now = moment.tallies.get(position).map_or(&[][..], Tally::customers);
        self.past.push_back(now.to_vec());
        if self.past.len() > WINDOW + 1 {
            self.past.pop_front();
        }
        let (columns, rows) = Screen::size();
        let mut lines = vec![headline(moment), addresses(moment.arena, arm), Line::default()];
        lines.extend(self.tier_lines(&moment.script.cast, now));
        lines.extend([Line::default(), self.pool_line(), Line::default()]);
        if moment.arena.arms.len() > 1 {
            lines.extend(arm_lines(moment));
            lines.push(Line::default());
        }
        let room = rows.saturating_sub(lines.len());
        lines.extend(self.charts(moment.script, columns, room));
        self.screen.draw(&lines)
    }

    /// A customer that has not been seen yet has no forecast, and the first plan takes a moment.
    async fn ask(&mut self, script: &Script, arm: &Arm) {
        let Some(forecaster) = &arm.forecaster else { return };
        self.predictions.clear();
        for one in script.cast.iter().take(CHARTS) {
            self.predictions.push(forecaster.predict(&one.key, &script.watched).await.ok());
        }
        let available = forecaster.availability().await.ok();
        let resources = available.map(|available| available.resources).unwrap_or_default();
        self.plan = resources
            .into_iter()
            .find(|resource| resource.resource == script.watched)
            .and_then(|resource| Some((resource.capacity_per_s, *resource.steps.first()?)));
    }

    fn tier_lines(&self, cast: &[Cast], counts: &[Counts]) -> Vec<Line> {
        let heads = ["offered/s", "guaranteed/s", "from pool/s", "refused/s", "refused"];
        let head = heads.iter().map(|head| format!("{head:>FIGURE$}")).collect::<String>();
        let mut lines = vec![Line::of(Ink::Dim, format!("{:<NAME$}{head}", "tier"))];
        let seconds = PERIOD.as_secs_f64() * self.past.len().saturating_sub(1).max(1) as f64;
        for tier in tiers(cast) {
            let now = of_tier(cast, counts, tier);
            let before = self.past.front().map(|past| of_tier(cast, past, tier));
            let rate = now - before.unwrap_or_default();
            let per_s = |count: u64| format!("{:>FIGURE$.1}", count as f64 / seconds);
            let ink = if rate.refused() > 0 { Ink::Bad } else { Ink::Plain };
            let line = Line::of(Ink::Bold, format!("{tier:<NAME$}"))
                .add(Ink::Plain, per_s(rate.offered))
                .add(Ink::Good, per_s(rate.guaranteed))
                .add(Ink::Plain, per_s(rate.admitted() - rate.guaranteed))
                .add(ink, per_s(rate.refused()))
                .add(Ink::Plain, format!("{:>FIGURE$}", now.refused()));
            lines.push(line);
        }
        lines
    }

    fn pool_line(&self) -> Line {
        let name = format!("{:<NAME$}", "capacity");
        let Some((capacity, AvailableStep { guaranteed_per_s, unreserved_per_s })) = self.plan else {
            return Line::of(Ink::Bold, name).add(Ink::Dim, "no plan yet: safe capacity, no reservations");
        };
        let full = (guaranteed_per_s / capacity.max(1.0) * BAR as f64).round() as usize;
        Line::of(Ink::Bold, name)
            .add(Ink::Good, "█".repeat(full.min(BAR)))
            .add(Ink::Dim, "░".repeat(BAR - full.min(BAR)))
            .add(
                Ink::Plain,
                format!("  {guaranteed_per_s:.0}/s reserved now, {unreserved_per_s:.0}/s in the pool"),
            )
    }

    fn charts(&self, script: &Script, columns: usize, room: usize) -> Vec<Line> {
        let across = if columns >= WIDE { 2 } else { 1 };
        let count = script.cast.len().min(CHARTS);
        let down = count.div_ceil(across).max(1);
        let rows = (room.saturating_sub(1) / down).saturating_sub(1);
        let width = (columns / across).saturating_sub(2);
        let mut lines = vec![Line::of(
            Ink::Dim,
            "requests/s: ● came (red: outside), ▒ 80 % band one step before, ░ ahead",
        )];
        let drawn: Vec<Vec<Line>> = script
            .cast
            .iter()
            .take(count)
            .enumerate()
            .map(|(who, one)| self.customer(who, one, width, rows))
            .collect();
        for pair in drawn.chunks(across) {
            for row in 0..=rows {
                let cells = pair.iter().filter_map(|chart| chart.get(row).cloned());
                let cells = cells.map(|cell| cell.padded(width + 2));
                lines.push(cells.reduce(Line::join).unwrap_or_default());
            }
        }
        lines
    }

    fn customer(&self, who: usize, one: &Cast, width: usize, rows: usize) -> Vec<Line> {
        let name = Line::of(Ink::Bold, one.key.clone()).add(Ink::Dim, format!(" {}", one.tier));
        let Some(Some(prediction)) = self.predictions.get(who) else {
            return vec![name.add(Ink::Dim, ": not seen yet")];
        };
        std::iter::once(name).chain(chart(prediction, STEP.as_secs_f64(), width, rows)).collect()
    }
}

fn headline(moment: &Moment<'_>) -> Line {
    let (elapsed, learning) = (moment.elapsed.as_secs(), moment.script.learning.as_secs());
    let phase = if moment.elapsed < moment.script.learning {
        format!("learning, {} s to go", learning - elapsed)
    } else {
        "measuring".to_owned()
    };
    let ends = if moment.script.once {
        format!(" of {}", moment.script.limits.time.as_secs())
    } else {
        String::new()
    };
    Line::of(Ink::Bold, "Tidegate demo")
        .add(Ink::Plain, format!("   {elapsed} s{ends}   {phase}"))
        .add(Ink::Dim, "   q ends")
}

fn addresses(arena: &Arena, arm: &Arm) -> Line {
    let forecaster = arm.forecaster.as_ref().map(|forecaster| forecaster.listen().to_string());
    let forecaster = forecaster.unwrap_or_else(|| "-".into());
    let statistics = match (&arm.gateway, &arena.envoy) {
        (Some(gateway), _) => format!("   metrics http://{}/metrics", gateway.admin()),
        (None, Some(envoy)) => format!("   Envoy's statistics http://{}", envoy.admin()),
        (None, None) => String::new(),
    };
    let text = format!("requests http://{}   forecaster http://{forecaster}{statistics}", arm.listen);
    Line::of(Ink::Dim, text)
}

/// Refusals since the learning, of all arms.
fn arm_lines(moment: &Moment<'_>) -> Vec<Line> {
    let names = tiers(&moment.script.cast);
    let head = names.iter().map(|tier| format!("{tier:>FIGURE$}")).collect::<String>();
    let mut lines =
        vec![Line::of(Ink::Dim, format!("{:<NAME$}{head}   since the learning, by limiter", "refused"))];
    for (arm, tally) in moment.arena.arms.iter().zip(moment.tallies) {
        let refused = |tier: &&str| of_tier(&moment.script.cast, tally.measured(), tier).refused();
        let figures = names.iter().map(|tier| format!("{:>FIGURE$}", refused(tier))).collect::<String>();
        lines.push(Line::of(Ink::Bold, format!("{:<NAME$}", arm.name)).add(Ink::Plain, figures));
    }
    lines
}
