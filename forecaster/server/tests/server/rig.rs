//! A running forecaster and a proxy that talks to it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ed25519_dalek::VerifyingKey;
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;
use tidegate_core::{
    report::{Record, Report, Usage},
    sync::{Hello, Kind, PROTOCOL, ReportAck, TableAck, Welcome},
    table::Table,
    transfer::{Announcement, Assembly, Chunk},
};
use tidegate_proto::{Frame, sync_client::SyncClient};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming, transport::Channel};

pub(crate) const TOKEN: &str = "open sesame";
pub(crate) const INTERVAL_MS: u64 = 100;
pub(crate) const STEP_MS: u64 = 200;
const PATIENCE: Duration = Duration::from_secs(10);

const CONFIG: &str = r#"
listen: 127.0.0.1:0
token: "open sesame"
report_interval_s: 0.1
forecast: { step_s: 0.2, horizon_steps: 10, season_s: 4 }
resources:
  requests: { capacity_per_s: 500, burst: 500, safe_capacity_per_s: 400, reservable_share: 0.8 }
tiers:
  gold: { weight: 8, risk_quantile: 0.9, price_per_month: 900, contract: { requests: { rate_per_s: 300, burst: 300 } } }
  bronze: { weight: 1, floor: 0.3 }
default_tier: bronze
customers:
  acme: { tier: gold }
  globex: { tier: gold, contract: { requests: { rate_per_s: 5, burst: 10 } } }
"#;

pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// The forecaster as a process of its own; killed when dropped.
pub(crate) struct Forecaster {
    pub(crate) folder: TempDir,
    process: Child,
    address: String,
}

