//! One request through Envoy, and everything about its answer that tests and demo look at.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request,
    body::Bytes,
    header::{HeaderName, HeaderValue},
};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::TokioExecutor,
};

const REQUEST_LIMIT: Duration = Duration::from_secs(15);

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The throttling key, sent as `x-customer`.
    pub customer: Option<String>,
    /// The request's class, sent as `x-priority`.
    pub class: Option<&'static str>,
    /// More headers: costs as `x-cost-..`, and as `x-actual-..` what the upstream will report.
    pub numbers: Vec<(String, u64)>,
    /// A JSON body; with it a language model is asked.
    pub prompt: Option<String>,
    /// Headers as they are.
    pub headers: Vec<(String, String)>,
    /// What is asked for; `/` when it is not said.
    pub path: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub enum Outcome {
    /// A complete response.
    Answered(Answer),
    /// No complete response, and why.
    Failed(String),
    /// Too many requests were under way already.
    NotSent,
}

/// A response.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The plugin's decision.
    pub decision: Option<String>,
    /// The tier that the plugin decided for.
    pub tier: Option<String>,
    /// When to come back.
    pub retry_after_s: Option<u64>,
    /// What the customer's contracts leave: the fields `RateLimit-Policy` and `RateLimit`.
    pub ratelimit: Option<(String, String)>,
    /// The body's type.
    pub content_type: Option<String>,
    /// What the upstream said the request cost: the headers `x-total-..`.
    pub totals: BTreeMap<String, u64>,
    /// Every header that is text, by its name.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Bytes,
}

/// A client of one Envoy; clones share its connections.
#[derive(Clone, Debug)]
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    target: SocketAddr,
}

impl Ask {
    /// A plain request of a customer.
    #[must_use]
    pub fn of(customer: &str) -> Self {
        Self { customer: Some(customer.to_owned()), ..Self::default() }
    }

    /// With an estimated cost and an actual one, sent as `x-cost-<name>` and `x-actual-<name>`.
    #[must_use]
    pub fn costing(mut self, name: &str, estimate: u64, actual: u64) -> Self {
        self.numbers.push((format!("x-cost-{name}"), estimate));
        self.numbers.push((format!("x-actual-{name}"), actual));
        self
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// For this path.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }
}

impl Client {
    /// A client of the Envoy that listens at `target`.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { pool: Pool::builder(TokioExecutor::new()).build(connector), target }
    }

    /// Sends one request and waits for the whole response.
    pub async fn send(&self, ask: &Ask) -> Outcome {
        match tokio::time::timeout(REQUEST_LIMIT, self.exchange(ask)).await {
            Ok(Ok(answer)) => Outcome::Answered(answer),
            Ok(Err(error)) => Outcome::Failed(format!("{error:#}")),
            Err(_) => Outcome::Failed(format!("no answer within {} s", REQUEST_LIMIT.as_secs())),
        }
    }

    /// Like [`Self::send`], for callers to whom anything but a response is a failure.
    ///
    /// # Errors
    /// When there was no complete response.
    pub async fn ask(&self, ask: &Ask) -> Result<Answer> {
        match self.send(ask).await {
            Outcome::Answered(answer) => Ok(answer),
            Outcome::Failed(why) => Err(anyhow::anyhow!(why)),
            Outcome::NotSent => Err(anyhow::anyhow!("not sent")),
        }
    }

    async fn exchange(&self, ask: &Ask) -> Result<Answer> {
        let mut request = match &ask.prompt {
            Some(_) => Request::post(format!("http://{}/v1/chat/completions", self.target))
                .header("content-type", "application/json"),
            None => Request::get(format!("http://{}{}", self.target, ask.path.as_deref().unwrap_or("/"))),
        };
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        for (name, value) in &ask.numbers {
            request = request.header(name, *value);
        }
        let words = [("x-customer", ask.customer.as_deref()), ("x-priority", ask.class)];
        for (name, value) in words.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            request = request.header(name, value);
        }
        let response = self
            .pool
            .request(request.body(Full::from(ask.prompt.clone().unwrap_or_default()))?)
            .await
            .context("no response")?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.context("half a response")?.to_bytes();
        Ok(Answer::new(head.status.as_u16(), &head.headers, body))
    }
}

impl Answer {
    fn new(status: u16, headers: &HeaderMap, body: Bytes) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let number = |name| text(name).and_then(|value| value.parse().ok());
        let total = |(name, value): (&HeaderName, &HeaderValue)| {
            let name = name.as_str().strip_prefix("x-total-")?;
            Some((name.to_owned(), value.to_str().ok()?.parse().ok()?))
        };
        let plain = |(name, value): (&HeaderName, &HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        Self {
            status,
            decision: text("x-tidegate-decision"),
            tier: text("x-tidegate-tier"),
            retry_after_s: number("retry-after"),
            ratelimit: text("ratelimit-policy").zip(text("ratelimit")),
            content_type: text("content-type"),
            totals: headers.iter().filter_map(total).collect(),
            headers: headers.iter().filter_map(plain).collect(),
            body,
        }
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Whether the request reached the upstream.
    #[must_use]
    pub fn admitted(&self) -> bool {
        self.status == 200
    }

    /// Whether the plugin refused the request: its status, with its problem document.
    #[must_use]
    pub fn refused(&self) -> bool {
        let problem =
            self.content_type.as_deref().is_some_and(|kind| kind.starts_with("application/problem+json"));
        matches!(self.status, 429 | 503) && problem
    }
}
