//! Connections, and how they end: the one that serves a request finishes it first.

use std::{convert::Infallible, future::Future, net::SocketAddr, pin::pin, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tidegate_host::Properties;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tower_service::Service;
use tracing::{debug, warn};

use crate::proxy::Body;

/// How long requests under way may take once it is time to stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// Serves connections until `stop`, then lets requests under way finish.
pub(crate) async fn serve<S>(listener: TcpListener, service: S, stop: impl Future<Output = ()>)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let (ending, end) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, client)) => {
                    connections.spawn(connection(stream, client, service.clone(), end.clone()));
                }
                Err(error) => {
                    warn!("cannot take a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    ending.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(FAREWELL, all).await.is_err() {
        warn!("requests under way are cut off");
    }
}

async fn connection<S>(stream: TcpStream, client: SocketAddr, service: S, mut end: watch::Receiver<bool>)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let answer = service_fn(move |mut request| {
        // For rules that ask where a request comes from.
        request.extensions_mut().insert(Properties::default().source(client));
        service.clone().call(request)
    });
    let serving =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        // What it brings holds a lock.
        () = async { drop(end.wait_for(|end| *end).await) } => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        debug!("a connection ended early: {error}");
    }
}
