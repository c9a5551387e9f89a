//! The rig itself, without the plugin: what it counts is what Envoy counts, and its children end with it.

use std::{path::Path, time::Duration};

use anyhow::Result;
use tidegate_e2e::{
    binaries::Binaries,
    envoy::{Envoy, EnvoyConfig, Extra, INGRESS, Limiter, Listener},
    folder,
    load::{Ask, Client},
    ports,
    upstream::Upstream,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
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
        extra: Extra::default(),
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

/// An upstream that ends idle connections would now and then answer nothing to a request on its way, and Envoy 503.
#[tokio::test]
async fn the_upstream_keeps_idle_connections() -> Result<()> {
    let upstream = Upstream::start(Duration::ZERO).await?;
    let mut connection = TcpStream::connect(upstream.address()).await?;
    connection.write_all(b"GET / HTTP/1.1\r\nhost: idle\r\n\r\n").await?;
    let mut answer = [0; 1024];
    assert!(connection.read(&mut answer).await? > 0);
    let ended = timeout(Duration::from_secs(31), connection.read(&mut answer)).await;
    assert!(ended.is_err(), "{ended:?}");
    Ok(())
}
