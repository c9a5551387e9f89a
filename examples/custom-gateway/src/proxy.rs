//! Requests on their way to the upstream.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use anyhow::Result;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Bytes, Incoming};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower_service::Service;

/// What is answered to clients.
pub(crate) type Body = BoxBody<Bytes, hyper::Error>;

/// Headers of one connection, not of the request.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
];

/// A body of text.
pub(crate) fn text(text: String) -> Body {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed()
}

/// Passes requests on to one upstream.
#[derive(Clone)]
pub(crate) struct Proxy {
    client: Client<HttpConnector, Incoming>,
    upstream: http::uri::Authority,
}

impl Proxy {
    pub(crate) fn new(upstream: &str) -> Result<Self> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self { client, upstream: upstream.parse()? })
    }
}

impl Service<Request<Incoming>> for Proxy {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        let Self { client, upstream } = self.clone();
        Box::pin(async move {
            let mut parts = std::mem::take(request.uri_mut()).into_parts();
            (parts.scheme, parts.authority) = (Some(Scheme::HTTP), Some(upstream));
            let Ok(uri) = Uri::from_parts(parts) else {
                return Ok(answer(StatusCode::BAD_REQUEST, "no path to pass on\n"));
            };
            *request.uri_mut() = uri;
            strip(request.headers_mut());
            match client.request(request).await {
                Ok(mut response) => {
                    strip(response.headers_mut());
                    Ok(response.map(BodyExt::boxed))
                }
                Err(error) => {
                    tracing::warn!("the upstream does not answer: {error}");
                    Ok(answer(StatusCode::BAD_GATEWAY, "the upstream does not answer\n"))
                }
            }
        })
    }
}

/// A short answer of the gateway's own.
pub(crate) fn answer(status: StatusCode, says: &str) -> Response<Body> {
    let mut response = Response::new(text(says.to_owned()));
    *response.status_mut() = status;
    response
}

fn strip(headers: &mut HeaderMap) {
    HOP_BY_HOP.iter().for_each(|name| drop(headers.remove(name)));
}
