//! What all arms of a comparison share: the requests, and what was used before them.

use crate::{error::Error, rates::Rates, trace::Trace};

/// A trace and what is known when it begins.
#[derive(Clone, Debug)]
pub struct World {
    /// The requests.
    pub trace: Trace,
    /// When the first step begins, in milliseconds since the Unix epoch.
    pub starts_at_ms: u64,
    /// Length of a step in milliseconds.
    pub step_ms: u32,
    /// Usage before that, in order of time.
    pub history: Vec<Past>,
    /// The key whose demand a scenario changes, and what it is called in tables.
    pub offender: Option<(u32, &'static str)>,
}

/// What was used in one step before the trace begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Number of the step since the Unix epoch.
    pub step: u64,
    /// Key, resource, and tokens; key and resource as in the trace.
    pub used: Vec<(u32, u8, u64)>,
}

impl World {
    /// The world of recorded requests, cut into steps of `step_ms`.
    ///
    /// In `history`, a `unique_id` is a key's name, or for a resource that is not the trace's first `resource:key`; what it
    /// says of the trace's own time is left out.
    ///
    /// # Errors
    /// When the trace is empty.
    pub fn recorded(mut trace: Trace, history: Option<&Rates>, step_ms: u32) -> Result<Self, Error> {
        let first = trace.arrivals.first().ok_or_else(|| Error::asked("the trace is empty"))?;
        let step = first.at_ns / 1_000_000 / u64::from(step_ms.max(1));
        let history = history.map(|rates| cut(rates, &mut trace, step, step_ms)).unwrap_or_default();
        Ok(Self { trace, starts_at_ms: step * u64::from(step_ms), step_ms, history, offender: None })
    }
}

/// The steps before step `until`, each with its part of the windows that it lies in.
fn cut(rates: &Rates, trace: &mut Trace, until: u64, step_ms: u32) -> Vec<Past> {
    let step_s = f64::from(step_ms) / 1e3;
    let first = (rates.starts_at_s as f64 / step_s).ceil() as u64;
    let last = ((rates.ends_at_s() as f64 / step_s).floor() as u64).min(until);
    let mut history: Vec<Past> = (first..last).map(|step| Past { step, used: Vec::new() }).collect();
    for (id, windows) in &rates.keys {
        let of_resource =
            id.split_once(':').and_then(|(resource, key)| Some((trace.resources.find(resource)?, key)));
        let (resource, key) = of_resource.unwrap_or((0, id));
        let key = trace.keys.index(key);
        let mut sums = vec![0.0];
        for window in windows {
            sums.push(sums.last().copied().unwrap_or(0.0) + window);
        }
        // Rounded sums, so that no tokens are lost however few there are in a step.
        let used_until = |step: u64| {
            let position =
                ((step as f64 * step_s - rates.starts_at_s as f64) / rates.window_s as f64).max(0.0);
            let sum = |index: usize| sums.get(index).or(sums.last()).copied().unwrap_or(0.0);
            let (before, after) = (sum(position as usize), sum(position as usize + 1));
            (before + (after - before) * position.fract()).round() as u64
        };
        for past in &mut history {
            let tokens = used_until(past.step + 1).saturating_sub(used_until(past.step));
            if tokens > 0 {
                past.used.push((key, resource as u8, tokens));
            }
        }
    }
    history
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn recorded(rates: &str) -> World {
        let trace = "ts,key,resource,cost\n1767226245,a,requests,1\n1767226246,b,tokens,9\n";
        let trace = Trace::read(trace.as_bytes(), Path::new("trace")).unwrap();
        let rates = Rates::read(rates.as_bytes(), Path::new("rates")).unwrap();
        World::recorded(trace, Some(&rates), 60_000).unwrap()
    }

    #[test]
    fn history_is_cut_into_steps_and_ends_where_the_trace_begins() {
        let world = recorded(
            "unique_id,ds,y\na,1767225600,25\na,1767226200,7\ntokens:b,1767225600,0\nc,1767225600,1\n",
        );
        assert_eq!(world.starts_at_ms, 1_767_226_200_000);
        assert_eq!(world.history.len(), 10);
        assert_eq!(world.history[0].step * 60, 1_767_225_600);
        let sum = |key: &str| -> u64 {
            let key = world.trace.keys.find(key).unwrap();
            world
                .history
                .iter()
                .flat_map(|past| &past.used)
                .filter(|used| used.0 == key)
                .map(|used| used.2)
                .sum()
        };
        assert_eq!((sum("a"), sum("b"), sum("c")), (25, 0, 1));
        assert!(world.history.iter().all(|past| (2..=3).contains(&past.used[0].2)));
    }

    #[test]
    fn windows_shorter_than_a_step_add_up() {
        let rows: String = (0..120).map(|row| format!("tokens:b,{},1\n", 1_767_226_080 + row)).collect();
        let world = recorded(&format!("unique_id,ds,y\n{rows}"));
        let used: Vec<_> =
            world.history.iter().flat_map(|past| &past.used).map(|used| (used.1, used.2)).collect();
        assert_eq!(used, [(1, 60), (1, 60)]);
    }
}
