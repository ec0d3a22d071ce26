// SPDX-License-Identifier: Apache-2.0
//! Client ids that are URLs: the client's metadata is read from there (OAuth Client ID Metadata Documents).
//!
//! Whoever asks for a code makes this process fetch a URL. So only public addresses are called, whatever a name
//! resolves to; no redirect is followed; size, time, and the number of fetches at once are bounded.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Semaphore;
use ureq::unversioned::{
    resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
    transport::{DefaultConnector, NextTimeout},
};

use crate::{
    clock,
    issuer::{
        client::{Client, Proof},
        form::Refusal,
        metrics::{Event, Metrics},
        register::Metadata,
        settings::Documents,
        store::Store,
    },
};

/// Largest document.
const LARGEST: u64 = 16 << 10;
const TIMEOUT: Duration = Duration::from_secs(5);
const AT_ONCE: usize = 4;
/// Seconds that a document is kept, and that a failure is.
const KEPT: i64 = 300;
const FAILURE_KEPT: i64 = 10;
const LONGEST_URL: usize = 1_024;

/// Clients by the URL of their document.
#[derive(Debug)]
pub(super) struct Library {
    documents: Documents,
    agent: ureq::Agent,
    permits: Arc<Semaphore>,
    held: Mutex<Store<String, Option<Arc<Client>>>>,
}

impl Library {
    pub(super) fn new(documents: Documents) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .proxy(None)
            .user_agent("toolgate-issuer")
            .build();
        let agent = ureq::Agent::with_parts(config, DefaultConnector::default(), Guarded::new(documents));
        Self {
            documents,
            agent,
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            held: Mutex::new(Store::new(1_024)),
        }
    }

    /// The client whose document is at the URL `id`; nobody where `id` is no URL that may be read, or no good one.
    pub(super) async fn client(&self, id: &str, metrics: &Metrics) -> Result<Option<Arc<Client>>, Refusal> {
        if !may_be_read(id, self.documents) {
            return Ok(None);
        }
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).get(id, clock::now()).cloned();
        if let Some(known) = held {
            return Ok(known);
        }
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| Refusal::full())?;
        let (agent, url) = (self.agent.clone(), id.to_owned());
        let work = move || {
            // The fetch goes on where the sender has left, and so keeps its permit.
            let _permit = permit;
            fetch(&agent, &url)
        };
        let body = tokio::task::spawn_blocking(work).await.ok().flatten();
        let client = body.and_then(|body| read(id, &body)).map(Arc::new);
        metrics.count(Event::Client(if client.is_some() { "document" } else { "document_refused" }));
        let now = clock::now();
        let until = now + if client.is_some() { KEPT } else { FAILURE_KEPT };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(id.to_owned(), client.clone(), until, now).map_err(|_| Refusal::full())?;
        Ok(client)
    }
}

fn fetch(agent: &ureq::Agent, url: &str) -> Option<Vec<u8>> {
    let mut response = agent.get(url).header("accept", "application/json").call().ok()?;
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let json = kind.split(';').next().is_some_and(|kind| kind.trim().ends_with("json"));
    if response.status().as_u16() != 200 || !json {
        return None;
    }
    response.body_mut().with_config().limit(LARGEST).read_to_vec().ok()
}

/// The client that the document describes: it must name the very URL it was read from, and share no secret.
fn read(id: &str, body: &[u8]) -> Option<Client> {
    let metadata = Metadata::parse(body).ok()?;
    let public = metadata.token_endpoint_auth_method.as_deref().is_none_or(|method| method == "none");
    let own = metadata.client_id.as_deref() == Some(id);
    (public && own).then(|| metadata.client(id.to_owned(), Proof::Public).ok()).flatten()
}

/// A URL with a path, without user, query, fragment and dot segments.
fn may_be_read(id: &str, documents: Documents) -> bool {
    let rest = match documents {
        Documents::Off => None,
        Documents::Https => id.strip_prefix("https://"),
        Documents::Loopback => id.strip_prefix("https://").or_else(|| {
            let rest = id.strip_prefix("http://")?;
            (rest.starts_with("127.0.0.1:") || rest.starts_with("[::1]:")).then_some(rest)
        }),
    };
    let Some((host, path)) = rest.and_then(|rest| rest.split_once('/')) else { return false };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:[]%".contains(&byte);
    let dots = path.split('/').any(|segment| matches!(segment, "." | ".."));
    id.len() <= LONGEST_URL && id.bytes().all(plain) && !host.is_empty() && !path.is_empty() && !dots
}

