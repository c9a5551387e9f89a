//! A reverse proxy that embeds Tidegate.
//!
//! Everything about admission is in two lines: the gate is built from the configuration, and its layer is put around the service.
//! The rest is what any gateway has.

mod admin;
mod config;
mod proxy;
mod serve;

use std::{env, process::ExitCode};

use anyhow::{Context, Result};
use tidegate_host::{AdmissionLayer, Component, Gate, Link, Timestamp};
use tokio::{net::TcpListener, signal, sync::watch, task::spawn_blocking};
use tower_layer::Layer;
use tracing::info;

use config::Config;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("custom-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let path = env::args_os().nth(1).context("usage: custom-gateway CONFIG.yaml")?;
    let config = Config::read(path.as_ref())?;
    let gate = spawn_blocking({
        let (component, admission) = (config.component.clone(), config.admission.to_string());
        move || -> Result<Gate> {
            let policy = Component::from_file(component)?;
            Ok(Gate::builder().component(&policy).configuration(admission).build(Timestamp::now())?)
        }
    })
    .await??;
    let service = AdmissionLayer::new(&gate, proxy::text)?.layer(proxy::Proxy::new(&config.upstream)?);
    let clients = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let admin = TcpListener::bind(config.admin)
        .await
        .with_context(|| format!("cannot listen on {}", config.admin))?;
    info!("requests on {}, metrics on {}", clients.local_addr()?, admin.local_addr()?);

    let (stop, stopped) = watch::channel(false);
    let until =
        |mut stopped: watch::Receiver<bool>| async move { drop(stopped.wait_for(|stop| *stop).await) };
    let link = tokio::spawn(Link::new(&gate).run(until(stopped.clone())));
    let admin = tokio::spawn(serve::serve(admin, admin::Admin::new(&gate), until(stopped.clone())));
    let clients = tokio::spawn(serve::serve(clients, service, until(stopped)));

    wait_for_signal().await?;
    info!("ending: requests under way may finish");
    stop.send_replace(true);
    clients.await?;
    admin.await?;
    link.await?;
    Ok(())
}

async fn wait_for_signal() -> Result<()> {
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
