//! A real Envoy with the plugin in its filter chain.

mod config;
mod stats;

use std::{net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::Result;
use hyper::StatusCode;

pub use config::{EnvoyConfig, Filter};
pub use stats::Stats;

use crate::{folder, http, process::Process, wait};

const START_LIMIT: Duration = Duration::from_secs(30);

/// A running Envoy; ends with its value.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    listen: SocketAddr,
    admin: SocketAddr,
}

impl Envoy {
    /// Starts Envoy with a configuration, without waiting for it; files go to `folder`.
    ///
    /// # Errors
    /// When the binary cannot be started.
    pub fn launch(binary: &Path, config: &EnvoyConfig, folder: &Path) -> Result<Self> {
        let yaml = folder::write(folder, "envoy.yaml", &config.to_yaml())?;
        let mut command = Command::new(binary);
        command.current_dir(folder).arg("--config-path").arg(&yaml).args([
            "--concurrency",
            "1",
            "--use-dynamic-base-id",
            "--log-level",
            "info",
        ]);
        let process = Process::start("Envoy", &mut command, &folder.join("envoy.log"))?;
        Ok(Self { process, listen: config.listen, admin: config.admin })
    }

    /// Starts Envoy and waits until it serves.
    ///
    /// # Errors
    /// When it does not, with the end of its log.
    pub async fn start(binary: &Path, config: &EnvoyConfig, folder: &Path) -> Result<Self> {
        let mut envoy = Self::launch(binary, config, folder)?;
        let admin = envoy.admin;
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

    /// Where it takes requests.
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

    /// All counters and gauges now.
    ///
    /// # Errors
    /// When the administration port does not answer.
    pub async fn stats(&self) -> Result<Stats> {
        let (_, body) = http::get(self.admin, "/stats").await?;
        Ok(Stats::parse(&String::from_utf8_lossy(&body)))
    }
}
