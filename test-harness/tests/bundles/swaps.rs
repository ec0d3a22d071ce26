//! No request is lost in a swap, and none is judged by anything but the old policy or the new one: steady calls, one
//! after the other on new and on kept connections, and answers that take longer than a swap, while policies change
//! several times.

use std::sync::atomic::AtomicU32;

use toolgate_harness::scripted::Script;

use super::*;

/// How many policies come after the first; number `n` allows `echo` and `tool_n`.
const SWAPS: u32 = 5;
/// The answer that takes long, in pieces of one byte and a millisecond each.
const SLOW: &str = "a slow answer";

fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?)
}

fn tool(number: u32) -> String {
    format!("tool_{number}")
}

/// Which policies may be in force.
#[derive(Debug)]
struct Window {
    oldest: AtomicU32,
    newest: AtomicU32,
}

/// What was seen, by all tasks.
#[derive(Debug, Default)]
struct Seen {
    allowed: AtomicU64,
    denied: AtomicU64,
    /// Slow answers that were whole, and began under another policy than they ended.
    across: AtomicU64,
}

/// How a task calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A connection for each call.
    Fresh,
    /// One connection for all.
    Kept,
    /// As `Fresh`, with an answer that takes long.
    Slow,
}

/// Whether Envoy leaves open connections to the old filter until it has drained them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drains {
    /// With a listener that changes.
    Yes,
    No,
}

#[derive(Clone)]
struct Pounding {
    drains: Drains,
    url: String,
    token: String,
    window: Arc<Window>,
    seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
}

impl Pounding {
    /// Starts under policy 1.
    fn new(url: String, token: String, upstream: &Scripted, drains: Drains) -> Self {
        let text = [" ".repeat(300).as_str(), SLOW].concat();
        let message = json!({ "jsonrpc": "2.0", "id": "swap", "result": { "text": text } }).to_string();
        upstream.on("slow", Script::new("application/json").in_pieces(message, 1));
        let window = Window { oldest: AtomicU32::new(1), newest: AtomicU32::new(1) };
        Self { drains, url, token, window: Arc::new(window), seen: Arc::default(), stop: Arc::default() }
    }

    fn start(&self) -> Vec<tokio::task::JoinHandle<Result<()>>> {
        let ways = [Way::Fresh, Way::Fresh, Way::Kept, Way::Slow];
        ways.into_iter().map(|way| tokio::spawn(self.clone().pound(way))).collect()
    }

    async fn pound(self, way: Way) -> Result<()> {
        let kept = client()?;
        for turn in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                break;
            }
            match way {
                Way::Slow => self.slow().await?,
                Way::Fresh => self.one(&client()?, turn % (SWAPS + 1) + 1, way).await?,
                Way::Kept => self.one(&kept, turn % (SWAPS + 1) + 1, way).await?,
            }
        }
        Ok(())
    }

    async fn slow(&self) -> Result<()> {
        let before = self.window.newest.load(Ordering::SeqCst);
        let params = json!({ "name": "echo", "arguments": {} });
        let call = Call::modern(&self.url, "swap", "tools/call", params).header("x-script", "slow");
        let answer = call.token(&self.token).send().await?;
        ensure!(answer.status == 200 && answer.text().contains(SLOW), "{answer:?}");
        if before != self.window.newest.load(Ordering::SeqCst) {
            self.seen.across.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }

    /// A policy allows its own tool and no other one's: what came back tells which policies cannot have judged.
    async fn one(&self, client: &reqwest::Client, number: u32, way: Way) -> Result<()> {
        let oldest = match way {
            Way::Kept if self.drains == Drains::Yes => 1,
            Way::Kept | Way::Fresh | Way::Slow => self.window.oldest.load(Ordering::SeqCst),
        };
        let params = json!({ "name": tool(number), "arguments": {} });
        let call = Call::modern(&self.url, "swap", "tools/call", params).token(&self.token);
        let answer = call.send_by(client).await.with_context(|| format!("{way:?} {number}"))?;
        let newest = self.window.newest.load(Ordering::SeqCst);
        let of_one = (oldest..=newest).contains(&number);
        let of_another = oldest != number || newest != number;
        let (right, count) = match (answer.status, answer.reason().as_deref()) {
            (200, _) => (of_one, &self.seen.allowed),
            (403, Some("no_rule")) => (of_another, &self.seen.denied),
            _ => (false, &self.seen.denied),
        };
        ensure!(right, "{way:?}: {} under {oldest} to {newest} got {answer:?}", tool(number));
        count.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Policy `number` is offered from now on.
    fn offered(&self, number: u32) {
        self.window.newest.store(number, Ordering::SeqCst);
    }

    /// Every worker has it.
    async fn taken(&self, number: u32) -> Result<()> {
        settled(&self.url, &self.token, &tool(number), 200).await?;
        settled(&self.url, &self.token, &tool(number - 1), 403).await?;
        self.window.oldest.store(number, Ordering::SeqCst);
        Ok(())
    }

    async fn finish(self, tasks: Vec<tokio::task::JoinHandle<Result<()>>>) -> Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        for task in tasks {
            task.await??;
        }
        let count = |count: &AtomicU64| count.load(Ordering::SeqCst);
        let (allowed, denied) = (count(&self.seen.allowed), count(&self.seen.denied));
        let across = count(&self.seen.across);
        ensure!(allowed > 50 && denied > 50, "{allowed} allowed and {denied} denied calls are no load");
        ensure!(across > 0, "no slow answer went across a swap");
        Ok(())
    }
}

