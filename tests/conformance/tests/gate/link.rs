//! The link to a real forecaster, behind TLS as a proxy before it would end it: a table comes, reports go, and nothing is said to who
//! has another certificate.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Result;
use tidegate_e2e::{
    binaries::Binaries,
    folder,
    forecaster::{Customer, Forecast, Forecaster, ForecasterConfig, Resource, Tier},
    ports, wait,
};
use tidegate_host::{Gate, Link, Timestamp};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::world::component;

/// The forecaster's certificate for 127.0.0.1, by itself, and its key. For tests alone, and valid for a hundred years.
const CERTIFICATE: &str = include_str!("link/certificate.pem");
const KEY: &str = include_str!("link/key.pem");
/// Another certificate for 127.0.0.1.
const FOREIGN: &str = include_str!("link/foreign.pem");
const TOKEN: &str = "a secret";
const SOON: Duration = Duration::from_secs(20);

/// Ends TLS before the forecaster; returns where.
async fn end_tls(forecaster: SocketAddr) -> Result<SocketAddr> {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes())?;
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut client = acceptor.accept(client).await?;
                let mut server = TcpStream::connect(forecaster).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    Ok(address)
}

async fn forecaster(name: &str) -> Result<Forecaster> {
    let tier = Tier {
        name: "gold",
        weight: 1,
        floor: 0.0,
        risk_quantile: 0.8,
        max_delay_ms: 0,
        contract: Vec::new(),
    };
    let requests =
        Resource { name: "requests".into(), capacity_per_s: 50.0, burst: 50, reservable_share: None };
    let config = ForecasterConfig {
        listen: ports::free()?,
        token: Some(TOKEN.into()),
        report_interval_s: 0.25,
        forecast: Forecast { step_s: 1, horizon_steps: 15, season_s: 20 },
        resources: vec![requests],
        tiers: vec![tier],
        default_tier: "gold",
        customers: vec![Customer { key: "acme".into(), tier: "gold" }],
    };
    Forecaster::start(&Binaries::find_forecaster()?, &config, &folder::fresh(name)?).await
}

fn gate(address: SocketAddr) -> Gate {
    let configuration = format!(
        r#"{{"mode": "enforce", "key": [{{"header": "x-customer"}}],
            "resources": {{"requests": {{"safe_capacity_per_s": 10}}}},
            "forecaster": {{"cluster": "https://{address}", "token": "{TOKEN}"}}}}"#
    );
    Gate::builder().component(component()).configuration(configuration).build(Timestamp::now()).unwrap()
}

#[tokio::test]
async fn over_tls_a_table_comes_and_reports_go() -> Result<()> {
    let forecaster = forecaster("conformance/link").await?;
    let gate = gate(end_tls(forecaster.listen()).await?);
    let (stop, stopped) = oneshot::channel::<()>();
    let link = Link::new(&gate).authority(CERTIFICATE);
    let running = tokio::spawn(link.run(async { drop(stopped.await) }));
    wait::until("a table", SOON, async || Ok((gate.epochs().0 > 0).then_some(()))).await?;
    assert_eq!(*gate.tiers(), ["gold".to_owned()]);
    let verdict = gate.admit(|name| (name == "x-customer").then_some(b"acme".as_slice()), Timestamp::now());
    assert!(verdict.response.is_none());
    // What was counted last is sent with the farewell.
    drop(stop);
    timeout(SOON, running).await??;
    let usage = forecaster.usage().await?;
    assert_eq!(usage.of("acme", "requests").requests_offered, 1);
    Ok(())
}

#[tokio::test]
async fn who_has_another_certificate_is_told_nothing() -> Result<()> {
    let forecaster = forecaster("conformance/link-foreign").await?;
    let gate = gate(end_tls(forecaster.listen()).await?);
    let running = tokio::spawn(Link::new(&gate).authority(FOREIGN).run(std::future::pending()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(forecaster.proxies().await?.is_empty(), "not even a hello, which has the token");
    assert_eq!(gate.epochs(), (0, 0));
    running.abort();
    Ok(())
}
