//! `tidegate gen envoy`: Envoy accepts what it writes, and works with it.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
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

use crate::{
    example::{example_of, moved, replaced},
    world::{self, SOON},
};

/// What the command prints for these arguments.
fn generated(binaries: &Binaries, arguments: &[&str]) -> Result<String> {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/envoy/tidegate.yaml");
    let output = Command::new(&binaries.forecaster)
        .env("TIDEGATE_TOKEN", "change-me")
        .args(["gen", "envoy", "--config"])
        .arg(config)
        .args(arguments)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn validate(binaries: &Binaries, folder: &Path, name: &str, yaml: &str) -> Result<()> {
    let path = folder::write(folder, name, yaml)?;
    let output = Command::new(&binaries.envoy)
        .current_dir(folder)
        .args(["--mode", "validate", "-c"])
        .arg(path)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test]
async fn envoy_accepts_what_is_generated_and_works_with_it() -> Result<()> {
    let _turn = world::turn().await?;
    let binaries = Binaries::find()?;
    let folder = folder::fresh("e2e/generate")?;
    let plugin = binaries.plugin.to_str().context("a path that is no text")?.to_owned();
    let yaml = generated(&binaries, &["--wasm", &plugin, "--mode", "enforce"])?;
    validate(&binaries, &folder, "local.yaml", &yaml)?;
    for url in ["https://plugins.example/tidegate.wasm", "http://plugins.example:8080/tidegate.wasm"] {
        let remote = generated(&binaries, &["--wasm", &plugin, "--url", url])?;
        validate(&binaries, &folder, "remote.yaml", &remote)?;
    }

    let llm = Binaries::find_llm_plugin()?;
    let reading = ["--wasm", llm.to_str().context("a path that is no text")?, "--llm", "requests"];
    let details = "region=x-region,account_type=x-account,client_version=user-agent,cpu_us=x-total-cpu,\
                   memory_bytes=x-memory,network_bytes,duration_ms";
    let yaml_of_all =
        generated(&binaries, &[&reading[..], &["--access-log", "--details", details]].concat())?;
    ensure!(yaml_of_all.contains("allow_on_headers_stop_iteration: true"), "{yaml_of_all}");
    validate(&binaries, &folder, "llm.yaml", &yaml_of_all)?;

    let upstream = Upstream::start(Duration::ZERO).await?;
    let (listen, admin, sync) = (ports::free()?, ports::free()?, ports::free()?);
    let yaml = [(10_000, listen), (9901, admin), (8081, upstream.address()), (7080, sync)]
        .into_iter()
        .try_fold(yaml, |yaml, (port, to)| moved(&yaml, "port_value: ", port, to))?;
    // What is under /v1 costs more than there is, and probes nothing.
    let rules = r#""rules": [{ "name": "probes", "match": { "path_prefix": "/health" }, "skip": true },
                                { "name": "dear", "match": { "path_prefix": "/v1" }, "costs": { "requests": 1000000 } }],
                              "key": ["#;
    let yaml = replaced(&yaml, r#""key": ["#, rules)?;
    let forecaster = moved(&example_of("envoy", "tidegate.yaml")?, "listen: 127.0.0.1:", 7080, sync)?;
    let forecaster = replaced(&forecaster, "${TIDEGATE_TOKEN}", "change-me")?;
    let _forecaster = Forecaster::start_with(&binaries.forecaster, &forecaster, sync, &folder).await?;
    let envoy = Envoy::start_with(&binaries.envoy, &yaml, listen, admin, &folder).await?;
    let client = Client::new(listen);
    wait::until("acme is gold in Prometheus", SOON, || async {
        client.ask(&Ask::of("acme")).await?;
        let metrics = envoy.prometheus().await?;
        let labels = ["tidegate_decisions_total{", "tier=\"gold\"", "mode=\"enforce\""];
        Ok(metrics.lines().any(|line| labels.iter().all(|label| line.contains(label))).then_some(()))
    })
    .await?;
    for (path, status) in [("/health", 200), ("/v1", 429), ("/health/../v1", 429), ("//v1", 429)] {
        assert_eq!(client.ask(&Ask::of("acme").at(path)).await?.status, status, "{path}");
    }
    Ok(())
}
