//! The plugin's configuration: JSON, read as a whole, with every problem reported at once by line and key.

mod debug;
mod details;
mod json;
mod refusal;
mod resources;
mod rules;
mod trial;

use alloc::{borrow::ToOwned, string::String, vec::Vec};

pub use debug::Debug;
use ed25519_dalek::VerifyingKey;
pub use json::Problem;
use json::{Node, Object, Reader};
pub use trial::TrialConfig;

use crate::{
    allocator::{ResourceSetup, SafeBudget, Setup},
    attributes::Attributes,
    details::DetailRules,
    rules::{ClassRule, CostRule, KeyPart, OnRefusal, Rule, number},
    units::MicroRate,
};

/// Whether decisions bite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Decide and count, let everything pass.
    #[default]
    Shadow,
    /// Refuse what is refused.
    Enforce,
}

/// What happens while no valid table is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailMode {
    /// Everything passes.
    Open,
    /// Nothing passes.
    Closed,
    /// The safe budgets limit everybody together.
    #[default]
    Reactive,
}

/// One resource that requests use up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRule {
    /// The name that tables and reports use.
    pub name: String,
    /// What a request costs, or is estimated to.
    pub cost: CostRule,
    /// The response header that tells the actual cost; with it, `cost` is an estimate.
    pub settle_header: Option<String>,
    /// The response trailer that tells it, before the header where there are both.
    pub settle_trailer: Option<String>,
    /// The budget without a valid table: tokens per second and burst in tokens.
    pub safe: Option<(MicroRate, u64)>,
}

impl ResourceRule {
    /// Whether costs are estimates until the response tells better.
    #[must_use]
    pub const fn is_estimated(&self) -> bool {
        self.settle_header.is_some() || self.settle_trailer.is_some() || self.reads_bodies()
    }

    const fn reads_bodies(&self) -> bool {
        matches!(self.cost, CostRule::Llm(_))
    }

    /// The actual cost of a request, as its response tells it.
    pub fn actual<A: Attributes + ?Sized>(&self, response: &A) -> Option<u64> {
        match &self.cost {
            CostRule::Llm(rule) => response.usage().map(|usage| rule.cost(&usage)),
            _ => {
                let trailer = || number(response.trailer(self.settle_trailer.as_deref()?)?);
                let header = || number(response.header(self.settle_header.as_deref()?)?);
                trailer().or_else(header)
            }
        }
    }
}

/// What the shell around the gate is able to do; a configuration that needs more is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shell {
    /// It is the proxy itself: it changes requests that it passes on, sees trailers, and answers on paths of its own.
    pub is_proxy: bool,
    /// It reads bodies where it has to.
    pub reads_bodies: bool,
}

/// Where the forecaster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecaster {
    /// The proxy's cluster for it.
    pub cluster: String,
    /// The shared secret.
    pub token: String,
    /// Whose signature tables must have; any table is taken when absent.
    pub public_key: Option<VerifyingKey>,
}

/// The plugin's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whether decisions bite.
    pub mode: Mode,
    /// The proxy's name in reports.
    pub proxy: String,
    /// What the throttling key is built from.
    pub key: Vec<KeyPart>,
    /// Where the class of a request comes from; everything is standard without it.
    pub class: Option<ClassRule>,
    /// What is different for some requests; the first that matches counts.
    pub rules: Vec<Rule>,
    /// Tiers whose decisions do not bite.
    pub shadow_tiers: Vec<String>,
    /// The resources; at least one.
    pub resources: Vec<ResourceRule>,
    /// Where tables come from; without it the safe budgets rule for good.
    pub forecaster: Option<Forecaster>,
    /// What happens while no valid table is in force.
    pub fail_mode: FailMode,
    /// Whether every response tells the decision in headers.
    pub response_headers: bool,
    /// Whether responses tell the customer's contract and what is left of it, in `RateLimit` fields.
    pub ratelimit_headers: bool,
    /// From which used part of a contract on responses warn, in thousandths.
    pub warn_above_permille: Option<u16>,
    /// Whether every response and access log tells the decision's id, not only those of refusals.
    pub decision_ids: bool,
    /// Whether access logs tell the decision of every request, not only of those that were refused or held back.
    pub access_log: bool,
    /// Whether refusals tell what the request could have instead.
    pub alternatives: bool,
    /// What refusals become instead of an answer, where no rule says otherwise.
    pub on_refusal: Option<OnRefusal>,
    /// The headers that `on_refusal` sets anywhere: what clients send under these names is removed.
    pub own_headers: Vec<String>,
    /// What reports tell beside their counters.
    pub details: Option<DetailRules>,
    /// Where the plugin itself answers questions.
    pub debug: Option<Debug>,
    /// What is tried beside it.
    pub trial: Option<TrialConfig>,
}