impl Forecaster {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// With so many tiers, resources and steps that every table is large.
    pub(crate) async fn start_wide() -> Self {
        let numbered = |count: usize, what: &str| -> String {
            (0..count)
                .map(|number| format!("  {what}{number}: {{ capacity_per_s: 1, burst: 1 }}\n"))
                .collect()
        };
        let resources = numbered(8, "resource");
        let tiers = numbered(16, "tier").replace("capacity_per_s: 1, burst: 1", "weight: 1");
        let text = format!(
            "listen: 127.0.0.1:0\ntoken: open sesame\nreport_interval_s: 0.1\ndefault_tier: tier0\n\
             forecast: {{ step_s: 0.2, horizon_steps: 64, season_s: 20 }}\nresources:\n{resources}tiers:\n{tiers}"
        );
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("tidegate.yaml"), text).unwrap();
        Self::start_in(folder).await
    }

    /// With more configuration.
    pub(crate) async fn start_with(more: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("tidegate.yaml"), CONFIG.to_owned() + more).unwrap();
        Self::start_in(folder).await
    }

    /// With a key that signs tables.
    pub(crate) async fn start_signed() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("tidegate.yaml"), format!("signing_key: tidegate.key\n{CONFIG}"))
            .unwrap();
        key(&folder, &["--new"]);
        Self::start_in(folder).await
    }

    /// What `tidegate key` prints.
    pub(crate) fn public_key(&self) -> VerifyingKey {
        let text = key(&self.folder, &[]);
        let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
        VerifyingKey::from_bytes(&std::array::from_fn(byte)).unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Starts on what an earlier one left behind.
    pub(crate) async fn start_in(folder: TempDir) -> Self {
        let (process, address) = spawn(&folder);
        let forecaster = Self { folder, process, address };
        let ready = async {
            while !forecaster.status("/readyz").await.is_ok_and(|status| status == 200) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, ready).await.unwrap();
        forecaster
    }

    /// `kill -9`; returns the folder with the database.
    pub(crate) fn kill(mut self) -> TempDir {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::mem::replace(&mut self.folder, TempDir::new().unwrap())
    }

    /// SIGTERM; returns whether it ended well.
    pub(crate) async fn terminate(&mut self) -> bool {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ended = async {
            loop {
                if let Some(status) = self.process.try_wait().unwrap() {
                    return status.success();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, ended).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(self.url(path)).await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        self.get(path).await.text().await.unwrap()
    }

    pub(crate) async fn status(&self, path: &str) -> reqwest::Result<u16> {
        Ok(reqwest::get(self.url(path)).await?.status().as_u16())
    }

    /// A metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let metrics = self.text("/metrics").await;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap().parse().unwrap()
    }

    /// Runs a statement on the database file, past the forecaster.
    pub(crate) async fn sql(&self, statement: &'static str) {
        let path = self.folder.path().join("tidegate.db");
        let mut connection = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }

    /// What the database knows of `key`, in requests offered.
    pub(crate) async fn offered(&self, key: &str) -> u64 {
        let usage = self.json(&format!("/v1/usage?key={key}")).await;
        usage["totals"][0]["requests_offered"].as_u64().unwrap_or(0)
    }

    pub(crate) async fn connect(&self, hello: Hello) -> Result<Proxy, Status> {
        Proxy::connect(&self.address, Frame { kind: Kind::Hello as i32, payload: hello.encode().into() })
            .await
    }

    pub(crate) async fn connect_with(&self, first: Frame) -> Result<Proxy, Status> {
        Proxy::connect(&self.address, first).await
    }
}

impl Drop for Forecaster {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn key(folder: &TempDir, options: &[&str]) -> String {
    let file = folder.path().join("tidegate.key");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let output = command.arg("key").arg(file).args(options).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Starts the process and waits until its log says where it listens.
fn spawn(folder: &TempDir) -> (Child, String) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["serve", "--config"])
        .arg(folder.path().join("tidegate.yaml"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut seen = Vec::new();
    let address = loop {
        let Some(Ok(line)) = log.next() else { panic!("no address in the log: {seen:#?}") };
        if let Some((_, rest)) = line.split_once("address=") {
            break rest.split_whitespace().next().unwrap().to_owned();
        }
        seen.push(line);
    };
    // The log is read to its end, or the process would block on a full pipe.
    std::thread::spawn(move || log.for_each(|line| eprintln!("{}", line.unwrap_or_default())));
    (process, address)
}

pub(crate) fn hello(boot: u64) -> Hello {
    Hello {
        protocol: PROTOCOL,
        proxy: "edge-1".to_owned(),
        boot,
        token: TOKEN.to_owned(),
        table_epoch: 0,
        snapshot_epoch: 0,
        table_format: Table::FORMAT,
        report_format: Report::FORMAT,
        resources: vec!["requests".to_owned()],
    }
}

/// A report about one key: `requests` admitted in the window that began at `window_start_ms`.
pub(crate) fn report(boot: u64, seq: u64, key: &str, window_start_ms: u64, requests: u64) -> Report {
    let usage = Usage {
        requests_offered: requests,
        requests_admitted: requests,
        offered: requests,
        opportunistic: requests,
        largest: 1,
        ..Usage::default()
    };
    Report {
        boot,
        seq,
        resources: vec!["requests".to_owned()],
        keys: vec![key.to_owned()],
        records: vec![Record { key: 0, resource: 0, window_start_ms, contended: false, usage }],
        wishes: Vec::new(),
        ..Report::default()
    }
}

/// The proxy's end of a sync stream.
pub(crate) struct Proxy {
    outbox: mpsc::Sender<Frame>,
    inbox: Streaming<Frame>,
    pub(crate) welcome: Welcome,
    assembly: Assembly,
}

impl Proxy {
    async fn connect(address: &str, first: Frame) -> Result<Self, Status> {
        let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
        let endpoint = endpoint.initial_stream_window_size(65_535).initial_connection_window_size(65_535);
        let mut client = SyncClient::new(endpoint.connect().await.unwrap());
        let (outbox, frames) = mpsc::channel(16);
        outbox.send(first).await.unwrap();
        let answer = timeout(PATIENCE, client.stream(ReceiverStream::new(frames))).await.unwrap()?;
        let mut inbox = answer.into_inner();
        let frame = timeout(PATIENCE, inbox.message()).await.unwrap()?.unwrap();
        assert_eq!(frame.kind, Kind::Welcome as i32);
        let welcome = Welcome::decode(&frame.payload).unwrap();
        Ok(Self { outbox, inbox, welcome, assembly: Assembly::new(None) })
    }

    pub(crate) async fn send(&self, kind: Kind, payload: Vec<u8>) {
        self.outbox.send(Frame { kind: kind as i32, payload: payload.into() }).await.unwrap();
    }

    /// The next frame of one kind; others are passed over.
    async fn next(&mut self, kind: Kind) -> Vec<u8> {
        loop {
            let frame = timeout(PATIENCE, self.inbox.message()).await.unwrap().unwrap().unwrap();
            if frame.kind == kind as i32 {
                return frame.payload.into();
            }
        }
    }

    /// From now on tables must be signed by this key.
    pub(crate) fn verify_with(&mut self, key: &VerifyingKey) {
        self.assembly = Assembly::new(Some(*key));
    }

    /// The next table, put together and verified as a proxy does.
    pub(crate) async fn table(&mut self) -> Table {
        let announcement = Announcement::decode(&self.next(Kind::Announcement).await).unwrap();
        self.assembly.announce(&announcement).unwrap();
        loop {
            let chunk = Chunk::decode(&self.next(Kind::Chunk).await).unwrap();
            if let Some(table) = self.assembly.add(&chunk).unwrap() {
                return Table::decode(&table).unwrap();
            }
        }
    }

    /// Sends a report and waits until it is durable.
    pub(crate) async fn report(&mut self, report: &Report) {
        self.report_bytes(report.encode(), (report.boot, report.seq)).await;
    }

    /// The same with a payload of any form, by boot and number.
    pub(crate) async fn report_bytes(&mut self, payload: Vec<u8>, of: (u64, u64)) {
        self.send(Kind::Report, payload).await;
        let ack = ReportAck::decode(&self.next(Kind::ReportAck).await).unwrap();
        assert_eq!((ack.boot, ack.seq), of);
    }

    pub(crate) async fn ack(&self, epoch: u64, error: Option<&str>) {
        let ack = TableAck { epoch, snapshot_epoch: epoch, error: error.map(str::to_owned) };
        self.send(Kind::TableAck, ack.encode()).await;
    }

    /// Reads until the stream ends; returns how.
    pub(crate) async fn end(mut self) -> Code {
        loop {
            match timeout(PATIENCE, self.inbox.message()).await.unwrap() {
                Ok(Some(_)) => {}
                Ok(None) => return Code::Ok,
                Err(status) => return status.code(),
            }
        }
    }
}

/// Reports `requests` of `key` for as many steps, window by window as they begin. Returns the next report number.
pub(crate) async fn use_for_steps(
    proxy: &mut Proxy,
    mut seq: u64,
    key: &str,
    requests: u64,
    steps: u64,
) -> u64 {
    let mut window = now_ms() / STEP_MS * STEP_MS + STEP_MS;
    for _ in 0..steps * STEP_MS / INTERVAL_MS {
        let wait_ms = window.saturating_sub(now_ms());
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        proxy.report(&report(1, seq, key, window, requests)).await;
        window += INTERVAL_MS;
        seq += 1;
    }
    // Until the last step has been closed.
    let wait_ms = (window + STEP_MS).saturating_sub(now_ms());
    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    seq
}
