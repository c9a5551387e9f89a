//! The plugin's own configuration, from the forecaster's.

use std::collections::BTreeMap;

use anyhow::bail;
use serde::Serialize;
use tidegate_core::config::{Config as PluginConfig, Shell};

use super::{Bite, GenerateOptions};
use crate::config::Config;

#[derive(Serialize)]
struct Plugin<'a> {
    mode: &'static str,
    proxy: &'a str,
    key: [Header<'a>; 1],
    resources: BTreeMap<&'a str, Resource>,
    forecaster: Forecaster<'a>,
    fail_mode: &'static str,
}

#[derive(Serialize)]
struct Header<'a> {
    header: &'a str,
}

#[derive(Serialize)]
struct Resource {
    cost: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    safe_capacity_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safe_burst: Option<u64>,
}

#[derive(Serialize)]
struct Forecaster<'a> {
    cluster: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
}

/// The configuration as JSON; the plugin has read it.
pub(super) fn json(
    options: &GenerateOptions,
    config: &Config,
    public_key: Option<String>,
) -> anyhow::Result<String> {
    let mut resources = BTreeMap::new();
    for resource in &config.resources {
        // What is held has no rate to fall back to.
        let safe = (!resource.held).then_some(resource);
        let limits = Resource {
            cost: 1,
            safe_capacity_per_s: safe.map(|resource| resource.safe_capacity_per_s),
            safe_burst: safe.map(|resource| resource.burst),
        };
        resources.insert(resource.name.as_str(), limits);
    }
    let plugin = Plugin {
        mode: match options.mode {
            Bite::Shadow => "shadow",
            Bite::Enforce => "enforce",
        },
        proxy: &options.proxy,
        key: [Header { header: &options.key }],
        resources,
        forecaster: Forecaster {
            cluster: "tidegate",
            token: config.token.as_ref().map(crate::config::Token::secret),
            public_key,
        },
        fail_mode: "reactive",
    };
    let json = serde_json::to_string_pretty(&plugin)?;
    if let Err(problems) =
        PluginConfig::parse_for(json.as_bytes(), Shell { is_proxy: true, reads_bodies: false })
    {
        let lines: Vec<String> =
            problems.iter().map(|problem| format!("\n  {}: {}", problem.key, problem.message)).collect();
        bail!("the plugin would refuse this:{}", lines.concat());
    }
    Ok(json)
}