impl Default for Config {
    /// Shadow mode, one resource, nothing limited.
    fn default() -> Self {
        let requests = ResourceRule {
            name: "requests".to_owned(),
            cost: CostRule::Constant(1),
            settle_header: None,
            settle_trailer: None,
            safe: None,
        };
        Self {
            mode: Mode::Shadow,
            proxy: "envoy".to_owned(),
            key: Vec::new(),
            class: None,
            rules: Vec::new(),
            shadow_tiers: Vec::new(),
            resources: alloc::vec![requests],
            forecaster: None,
            fail_mode: FailMode::Reactive,
            response_headers: false,
            ratelimit_headers: false,
            warn_above_permille: None,
            decision_ids: false,
            access_log: false,
            alternatives: false,
            on_refusal: None,
            own_headers: Vec::new(),
            details: None,
            debug: None,
            trial: None,
        }
    }
}

impl Config {
    /// Reads a configuration for any shell; no bytes at all are the default one.
    ///
    /// # Errors
    /// Every problem found, in the order of their lines.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        Self::parse_for(bytes, Shell::default())
    }

    /// Whether bodies have to be read at all.
    #[must_use]
    pub fn reads_bodies(&self) -> bool {
        self.resources.iter().any(ResourceRule::reads_bodies)
            || self.trial.as_ref().is_some_and(|trial| trial.config.reads_bodies())
    }

    /// Whether responses have to be seen up to their trailers before they are settled.
    #[must_use]
    pub fn reads_trailers(&self) -> bool {
        self.resources.iter().any(|resource| resource.settle_trailer.is_some())
            || self.trial.as_ref().is_some_and(|trial| trial.config.reads_trailers())
    }

    /// Reads a configuration for a shell that is able to do so much; no bytes at all are the default one.
    ///
    /// # Errors
    /// Every problem found, in the order of their lines.
    pub fn parse_for(bytes: &[u8], shell: Shell) -> Result<Self, Vec<Problem>> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let text = core::str::from_utf8(bytes).ok().filter(|text| text.trim_start().starts_with('{'));
        let Some(text) = text else {
            return Err(alloc::vec![Problem::new(
                1,
                "",
                "the configuration is not a JSON object: pass it as google.protobuf.StringValue \
                 (a google.protobuf.Struct reaches the plugin as protobuf bytes)",
            )]);
        };
        let mut reader = Reader::new(text, shell);
        let config = reader.root().map(|root| read(&mut reader, &root));
        reader.finish(config)
    }

    /// What the allocator is built from.
    #[must_use]
    pub fn setup(&self) -> Setup {
        const MAX_UNKNOWN_KEYS: u32 = 50_000;
        const MAX_RECEIPTS: u32 = 100_000;
        const MAX_WAITING: u32 = 1_024;
        const RECEIPT_TTL_MS: u64 = 15 * 60 * 1_000;
        const REPORT_INTERVAL_MS: u32 = 10_000;
        let resource = |rule: &ResourceRule| ResourceSetup {
            name: rule.name.clone(),
            safe: rule.safe.map(|(capacity, burst)| SafeBudget { capacity, burst }),
        };
        Setup {
            resources: self.resources.iter().map(resource).collect(),
            max_unknown_keys: MAX_UNKNOWN_KEYS,
            max_receipts: MAX_RECEIPTS,
            max_waiting: MAX_WAITING,
            receipt_ttl_ms: RECEIPT_TTL_MS,
            report_interval_ms: REPORT_INTERVAL_MS,
        }
    }
}

