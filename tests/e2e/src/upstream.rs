//! The upstream behind Envoy: answers at once (or after a delay), and says what a request really cost.
//!
//! A request that carries `x-actual-tokens` gets the same value back as `x-total-tokens`, as an LLM server that
//! reports its usage would; so with any other name in place of `tokens`.
//!
//! What it saw of the headers that `x-echo` names, separated by commas, it tells as `x-seen-<name>`. A request with `x-echo-body` is
//! answered with its own body.
//!
//! Whoever sends JSON is answered by a language model: at once, or as a stream of events if the request says `stream`. The usage that
//! it tells is the request's member `usage`, and its status the member `status`; `shape: anthropic` asks for events as Anthropic has
//! them, `pace: slow` for small pieces, `crawl` for such with time to hang up in between, `encoding: gzip` for a compressed answer.

mod model;
mod pieces;

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use self::pieces::Pieces;
use anyhow::{Context, Result};
use http_body_util::BodyExt;
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderName},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinSet},
};

use crate::ports;

/// A running upstream; ends with its value.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    served: Arc<AtomicU64>,
    task: AbortHandle,
}

impl Upstream {
    /// Starts an upstream that takes `delay` for every answer.
    ///
    /// # Errors
    /// When there is no port for it.
    pub async fn start(delay: Duration) -> Result<Self> {
        let address = ports::free()?;
        let listener = TcpListener::bind(address).await.with_context(|| format!("upstream on {address}"))?;
        let served = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(accept(listener, delay, Arc::clone(&served))).abort_handle();
        Ok(Self { address, served, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests that reached it.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, delay: Duration, served: Arc<AtomicU64>) {
    // Owns the connections: they end when this task does.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let served = Arc::clone(&served);
        let service = service_fn(move |request| {
            served.fetch_add(1, Ordering::Relaxed);
            answer(request, delay)
        });
        // Whoever ends an idle connection by itself meets requests that are on their way over it.
        let mut server = http1::Builder::new();
        let connection = server.header_read_timeout(None).serve_connection(TokioIo::new(stream), service);
        // A connection that breaks is Envoy's to notice: the client sees what becomes of its request.
        connections.spawn(async move { drop(connection.await) });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(request: Request<Incoming>, delay: Duration) -> Result<Response<Pieces>, Infallible> {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let (head, body) = request.into_parts();
    let echoes = head.headers.contains_key("x-echo-body");
    let mut response = Response::new(Pieces::whole("served\n"));
    if echoes || head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json") {
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        if !echoes {
            return Ok(model::generate(&serde_json::from_slice(&body).unwrap_or_default()));
        }
        response = Response::new(Pieces::whole(body));
    }
    for (name, actual) in &head.headers {
        let total = name.as_str().strip_prefix("x-actual-").map(|name| format!("x-total-{name}"));
        if let Some(Ok(total)) = total.map(HeaderName::try_from) {
            response.headers_mut().insert(total, actual.clone());
        }
    }
    let echo = head.headers.get("x-echo").and_then(|names| names.to_str().ok()).unwrap_or_default();
    for name in echo.split(',').filter(|name| !name.is_empty()) {
        if let (Some(seen), Ok(told)) =
            (head.headers.get(name), HeaderName::try_from(format!("x-seen-{name}")))
        {
            response.headers_mut().insert(told, seen.clone());
        }
    }
    Ok(response)
}
