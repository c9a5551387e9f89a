//! `tidegate gen`: the configuration that loads the plugin, for the proxy that is there.
//!
//! What it says follows from the forecaster's own configuration: resources with their safe capacities, the token, the public key.
//! The plugin's part is checked by the plugin's own reader before anything is written.

mod details;
mod envoy;
mod kubernetes;
mod labels;
mod module;
mod plugin;

use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use crate::{config::Config, key};
use details::Detail;
use module::Module;

const HELP: &str = "\
envoy is a complete configuration of one Envoy; istio a TrafficExtension (Istio 1.30 and later), istio-legacy a WasmPlugin, both with \
an EnvoyFilter that adds the forecaster's cluster; envoy-gateway an EnvoyExtensionPolicy with an EnvoyPatchPolicy, which has to be \
enabled there; higress a WasmPlugin of Higress with an EnvoyFilter. All but envoy need --url.

Labels stand in the names of the plugin's metrics, and only Envoy's bootstrap can say how to take them out. envoy has that in its \
configuration; the others end with a document for it, which does nothing until it is attached as its comment says.

With --llm the plugin reads bodies, which Envoy (1.35 or later) has to show it of requests that it holds; gen envoy says so there. The \
resources of the others have no field for that: what they write begins with a line on what follows from it.

The token of the forecaster's configuration stands in what is written: keep it as you keep secrets.";

/// Options of `tidegate gen`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct GenerateOptions {
    /// What loads the plugin.
    target: Target,
    /// The forecaster's configuration file.
    #[arg(long, value_name = "FILE", default_value = "tidegate.yaml")]
    config: PathBuf,
    /// The plugin: its digest stands in the configuration. [default: target/wasm/tidegate.wasm, with --llm tidegate-llm.wasm]
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// Where proxies fetch the plugin: https://.., http://.., file://.., or oci://..@sha256:...
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Where proxies reach the forecaster; Envoy where it listens, others the Service tidegate in the namespace tidegate.
    #[arg(long, value_name = "HOST:PORT")]
    forecaster: Option<String>,
    /// For envoy: where admitted requests go.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8081")]
    upstream: SocketAddr,
    /// The namespace of what is written.
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Which gateway: the label `istio` of Istio's pods, the Gateway's name, the label `higress` of Higress' pods.
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
    /// The proxy's name in reports.
    #[arg(long, value_name = "NAME", default_value = "edge")]
    proxy: String,
    /// The request header that tells the customer.
    #[arg(long, value_name = "HEADER", default_value = "x-customer")]
    key: String,
    /// Which resource is tokens of language models: estimated by the prompt, settled by the answer's usage.
    #[arg(long, value_name = "RESOURCE")]
    llm: Option<String>,
    /// Shows the access log every request's decision and tier, not only those of refusals and delays.
    #[arg(long)]
    access_log: bool,
    /// What reports tell beside counters: region=HEADER, account_type=HEADER, client_version=HEADER of requests,
    /// cpu_us=HEADER, memory_bytes=HEADER of responses, network_bytes, duration_ms.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    details: Vec<Detail>,
    /// Whether decisions bite.
    #[arg(long, value_enum, default_value_t = Bite::Shadow)]
    mode: Bite,
    /// The forecaster's public key, where its signing key is not at hand.
    #[arg(long, value_name = "HEX")]
    public_key: Option<String>,
    /// Write to this file instead of printing.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What loads the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    Envoy,
    Istio,
    IstioLegacy,
    EnvoyGateway,
    Higress,
}

/// Whether decisions bite.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Bite {
    Shadow,
    Enforce,
}

/// Host and port.
#[derive(Clone, Debug)]
struct Endpoint {
    host: String,
    port: u16,
}

/// Writes the configuration.
pub(crate) fn run(options: &GenerateOptions) -> anyhow::Result<ExitCode> {
    let config = match crate::read_config(&options.config)? {
        Ok(config) => config,
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
            bail!("{} is not in order:{}", options.config.display(), lines.concat());
        }
    };
    let text = generate(options, &config)?;
    match &options.output {
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?
        }
        None => std::io::stdout().write_all(text.as_bytes()).context("printing the configuration")?,
    }
    Ok(ExitCode::SUCCESS)
}

fn generate(options: &GenerateOptions, config: &Config) -> anyhow::Result<String> {
    let reads_bodies = options.llm.is_some();
    let file = if reads_bodies { "target/wasm/tidegate-llm.wasm" } else { "target/wasm/tidegate.wasm" };
    let path = options.wasm.as_deref().unwrap_or(Path::new(file));
    let module = Module::new(path, options.url.as_deref(), reads_bodies)?;
    let json = plugin::json(options, config, public_key(options, config)?)?;
    let forecaster = match &options.forecaster {
        Some(text) => Endpoint::parse(text)?,
        None if options.target == Target::Envoy => {
            Endpoint { host: config.listen.ip().to_string(), port: config.listen.port() }
        }
        None => {
            Endpoint { host: "tidegate.tidegate.svc.cluster.local".to_owned(), port: config.listen.port() }
        }
    };
    if options.target == Target::Envoy {
        return envoy::yaml(&json, &module, &forecaster, options.upstream);
    }
    let (namespace, gateway) = match options.target {
        Target::EnvoyGateway => ("default", "eg"),
        Target::Higress => ("higress-system", "higress-system-higress-gateway"),
        Target::Envoy | Target::Istio | Target::IstioLegacy => ("istio-system", "ingressgateway"),
    };
    let place = kubernetes::Place {
        namespace: options.namespace.as_deref().unwrap_or(namespace),
        gateway: options.gateway.as_deref().unwrap_or(gateway),
        url: module.url().context("give --url: proxies in Kubernetes fetch the plugin from somewhere")?,
        module: &module,
        json: &json,
        forecaster: &forecaster,
    };
    Ok(match options.target {
        Target::EnvoyGateway => place.envoy_gateway()?,
        Target::Higress => place.higress(),
        Target::IstioLegacy => place.istio_legacy(),
        Target::Envoy | Target::Istio => place.istio(),
    })
}

fn public_key(options: &GenerateOptions, config: &Config) -> anyhow::Result<Option<String>> {
    match (&options.public_key, &config.signing_key) {
        (Some(key), _) => Ok(Some(key.clone())),
        (None, Some(file)) => {
            let key = key::read(file).context("give --public-key where the signing key is not at hand")?;
            Ok(Some(hex::encode(key.verifying_key().as_bytes())))
        }
        (None, None) => Ok(None),
    }
}

impl Endpoint {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let parsed = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        match parsed {
            Some((host, port)) if !host.is_empty() => Ok(Self { host: host.to_owned(), port }),
            _ => bail!("`{text}` is no host and port, such as tidegate.example:7080"),
        }
    }

    /// A cluster that speaks HTTP/2, as gRPC needs it; `indent` blanks before every line.
    fn cluster(&self, indent: usize) -> String {
        let Self { host, port } = self;
        // Envoy resolves addresses too.
        let lines = format!(
            "name: tidegate
type: STRICT_DNS
connect_timeout: 1s
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    explicit_http_config:
      http2_protocol_options: {{}}
load_assignment:
  cluster_name: tidegate
  endpoints:
    - lb_endpoints:
        - endpoint:
            address:
              socket_address:
                address: {}
                port_value: {port}
",
            quoted(host)
        );
        indented(&lines, indent)
    }
}

/// Text as YAML has it; JSON strings are YAML strings.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Every line with so many blanks before it.
fn indented(text: &str, blanks: usize) -> String {
    text.lines().map(|line| format!("{:blanks$}{line}\n", "")).collect()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