/// Who asks, how urgently, and for what: the same words in the live policy and in one on trial.
fn judging<'t>(reader: &mut Reader<'t>, object: &mut Object<'t>, config: &mut Config) {
    if let Some(node) = object.take("key") {
        config.key = rules::key(reader, &node);
    }
    if let Some(node) = object.take("class") {
        config.class = rules::class(reader, &node);
    }
    if let Some(node) = object.take("resources") {
        config.resources = resources::resources(reader, &node);
    }
}

fn read<'t>(reader: &mut Reader<'t>, root: &Node<'t>) -> Config {
    let mut config = Config::default();
    let Some(mut object) = reader.object(root) else { return config };
    if let Some(node) = object.take("mode") {
        config.mode = rules::mode(reader, &node).unwrap_or_default();
    }
    if let Some(node) = object.take("proxy") {
        config.proxy = reader.text(&node).unwrap_or_default();
    }
    judging(reader, &mut object, &mut config);
    if let Some(node) = object.take("rules") {
        let names: Vec<&str> = config.resources.iter().map(|resource| resource.name.as_str()).collect();
        config.rules = rules::rules(reader, &node, &names);
    }
    if let Some(node) = object.take("shadow_tiers") {
        let tiers = reader.array(&node);
        config.shadow_tiers = tiers.iter().filter_map(|tier| reader.text(tier)).collect();
    }
    if let Some(node) = object.take("forecaster")
        && let Some(mut forecaster) = reader.object(&node)
    {
        let cluster = forecaster.required(reader, "cluster").and_then(|node| reader.text(&node));
        let token = forecaster.take("token").and_then(|node| reader.text(&node)).unwrap_or_default();
        let public_key = forecaster.take("public_key").and_then(|node| public_key(reader, &node));
        config.forecaster = cluster.map(|cluster| Forecaster { cluster, token, public_key });
        forecaster.finish(reader);
    }
    if let Some(node) = object.take("fail_mode") {
        let modes =
            [("open", FailMode::Open), ("closed", FailMode::Closed), ("reactive", FailMode::Reactive)];
        config.fail_mode = reader.one_of(&node, &modes).unwrap_or_default();
    }
    for (name, flag) in [
        ("response_headers", &mut config.response_headers),
        ("ratelimit_headers", &mut config.ratelimit_headers),
        ("decision_ids", &mut config.decision_ids),
        ("alternatives", &mut config.alternatives),
    ] {
        if let Some(node) = object.take(name) {
            *flag = reader.flag(&node).unwrap_or_default();
        }
    }
    if let Some(node) = object.take("access_log") {
        reader.proxy_only(&node);
        config.access_log = reader.flag(&node).unwrap_or_default();
    }
    if let Some(node) = object.take("warn_above") {
        config.warn_above_permille = reader.permille(&node);
    }
    if let Some(node) = object.take("on_refusal") {
        config.on_refusal = refusal::on_refusal(reader, &node);
    }
    if let Some(node) = object.take("details") {
        config.details = details::details(reader, &node);
    }
    if let Some(node) = object.take("debug") {
        config.debug = debug::debug(reader, &node);
    }
    let trial = object.take("trial");
    object.finish(reader);
    config.own_headers = refusal::own_headers(&config);
    config.trial = trial.and_then(|node| trial::trial(reader, &node, &config));
    config
}

fn public_key<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<VerifyingKey> {
    let text = reader.text(node)?;
    let mut bytes = [0; 32];
    let parsed = hex::decode_to_slice(text, &mut bytes);
    let key = parsed.ok().and_then(|()| VerifyingKey::from_bytes(&bytes).ok());
    if key.is_none() {
        reader
            .problem(node, "is no Ed25519 public key in 64 hexadecimal digits, as `tidegate key` prints it");
    }
    key
}

#[cfg(test)]
mod tests;
