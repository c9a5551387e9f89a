//! All parts put together: upstream, forecaster, Envoy with the plugin, and a client.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    binaries::Binaries,
    envoy::{Envoy, EnvoyConfig, Extra, INGRESS, Limiter, Listener, Plugin},
    folder,
    forecaster::{Forecaster, ForecasterConfig},
    load::Client,
    ports,
    upstream::Upstream,
    wait,
};

/// The name of Envoy's gauge with the epoch of the table in force.
pub const TABLE_EPOCH: &str = "tidegate_table_epoch";

/// What to set up.
#[derive(Debug)]
pub struct Plan {
    /// The folder below the target directory for everything that is written.
    pub folder: String,
    /// The plugin's configuration.
    pub plugin: Value,
    /// The forecaster's configuration; `None` leaves its port dead.
    pub forecaster: Option<ForecasterConfig>,
    /// The port that Envoy's cluster `tidegate` points to.
    pub forecaster_address: SocketAddr,
    /// How long the upstream takes.
    pub upstream_delay: Duration,
}

/// Everything running; ends with its value, Envoy first.
#[derive(Debug)]
pub struct Rig {
    /// Envoy.
    pub envoy: Envoy,
    /// The forecaster, where there is one.
    pub forecaster: Option<Forecaster>,
    /// The upstream.
    pub upstream: Upstream,
    /// A client of Envoy.
    pub client: Client,
    folder: PathBuf,
    binary: PathBuf,
    config: EnvoyConfig,
    workers: u32,
}

impl Rig {
    /// Starts everything and waits until it serves; tables come with the first requests.
    ///
    /// # Errors
    /// What did not start, and what it said.
    pub async fn start(plan: &Plan) -> Result<Self> {
        Self::start_workers(plan, 1).await
    }

    /// Like [`Self::start`], with so many worker threads in Envoy.
    ///
    /// # Errors
    /// What did not start, and what it said.
    pub async fn start_workers(plan: &Plan, workers: u32) -> Result<Self> {
        Self::launch_with(plan, workers, Binaries::find()?, false, &Extra::default()).await
    }

    /// Like [`Self::start_workers`], with a plugin whose VM a request with the header `x-tidegate-crash` ends.
    ///
    /// # Errors
    /// What did not start, and what it said.
    pub async fn start_crashing(plan: &Plan, workers: u32) -> Result<Self> {
        Self::start_crashing_with(plan, workers, &Extra::default()).await
    }

    /// Like [`Self::start_crashing`], with additions to Envoy's configuration.
    ///
    /// # Errors
    /// What did not start, and what it said.
    pub async fn start_crashing_with(plan: &Plan, workers: u32, extra: &Extra) -> Result<Self> {
        let plugin = Binaries::find_crashing_plugin()?;
        Self::launch_with(plan, workers, Binaries { plugin, ..Binaries::find()? }, false, extra).await
    }

    /// Like [`Self::start`], with the plugin that reads bodies, and an Envoy that shows them to it or does not.
    ///
    /// # Errors
    /// What did not start, and what it said.
    pub async fn start_reading_bodies(plan: &Plan, sees_bodies: bool) -> Result<Self> {
        Self::start_reading_bodies_with(plan, sees_bodies, &Extra::default()).await
    }

    /// Like [`Self::start_reading_bodies`], with additions to Envoy's configuration.
    ///
    /// # Errors
    /// What did not start, and what it said.
    pub async fn start_reading_bodies_with(plan: &Plan, sees_bodies: bool, extra: &Extra) -> Result<Self> {
        let plugin = Binaries::find_llm_plugin()?;
        Self::launch_with(plan, 1, Binaries { plugin, ..Binaries::find()? }, sees_bodies, extra).await
    }

    /// Like [`Self::start`], with additions to Envoy's configuration.
    ///
    /// # Errors
    /// What did not start, and what it said.
    pub async fn start_with(plan: &Plan, extra: &Extra) -> Result<Self> {
        let binaries = Binaries::find()?;
        Self::launch_with(plan, 1, binaries, false, extra).await
    }

    async fn launch_with(
        plan: &Plan,
        workers: u32,
        binaries: Binaries,
        sees_bodies: bool,
        extra: &Extra,
    ) -> Result<Self> {
        let folder = folder::fresh(&plan.folder)?;
        let upstream = Upstream::start(plan.upstream_delay).await?;
        let forecaster = match &plan.forecaster {
            Some(config) => Some(Forecaster::start(&binaries.forecaster, config, &folder).await?),
            None => None,
        };
        let config = EnvoyConfig {
            admin: ports::free()?,
            upstream: upstream.address(),
            listeners: vec![Listener {
                name: INGRESS.into(),
                listen: ports::free()?,
                limiter: Limiter::Tidegate(Plugin {
                    name: "tidegate".into(),
                    module: binaries.plugin,
                    configuration: plan.plugin.clone(),
                    cluster: "tidegate".into(),
                    forecaster: plan.forecaster_address,
                    sees_bodies,
                }),
                access_log: Some("access.log".into()),
            }],
            extra: extra.clone(),
        };
        let envoy = Envoy::start_workers(&binaries.envoy, &config, workers, &folder).await?;
        let client = Client::new(envoy.listen());
        Ok(Self { envoy, forecaster, upstream, client, folder, binary: binaries.envoy, config, workers })
    }

    /// Kills Envoy (SIGKILL) and starts it again on the same ports.
    ///
    /// # Errors
    /// When it does not serve again, with the end of its log.
    pub async fn restart_envoy(&mut self) -> Result<()> {
        self.envoy.process().kill()?;
        self.envoy = Envoy::start_workers(&self.binary, &self.config, self.workers, &self.folder).await?;
        // Connections to the old one are dead.
        self.client = Client::new(self.envoy.listen());
        Ok(())
    }

    /// Where configurations, logs and the database are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The forecaster of a rig that has one.
    ///
    /// # Errors
    /// When it has none.
    pub fn forecaster(&self) -> Result<&Forecaster> {
        self.forecaster.as_ref().context("this rig has no forecaster")
    }

    /// Waits until Envoy obeys a table newer than `epoch`, and returns its epoch.
    ///
    /// # Errors
    /// When none comes.
    pub async fn table_after(&self, epoch: u64, limit: Duration) -> Result<u64> {
        let what = format!("Envoy gets a table newer than epoch {epoch}");
        wait::until(&what, limit, || async {
            let now = self.envoy.stats().await?.plugin(TABLE_EPOCH);
            Ok(Some(now).filter(|now| *now > epoch))
        })
        .await
    }

    /// Waits until the forecaster's database holds `requests` requests on `resource`.
    ///
    /// # Errors
    /// When it does not get that far, with the number that it has.
    pub async fn requests_in_database(&self, resource: &str, requests: u64, limit: Duration) -> Result<()> {
        let what = format!("{requests} requests on {resource} in the database");
        let counted = || async {
            let now = self.forecaster()?.usage().await?.sum(resource, |total| total.requests_offered);
            Ok(Some(now).filter(|now| *now >= requests))
        };
        wait::until(&what, limit, counted).await.map(drop)
    }
}
