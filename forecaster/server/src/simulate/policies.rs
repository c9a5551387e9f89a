//! Policies under test, as the forecaster's own configuration files say them.

use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use tidegate_simulate::{Policy, TIERS, Terms};

use crate::config::Config;

/// The policies in files that recorded requests are replayed against.
pub(super) fn of_files(paths: &[PathBuf]) -> anyhow::Result<Vec<Policy>> {
    let policies: Vec<Policy> =
        paths.iter().map(|path| Ok(policy(name(path), &read(path)?))).collect::<anyhow::Result<_>>()?;
    for (index, policy) in policies.iter().enumerate() {
        let before = policies.get(..index).unwrap_or_default();
        ensure!(
            before.iter().all(|other| other.name != policy.name),
            "two policies are called `{}`; give files of different names",
            policy.name
        );
        ensure!(
            before.iter().all(|other| other.step_ms == policy.step_ms),
            "policies differ in forecast.step_s; give the same, or they cannot be compared"
        );
    }
    Ok(policies)
}

/// The terms in files that made customers are served on; the usual ones when there are no files.
pub(super) fn terms_of_files(paths: &[PathBuf]) -> anyhow::Result<Vec<Terms>> {
    if paths.is_empty() {
        return Ok(vec![Terms::usual()]);
    }
    of_files(paths)?.into_iter().zip(paths).map(|(policy, path)| terms(policy, path)).collect()
}

fn policy(name: String, config: &Config) -> Policy {
    let learned = config.policy();
    Policy {
        name,
        learning: config.learning(),
        report_interval_ms: config.report_interval_ms,
        step_ms: learned.step_ms,
        horizon_steps: learned.horizon_steps,
        draw_order: learned.draw_order,
        tiers: learned.tiers,
        default_tier: learned.default_tier,
        resources: learned.resources.to_vec(),
        customers: learned.customers.clone(),
        elastic: None,
    }
}

fn terms(policy: Policy, path: &Path) -> anyhow::Result<Terms> {
    let path = path.display();
    let [resource] = &policy.resources[..] else {
        bail!("{path}: made requests ask for one resource; name just one, or give a --trace");
    };
    ensure!(
        policy.tiers.len() == TIERS.len(),
        "{path}: made customers have {} tiers ({}); name as many, best first, or give a --trace",
        TIERS.len(),
        TIERS.join(", ")
    );
    let (reservable_share, emergency_share) = (resource.reservable_share, resource.emergency_share);
    let emergency_key_share = resource.emergency_key_share;
    let Policy { name, draw_order, mut tiers, .. } = policy;
    tiers.sort_by_key(|tier| tier.tier.priority);
    Ok(Terms { name, tiers, draw_order, reservable_share, emergency_share, emergency_key_share })
}

fn read(path: &Path) -> anyhow::Result<Config> {
    crate::read_config(path)?.map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
        anyhow::anyhow!("{} is not valid:\n{}", path.display(), problems.join("\n"))
    })
}

fn name(path: &Path) -> String {
    path.file_stem().map_or_else(|| path.display().to_string(), |stem| stem.to_string_lossy().into_owned())
}
