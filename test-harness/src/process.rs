//! Child processes that cannot outlive the harness.
//!
//! Every child is spawned by one thread that lives as long as the process: a child's parent-death signal
//! follows the *thread* that spawned it, and test threads end early.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use tokio::sync::oneshot;

type Job = (Command, oneshot::Sender<std::io::Result<Child>>);

static SPAWNER: LazyLock<mpsc::Sender<Job>> = LazyLock::new(|| {
    let (sender, jobs) = mpsc::channel::<Job>();
    let run = move || {
        for (mut command, reply) in jobs {
            // A receiver that has gone away no longer wants the child: end it here.
            if let Err(Ok(mut orphan)) = reply.send(command.spawn()) {
                end(&mut orphan);
            }
        }
    };
    if let Err(error) = thread::Builder::new().name("spawner".to_owned()).spawn(run) {
        // Without the thread every later `send` fails and says so to its caller.
        eprintln!("cannot start the spawner thread: {error}");
    }
    sender
});

/// A running child and what it wrote; killed and reaped on drop.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: Log,
}

/// What a child wrote so far, kept for the day something fails.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<String>>);

impl Log {
    fn text(&self) -> MutexGuard<'_, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything written so far.
    #[must_use]
    pub fn snapshot(&self) -> String {
        self.text().clone()
    }

    /// The last `lines` lines.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        let text = self.text();
        let all = text.lines().collect::<Vec<_>>();
        let skip = all.len().saturating_sub(lines);
        all.into_iter().skip(skip).collect::<Vec<_>>().join("\n")
    }

    fn follow(&self, source: impl Read + Send + 'static) {
        let log = self.clone();
        thread::spawn(move || {
            let mut lines = BufReader::new(source);
            let mut line = Vec::new();
            while matches!(lines.read_until(b'\n', &mut line), Ok(read) if read > 0) {
                log.text().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
    }
}

impl Process {
    /// Starts `command` with stdin closed, stderr and stdout into the log.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub async fn start(name: &str, command: Command) -> Result<Self> {
        let (mut process, stdout) = Self::spawn(name, command).await?;
        if let Some(stdout) = stdout {
            process.log.follow(stdout);
        }
        process.name.shrink_to_fit();
        Ok(process)
    }

    /// Starts `command` and waits for the first line of its stdout; the rest goes into the log.
    ///
    /// # Errors
    /// If the program cannot be started, or ends or stays silent for `patience`.
    pub async fn start_with_line(name: &str, command: Command, patience: Duration) -> Result<(Self, String)> {
        let (process, stdout) = Self::spawn(name, command).await?;
        let stdout = stdout.ok_or_else(|| anyhow!("{name}: stdout is not piped"))?;
        let (sender, receiver) = oneshot::channel();
        let log = process.log.clone();
        thread::spawn(move || {
            let mut lines = BufReader::new(stdout);
            let mut line = String::new();
            if matches!(lines.read_line(&mut line), Ok(read) if read > 0) {
                sender.send(line).ok();
            }
            log.follow(lines);
        });
        match tokio::time::timeout(patience, receiver).await {
            Ok(Ok(line)) => Ok((process, line)),
            _ => bail!("{name} printed nothing on stdout; its log:\n{}", process.log.snapshot()),
        }
    }

    async fn spawn(name: &str, mut command: Command) -> Result<(Self, Option<std::process::ChildStdout>)> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        die_with_parent(&mut command);
        let (reply, spawned) = oneshot::channel();
        SPAWNER.send((command, reply)).map_err(|_| anyhow!("the spawner thread is gone"))?;
        let mut child = spawned
            .await
            .map_err(|_| anyhow!("the spawner thread is gone"))?
            .with_context(|| format!("cannot start {name}"))?;
        let log = Log::default();
        if let Some(stderr) = child.stderr.take() {
            log.follow(stderr);
        }
        let stdout = child.stdout.take();
        Ok((Self { name: name.to_owned(), child, log }, stdout))
    }

    /// Its name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Its exit status, if it has ended.
    ///
    /// # Errors
    /// If the operating system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot ask after {}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.child);
        let tail = self.log.tail(40);
        if thread::panicking() && !tail.is_empty() {
            eprintln!("--- the last lines of {}:\n{tail}\n---", self.name);
        }
    }
}

fn end(child: &mut Child) {
    // Both fail only when the child has already been reaped.
    child.kill().ok();
    child.wait().ok();
}

/// The kernel kills the child when the spawner thread, and so the harness, is gone.
fn die_with_parent(command: &mut Command) {
    // SAFETY: between fork and exec only the async-signal-safe `prctl` is called, with constant arguments.
    #[allow(unsafe_code, reason = "the standard library has no way to set a parent-death signal")]
    unsafe {
        command.pre_exec(|| {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) == 0 {
                Ok(())
            } else {
                Err(std::io::Error::last_os_error())
            }
        });
    }
}
