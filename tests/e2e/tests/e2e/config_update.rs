//! A new configuration for an Envoy that is serving: what was learned stays, and nobody is forgotten in a queue that is no more.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{
    binaries::Binaries,
    envoy::{Envoy, EnvoyConfig, Extra, INGRESS, Limiter, Listener, Plugin},
    folder,
    forecaster::{Bucket, Forecaster, ForecasterConfig},
    load::{Answer, Ask, Client},
    ports,
    rig::TABLE_EPOCH,
    upstream::Upstream,
    wait,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::world::{self, SOON};

const BURST: u64 = 4;

/// Gold may wait for eight seconds, and tokens come slowly.
fn slow() -> Result<ForecasterConfig> {
    let mut forecaster = world::forecaster()?;
    for resource in &mut forecaster.resources {
        (resource.capacity_per_s, resource.burst, resource.reservable_share) = (1.0, BURST, Some(0.0));
    }
    for tier in &mut forecaster.tiers {
        tier.floor = 0.0;
        tier.contract = vec![("requests", Bucket { rate_per_s: 1000.0, burst: 1000 })];
        tier.max_delay_ms = if tier.name == "gold" { 8000 } else { 0 };
    }
    Ok(forecaster)
}

/// A static configuration in two: a bootstrap that watches `lds`, and what stands in that file.
fn divided(yaml: &str, lds: &Path) -> Result<(String, String)> {
    let (head, rest) = yaml.split_once("static_resources:\n  listeners:\n").context("no listeners")?;
    let (listeners, clusters) = rest.split_once("  clusters:\n").context("no clusters")?;
    let lds = lds.display();
    let bootstrap = format!(
        "node: {{ id: e2e, cluster: e2e }}\ndynamic_resources:\n  lds_config:\n    path_config_source: {{ path: '{lds}' }}\n\
         {head}static_resources:\n  clusters:\n{clusters}"
    );
    let kind = "- '@type': type.googleapis.com/envoy.config.listener.v3.Listener\n    name: ";
    Ok((bootstrap, format!("resources:\n{}", listeners.replacen("- name: ", kind, 1))))
}

/// Envoy notices files that are moved to where it watches.
fn put(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, text)?;
    Ok(fs::rename(beside, path)?)
}

/// An Envoy whose listener can be given another safe burst.
struct Updated {
    envoy: Envoy,
    client: Client,
    lds: PathBuf,
    config: EnvoyConfig,
    forecaster: Forecaster,
    upstream: Upstream,
}

impl Updated {
    /// The listener of before lives on for `drain_s` seconds.
    async fn start(name: &str, forecaster: &ForecasterConfig, drain_s: u32) -> Result<Self> {
        Self::start_workers(name, forecaster, (1, drain_s)).await
    }

    /// The same with so many worker threads.
    async fn start_workers(
        name: &str,
        forecaster: &ForecasterConfig,
        (workers, drain_s): (u32, u32),
    ) -> Result<Self> {
        let binaries = Binaries::find()?;
        let folder = folder::fresh(name)?;
        let upstream = Upstream::start(Duration::ZERO).await?;
        let running = Forecaster::start(&binaries.forecaster, forecaster, &folder).await?;
        let (listen, admin) = (ports::free()?, ports::free()?);
        let limiter = Limiter::Tidegate(Plugin {
            name: "tidegate".into(),
            module: binaries.plugin.clone(),
            configuration: plugin(BURST),
            cluster: "tidegate".into(),
            forecaster: forecaster.listen,
            sees_bodies: false,
        });
        let listener = Listener { name: INGRESS.into(), listen, limiter, access_log: None };
        let (listeners, extra) = (vec![listener], Extra::default());
        let config = EnvoyConfig { admin, upstream: upstream.address(), listeners, extra };
        let lds = folder.join("lds.yaml");
        let (bootstrap, listeners) = divided(&config.to_yaml(), &lds)?;
        put(&lds, &listeners)?;
        let (addresses, drain) = ((listen, admin), (workers, drain_s));
        let envoy = Envoy::start_draining(&binaries.envoy, &bootstrap, addresses, drain, &folder).await?;
        let client = Client::new(listen);
        wait::until("acme is gold", SOON, || async {
            Ok(client.ask(&Ask::of("acme")).await?.tier.filter(|tier| tier == "gold"))
        })
        .await?;
        Ok(Self { envoy, client, lds, config, forecaster: running, upstream })
    }

    fn update(&mut self, safe_burst: u64) -> Result<()> {
        self.configure(&plugin(safe_burst))
    }

    fn configure(&mut self, plugin: &Value) -> Result<()> {
        for listener in &mut self.config.listeners {
            if let Limiter::Tidegate(limiter) = &mut listener.limiter {
                limiter.configuration = plugin.clone();
            }
        }
        let (_, listeners) = divided(&self.config.to_yaml(), &self.lds)?;
        put(&self.lds, &listeners)
    }
}

