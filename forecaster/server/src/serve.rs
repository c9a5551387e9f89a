//! `tidegate serve`: wires the parts together and takes them down in order.

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use axum::serve::ListenerExt;
use tidegate_store::Store;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use crate::{
    app::App, clock, config::Config, heavy, http, ingest, key, metrics::Metrics, steps::Steps, sync,
};

/// How long open streams and requests may take to end.
const FAREWELL: Duration = Duration::from_secs(10);

/// Runs the forecaster until SIGINT or SIGTERM.
pub(crate) fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let config = match crate::read_config(path)? {
        Ok(config) => config,
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
            anyhow::bail!("{} cannot be used:{}", path.display(), lines.concat());
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let key = config.signing_key.as_deref().map(key::read).transpose()?;
    let store = Store::open(&config.database).await?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let metrics = Arc::new(Metrics::new());
    let (ingest, writer) = ingest::channel(store.clone(), Arc::clone(&metrics));
    let app = App::new(config, store.clone(), metrics, ingest);
    app.load_profiles(&store, clock::now_ms()).await.context("learning what requests are like")?;
    tracing::info!(%address, database = %app.config.database.display(), "serving HTTP API and sync stream");
    match &key {
        Some(key) => {
            tracing::info!(public_key = %hex::encode(key.verifying_key().as_bytes()), "tables are signed")
        }
        None => {
            tracing::warn!("tables are not signed: make a key with `tidegate key --new`, set `signing_key`")
        }
    }
    let writer = tokio::spawn(writer.run());
    let steps = tokio::spawn(Steps::new(Arc::clone(&app), key).run());
    tokio::spawn(heavy::run(Arc::clone(&app)));
    let shutdown = app.shutdown.clone();
    tokio::spawn(await_signal(Arc::clone(&app)));

    let router = http::router(Arc::clone(&app)).merge(sync::router(Arc::clone(&app)));
    drop(app);
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its small writes back");
        }
    });
    let ended = shutdown.clone().cancelled_owned();
    let mut server =
        tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(ended).await });
    tokio::select! {
        // Only a broken listener ends the server before the signal.
        ended = &mut server => ended?.context("the listener failed")?,
        () = shutdown.cancelled() => {
            if timeout(FAREWELL, &mut server).await.is_err() {
                tracing::warn!("some connections did not end in time and are cut off");
                server.abort();
            }
        }
    }
    shutdown.cancel();
    steps.await?;
    // Every stream has ended, so nobody can queue reports any more; those queued are written.
    if timeout(FAREWELL, writer).await.is_err() {
        tracing::warn!("reports were still queued; proxies send them again");
    }
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

async fn await_signal(app: Arc<App>) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::warn!("cannot listen to signals: the process can only be killed");
        return;
    };
    let name = tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    };
    tracing::info!(signal = name, "shutting down");
    app.shutdown.cancel();
}
