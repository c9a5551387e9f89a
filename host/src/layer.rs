//! Admission for HTTP services: a `tower` layer with the outcomes and headers of the Envoy plugin.

use std::{
    fmt,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, request::Parts};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    decision::Receipt,
    error::Error,
    gate::{Gate, Header, Held, Verdict},
    time::Timestamp,
};

/// Puts a [`Gate`] before a service.
#[derive(Debug)]
pub struct AdmissionLayer<B> {
    gate: Gate,
    body: fn(String) -> B,
}

impl<B> AdmissionLayer<B> {
    /// A layer whose refusals have a body that `body` makes of their text.
    ///
    /// # Errors
    /// When the gate was built from resources: rules for requests are in a configuration.
    pub fn new(gate: &Gate, body: fn(String) -> B) -> Result<Self, Error> {
        if gate.has_rules() {
            Ok(Self { gate: gate.clone(), body })
        } else {
            Err(Error::NoRules("rules for HTTP requests"))
        }
    }
}

// Derived, these would ask for a body that can be cloned.
impl<B> Clone for AdmissionLayer<B> {
    fn clone(&self) -> Self {
        Self { gate: self.gate.clone(), body: self.body }
    }
}

impl<S: Clone, B> Clone for Admission<S, B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), gate: self.gate.clone(), body: self.body }
    }
}

impl<S, B> Layer<S> for AdmissionLayer<B> {
    type Service = Admission<S, B>;

    fn layer(&self, inner: S) -> Admission<S, B> {
        Admission { inner, gate: self.gate.clone(), body: self.body }
    }
}

/// A service behind a [`Gate`].
#[derive(Debug)]
pub struct Admission<S, B> {
    inner: S,
    gate: Gate,
    body: fn(String) -> B,
}

impl<S, Q, B> Service<Request<Q>> for Admission<S, B>
where
    S: Service<Request<Q>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    Q: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        // The one that said it is ready serves it; its clone has to say so first.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let (gate, body) = (self.gate.clone(), self.body);
        let (head, content) = request.into_parts();
        let judged = gate.admit_or_hold(|name| attribute(&head, name));
        let open = |receipt| Open { gate: self.gate.clone(), receipt: Some(receipt) };
        // A future may be dropped before it is ever polled.
        let admitted = judged.0.receipt.map(open);
        Box::pin(async move {
            let verdict = decided(&gate, &head, judged).await;
            if let Some(answer) = verdict.response {
                let mut response = Response::new(body(answer.body));
                *response.status_mut() =
                    StatusCode::from_u16(answer.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
                add(response.headers_mut(), &answer.headers);
                add(response.headers_mut(), &verdict.headers);
                return Ok(response);
            }
            let late = |receipt| Open { gate, receipt: Some(receipt) };
            let open = admitted.or_else(|| verdict.receipt.map(late));
            let mut response = inner.call(Request::from_parts(head, content)).await?;
            if let Some(open) = open {
                open.settle(response.headers());
            }
            add(response.headers_mut(), &verdict.headers);
            Ok(response)
        })
    }
}

/// What becomes of a request, if need be after it was held back. One that loses its place asks again, in vain not for ever.
async fn decided(gate: &Gate, head: &Parts, judged: (Verdict, Option<Held>)) -> Verdict {
    const ATTEMPTS: usize = 3;
    let (mut verdict, mut held) = judged;
    for _ in 0..ATTEMPTS {
        let Some(waiting) = held else { return verdict };
        match waiting.await {
            Some(verdict) => return verdict,
            None => (verdict, held) = gate.admit_or_hold(|name| attribute(head, name)),
        }
    }
    gate.admit(|name| attribute(head, name), Timestamp::now())
}

/// What a gateway knows of a request beside its headers: an extension of it that rules can ask for, under the names that Envoy has
/// for such things.
#[derive(Clone, Debug, Default)]
pub struct Properties(Vec<(String, Vec<u8>)>);

impl Properties {
    /// Adds one, by its names from the outermost on: `xds/route_name`, `metadata/filter_metadata/…/sub`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// Adds the address that a connection comes from, for keys of `source_address`.
    #[must_use]
    pub fn source(self, address: SocketAddr) -> Self {
        self.with("source/address", address.to_string())
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_slice())
    }
}

/// A request that is to be settled. One that ends without a response keeps its estimate, and what it holds comes back.
struct Open {
    gate: Gate,
    receipt: Option<Receipt>,
}

impl Open {
    fn settle(mut self, headers: &HeaderMap) {
        if let Some(receipt) = self.receipt.take() {
            let find = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
            self.gate.settle_response(receipt, find, Timestamp::now());
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(receipt) = self.receipt.take() {
            self.gate.settle_response(receipt, |_| None, Timestamp::now());
        }
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("receipt", &self.receipt).finish_non_exhaustive()
    }
}

fn attribute<'r>(head: &'r Parts, name: &str) -> Option<&'r [u8]> {
    match name {
        ":path" => head.uri.path_and_query().map(|path| path.as_str().as_bytes()),
        ":method" => Some(head.method.as_str().as_bytes()),
        ":authority" => head
            .uri
            .authority()
            .map(|authority| authority.as_str().as_bytes())
            .or_else(|| head.headers.get(http::header::HOST).map(HeaderValue::as_bytes)),
        name => match name.strip_prefix('@') {
            Some(name) => head.extensions.get::<Properties>()?.get(name),
            None => head.headers.get(name).map(HeaderValue::as_bytes),
        },
    }
}

/// What is no header for HTTP is left out.
fn add(headers: &mut HeaderMap, more: &[Header]) {
    for header in more {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&header.value)) {
            headers.insert(name, value);
        }
    }
}
