//! In-process servers: on a runtime of their own, so that they outlive the test that started them.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use axum::Router;
use tokio::{runtime::Runtime, task::AbortHandle};

static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().thread_name("servers").build()
});

/// A running in-process server; stopped on drop.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: AbortHandle,
}

impl Server {
    /// Serves `router` on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// If no port can be bound.
    pub fn axum(router: Router) -> Result<Self> {
        Self::run(|listener| async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("an in-process server ended: {error}");
            }
        })
    }

    /// Runs `serve` with a listener on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// If no port can be bound.
    pub fn run<F>(serve: impl FnOnce(tokio::net::TcpListener) -> F) -> Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot bind a free port")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = match &*RUNTIME {
            Ok(runtime) => runtime,
            Err(error) => bail!("cannot start the servers' runtime: {error}"),
        };
        let _inside = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let task = runtime.spawn(serve(listener)).abort_handle();
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port that nobody listens on now, from below the range the kernel hands out by itself.
///
/// # Errors
/// If every port of the range is taken.
pub fn free_port() -> Result<u16> {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 15_000;
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
        let seed = std::process::id().wrapping_mul(397) % u32::from(COUNT);
        AtomicU16::new(u16::try_from(seed).unwrap_or_default())
    });
    for _ in 0..COUNT {
        let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {FIRST} and {}", FIRST + COUNT)
}

/// Asks `probe` again and again until it answers with something.
///
/// # Errors
/// If `patience` runs out; the message names `what`.
pub async fn wait_for<T, F>(what: &str, patience: Duration, mut probe: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + patience;
    let mut pause = tokio::time::interval(Duration::from_millis(10));
    loop {
        pause.tick().await;
        if let Some(found) = probe().await {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("waited {patience:?} in vain for {what}");
        }
    }
}
