//! Child processes of the rig: output to a file, ended by process id, never left behind.
//!
//! Each runs in a process group of its own, so that Ctrl-C in a terminal reaches the rig alone, which then ends its
//! children in order. A panic ends them too, by `Drop`.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, Once, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

const GRACE: Duration = Duration::from_secs(3);
const TAIL_LINES: usize = 15;
const TAIL_WIDTH: usize = 300;
const EXIT_INTERRUPTED: i32 = 130;

static LIVE: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A running child.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command; what it prints is appended to `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let open = || File::options().create(true).append(true).open(log);
        let (out, err) = (open(), open());
        let out = out.with_context(|| format!("cannot write {}", log.display()))?;
        let err = err.with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        live().insert(child.id());
        Ok(Self { name: name.to_owned(), child, log: log.to_path_buf() })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Nanoseconds on a CPU, of all of its threads.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn cpu_ns(&self) -> Result<u64> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut sum = 0;
        for task in fs::read_dir(&tasks).with_context(|| format!("cannot read {tasks}"))? {
            let file = task?.path().join("schedstat");
            let text =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let spent = text.split_whitespace().next().unwrap_or_default();
            sum += spent.parse::<u64>().with_context(|| format!("{}: {text}", file.display()))?;
        }
        Ok(sum)
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its output so far.
    #[must_use]
    pub fn log_text(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// How it ended, with the last lines of its log.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait().with_context(|| format!("cannot ask about {}", self.name))? {
            None => Ok(()),
            Some(status) => {
                live().remove(&self.child.id());
                bail!("{} ended ({status}); the end of {}:\n{}", self.name, self.log.display(), self.tail())
            }
        }
    }

    /// Kills it on the spot (SIGKILL), as a crash would.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("cannot kill {}", self.name))?;
        self.child.wait().with_context(|| format!("cannot wait for {}", self.name))?;
        live().remove(&self.child.id());
        Ok(())
    }

    /// Interrupts it, as Ctrl-C does.
    pub fn interrupt(&self) {
        send(self.child.id(), Signal::INT);
    }

    /// How it ended, once it has.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot ask about {}", self.name))
    }

    /// Asks it to end (SIGTERM), and insists after a few seconds.
    ///
    /// # Errors
    /// When it neither ends nor can be killed.
    pub fn stop(&mut self) -> Result<()> {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            send(self.child.id(), Signal::TERM);
            let end = Instant::now() + GRACE;
            while Instant::now() < end {
                if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                    break;
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
        self.kill()
    }

    fn tail(&self) -> String {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(TAIL_LINES));
        last.map(|line| format!("  {}\n", line.chars().take(TAIL_WIDTH).collect::<String>())).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("{error:#}");
        }
    }
}

/// From now on SIGINT, SIGTERM and SIGHUP end every child at once, and then this process.
///
/// For programs that have no orderly way to stop, such as test runners.
pub fn end_all_on_signal() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if runtime.is_ok_and(|runtime| runtime.block_on(interrupted()).is_ok()) {
                for id in live().iter() {
                    send(*id, Signal::KILL);
                }
                std::process::exit(EXIT_INTERRUPTED);
            }
        });
    });
}

/// Waits until somebody asks this process to end: Ctrl-C, SIGTERM or a closed terminal.
///
/// # Errors
/// When signals cannot be received.
pub async fn interrupted() -> Result<()> {
    let (mut interrupt, mut terminate, mut hangup) = (
        signal(SignalKind::interrupt()).context("SIGINT")?,
        signal(SignalKind::terminate()).context("SIGTERM")?,
        signal(SignalKind::hangup()).context("SIGHUP")?,
    );
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    }
}

fn send(id: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // The only failure is that it has just ended by itself.
        let _ = kill_process(pid, signal);
    }
}

fn live() -> MutexGuard<'static, BTreeSet<u32>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}