fn plugin(safe_burst: u64) -> Value {
    let mut plugin =
        world::plugin(&json!({ "requests": { "safe_capacity_per_s": 1, "safe_burst": safe_burst } }));
    if let Some(members) = plugin.as_object_mut() {
        members.insert("on_refusal".into(), json!({ "tag": { "x-over": "yes" } }));
        members.insert("rules".into(), json!([{ "name": "all", "match": { "path_prefix": "/" } }]));
    }
    plugin
}

#[tokio::test]
async fn tables_come_when_the_listener_of_before_is_gone() -> Result<()> {
    let _turn = world::turn().await?;
    let mut forecaster = world::forecaster()?;
    forecaster.forecast.step_s = 1;
    let mut rig = Updated::start("e2e/config-update-drained", &forecaster, 2).await?;
    // The second finds the state as the first has left it.
    for burst in [BURST + 1, BURST + 1 + 1] {
        rig.update(burst)?;
        let (client, envoy) = (&rig.client, &rig.envoy);
        for draining in [1, 0] {
            wait::until("the listener of before comes and goes", SOON, || async {
                client.ask(&Ask::of("acme")).await?;
                let metrics = envoy.prometheus().await?;
                let line = metrics.lines().find(|line| line.contains("total_filter_chains_draining{"));
                Ok(line.is_some_and(|line| line.ends_with(&format!(" {draining}"))).then_some(()))
            })
            .await?;
        }
        let since = envoy.stats().await?.plugin(TABLE_EPOCH);
        wait::until("there are newer tables", SOON, || async {
            client.ask(&Ask::of("acme")).await?;
            Ok((envoy.stats().await?.plugin(TABLE_EPOCH) > since).then_some(()))
        })
        .await?;
    }
    // One that was there before is no table to refuse.
    assert_eq!(rig.envoy.stats().await?.plugin("tidegate_tables_total.result.rejected"), 0);
    Ok(())
}

#[tokio::test]
async fn buckets_stay_as_empty_as_they_are_when_budgets_are_the_same() -> Result<()> {
    let _turn = world::turn().await?;
    let mut rig = Updated::start("e2e/config-update-kept", &slow()?, 600).await?;
    // Who may not wait.
    let ask = Ask::of("somebody").with("x-echo", "x-over");
    let is_over = |answer: &Answer| answer.header("x-seen-x-over").is_some();
    for _ in 0..2 * BURST {
        rig.client.ask(&ask).await?;
    }
    let mut silent = plugin(BURST);
    silent.as_object_mut().context("an object")?.insert("response_headers".into(), json!(false));
    rig.configure(&silent)?;
    // Whatever comes back meanwhile is used.
    let (client, asked) = (rig.client.clone(), &ask);
    wait::until("the new configuration is there", SOON, || async {
        Ok(client.ask(asked).await?.decision.is_none().then_some(()))
    })
    .await?;
    let mut passed = 0;
    for _ in 0..BURST {
        passed += u32::from(!is_over(&rig.client.ask(&ask).await?));
    }
    assert!(passed <= 1, "{passed} of {BURST} found tokens in buckets that were empty");
    wait::until("matches of the former rules are counted too", SOON, || async {
        let stats = rig.envoy.stats().await?;
        let matches = stats.plugin("tidegate_rule_matches_total.rule.all");
        Ok((matches == stats.plugin_sum("tidegate_decisions_total", &[])).then_some(()))
    })
    .await
}

#[tokio::test]
async fn who_waits_is_asked_again_when_the_budgets_are_others() -> Result<()> {
    let _turn = world::turn().await?;
    let mut rig = Updated::start("e2e/config-update", &slow()?, 600).await?;
    let client = rig.client.clone();
    sleep(Duration::from_secs(1)).await;

    let mut asked = JoinSet::new();
    for _ in 0..10 {
        let client = client.clone();
        asked.spawn(async move { client.ask(&Ask::of("acme").with("x-echo", "x-over")).await });
    }
    let held = || async {
        let held = rig.envoy.stats().await?.plugin("tidegate_held");
        Ok(Some(held).filter(|held| *held >= 4))
    };
    wait::until("some wait", SOON, held).await?;
    rig.update(BURST + 1)?;
    let answers = timeout(Duration::from_secs(3), async {
        let mut answers = Vec::new();
        while let Some(answer) = asked.join_next().await {
            answers.push(answer??);
        }
        anyhow::Ok(answers)
    });
    let answers = answers.await.context("some are forgotten in the queue")??;
    // Who does not get a token now passes on marked, although it had been paused.
    let tagged = |answer: &&Answer| answer.decision.as_deref() == Some("tagged");
    assert!(answers.iter().any(|answer| tagged(&answer)), "{answers:?}");
    for answer in &answers {
        let seen = answer.header("x-seen-x-over").is_some();
        assert_eq!((answer.status, seen), (200, tagged(&answer)), "{answer:?}");
    }
    // The tables are there at once, although the budgets began anew.
    let next = client.ask(&Ask::of("acme")).await?;
    assert_eq!(next.tier.as_deref(), Some("gold"), "{next:?}");
    wait::until("nobody waits", SOON, || async {
        Ok((rig.envoy.stats().await?.plugin("tidegate_held") == 0).then_some(()))
    })
    .await
}