async fn by_bundles(mode: Mode) -> Result<()> {
    let press = Press::new("swaps", mode)?;
    let stage = Stage::start(&press, mode).await?;
    stage.shelf.put(Some(&press.good(1, &tool(1))?));
    stage.settled(&tool(1), 200).await?;
    let pounding = Pounding::new(stage.envoy.url("/mcp"), stage.token.clone(), &stage.upstream, Drains::No);
    let tasks = pounding.start();
    for number in 2..=SWAPS + 1 {
        let bundle = press.good(number, &tool(number))?;
        pounding.offered(number);
        stage.shelf.put(Some(&bundle));
        pounding.taken(number).await?;
    }
    pounding.finish(tasks).await
}

async fn by_discovery(delivery: Delivery, mode: Mode) -> Result<()> {
    let policies = |number: u32| json!({ "inline": policy(&tool(number)) });
    let change = |configuration: &mut Value| configuration["policies"]["default"] = policies(1);
    let upstream = Upstream::Scripted(Scripted::start()?);
    let mut gate = Gate::start_under(TestIssuer::start()?, mode, upstream, change, |gateway| {
        gateway.delivery = delivery;
        gateway.concurrency = 2;
    })
    .await?;
    let drains = match delivery {
        Delivery::Lds => Drains::Yes,
        Delivery::Ecds | Delivery::Static => Drains::No,
    };
    let (url, token) = (gate.url(), gate.token("dev", &["developer"])?);
    settled(&url, &token, &tool(1), 200).await?;
    let pounding = Pounding::new(url, token, gate.script()?, drains);
    let tasks = pounding.start();
    for number in 2..=SWAPS + 1 {
        let mut next = configuration(&gate.issuer, mode)?;
        next["policies"]["default"] = policies(number);
        pounding.offered(number);
        assert_eq!(gate.envoy.reconfigure(next).await?, Update::Taken);
        pounding.taken(number).await?;
    }
    pounding.finish(tasks).await
}

#[tokio::test]
async fn nothing_is_lost_by_bundles_held() -> Result<()> {
    by_bundles(Mode::Held).await
}

#[tokio::test]
async fn nothing_is_lost_by_bundles_streamed() -> Result<()> {
    by_bundles(Mode::Streamed).await
}

#[tokio::test]
async fn nothing_is_lost_by_lds() -> Result<()> {
    by_discovery(Delivery::Lds, Mode::Held).await
}

#[tokio::test]
async fn nothing_is_lost_by_ecds() -> Result<()> {
    by_discovery(Delivery::Ecds, Mode::Held).await
}

#[tokio::test]
async fn nothing_is_lost_by_ecds_streamed() -> Result<()> {
    by_discovery(Delivery::Ecds, Mode::Streamed).await
}
