//! `examples/custom-gateway`: the component in a reverse proxy does what its README says, with the real forecaster.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::Result;
use tidegate_e2e::{
    binaries::Binaries,
    folder,
    forecaster::Forecaster,
    gateway::Gateway,
    load::{Ask, Client},
    ports,
    upstream::Upstream,
    wait,
};

use crate::{
    example::{example_of, moved, replaced},
    world::{self, SOON},
};

/// How long an answer of the upstream takes: long enough to stop the gateway meanwhile.
const SLOW: Duration = Duration::from_millis(500);

/// The example's configuration at free ports.
async fn start(upstream: SocketAddr, sync: SocketAddr, folder: &Path) -> Result<Gateway> {
    let (listen, admin) = (ports::free()?, ports::free()?);
    let yaml = example_of("custom-gateway", "gateway.yaml")?;
    let component = Binaries::find_component()?.to_string_lossy().into_owned();
    let yaml = replaced(&yaml, "target/wasm/tidegate.component.wasm", &component)?;
    let yaml = [(8000, listen), (8001, admin), (8081, upstream), (7080, sync)]
        .into_iter()
        .try_fold(yaml, |yaml, (port, to)| moved(&yaml, "127.0.0.1:", port, to))?;
    Gateway::start_with(&Binaries::find_gateway()?, &yaml, listen, admin, folder).await
}

/// What its README tells to type into a shell, with this gateway's ports.
async fn told_lines_work(gateway: &Gateway) -> Result<()> {
    let readme = example_of("custom-gateway", "README.md")?;
    for config in ["examples/envoy/tidegate.yaml", "examples/custom-gateway/gateway.yaml"] {
        assert!(readme.contains(config), "{config} is what this test runs");
    }
    let curls: Vec<&str> = readme.lines().filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(curls.len(), 2, "{curls:?}");
    let mut said = String::new();
    for line in curls {
        let line = line
            .replace("127.0.0.1:8000", &gateway.listen().to_string())
            .replace("127.0.0.1:8001", &gateway.admin().to_string());
        let output = tokio::process::Command::new("sh").args(["-c", &line]).output().await?;
        if output.status.code() == Some(127) {
            eprintln!("skipped: there is no curl");
            return Ok(());
        }
        assert!(output.status.success(), "{line}: {output:?}");
        said += &String::from_utf8_lossy(&output.stdout);
    }
    for part in ["HTTP/1.1 200", "x-tidegate-tier: gold", "tidegate_decisions_total{"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    Ok(())
}

#[tokio::test]
async fn a_gateway_of_ones_own_obeys_the_plan_and_reports_to_the_last_request() -> Result<()> {
    let _turn = world::turn().await?;
    let folder = folder::fresh("e2e/gateway")?;
    let upstream = Upstream::start(SLOW).await?;
    let sync = ports::free()?;
    let yaml = moved(&example_of("envoy", "tidegate.yaml")?, "listen: 127.0.0.1:", 7080, sync)?;
    let yaml = replaced(&yaml, "${TIDEGATE_TOKEN}", "change-me")?;
    let mut forecaster = Forecaster::start_with(&Binaries::find_forecaster()?, &yaml, sync, &folder).await?;
    let mut gateway = start(upstream.address(), sync, &folder).await?;

    let client = Client::new(gateway.listen());
    let is_gold = || async { Ok(client.ask(&Ask::of("acme")).await?.tier.filter(|tier| tier == "gold")) };
    wait::until("acme is gold", SOON, is_gold).await?;
    let gold = ["decision=\"opportunistic\"", "tier=\"gold\"", "mode=\"enforce\""];
    let metrics = gateway.metrics().await?;
    assert!(metrics.decided(&gold) > 0, "{metrics:?}");

    told_lines_work(&gateway).await?;

    // Without the forecaster the plan goes on; with it back, so does the stream.
    forecaster.kill()?;
    assert_eq!(client.ask(&Ask::of("acme")).await?.tier.as_deref(), Some("gold"));
    forecaster.restart().await?;
    wait::until("the gateway is back", SOON, || async {
        Ok((!forecaster.proxies().await?.is_empty()).then_some(()))
    })
    .await?;

    // A request under way when it is told to stop is answered, and what it used is reported.
    let before = forecaster.usage().await?.of("globex", "requests").requests_offered;
    let ask = Ask::of("globex");
    let (answer, ()) = tokio::join!(client.ask(&ask), async {
        tokio::time::sleep(SLOW / 2).await;
        gateway.process().interrupt();
    });
    let answer = answer?;
    assert!(answer.admitted(), "{answer:?}");
    wait::until("the gateway ends", SOON, || {
        let ended = gateway.process().ended();
        async move { Ok(ended?.map(|status| assert!(status.success(), "{status}"))) }
    })
    .await?;
    wait::until("its last report is durable", SOON, || async {
        let after = forecaster.usage().await?.of("globex", "requests").requests_offered;
        Ok((after == before + 1).then_some(()))
    })
    .await?;
    Ok(())
}
