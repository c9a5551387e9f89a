//! The rig itself, without the plugin: what it counts is what Envoy counts, and its children end with it.

use std::{path::Path, time::Duration};

use anyhow::Result;
use tidegate_e2e::{
    binaries::Binaries,
    envoy::{Envoy, EnvoyConfig, INGRESS, Limiter, Listener},
    folder,
    load::{Ask, Client},
    ports,
    upstream::Upstream,
};

use crate::world;

#[tokio::test]
async fn a_plain_envoy_counts_what_the_client_counts() -> Result<()> {
    let _turn = world::turn().await?;
    let upstream = Upstream::start(Duration::from_millis(5)).await?;
    let config = EnvoyConfig {
        admin: ports::free()?,
        upstream: upstream.address(),
        listeners: vec![Listener {
            name: INGRESS.into(),
            listen: ports::free()?,
            limiter: Limiter::Nobody,
            access_log: None,
        }],
    };
    let envoy = Envoy::start(&Binaries::find_envoy()?, &config, &folder::fresh("e2e/rig")?).await;
    let mut envoy = envoy?;
    let client = Client::new(envoy.listen());
    for number in 0..20 {
        let answer = client.ask(&Ask::of("acme").costing("tokens", 1, number)).await?;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.totals.get("tokens"), Some(&number));
    }
    assert_eq!(envoy.stats().await?.requests(), 20);
    assert_eq!(upstream.served(), 20);
    let id = envoy.process().id();
    drop(envoy);
    assert!(!Path::new(&format!("/proc/{id}")).exists(), "Envoy outlived its rig");
    Ok(())
}
