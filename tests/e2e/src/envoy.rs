//! A real Envoy: on each listener the plugin, a limiter of Envoy's own, or nobody decides.

mod config;
mod extra;
mod listener;
mod local_limit;
mod plugin;
mod stats;

use std::{net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result};
use hyper::StatusCode;

pub use config::EnvoyConfig;
pub use extra::Extra;
pub use listener::{Limiter, Listener};
pub use local_limit::{LocalLimit, TokenBucket};
pub use plugin::Plugin;
pub use stats::{INGRESS, Stats};

use crate::{folder, http, process::Process, wait};

const START_LIMIT: Duration = Duration::from_secs(30);
/// The plugin tells Envoy with each tick of 50 ms what it has counted since the last.
const TWO_TICKS: Duration = Duration::from_millis(100);

/// A running Envoy; ends with its value.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    listen: SocketAddr,
    admin: SocketAddr,
}

impl Envoy {
    /// Starts Envoy and waits until it serves; configuration and logs go to `folder`.
    ///
    /// # Errors
    /// When it does not, with the end of its log.
    pub async fn start(binary: &Path, config: &EnvoyConfig, folder: &Path) -> Result<Self> {
        Self::start_workers(binary, config, 1, folder).await
    }

    /// Like [`Self::start`], with so many worker threads.
    ///
    /// # Errors
    /// When Envoy does not serve, with the end of its log.
    pub async fn start_workers(
        binary: &Path,
        config: &EnvoyConfig,
        workers: u32,
        folder: &Path,
    ) -> Result<Self> {
        let first = config.listeners.first().context("an Envoy without a listener")?;
        Self::launch(binary, &config.to_yaml(), (first.listen, config.admin), workers, &[], folder).await
    }

    /// Like [`Self::start`], with a configuration file as it is, which listens at `listen` and `admin`.
    ///
    /// # Errors
    /// When Envoy does not serve, with the end of its log.
    pub async fn start_with(
        binary: &Path,
        yaml: &str,
        listen: SocketAddr,
        admin: SocketAddr,
        folder: &Path,
    ) -> Result<Self> {
        Self::launch(binary, yaml, (listen, admin), 1, &[], folder).await
    }

    /// Like [`Self::start_with`], with so many worker threads; a listener that is replaced lives on for `drain_s` seconds.
    ///
    /// # Errors
    /// When Envoy does not serve, with the end of its log.
    pub async fn start_draining(
        binary: &Path,
        yaml: &str,
        addresses: (SocketAddr, SocketAddr),
        (workers, drain_s): (u32, u32),
        folder: &Path,
    ) -> Result<Self> {
        let extra = ["--drain-time-s", &drain_s.to_string()];
        Self::launch(binary, yaml, addresses, workers, &extra, folder).await
    }

    async fn launch(
        binary: &Path,
        yaml: &str,
        (listen, admin): (SocketAddr, SocketAddr),
        workers: u32,
        extra: &[&str],
        folder: &Path,
    ) -> Result<Self> {
        let path = folder::write(folder, "envoy.yaml", yaml)?;
        let mut command = Command::new(binary);
        command.current_dir(folder).arg("--config-path").arg(&path).args([
            "--concurrency",
            &workers.to_string(),
            "--use-dynamic-base-id",
            "--log-level",
            "info",
        ]);
        command.args(extra);
        let process = Process::start("Envoy", &mut command, &folder.join("envoy.log"))?;
        let mut envoy = Self { process, listen, admin };
        wait::until("Envoy becomes ready", START_LIMIT, || {
            let running = envoy.process.check();
            async move {
                running?;
                Ok(http::get(admin, "/ready").await.ok().filter(|(status, _)| *status == StatusCode::OK))
            }
        })
        .await?;
        Ok(envoy)
    }

    /// Where it takes requests: its first listener.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Its administration port.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log_text(&self) -> String {
        self.process.log_text()
    }

    /// All counters and gauges as Prometheus would read them, once the plugin has told what it had counted before.
    ///
    /// # Errors
    /// When the administration port does not answer.
    pub async fn prometheus(&self) -> Result<String> {
        tokio::time::sleep(TWO_TICKS).await;
        let (_, body) = http::get(self.admin, "/stats/prometheus").await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// All counters and gauges, once the plugin has told what it had counted before.
    ///
    /// # Errors
    /// When the administration port does not answer.
    pub async fn stats(&self) -> Result<Stats> {
        tokio::time::sleep(TWO_TICKS).await;
        let (_, body) = http::get(self.admin, "/stats").await?;
        Ok(Stats::parse(&String::from_utf8_lossy(&body)))
    }
}
