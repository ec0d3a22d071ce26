//! Load by `wrk`, and what it cost the Envoy process.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};

/// Connections that are kept open.
const CONNECTIONS: u32 = 16;
/// The host the requests name.
pub const HOST: &str = "mcp.example.com";
/// The call that everybody may make: 110 bytes.
pub const BODY: &str = r#"{"jsonrpc":"2.0","id":123,"method":"tools/call","params":{"name":"get_weather","arguments":{"city":"Lisbon"}}}"#;

/// One measured stretch.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// CPU of the Envoy process per request.
    pub cpu_us: f64,
    /// Median latency as `wrk` saw it.
    pub p50_us: f64,
    /// Its 99th percentile.
    pub p99_us: f64,
    /// Requests per second.
    pub rps: f64,
}

#[derive(Debug, Deserialize)]
struct Summary {
    requests: u64,
    micros: f64,
    p50: f64,
    p99: f64,
    refused: u64,
    broken: u64,
}

/// Finds `wrk`.
///
/// # Errors
/// If it is not installed; the message says how to.
pub fn wrk() -> Result<PathBuf> {
    find("wrk").ok_or_else(|| anyhow!("`wrk` is not on PATH: install it with `apt-get install wrk`"))
}

/// Finds `h2load`; without it, latency at a fixed rate is not measured.
#[must_use]
pub fn h2load() -> Option<PathBuf> {
    find("h2load")
}

/// Finds HAProxy; without it, its reference line is left out.
#[must_use]
pub fn haproxy() -> Option<PathBuf> {
    find("haproxy").or_else(|| Some(PathBuf::from("/usr/sbin/haproxy")).filter(|file| file.is_file()))
}

/// Finds a program on PATH.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A call of the tool that everybody may call, padded to `size` bytes.
#[must_use]
pub fn body(size: usize) -> String {
    let empty = BODY.replace("\"}}}", "\",\"note\":\"\"}}}");
    if size <= empty.len() {
        return BODY.to_owned();
    }
    let note = "lorem ipsum ".chars().cycle().take(size - empty.len()).collect::<String>();
    empty.replace("\"note\":\"\"", &format!("\"note\":\"{note}\""))
}

/// What is sent, and where to.
#[derive(Clone, Copy, Debug)]
pub struct Load<'l> {
    /// The program's script.
    pub script: &'l Path,
    /// A file with tokens that are sent in turn.
    pub tokens: &'l Path,
    /// A file with the body.
    pub body: &'l Path,
    /// The listener's port.
    pub port: u16,
    /// For how long.
    pub time: Duration,
}

/// Sends requests in a closed loop; `processes` are those whose CPU counts. Times are whole seconds, or are cut short by
/// an interrupt, upon which `wrk` ends as it does by itself.
///
/// # Errors
/// If `wrk` fails, or if one answer was not a success: a chain that refuses good requests is not measured.
pub fn run(wrk: &Path, load: Load<'_>, processes: &[u32]) -> Result<Sample> {
    let mut command = Command::new(wrk);
    command
        .args(["--threads", "1", "--connections", &CONNECTIONS.to_string()])
        // Under callgrind a request takes long.
        .args(["--timeout", "20s"])
        .args(["--duration", &format!("{}s", load.time.as_secs() + u64::from(load.time.subsec_nanos() > 0))])
        .arg("--script")
        .arg(load.script)
        .arg(format!("http://127.0.0.1:{}/mcp", load.port))
        .arg("--")
        .arg(load.tokens)
        .arg(HOST)
        .arg(load.body)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let spent = || processes.iter().map(|process| cpu_micros(*process)).sum::<Result<f64>>();
    let before = spent()?;
    let child = command.spawn().context("cannot start wrk")?;
    if load.time.subsec_nanos() > 0 {
        thread::sleep(load.time);
        interrupt(&child)?;
    }
    let output = child.wait_with_output()?;
    let after = spent()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("RESULT "));
    let Some(line) = line.filter(|_| output.status.success()) else {
        bail!("wrk failed:\n{text}{}", String::from_utf8_lossy(&output.stderr));
    };
    let summary: Summary = serde_json::from_str(line).with_context(|| format!("wrk said `{line}`"))?;
    ensure!(summary.requests > 0, "wrk sent nothing");
    ensure!(
        summary.refused == 0 && summary.broken == 0,
        "not every request was answered with success: {summary:?}"
    );
    #[allow(clippy::cast_precision_loss, reason = "counts of a few seconds are exact in f64")]
    let requests = summary.requests as f64;
    Ok(Sample {
        cpu_us: (after - before) / requests,
        p50_us: summary.p50,
        p99_us: summary.p99,
        rps: requests * 1e6 / summary.micros,
    })
}

/// What an answer took at a fixed rate.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Paced {
    /// The median.
    pub p50_us: f64,
    /// The 99th percentile.
    pub p99_us: f64,
    /// Requests a second that went out: fewer than asked for where the chain does not carry them.
    pub rps: f64,
}