/// Resolves names, and leaves out every address that is not a public one: what is connected to is what was checked.
struct Guarded {
    inner: DefaultResolver,
    documents: Documents,
}

impl Guarded {
    fn new(documents: Documents) -> Self {
        Self { inner: DefaultResolver::default(), documents }
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Guarded({:?})", self.documents)
    }
}

impl Resolver for Guarded {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        let loopback = self.documents == Documents::Loopback;
        let mut allowed = self.empty();
        for address in found.iter() {
            let ip = address.ip().to_canonical();
            if is_public(ip) || (loopback && ip.is_loopback()) {
                allowed.push(*address);
            }
        }
        if allowed.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(allowed) }
    }
}

/// Whether an address belongs to the public internet (RFC 6890 and the registries it founded).
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [first, second, third, _] = ip.octets();
    let special = matches!(
        (first, second, third),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

/// Global unicast only (2000::/3), without what carries an IPv4 address (6to4, Teredo) and documentation.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    let global = first & 0xe000 == 0x2000;
    let special =
        first == 0x2002 || (first == 0x2001 && (second < 0x0200 || second == 0x0db8)) || first == 0x3fff;
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_called() {
        for public in ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for inner in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
        ] {
            assert!(!is_public(inner.parse().unwrap()), "{inner}");
        }
    }

    #[test]
    fn only_plain_urls_are_read() {
        assert!(may_be_read("https://app.example.com/client.json", Documents::Https));
        assert!(may_be_read("http://127.0.0.1:1/client.json", Documents::Loopback));
        for (id, documents) in [
            ("https://app.example.com/client.json", Documents::Off),
            ("http://127.0.0.1:1/client.json", Documents::Https),
            ("http://app.example.com/client.json", Documents::Loopback),
            ("https://app.example.com/", Documents::Https),
            ("https://app.example.com", Documents::Https),
            ("https://u@app.example.com/c", Documents::Https),
            ("https://app.example.com/c#x", Documents::Https),
            ("https://app.example.com/c?x", Documents::Https),
            ("https://app.example.com/a/../c", Documents::Https),
            ("http://127.0.0.1:1@evil.example/c", Documents::Loopback),
            ("file:///etc/passwd", Documents::Loopback),
            ("alice", Documents::Loopback),
        ] {
            assert!(!may_be_read(id, documents), "{id}");
        }
    }

    #[test]
    fn a_document_must_name_its_own_url_and_share_no_secret() {
        let id = "https://app.example.com/client.json";
        let read = |text: &str| read(id, text.replace("ID", id).as_bytes());
        let good = r#"{"client_id":"ID","client_name":"App","redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none"}"#;
        assert_eq!(read(good).unwrap().name, "App");
        for bad in [
            good.replace("\"ID\"", "\"https://app.example.com/other.json\""),
            good.replace("none", "client_secret_post"),
            good.replace("http://127.0.0.1/cb", "http://evil.example/cb"),
            good.replace("\"client_id\":\"ID\",", ""),
            "[]".to_owned(),
            String::new(),
        ] {
            assert!(read(&bad).is_none(), "{bad}");
        }
    }

    #[tokio::test]
    async fn the_resolver_stands_before_every_connection() {
        let agent = |documents| Library::new(documents).agent;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://127.0.0.1:{}/client.json", listener.local_addr().unwrap().port());
        let outcome = agent(Documents::Https).get(&url).call();
        assert!(matches!(outcome, Err(ureq::Error::HostNotFound)), "{outcome:?}");
    }

    #[tokio::test]
    async fn who_leaves_makes_no_room_for_another_fetch() {
        // Connections are taken by the system, and answered by nobody.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let library = Arc::new(Library::new(Documents::Loopback));
        let ask = |number: usize| {
            let (library, id) = (Arc::clone(&library), format!("http://127.0.0.1:{port}/{number}.json"));
            tokio::spawn(async move { library.client(&id, &Metrics::default()).await.map(drop) })
        };
        for number in 0..AT_ONCE {
            let request = ask(number);
            tokio::task::yield_now().await;
            request.abort();
            assert!(request.await.unwrap_err().is_cancelled());
        }
        assert_eq!(library.permits.available_permits(), 0);
        assert!(ask(AT_ONCE).await.unwrap().is_err());
        // They end by themselves, and then there is room again.
        drop(listener);
        let all = library.permits.acquire_many(4);
        assert!(tokio::time::timeout(TIMEOUT * 2, all).await.is_ok());
    }
}
