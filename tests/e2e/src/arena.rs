//! Several limiters side by side: one Envoy and one upstream, a listener per limiter, a forecaster where it needs one.
//! Instead of a listener a limiter may have a gateway of its own.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    binaries::Binaries,
    envoy::{Envoy, EnvoyConfig, Extra, Limiter, Listener, LocalLimit, Plugin},
    folder,
    forecaster::{Forecaster, ForecasterConfig},
    gateway::{Gateway, GatewayConfig},
    load::Client,
    ports,
    rig::TABLE_EPOCH,
    upstream::Upstream,
};

/// One limiter to set up.
#[derive(Clone, Debug)]
pub struct ArmPlan {
    /// Its name: that of its listener, its statistics, its plugin and its cluster.
    pub name: &'static str,
    /// Who decides.
    pub kind: ArmKind,
}

/// Who decides in an arm.
#[derive(Clone, Debug)]
pub enum ArmKind {
    /// Envoy's own filter.
    Local(LocalLimit),
    /// The plugin or the component, with a forecaster of its own.
    Tidegate {
        /// The plugin's configuration; its forecaster's cluster has the arm's name.
        plugin: Value,
        /// The forecaster's configuration.
        forecaster: Box<ForecasterConfig>,
        /// What carries the requests.
        proxy: Proxy,
    },
}

/// What carries the requests of an arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// Envoy, with the plugin in it.
    Envoy,
    /// The gateway of `examples/custom-gateway`, with the component in it.
    Gateway,
}

/// What a proxy has counted of an arm.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// Requests that came.
    pub requests: u64,
    /// Requests that it passed on.
    pub admitted: u64,
}

/// Everything running; ends with its value, Envoy first.
#[derive(Debug)]
pub struct Arena {
    /// Envoy, where an arm needs it.
    pub envoy: Option<Envoy>,
    /// The arms, in the order of their plans.
    pub arms: Vec<Arm>,
    /// The upstream.
    pub upstream: Upstream,
    folder: PathBuf,
}

/// One limiter, running.
#[derive(Debug)]
pub struct Arm {
    /// Its name.
    pub name: &'static str,
    /// Where it takes requests.
    pub listen: SocketAddr,
    /// A client of it.
    pub client: Client,
    /// Its forecaster, where it has one.
    pub forecaster: Option<Forecaster>,
    /// Its gateway, where it has one.
    pub gateway: Option<Gateway>,
}

impl Arena {
    /// Starts everything and waits until it serves; what is written goes to `target/<folder>`, which is emptied.
    ///
    /// # Errors
    /// What did not start, and what it said.
    pub async fn start(folder: &str, plans: &[ArmPlan]) -> Result<Self> {
        let folder = folder::fresh(folder)?;
        let upstream = Upstream::start(Duration::ZERO).await?;
        let (mut arms, mut listeners) = (Vec::new(), Vec::new());
        for plan in plans {
            let listen = ports::free()?;
            let forecaster = plan.forecaster(&folder).await?;
            let mut gateway = None;
            match plan.limiter()? {
                Some(limiter) => {
                    let access_log = Some(format!("access-{}.log", plan.name));
                    listeners.push(Listener { name: plan.name.into(), listen, limiter, access_log });
                }
                None => gateway = Some(plan.gateway(listen, upstream.address(), &folder).await?),
            }
            arms.push(Arm { name: plan.name, listen, client: Client::new(listen), forecaster, gateway });
        }
        let envoy = if listeners.is_empty() {
            None
        } else {
            let (admin, upstream) = (ports::free()?, upstream.address());
            let config = EnvoyConfig { admin, upstream, listeners, extra: Extra::default() };
            Some(Envoy::start(&Binaries::find_envoy()?, &config, &folder).await?)
        };
        Ok(Self { envoy, arms, upstream, folder })
    }

    /// What the proxy of an arm has counted.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn counted(&self, arm: &Arm) -> Result<Counted> {
        if let Some(gateway) = &arm.gateway {
            let metrics = gateway.metrics().await?;
            return Ok(Counted { requests: metrics.requests(), admitted: metrics.admitted() });
        }
        let stats = self.envoy.as_ref().context("no Envoy")?.stats().await?;
        let admitted = stats.responses_of(arm.name, "2xx");
        Ok(Counted { requests: stats.requests_to(arm.name), admitted })
    }

    /// The epoch of the table in force in an arm; Envoy does not tell its arms apart.
    ///
    /// # Errors
    /// When its proxy cannot be asked.
    pub async fn table_epoch(&self, arm: &Arm) -> Result<u64> {
        match (&arm.gateway, &self.envoy) {
            (Some(gateway), _) => Ok(gateway.metrics().await?.sum(TABLE_EPOCH, &[])),
            (None, Some(envoy)) => Ok(envoy.stats().await?.plugin(TABLE_EPOCH)),
            (None, None) => Ok(0),
        }
    }

    /// Where configurations, logs and databases are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// # Errors
    /// Says which process has ended, and how.
    pub fn check(&mut self) -> Result<()> {
        if let Some(envoy) = &mut self.envoy {
            envoy.process().check()?;
        }
        for arm in &mut self.arms {
            if let Some(forecaster) = &mut arm.forecaster {
                forecaster.process().check()?;
            }
            if let Some(gateway) = &mut arm.gateway {
                gateway.process().check()?;
            }
        }
        Ok(())
    }
}

impl ArmPlan {
    async fn forecaster(&self, folder: &Path) -> Result<Option<Forecaster>> {
        let ArmKind::Tidegate { forecaster, .. } = &self.kind else { return Ok(None) };
        let folder = folder::within(folder, self.name)?;
        Forecaster::start(&Binaries::find_forecaster()?, forecaster, &folder).await.map(Some)
    }

    /// The limiter of its listener in Envoy, where it has one.
    fn limiter(&self) -> Result<Option<Limiter>> {
        Ok(match &self.kind {
            ArmKind::Local(limit) => Some(Limiter::Local(limit.clone())),
            ArmKind::Tidegate { plugin, forecaster, proxy: Proxy::Envoy } => {
                Some(Limiter::Tidegate(Plugin {
                    name: self.name.into(),
                    module: Binaries::find_plugin()?,
                    configuration: plugin.clone(),
                    cluster: self.name.into(),
                    forecaster: forecaster.listen,
                    sees_bodies: false,
                }))
            }
            ArmKind::Tidegate { proxy: Proxy::Gateway, .. } => None,
        })
    }

    async fn gateway(&self, listen: SocketAddr, upstream: SocketAddr, folder: &Path) -> Result<Gateway> {
        let ArmKind::Tidegate { plugin, forecaster, .. } = &self.kind else {
            bail!("{} is a limiter of Envoy's own", self.name)
        };
        let mut admission = plugin.clone();
        // To a gateway the cluster is an address.
        if let Some(cluster) = admission.pointer_mut("/forecaster/cluster") {
            *cluster = json!(format!("http://{}", forecaster.listen));
        }
        let (admin, component) = (ports::free()?, Binaries::find_component()?);
        let config = GatewayConfig { listen, admin, upstream, component, admission };
        Gateway::start(&Binaries::find_gateway()?, &config, &folder::within(folder, self.name)?).await
    }
}
