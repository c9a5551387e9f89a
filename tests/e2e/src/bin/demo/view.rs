//! How a running demo is shown: a screen on a terminal, lines everywhere else.

use std::{io::Write, time::Duration};

use anyhow::Result;
use tidegate_e2e::arena::Arena;

use crate::{
    board,
    screen::{self, Keys, Moment, Scene, Screen},
    script::Script,
    tally::{Counts, Tally},
};

/// A way to show it.
pub(crate) enum View {
    /// Every few seconds some lines, with the counts of the last time.
    Lines(Vec<Counts>),
    /// Drawn over several times a second.
    Screen(Box<Scene>),
}

impl View {
    /// The best that standard output can do, and the keys that go with it.
    pub(crate) fn open(customers: usize) -> Result<(Self, Keys)> {
        if !Screen::is_possible() {
            return Ok((Self::Lines(vec![Counts::default(); customers]), Keys::listen(false)));
        }
        let screen = Screen::open()?;
        let keys = Keys::listen(screen.hears_keys());
        Ok((Self::Screen(Box::new(Scene::on(screen))), keys))
    }

    /// How often it wants to be shown.
    pub(crate) const fn period(&self) -> Duration {
        match self {
            Self::Lines(_) => board::PERIOD,
            Self::Screen(..) => screen::PERIOD,
        }
    }

    /// Shows the present state.
    pub(crate) async fn show(
        &mut self,
        script: &Script,
        arena: &Arena,
        elapsed: Duration,
        tallies: &[Tally],
    ) -> Result<()> {
        match self {
            Self::Lines(before) => {
                board::show(script, arena, elapsed, before, tallies).await?;
                let (position, _) = board::shown(arena)?;
                if let Some(tally) = tallies.get(position) {
                    *before = tally.customers().to_vec();
                }
                Ok(std::io::stdout().flush()?)
            }
            Self::Screen(scene) => scene.draw(&Moment { script, arena, elapsed, tallies }).await,
        }
    }
}
