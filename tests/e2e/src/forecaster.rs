//! A real forecaster: the `tidegate` binary with a generated configuration.

mod api;
mod config;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use hyper::StatusCode;

pub use api::{
    Availability, Available, AvailableStep, Closed, Explanation, Prediction, Proxy, Quantiles, Step, Total,
    Usage,
};
pub use config::{Bucket, Customer, Forecast, ForecasterConfig, Resource, Tier};

use crate::{folder, http, process::Process, wait};

const START_LIMIT: Duration = Duration::from_secs(30);

/// A running forecaster; ends with its value.
#[derive(Debug)]
pub struct Forecaster {
    binary: PathBuf,
    config: PathBuf,
    log: PathBuf,
    listen: SocketAddr,
    process: Process,
}

impl Forecaster {
    /// Starts a forecaster and waits until it is ready; configuration, database and log go to `folder`.
    ///
    /// # Errors
    /// When it does not become ready, with the end of its log.
    pub async fn start(binary: &Path, config: &ForecasterConfig, folder: &Path) -> Result<Self> {
        Self::start_with(binary, &config.to_yaml(), config.listen, folder).await
    }

    /// Like [`Self::start`], with a configuration file as it is, which listens at `listen`.
    ///
    /// # Errors
    /// When the forecaster does not become ready, with the end of its log.
    pub async fn start_with(binary: &Path, yaml: &str, listen: SocketAddr, folder: &Path) -> Result<Self> {
        let path = folder::write(folder, "tidegate.yaml", yaml)?;
        let log = folder.join("forecaster.log");
        let process = launch(binary, &path, &log)?;
        let mut forecaster = Self { binary: binary.to_path_buf(), config: path, log, listen, process };
        forecaster.ready().await?;
        Ok(forecaster)
    }

    /// Starts it again, on the same port, configuration and database, after [`Self::kill`].
    ///
    /// # Errors
    /// When it does not become ready, with the end of its log.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = launch(&self.binary, &self.config, &self.log)?;
        self.ready().await
    }

    /// Changes the configuration file, for the next start: every `from` becomes `to`.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn edit_config(&self, from: &str, to: &str) -> Result<()> {
        let text = fs::read_to_string(&self.config).context("the forecaster's configuration")?;
        fs::write(&self.config, text.replace(from, to)).context("the forecaster's configuration")
    }

    /// Kills it on the spot (SIGKILL).
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Where it listens.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log_text(&self) -> String {
        self.process.log_text()
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What its database holds: the sums per key and resource.
    ///
    /// # Errors
    /// When the API does not answer as documented.
    pub async fn usage(&self) -> Result<Usage> {
        http::get_json(self.listen, "/v1/usage").await
    }

    /// What it predicts for a key on a resource, and how it did so far.
    ///
    /// # Errors
    /// When the API does not answer as documented, or does not know the key.
    pub async fn predict(&self, key: &str, resource: &str) -> Result<Prediction> {
        let (key, resource) = (http::query_value(key), http::query_value(resource));
        http::get_json(self.listen, &format!("/predictUsage?key={key}&resource={resource}")).await
    }

    /// The proxies that are connected to it.
    ///
    /// # Errors
    /// When the API does not answer as documented.
    pub async fn proxies(&self) -> Result<Vec<Proxy>> {
        let explanation: Explanation = http::get_json(self.listen, "/v1/explain?key=nobody").await?;
        Ok(explanation.proxies)
    }

    /// What is promised and what is left, per resource and step.
    ///
    /// # Errors
    /// When the API does not answer as documented, or has no plan yet.
    pub async fn availability(&self) -> Result<Availability> {
        http::get_json(self.listen, "/resourceAvailability").await
    }

    async fn ready(&mut self) -> Result<()> {
        let listen = self.listen;
        wait::until("the forecaster becomes ready", START_LIMIT, || {
            let running = self.process.check();
            async move {
                running?;
                Ok(http::get(listen, "/readyz").await.ok().filter(|(status, _)| *status == StatusCode::OK))
            }
        })
        .await
        .map(drop)
    }
}

fn launch(binary: &Path, config: &Path, log: &Path) -> Result<Process> {
    let mut command = Command::new(binary);
    command.arg("serve").arg("--config").arg(config);
    if let Some(folder) = config.parent() {
        command.current_dir(folder);
    }
    Process::start("the forecaster", &mut command, log)
}