/// Latency at a fixed rate, by `h2load`. All requests carry the first token of the file.
///
/// # Errors
/// If `h2load` fails, or if one answer was not a success.
pub fn at_rate(h2load: &Path, load: Load<'_>, rate: f64, log: &Path) -> Result<Paced> {
    let tokens = fs::read_to_string(load.tokens)?;
    let token = tokens.lines().next().unwrap_or_default();
    let each = (rate / f64::from(CONNECTIONS)).max(1.0);
    fs::remove_file(log).ok();
    let output = Command::new(h2load)
        .args(["--h1", "--threads", "1", "--clients", &CONNECTIONS.to_string()])
        // A count, not a duration: where answers close connections, `--duration` with `--rps` does not end.
        .args(["--requests", &format!("{:.0}", rate * load.time.as_secs_f64())])
        .args(["--rps", &format!("{each:.0}")])
        .arg("--data")
        .arg(load.body)
        .arg(format!("--header=:authority: {HOST}"))
        .arg("--header=accept: application/json, text/event-stream")
        .args(["--header=content-type: application/json", "--header=mcp-protocol-version: 2025-11-25"])
        .arg(format!("--header=authorization: Bearer {token}"))
        .arg(format!("--log-file={}", log.display()))
        .arg(format!("http://127.0.0.1:{}/mcp", load.port))
        .stdin(Stdio::null())
        .output()
        .context("cannot start h2load")?;
    ensure!(output.status.success(), "h2load failed:\n{}", String::from_utf8_lossy(&output.stderr));
    paced(&fs::read_to_string(log)?)
}

/// Reads h2load's log: when each request began, its status, what it took; all times in microseconds.
fn paced(log: &str) -> Result<Paced> {
    let (mut begun, mut micros) = (Vec::new(), Vec::new());
    for line in log.lines() {
        let mut columns = line.split('\t').map(str::trim);
        let mut column = || columns.next().unwrap_or_default();
        let (begin, status, time) = (column(), column(), column());
        ensure!(status == "200", "not every request was answered with success: {status}");
        begun.push(begin.parse::<f64>()?);
        micros.push(time.parse::<f64>()?);
    }
    ensure!(micros.len() > 100, "h2load sent next to nothing");
    let first = begun.iter().copied().fold(f64::INFINITY, f64::min);
    let last = begun.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    micros.sort_by(f64::total_cmp);
    let at = |share: usize| micros.get(micros.len() * share / 100).copied().unwrap_or(f64::NAN);
    #[allow(clippy::cast_precision_loss, reason = "counts of a few seconds are exact in f64")]
    let rps = (micros.len() - 1) as f64 * 1e6 / (last - first);
    Ok(Paced { p50_us: at(50), p99_us: at(99), rps })
}

fn interrupt(child: &Child) -> Result<()> {
    let process = libc::pid_t::try_from(child.id())?;
    // SAFETY: a process that nobody has waited for keeps its number, so the signal goes to no other.
    #[allow(unsafe_code, reason = "the standard library sends no signal but the one that kills")]
    let sent = unsafe { libc::kill(process, libc::SIGINT) };
    ensure!(sent == 0, "cannot interrupt wrk: {}", io::Error::last_os_error());
    Ok(())
}

/// CPU time of a process so far, in microseconds: as the scheduler counts it, for `/proc` tells whole ticks.
fn cpu_micros(process: u32) -> Result<f64> {
    let process = libc::pid_t::try_from(process)?;
    let mut clock: libc::clockid_t = 0;
    let mut spent = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both write to what they are given and to nothing else.
    #[allow(unsafe_code, reason = "the standard library does not read the clocks of processes")]
    let read = unsafe {
        match libc::clock_getcpuclockid(process, &raw mut clock) {
            0 => libc::clock_gettime(clock, &raw mut spent),
            refused => refused,
        }
    };
    ensure!(read == 0, "cannot read the CPU time of process {process}");
    #[allow(clippy::cast_precision_loss, reason = "seconds since a start are exact in f64")]
    let (seconds, nanoseconds) = (spent.tv_sec as f64, spent.tv_nsec as f64);
    Ok(seconds * 1e6 + nanoseconds / 1e3)
}

/// Resident memory of a process, in bytes.
///
/// # Errors
/// If the process is gone.
pub fn resident(process: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in /proc")?;
    let kilobytes = line.trim().trim_end_matches("kB").trim().parse::<u64>()?;
    Ok(kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_the_size_the_method_names() {
        assert_eq!(BODY.len(), 110);
        for size in [110, 2_048, 65_536] {
            let body = body(size);
            assert_eq!(body.len(), size);
            assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok());
        }
    }

    #[test]
    fn what_went_out_at_a_fixed_rate_is_read_from_the_log() -> Result<()> {
        let log: String = (0..201).map(|at| format!("{}\t200\t{}\n", 1_000_000 + at * 500, at)).collect();
        let found = paced(&log)?;
        let near = |value: f64, wanted: f64| (value - wanted).abs() < 1e-6;
        assert!(
            near(found.p50_us, 100.0) && near(found.p99_us, 198.0) && near(found.rps, 2_000.0),
            "{found:?}"
        );
        assert!(paced(&log.replacen("\t200\t", "\t401\t", 1)).is_err());
        assert!(paced("1\t200\t1\n").is_err());
        Ok(())
    }

    #[test]
    fn a_process_uses_time_and_memory() -> Result<()> {
        let before = cpu_micros(std::process::id())?;
        let sum = (0..1_000_000_u64).fold(0, |sum, at| std::hint::black_box(sum ^ at));
        let after = cpu_micros(std::process::id())?;
        assert!(before > 0.0 && after > before, "{before} {after} {sum}");
        assert!(cpu_micros(u32::MAX).is_err());
        assert!(resident(std::process::id())? > 1_000_000);
        Ok(())
    }
}
