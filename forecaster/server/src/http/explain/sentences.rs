//! An explanation in words.

use super::{Explanation, ResourceView, ShareView, recent_sums};
use crate::config::Config;

pub(super) fn write(config: &Config, explanation: &Explanation) -> Vec<String> {
    let mut sentences = vec![tier(explanation)];
    for resource in &explanation.resources {
        sentences.extend([contract(resource), reservation(config, explanation, resource)]);
        sentences.extend(forecast(config, resource));
        sentences.extend(wished(&explanation.tier, resource));
        sentences.extend(profile(resource));
    }
    sentences.extend(usage(explanation));
    sentences.extend(table(explanation));
    sentences.extend(proxies(explanation));
    sentences
}

fn tier(explanation: &Explanation) -> String {
    let Explanation { key, tier, tier_from, .. } = explanation;
    match *tier_from {
        "customers" => format!("`{key}` is a customer of tier {tier}."),
        _ => format!("`{key}` is not named under `customers`, so it is served in the default tier {tier}."),
    }
}

fn contract(resource: &ResourceView) -> String {
    let name = &resource.resource;
    match (&resource.contract, resource.contract_from) {
        (Some(contract), Some(from)) => format!(
            "Its contract on {name} is {} per second with a burst of {}, {}.",
            contract.rate_per_s,
            contract.burst,
            if from == "customer" { "its own" } else { "that of its tier" }
        ),
        _ => format!("It has no contract on {name}: only capacity limits it."),
    }
}

fn reservation(config: &Config, explanation: &Explanation, resource: &ResourceView) -> String {
    let (name, tier) = (&resource.resource, &explanation.tier);
    let floor = config.tiers.iter().find(|config| config.policy.tier.name == *tier);
    let floor = floor.map_or(0.0, |tier| f64::from(tier.policy.tier.floor_permille) / 10.0);
    match &resource.reservation {
        Some(own) if own.bucket == "own" => format!(
            "In this step {} {name} per second are reserved for it alone, {} at once.",
            own.rate_per_s, own.depth
        ),
        Some(shared) => format!(
            "In this step it shares a reservation of {} {name} per second with other keys of tier {tier}, {} at once.",
            shared.rate_per_s, shared.depth
        ),
        None => format!(
            "No {name} are reserved for it now: it is served from the pool while that is more than {floor} % full."
        ),
    }
}

/// What more capacity would have served.
fn wished(tier: &str, resource: &ResourceView) -> Option<String> {
    let (name, wished) = (&resource.resource, resource.wished.as_ref()?);
    let counts = if wished.counts {
        format!("what tier {tier} is refused within its contract counts in that")
    } else {
        format!("tier {tier} asks for none (`scales: false`)")
    };
    Some(format!(
        "In the last {} s more capacity would have served {} {name} that were refused to all customers together, and \
         at once {} that waited; {counts}.",
        wished.over_s, wished.refused, wished.delayed
    ))
}

/// Where its requests come from, and what they take.
fn profile(resource: &ResourceView) -> Option<String> {
    let (name, profile) = (&resource.resource, resource.profile.as_ref()?);
    let mut parts = Vec::new();
    let percent = |one: &ShareView| format!("{} ({:.0} %)", one.name, one.share * 100.0);
    for (what, shares) in [
        ("from", &profile.regions),
        ("by accounts of type", &profile.account_types),
        ("by clients of version", &profile.client_versions),
    ] {
        let named: Vec<String> = shares.iter().take(3).map(percent).collect();
        if !named.is_empty() {
            parts.push(format!("they come {what} {}", named.join(", ")));
        }
    }
    for (unit, what, spread) in [
        ("µs", "of CPU time", &profile.cpu_us),
        ("bytes", "of memory", &profile.memory_bytes),
        ("bytes", "on the network", &profile.network_bytes),
        ("ms", "until they have ended", &profile.duration_ms),
    ] {
        if let Some(spread) = spread {
            let (half, most) = (spread.p50, spread.p99);
            parts.push(format!("half of them take at most {half} {unit} {what}, 99 in a hundred {most}"));
        }
    }
    (!parts.is_empty()).then(|| format!("Of its requests for {name} lately: {}.", parts.join("; ")))
}

fn forecast(config: &Config, resource: &ResourceView) -> Option<String> {
    let forecast = resource.forecast.as_ref()?;
    let step_s = f64::from(config.forecast.step_ms) / 1e3;
    Some(format!(
        "In this step of {step_s} s it is expected to ask for {} {}; with 80 % probability for {} to {}.",
        forecast.median, resource.resource, forecast.lo_80, forecast.hi_80
    ))
}

fn usage(explanation: &Explanation) -> Vec<String> {
    let sums = recent_sums(&explanation.recent_usage);
    if sums.is_empty() {
        return vec!["Nothing has been reported of it lately.".to_owned()];
    }
    let sentence = |(resource, (offered, refused)): (&str, (u64, u64))| {
        let share = if offered == 0 { 0.0 } else { refused as f64 * 100.0 / offered as f64 };
        format!("Lately it asked for {offered} {resource}, of which {refused} ({share:.1} %) were refused.")
    };
    sums.into_iter().map(sentence).collect()
}

fn table(explanation: &Explanation) -> Option<String> {
    let table = explanation.table.as_ref()?;
    Some(format!(
        "The newest table is {}, {:.1} s old, valid until {}.",
        table.epoch, table.age_s, table.valid_until
    ))
}

fn proxies(explanation: &Explanation) -> Vec<String> {
    if explanation.proxies.is_empty() {
        return vec![
            "No proxy is connected: proxies decide by their last table until it expires.".to_owned(),
        ];
    }
    let newest = explanation.table.as_ref().map_or(0, |table| table.epoch);
    let sentence = |proxy: &super::ProxyView| {
        let name = &proxy.proxy;
        match &proxy.table_error {
            Some(error) => {
                format!("Proxy {name} refused the newest table ({error}) and keeps {}.", proxy.table_epoch)
            }
            None if proxy.table_epoch == newest => format!("Proxy {name} has the newest table in force."),
            None if proxy.table_epoch == 0 => format!("Proxy {name} has no table in force yet."),
            None => format!("Proxy {name} still has table {} in force.", proxy.table_epoch),
        }
    };
    explanation.proxies.iter().map(sentence).collect()
}