const WORKERS: u32 = 4;
const CLIENTS: u32 = 12;

/// Asks over ever new connections, which Envoy spreads over its workers, until somebody says stop, and counts what was answered.
async fn go_on(
    listen: SocketAddr,
    customer: String,
    answered: Arc<AtomicU64>,
    stop: watch::Receiver<bool>,
) -> Result<()> {
    const ASKS_OF_A_CONNECTION: u32 = 20;
    while !*stop.borrow() {
        let client = Client::new(listen);
        for _ in 0..ASKS_OF_A_CONNECTION {
            let answer = client.ask(&Ask::of(&customer)).await?;
            ensure!(answer.status == 200, "{customer}: {answer:?}");
            answered.fetch_add(1, Relaxed);
            sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(())
}

/// Waits until of so many connections each finds a worker of which this is true.
async fn everywhere(rig: &Updated, what: &str, ask: &Ask, is: impl Fn(&Answer) -> bool) -> Result<u64> {
    const IN_A_ROW: u32 = 40;
    let (end, mut asked, mut in_a_row) = (Instant::now() + SOON, 0, 0);
    while in_a_row < IN_A_ROW {
        let answer = Client::new(rig.envoy.listen()).ask(ask).await?;
        asked += 1;
        in_a_row = if is(&answer) { in_a_row + 1 } else { 0 };
        ensure!(Instant::now() < end, "not every worker has {what}: {answer:?}");
    }
    Ok(asked)
}

#[tokio::test]
async fn all_workers_take_a_new_configuration_under_traffic_and_lose_no_request() -> Result<()> {
    let _turn = world::turn().await?;
    let mut rig =
        Updated::start_workers("e2e/config-update-workers", &world::forecaster()?, (WORKERS, 600)).await?;
    let (stopping, stop) = watch::channel(false);
    let (mut asking, answered) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
    // A machine that is busy with something else serves fewer a second: what counts is how many it was, not for how long.
    let traffic = async |beside: &str| {
        let enough = answered.load(Relaxed) + 300;
        let is_enough = async || Ok((answered.load(Relaxed) >= enough).then_some(()));
        wait::until(&format!("300 requests go on beside {beside}"), SOON, is_enough).await
    };
    for client in 0..CLIENTS {
        let customer = ["acme", "globex", "batch"][client as usize % 3];
        asking.spawn(go_on(rig.envoy.listen(), customer.into(), answered.clone(), stop.clone()));
    }
    wait::until("every worker has served", SOON, async || {
        Ok((rig.envoy.stats().await?.plugin("tidegate_workers") == u64::from(WORKERS)).then_some(()))
    })
    .await?;
    let mut checks = 0;
    // Each has other budgets, and so another allocator, and shows which it is.
    for round in 1..=4 {
        let mut next = plugin(BURST + round);
        next["decision_ids"] = json!(round % 2 == 1);
        rig.configure(&next)?;
        let has_id = |answer: &Answer| answer.header("x-tidegate-decision-id").is_some();
        checks += everywhere(&rig, &format!("configuration {round}"), &Ask::of("acme"), |answer| {
            has_id(answer) == (round % 2 == 1)
        })
        .await?;
        traffic(&format!("configuration {round}")).await?;
    }
    // Tables still come to everybody.
    rig.forecaster.kill()?;
    rig.forecaster.edit_config("batch: { tier: bronze }", "batch: { tier: gold }")?;
    rig.forecaster.restart().await?;
    checks +=
        everywhere(&rig, "the table of the forecaster that was restarted", &Ask::of("batch"), |answer| {
            answer.tier.as_deref() == Some("gold")
        })
        .await?;
    traffic("that table").await?;
    stopping.send(true)?;
    while let Some(one) = asking.join_next().await {
        one??;
    }
    let asked = answered.load(Relaxed);
    println!("{asked} asked meanwhile, {checks} to look");

    let stats = rig.envoy.stats().await?;
    let sent = stats.requests();
    assert!(sent > asked + checks, "{sent}, {asked}");
    assert_eq!(rig.upstream.served(), sent, "everybody is let pass");
    assert_eq!(stats.plugin_sum("tidegate_decisions_total", &[]), sent);
    assert_eq!(stats.plugin("tidegate_workers"), u64::from(WORKERS));
    assert_eq!(stats.plugin("tidegate_tables_total.result.rejected"), 0);
    let offered =
        async || anyhow::Ok(rig.forecaster.usage().await?.sum("requests", |total| total.requests_offered));
    wait::until("every request is in the database", SOON, async || {
        Ok((offered().await? >= sent).then_some(()))
    })
    .await?;
    // Long enough for reports that are sent again to be counted twice, if they were.
    sleep(Duration::from_secs(4)).await;
    assert_eq!(offered().await?, sent);
    Ok(())
}
