//! What the tests have in common: a small market, its traffic, and turns on the machine.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_e2e::{
    forecaster::{Bucket, Customer, Forecast, ForecasterConfig, Resource, Tier},
    load::{Answer, Arrival, Arrivals, Ask, Client, Limits, Outcome, drive},
    ports, process,
    rig::{Plan, Rig},
    wait,
};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, watch};

/// Capacity of the market in requests per second.
pub(crate) const CAPACITY_PER_S: f64 = 50.0;
/// Its burst.
pub(crate) const BURST: u64 = 30;
/// How soon anything that takes a report, a plan and a table must have happened.
pub(crate) const SOON: Duration = Duration::from_secs(15);

const TOKEN: &str = "e2e-secret";

/// Waits for a turn on the machine; interrupted test runs leave no processes behind.
pub(crate) async fn turn() -> Result<SemaphorePermit<'static>> {
    static TURNS: Semaphore = Semaphore::const_new(2);
    process::end_all_on_signal();
    Ok(TURNS.acquire().await?)
}

/// A plugin that enforces `resources` per customer.
pub(crate) fn plugin(resources: &Value) -> Value {
    json!({
        "mode": "enforce",
        "proxy": "e2e",
        "key": [{ "header": "x-customer" }],
        "class": { "header": "x-priority" },
        "resources": resources,
        "forecaster": { "cluster": "tidegate", "token": TOKEN },
        "response_headers": true,
        "ratelimit_headers": true,
    })
}

/// Plain requests, with the market's capacity as the safe one.
pub(crate) fn requests() -> Value {
    json!({ "requests": { "cost": 1, "safe_capacity_per_s": CAPACITY_PER_S, "safe_burst": BURST } })
}

/// A forecaster with gold `acme`, silver `globex` and bronze `batch`, and steps of a second.
pub(crate) fn forecaster() -> Result<ForecasterConfig> {
    let tier = |name, weight, floor, rate_per_s, burst| Tier {
        name,
        weight,
        floor,
        risk_quantile: 0.8,
        max_delay_ms: 0,
        contract: vec![("requests", Bucket { rate_per_s, burst })],
    };
    Ok(ForecasterConfig {
        listen: ports::free()?,
        token: Some(TOKEN.into()),
        report_interval_s: 0.25,
        forecast: Forecast { step_s: 1, horizon_steps: 15, season_s: 20 },
        resources: vec![Resource {
            name: "requests".into(),
            capacity_per_s: CAPACITY_PER_S,
            burst: BURST,
            reservable_share: Some(0.8),
        }],
        tiers: vec![
            tier("gold", 8, 0.0, 40.0, 80),
            tier("silver", 4, 0.1, 30.0, 60),
            tier("bronze", 1, 0.3, 20.0, 40),
        ],
        default_tier: "bronze",
        customers: vec![customer("acme", "gold"), customer("globex", "silver"), customer("batch", "bronze")],
    })
}

/// A customer.
pub(crate) fn customer(key: &str, tier: &'static str) -> Customer {
    Customer { key: key.into(), tier }
}

/// Everything of a test: forecaster and plugin over an upstream that answers at once.
pub(crate) fn plan(name: &str, plugin: Value, forecaster: ForecasterConfig) -> Plan {
    Plan {
        folder: format!("e2e/{name}"),
        plugin,
        forecaster_address: forecaster.listen,
        forecaster: Some(forecaster),
        upstream_delay: Duration::ZERO,
    }
}

/// A plugin without a forecaster: `resources` are limited by their safe budgets, and more members are `extra`'s.
pub(crate) fn alone(name: &str, resources: &Value, extra: &Value) -> Result<Plan> {
    let mut plugin = json!({
        "mode": "enforce",
        "key": [{ "header": "x-customer" }],
        "resources": resources,
        "response_headers": true,
    });
    if let (Some(members), Some(extra)) = (plugin.as_object_mut(), extra.as_object()) {
        members.extend(extra.clone());
    }
    Ok(Plan {
        folder: format!("e2e/{name}"),
        plugin,
        forecaster: None,
        forecaster_address: ports::free()?,
        upstream_delay: Duration::ZERO,
    })
}

