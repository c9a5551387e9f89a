//! The plugin's own configuration, from the forecaster's.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use serde::Serialize;
use tidegate_core::config::{Config as PluginConfig, Shell};

use super::{Bite, GenerateOptions, details};
use crate::config::Config;

#[derive(Serialize)]
struct Plugin<'a, D> {
    mode: &'static str,
    proxy: &'a str,
    key: [Header<'a>; 1],
    resources: BTreeMap<&'a str, Resource>,
    forecaster: Forecaster<'a>,
    fail_mode: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    access_log: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<D>,
}

#[derive(Serialize)]
struct Header<'a> {
    header: &'a str,
}

#[derive(Serialize)]
struct Resource {
    cost: Cost,
    #[serde(skip_serializing_if = "Option::is_none")]
    safe_capacity_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safe_burst: Option<u64>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Cost {
    Tokens(u64),
    Usage { llm: Llm },
}

/// The plugin's own defaults, written out to be changed.
#[derive(Serialize)]
struct Llm {
    bytes_per_token: u64,
    default_output: u64,
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
    if let Some(llm) = &options.llm {
        let names: Vec<&str> = config.resources.iter().map(|resource| resource.name.as_str()).collect();
        ensure!(
            names.contains(&llm.as_str()),
            "--llm: `{llm}` is no resource of the configuration, which has {}",
            names.join(", ")
        );
    }
    let mut resources = BTreeMap::new();
    for resource in &config.resources {
        // What is held has no rate to fall back to.
        let safe = (!resource.held).then_some(resource);
        let limits = Resource {
            cost: if options.llm.as_ref() == Some(&resource.name) {
                Cost::Usage { llm: Llm { bytes_per_token: 4, default_output: 1024 } }
            } else {
                Cost::Tokens(1)
            },
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
        access_log: options.access_log,
        details: details::of(&options.details),
    };
    let json = serde_json::to_string_pretty(&plugin)?;
    let shell = Shell { is_proxy: true, reads_bodies: options.llm.is_some() };
    if let Err(problems) = PluginConfig::parse_for(json.as_bytes(), shell) {
        let lines: Vec<String> =
            problems.iter().map(|problem| format!("\n  {}: {}", problem.key, problem.message)).collect();
        bail!("the plugin would refuse this:{}", lines.concat());
    }
    Ok(json)
}
