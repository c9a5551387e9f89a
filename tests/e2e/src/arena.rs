//! Several limiters side by side: one Envoy and one upstream, a listener per limiter, a forecaster where it needs one.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use serde_json::Value;

use crate::{
    binaries::Binaries,
    envoy::{Envoy, EnvoyConfig, Limiter, Listener, LocalLimit, Plugin},
    folder,
    forecaster::{Forecaster, ForecasterConfig},
    load::Client,
    ports,
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
    /// The plugin, with a forecaster of its own.
    Tidegate {
        /// The plugin's configuration; its forecaster's cluster has the arm's name.
        plugin: Value,
        /// The forecaster's configuration.
        forecaster: Box<ForecasterConfig>,
    },
}

/// Everything running; ends with its value, Envoy first.
#[derive(Debug)]
pub struct Arena {
    /// Envoy.
    pub envoy: Envoy,
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
}

impl Arena {
    /// Starts everything and waits until it serves; what is written goes to `target/<folder>`, which is emptied.
    ///
    /// # Errors
    /// What did not start, and what it said.
    pub async fn start(folder: &str, plans: &[ArmPlan]) -> Result<Self> {
        let binaries = Binaries::find()?;
        let folder = folder::fresh(folder)?;
        let upstream = Upstream::start(Duration::ZERO).await?;
        let (mut arms, mut listeners) = (Vec::new(), Vec::new());
        for plan in plans {
            let listen = ports::free()?;
            arms.push(Arm {
                name: plan.name,
                listen,
                client: Client::new(listen),
                forecaster: plan.forecaster(&binaries, &folder).await?,
            });
            listeners.push(Listener {
                name: plan.name.into(),
                listen,
                limiter: plan.limiter(&binaries.plugin),
                access_log: Some(format!("access-{}.log", plan.name)),
            });
        }
        let config = EnvoyConfig { admin: ports::free()?, upstream: upstream.address(), listeners };
        let envoy = Envoy::start(&binaries.envoy, &config, &folder).await?;
        Ok(Self { envoy, arms, upstream, folder })
    }

    /// Where configurations, logs and databases are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// # Errors
    /// Says which process has ended, and how.
    pub fn check(&mut self) -> Result<()> {
        self.envoy.process().check()?;
        self.arms
            .iter_mut()
            .filter_map(|arm| arm.forecaster.as_mut())
            .try_for_each(|forecaster| forecaster.process().check())
    }
}

impl ArmPlan {
    async fn forecaster(&self, binaries: &Binaries, folder: &Path) -> Result<Option<Forecaster>> {
        let ArmKind::Tidegate { forecaster, .. } = &self.kind else { return Ok(None) };
        let folder = folder::within(folder, self.name)?;
        Forecaster::start(&binaries.forecaster, forecaster, &folder).await.map(Some)
    }

    fn limiter(&self, module: &Path) -> Limiter {
        match &self.kind {
            ArmKind::Local(limit) => Limiter::Local(limit.clone()),
            ArmKind::Tidegate { plugin, forecaster } => Limiter::Tidegate(Plugin {
                name: self.name.into(),
                module: module.to_path_buf(),
                configuration: plugin.clone(),
                cluster: self.name.into(),
                forecaster: forecaster.listen,
                sees_bodies: false,
            }),
        }
    }
}