/// A cluster of Envoy with one endpoint.
pub(crate) fn cluster(name: &str, at: SocketAddr) -> String {
    let (ip, port) = (at.ip(), at.port());
    format!(
        "  - name: {name}
    type: STATIC
    connect_timeout: 1s
    load_assignment:
      cluster_name: {name}
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: {ip}, port_value: {port} }} }} }}
"
    )
}

/// Sends the one request that makes Envoy's worker ask for a table, and waits for the table.
pub(crate) async fn first_table(rig: &Rig, customer: &str) -> Result<u64> {
    rig.client.ask(&Ask::of(customer)).await?;
    rig.table_after(0, SOON).await
}

/// A customer and its steady rate.
#[derive(Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) customer: &'static str,
    pub(crate) per_s: f64,
}

/// What became of the requests of one stream.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) answers: Vec<Answer>,
    pub(crate) failures: Vec<String>,
}

impl Outcomes {
    pub(crate) fn admitted(&self) -> usize {
        self.answers.iter().filter(|answer| answer.admitted()).count()
    }

    pub(crate) fn refusals(&self) -> impl Iterator<Item = &Answer> {
        self.answers.iter().filter(|answer| answer.refused())
    }

    pub(crate) fn admitted_share(&self) -> f64 {
        self.admitted() as f64 / self.answers.len().max(1) as f64
    }
}

/// Poisson arrivals of all streams for `time`; one [`Outcomes`] per stream.
pub(crate) async fn traffic(rig: &Rig, streams: &[Stream], time: Duration) -> Vec<Outcomes> {
    let mut arrivals: Vec<Arrival> = Vec::new();
    for (who, stream) in streams.iter().enumerate() {
        let per_s = stream.per_s;
        let times = Arrivals::new(move |_| per_s, per_s, 1 + who as u64).take_while(|at| *at <= time);
        arrivals.extend(times.map(|at| Arrival { at, who, ask: Ask::of(stream.customer) }));
    }
    arrivals.sort_by_key(|arrival| arrival.at);
    let limits = Limits { concurrency: 256, requests: 100_000, time };
    let (sink, mut done) = mpsc::unbounded_channel();
    let (_running, stop) = watch::channel(false);
    drive(&rig.client, arrivals.into_iter(), limits, stop, sink).await;
    let mut outcomes: Vec<Outcomes> = streams.iter().map(|_| Outcomes::default()).collect();
    while let Some(done) = done.recv().await {
        let Some(stream) = outcomes.get_mut(done.who) else { continue };
        match done.outcome {
            Outcome::Answered(answer) => stream.answers.push(answer),
            Outcome::Failed(why) => stream.failures.push(why),
            Outcome::NotSent => stream.failures.push("not sent".into()),
        }
    }
    outcomes
}

/// A client with connections of its own; Envoy spreads connections over its workers.
pub(crate) fn afresh(rig: &Rig) -> Client {
    Client::new(rig.envoy.listen())
}

/// Sends requests over ever more connections until every worker has seen one; returns how many were sent.
pub(crate) async fn meet_all(rig: &Rig, workers: u32) -> Result<u64> {
    let sent = AtomicU64::new(0);
    let sent = &sent;
    wait::until("every worker has served", SOON, || async move {
        // Together, so that the client needs many connections; Envoy spreads those over its workers.
        let asks = (0..32).map(|_| {
            let client = afresh(rig);
            tokio::spawn(async move { client.ask(&Ask::of("somebody")).await })
        });
        for ask in asks.collect::<Vec<_>>() {
            ask.await??;
            sent.fetch_add(1, Ordering::Relaxed);
        }
        Ok((rig.envoy.stats().await?.plugin("tidegate_workers") == u64::from(workers)).then_some(()))
    })
    .await?;
    Ok(sent.load(Ordering::Relaxed))
}

/// Waits until the forecaster has one stream only: for a moment two workers may both think that they lead.
pub(crate) async fn one_stream(rig: &Rig) -> Result<()> {
    wait::until("the workers share one stream", SOON, || async {
        Ok((rig.forecaster()?.proxies().await?.len() == 1).then_some(()))
    })
    .await
}
