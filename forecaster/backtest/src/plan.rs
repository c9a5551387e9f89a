//! Which windows of a series are forecast.

use tidegate_model::Settings;

/// Least history that models may fit on, in steps, and in seasons.
const HISTORY: usize = 2048;
const HISTORY_SEASONS: usize = 4;

/// Rolling origins, as statsforecast's `cross_validation` has them: the last window ends at the series' end, each
/// earlier one `step` steps before the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Steps ahead.
    pub horizon: usize,
    /// How many windows.
    pub windows: usize,
    /// From one window to the next.
    pub step: usize,
    /// Steps per season, shortest first.
    pub seasons: Vec<usize>,
}

/// One window: forecasts begin after step `cutoff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The last step that the model knows, from the series' first.
    pub cutoff: usize,
}

impl Plan {
    /// The windows of a series of so many steps, oldest first; fewer than asked for when it is short.
    #[must_use]
    pub fn windows(&self, steps: usize) -> Vec<Window> {
        let before = |back: usize| {
            let known = steps.checked_sub(self.horizon)?.checked_sub(back * self.step)?;
            Some(Window { cutoff: known.checked_sub(1)? })
        };
        let mut windows: Vec<Window> = (0..self.windows).map_while(before).collect();
        windows.reverse();
        windows
    }

    /// What models are built with.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let mut settings = Settings { seasons: self.seasons.clone(), horizon: self.horizon, history: 0 };
        settings.history = (settings.longest_season() * HISTORY_SEASONS).max(HISTORY);
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_window_ends_at_the_end() {
        let plan = Plan { horizon: 3, windows: 3, step: 2, seasons: Vec::new() };
        let cutoffs =
            |steps: usize| plan.windows(steps).iter().map(|window| window.cutoff).collect::<Vec<_>>();
        assert_eq!(cutoffs(10), [2, 4, 6]);
        assert_eq!(cutoffs(6), [0, 2]);
        assert!(cutoffs(3).is_empty());
    }
}
