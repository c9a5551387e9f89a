//! Several limiters behind one Envoy: each with its own buckets, its own plan and its own count.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tidegate_e2e::{
    arena::{Arena, ArmKind, ArmPlan, Proxy},
    envoy::{LocalLimit, TokenBucket},
    load::{Arrival, Arrivals, Ask, Client, Limits, Outcome, drive_all},
    trace::REQUESTS,
    wait,
};
use tokio::sync::{mpsc, watch};

use crate::world::{self, BURST, CAPACITY_PER_S, SOON};

const TIME: Duration = Duration::from_secs(5);

fn tidegate(name: &'static str, reservable_share: Option<f64>) -> Result<ArmPlan> {
    let mut forecaster = world::forecaster()?;
    for resource in &mut forecaster.resources {
        resource.reservable_share = reservable_share;
    }
    let mut plugin = world::plugin(&world::requests());
    for (place, own) in [("/proxy", name), ("/forecaster/cluster", name)] {
        *plugin.pointer_mut(place).context(place)? = json!(own);
    }
    Ok(ArmPlan {
        name,
        kind: ArmKind::Tidegate { plugin, forecaster: Box::new(forecaster), proxy: Proxy::Envoy },
    })
}

fn arms() -> Result<Vec<ArmPlan>> {
    let bucket = |rate_per_s, burst| TokenBucket { rate_per_s, burst };
    let local = |name, limit| ArmPlan { name, kind: ArmKind::Local(limit) };
    let customers = vec![("acme".into(), bucket(30, 10)), ("batch".into(), bucket(20, 20))];
    Ok(vec![
        local("static", LocalLimit { others: bucket(1, 1), customers }),
        local("global", LocalLimit { others: bucket(50, 30), customers: Vec::new() }),
        tidegate("reactive", Some(0.0))?,
        tidegate("tidegate", Some(0.8))?,
    ])
}

/// Twenty requests a second of gold, and a flood of bronze.
fn schedule() -> Vec<Arrival> {
    let mut arrivals: Vec<Arrival> = Vec::new();
    for (who, (customer, per_s)) in [("acme", 20.0), ("batch", 60.0)].into_iter().enumerate() {
        let times = Arrivals::new(move |_| per_s, per_s, 1 + who as u64).take_while(|at| *at <= TIME);
        arrivals.extend(times.map(|at| Arrival { at, who, ask: Ask::of(customer) }));
    }
    arrivals.sort_by_key(|arrival| arrival.at);
    arrivals
}

#[tokio::test]
async fn every_limiter_gets_every_request_and_counts_its_own() -> Result<()> {
    let _turn = world::turn().await?;
    let arena = Arena::start("e2e/arms", &arms()?).await?;
    let clients: Vec<Client> = arena.arms.iter().map(|arm| arm.client.clone()).collect();
    let arrivals = schedule();
    let sent = arrivals.len();
    let limits = Limits { concurrency: 1024, requests: sent, time: TIME };
    let (sink, mut outcomes) = mpsc::unbounded_channel();
    let (_running, stop) = watch::channel(false);
    drive_all(&clients, arrivals.into_iter(), limits, stop, sink).await;

    let (mut answered, mut admitted) = ([0_u64; 4], [[0_u64; 2]; 4]);
    while let Some(done) = outcomes.recv().await {
        let Outcome::Answered(answer) = done.outcome else { panic!("{:?}", done.outcome) };
        answered[done.client] += 1;
        admitted[done.client][done.who] += u64::from(answer.admitted());
    }
    assert_eq!(answered, [sent as u64; 4]);
    let stats = arena.envoy.as_ref().context("an Envoy")?.stats().await?;
    let most = CAPACITY_PER_S * TIME.as_secs_f64() + BURST as f64 + CAPACITY_PER_S;
    for (place, arm) in arena.arms.iter().enumerate() {
        let all = admitted[place].iter().sum::<u64>();
        assert_eq!(stats.requests_to(arm.name), sent as u64, "{}", arm.name);
        assert_eq!(stats.responses_of(arm.name, "2xx"), all, "{}", arm.name);
        assert!(all < sent as u64 && (all as f64) < most, "{}: {all} of {sent}", arm.name);
    }
    let refused = stats.get("static.http_local_rate_limit.rate_limited");
    assert_eq!(refused, sent as u64 - admitted[0].iter().sum::<u64>());

    for arm in arena.arms.iter().skip(2) {
        let forecaster = arm.forecaster.as_ref().context("no forecaster")?;
        wait::until("all requests in the database", SOON, || async {
            let offered = forecaster.usage().await?.sum(REQUESTS, |total| total.requests_offered);
            Ok(Some(()).filter(|()| offered == sent as u64))
        })
        .await?;
        let [proxy] = forecaster.proxies().await?.try_into().map_err(|_| anyhow::anyhow!("one proxy"))?;
        assert!(proxy.table_epoch > 0 && proxy.table_error.is_none(), "{}: {proxy:?}", arm.name);
        let availability = forecaster.availability().await?;
        let reserved: f64 = availability.resources[0].steps.iter().map(|step| step.guaranteed_per_s).sum();
        assert_eq!(reserved > 0.0, arm.name == "tidegate", "{}: {reserved}", arm.name);
    }
    Ok(())
}
