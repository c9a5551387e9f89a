//! The gateway of `examples/custom-gateway`, running: the component where otherwise Envoy and the plugin are.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Result;
use serde_json::{Value, json};

use crate::{folder, http, process::Process, wait};

/// Compiling the component takes longest, all the more in a build without optimisation.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What differs from one run to the next.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Where requests come in.
    pub listen: SocketAddr,
    /// Where its metrics are.
    pub admin: SocketAddr,
    /// Where admitted requests go.
    pub upstream: SocketAddr,
    /// The component.
    pub component: PathBuf,
    /// The plugin's configuration.
    pub admission: Value,
}

/// A running gateway; ends with its value.
#[derive(Debug)]
pub struct Gateway {
    process: Process,
    listen: SocketAddr,
    admin: SocketAddr,
}

/// One reading of a gateway's metrics.
#[derive(Clone, Debug)]
pub struct Metrics(String);

impl Gateway {
    /// Starts a gateway and waits until it serves; configuration and log go to `folder`.
    ///
    /// # Errors
    /// When it does not, with the end of its log.
    pub async fn start(binary: &Path, config: &GatewayConfig, folder: &Path) -> Result<Self> {
        let GatewayConfig { listen, admin, upstream, component, admission } = config;
        let json = json!({
            "listen": listen, "admin": admin, "upstream": upstream, "component": component, "admission": admission
        });
        Self::start_with(binary, &format!("{json:#}\n"), *listen, *admin, folder).await
    }

    /// Like [`Self::start`], with a configuration file as it is, which listens at `listen` and `admin`.
    ///
    /// # Errors
    /// When it does not serve, with the end of its log.
    pub async fn start_with(
        binary: &Path,
        yaml: &str,
        listen: SocketAddr,
        admin: SocketAddr,
        folder: &Path,
    ) -> Result<Self> {
        let config = folder::write(folder, "gateway.yaml", yaml)?;
        let mut command = Command::new(binary);
        command.arg(config).env("TIDEGATE_TOKEN", "change-me");
        let process = Process::start("the gateway", &mut command, &folder.join("gateway.log"))?;
        let mut gateway = Self { process, listen, admin };
        wait::until("the gateway serves", START_LIMIT, || {
            let running = gateway.process.check();
            async move {
                running?;
                Ok(http::get(admin, "/healthz").await.ok().map(drop))
            }
        })
        .await?;
        Ok(gateway)
    }

    /// Where it takes requests.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where its metrics are.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its metrics now.
    ///
    /// # Errors
    /// When they cannot be had.
    pub async fn metrics(&self) -> Result<Metrics> {
        let (_, body) = http::get(self.admin, "/metrics").await?;
        Ok(Metrics(String::from_utf8_lossy(&body).into_owned()))
    }
}

impl Metrics {
    /// The sum of a metric over everything that has all of `labels`, which are written as `decision="delayed"`.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[&str]) -> u64 {
        let value = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (metric, given) = series.split_once('{').unwrap_or((series, ""));
            let is_wanted = metric == name && labels.iter().all(|label| given.contains(label));
            is_wanted.then(|| value.parse::<u64>().ok()).flatten()
        };
        self.0.lines().filter_map(value).sum()
    }

    /// Requests that it has answered or passed on.
    #[must_use]
    pub fn requests(&self) -> u64 {
        // Who waits is counted again when that is over.
        self.decided(&[]) - self.decided(&["decision=\"waiting\""])
    }

    /// Requests that it has passed on.
    #[must_use]
    pub fn admitted(&self) -> u64 {
        let refused: u64 = ["refused_contract", "refused_pool", "fail_closed"]
            .iter()
            .map(|decision| self.decided(&[&format!("decision=\"{decision}\""), "mode=\"enforce\""]))
            .sum();
        self.requests() - refused
    }

    /// Requests by the labels of their decisions.
    #[must_use]
    pub fn decided(&self, labels: &[&str]) -> u64 {
        self.sum("tidegate_decisions_total", labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_the_labels_that_are_not_given() {
        let metrics = Metrics(
            "# TYPE tidegate_keys gauge\ntidegate_keys 3\n\
             tidegate_decisions_total{decision=\"guaranteed\",tier=\"gold\",mode=\"enforce\"} 5\n\
             tidegate_decisions_total{decision=\"waiting\",tier=\"gold\",mode=\"enforce\"} 2\n\
             tidegate_decisions_total{decision=\"delayed\",tier=\"gold\",mode=\"enforce\"} 2\n\
             tidegate_decisions_total{decision=\"refused_pool\",tier=\"gold\",mode=\"enforce\"} 7\n"
                .into(),
        );
        assert_eq!((metrics.sum("tidegate_keys", &[]), metrics.sum("tidegate", &[])), (3, 0));
        assert_eq!((metrics.requests(), metrics.admitted()), (14, 7));
        assert_eq!(metrics.decided(&["decision=\"delayed\"", "tier=\"gold\""]), 2);
    }
}
