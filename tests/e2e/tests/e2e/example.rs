//! `examples/envoy`: the pair of configurations that every newcomer copies does what its README says.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result};
use tidegate_e2e::{
    binaries::Binaries,
    envoy::Envoy,
    folder,
    forecaster::Forecaster,
    load::{Ask, Client},
    ports,
    upstream::Upstream,
    wait,
};

use crate::world::{self, SOON};

#[tokio::test]
async fn the_example_gives_a_customer_its_tier_and_its_metrics() -> Result<()> {
    let _turn = world::turn().await?;
    let binaries = Binaries::find()?;
    let folder = folder::fresh("e2e/example")?;
    let upstream = Upstream::start(Duration::ZERO).await?;
    let (listen, admin, sync) = (ports::free()?, ports::free()?, ports::free()?);

    let plugin = binaries.plugin.to_string_lossy().into_owned();
    let envoy = example("envoy.yaml")?;
    let envoy = replaced(&envoy, "target/wasm/tidegate.wasm", &plugin)?;
    let envoy = [(10_000, listen), (9901, admin), (8081, upstream.address()), (7080, sync)]
        .into_iter()
        .try_fold(envoy, |yaml, (port, to)| moved(&yaml, "port_value: ", port, to))?;
    let forecaster = moved(&example("tidegate.yaml")?, "listen: 127.0.0.1:", 7080, sync)?;
    let forecaster = replaced(&forecaster, "${TIDEGATE_TOKEN}", "change-me")?;

    let _forecaster = Forecaster::start_with(&binaries.forecaster, &forecaster, sync, &folder).await?;
    let envoy = Envoy::start_with(&binaries.envoy, &envoy, listen, admin, &folder).await?;
    let client = Client::new(listen);
    wait::until("acme is gold", SOON, || async {
        Ok(client.ask(&Ask::of("acme")).await?.tier.filter(|tier| tier == "gold"))
    })
    .await?;

    let metrics = envoy.prometheus().await?;
    let decided =
        |line: &&str| line.starts_with("tidegate_decisions_total{") && line.contains("tier=\"gold\"");
    let ours = || metrics.lines().filter(|line| line.contains("tidegate_")).collect::<Vec<_>>().join("\n");
    let line = metrics.lines().find(decided).with_context(|| format!("no such counter among\n{}", ours()))?;
    assert!(line.contains("decision=\"") && line.contains("mode=\"enforce\""), "{line}");
    Ok(())
}

fn example(file: &str) -> Result<String> {
    example_of("envoy", file)
}

pub(crate) fn example_of(story: &str, file: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(story).join(file);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

pub(crate) fn moved(yaml: &str, before: &str, port: u16, to: SocketAddr) -> Result<String> {
    replaced(yaml, &format!("{before}{port}"), &format!("{before}{}", to.port()))
}

pub(crate) fn replaced(yaml: &str, from: &str, to: &str) -> Result<String> {
    anyhow::ensure!(yaml.contains(from), "the example has no {from:?} any more");
    Ok(yaml.replace(from, to))
}
