//! `examples/custom-gateway`: the component in a reverse proxy does what its README says, with the real forecaster.

use std::{net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::Result;
use tidegate_e2e::{
    binaries::Binaries,
    folder,
    forecaster::Forecaster,
    http,
    load::{Ask, Client},
    ports,
    process::Process,
    upstream::Upstream,
    wait,
};

use crate::{
    example::{example_of, moved, replaced},
    world::{self, SOON},
};

/// How long an answer of the upstream takes: long enough to stop the gateway meanwhile.
const SLOW: Duration = Duration::from_millis(500);

struct Gateway {
    process: Process,
    client: Client,
    admin: SocketAddr,
}

impl Gateway {
    /// The example's configuration at free ports.
    async fn start(upstream: SocketAddr, sync: SocketAddr, folder: &Path) -> Result<Self> {
        let (listen, admin) = (ports::free()?, ports::free()?);
        let yaml = example_of("custom-gateway", "gateway.yaml")?;
        let component = Binaries::find_component()?.to_string_lossy().into_owned();
        let yaml = replaced(&yaml, "target/wasm/tidegate.component.wasm", &component)?;
        let yaml = [(8000, listen), (8001, admin), (8081, upstream), (7080, sync)]
            .into_iter()
            .try_fold(yaml, |yaml, (port, to)| moved(&yaml, "127.0.0.1:", port, to))?;
        let config = folder::write(folder, "gateway.yaml", &yaml)?;
        let mut command = Command::new(Binaries::find_gateway()?);
        command.arg(config).env("TIDEGATE_TOKEN", "change-me");
        let process = Process::start("the gateway", &mut command, &folder.join("gateway.log"))?;
        // Compiling the component takes longest, all the more in a build without optimisation.
        let patience = SOON * 4;
        wait::until("the gateway serves", patience, || async {
            Ok(http::get(admin, "/healthz").await.ok().map(|_| ()))
        })
        .await?;
        Ok(Self { process, client: Client::new(listen), admin })
    }
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
    let mut gateway = Gateway::start(upstream.address(), sync, &folder).await?;

    let is_gold =
        || async { Ok(gateway.client.ask(&Ask::of("acme")).await?.tier.filter(|tier| tier == "gold")) };
    wait::until("acme is gold", SOON, is_gold).await?;
    let metrics = String::from_utf8(http::get(gateway.admin, "/metrics").await?.1.to_vec())?;
    let decided = "tidegate_decisions_total{decision=\"opportunistic\",tier=\"gold\",mode=\"enforce\"}";
    assert!(metrics.lines().any(|line| line.starts_with(decided)), "{metrics}");

    // Without the forecaster the plan goes on; with it back, so does the stream.
    forecaster.kill()?;
    assert_eq!(gateway.client.ask(&Ask::of("acme")).await?.tier.as_deref(), Some("gold"));
    forecaster.restart().await?;
    wait::until("the gateway is back", SOON, || async {
        Ok((!forecaster.proxies().await?.is_empty()).then_some(()))
    })
    .await?;

    // A request under way when it is told to stop is answered, and what it used is reported.
    let before = forecaster.usage().await?.of("globex", "requests").requests_offered;
    let ask = Ask::of("globex");
    let (answer, ()) = tokio::join!(gateway.client.ask(&ask), async {
        tokio::time::sleep(SLOW / 2).await;
        gateway.process.interrupt();
    });
    let answer = answer?;
    assert!(answer.admitted(), "{answer:?}");
    wait::until("the gateway ends", SOON, || {
        let ended = gateway.process.ended();
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
