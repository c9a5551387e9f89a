//! The story: four customers share one proxy, their day lasts a minute, and at its peaks they want more than there is.

use std::time::Duration;

use anyhow::Result;
use tidegate_e2e::{load::Limits, story::Story, trace::REQUESTS};

use crate::{
    arms::{self, Through},
    cast::Cast,
    script::{Budget, STEP, Script},
};

const AT_MOST: Duration = Duration::from_secs(3600);

/// The story with the traffic of one seed; `seconds` shortens it to so much traffic in all, half of it for learning.
pub(crate) fn script(
    story: &Story,
    seed: u64,
    once: bool,
    seconds: Option<u64>,
    through: Through,
) -> Result<Script> {
    let shortened = seconds.map(Duration::from_secs);
    let learning = shortened.map_or(story.day(), |all| all / 2);
    let whole = shortened.unwrap_or(story.day() + story.measured());
    let (arms, tuned) = arms::all(story, seed, learning, whole, through)?.into_iter().unzip();
    Ok(Script {
        title: title(story, seed, whole, once, through),
        folder: String::new(),
        arms,
        tuned,
        budget: Some(Budget { capacity_per_s: story.capacity_per_s, burst: story.burst }),
        cast: story
            .customers
            .iter()
            .map(|one| Cast { key: one.key.into(), tier: one.tier, what: one.what })
            .collect(),
        schedule: Box::new(story.arrivals(seed)),
        limits: Limits { concurrency: 2048, requests: 2_000_000, time: if once { whole } else { AT_MOST } },
        learning,
        // The last request comes a little before the end.
        judged_after: seconds.is_none().then(|| whole.saturating_sub(STEP)),
        watched: REQUESTS.into(),
        settled: Vec::new(),
        once,
    })
}

fn title(story: &Story, seed: u64, whole: Duration, once: bool, through: Through) -> Vec<String> {
    let minutes = whole.as_secs_f64() / 60.0;
    let ends = if once { format!(" This takes {minutes:.1} minutes.") } else { String::new() };
    let limiters: &[&str] = match through {
        Through::Envoy => &[
            "Every request goes to four limiters at the same instant: Envoy's own with a bucket per customer (static) and",
            "with one for all (global), both tuned with hindsight on this very traffic; Tidegate without forecasts",
            "(reactive) and with them (tidegate). All may admit the same.",
        ],
        Through::Gateway => &[
            "Every request goes to two gateways (examples/custom-gateway) at the same instant: Tidegate without forecasts",
            "(reactive) and with them (tidegate). Both may admit the same. Envoy's own limiters need Envoy.",
        ],
        Through::Both => &[
            "Every request goes to four limiters at the same instant: Tidegate without forecasts (reactive) and with them",
            "(tidegate), each through Envoy and through a gateway (examples/custom-gateway). All may admit the same.",
        ],
    };
    let mut lines = vec![format!(
        "Four customers share {} requests/s behind one proxy. At peaks they want twice as much.",
        story.capacity_per_s
    )];
    lines.extend(limiters.iter().map(|line| (*line).to_owned()));
    lines.push(format!(
        "A day lasts {} s. The traffic is made up (tests/e2e/traffic/story.toml, seed {seed}); clocks, proxies and decisions are real.",
        story.day_s
    ));
    lines.push(format!("The first day is for learning and does not count.{ends}"));
    lines
}
