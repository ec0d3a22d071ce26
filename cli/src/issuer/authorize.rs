// SPDX-License-Identifier: Apache-2.0
//! The authorization endpoint: code flow with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 9207).

use std::{net::IpAddr, sync::Arc};

use axum::{http::StatusCode, response::Response};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    clock,
    issuer::{
        client::Client,
        code::{self, Code, Fresh},
        form::{Form, Refusal},
        metrics::Event,
        page, redirect,
        secret::{self, Secret},
        settings::Login,
        state::Issuer,
        subject::{self, Subject, Terms},
    },
};

/// Seconds that a person has to log in.
const PATIENCE: i64 = 600;
/// Longest request: it is held while a person logs in.
const LONGEST_QUERY: usize = 8_192;

/// A request for a code that may be granted.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) client: Arc<Client>,
    pub(super) redirect: String,
    pub(super) scope: Option<String>,
    pub(super) resources: Vec<String>,
    state: Option<String>,
    challenge: String,
    /// `dpop_jkt` (RFC 9449 section 10).
    key: Option<String>,
}

/// Answers `GET /authorize`.
pub(super) async fn ask(issuer: &Issuer, query: &str) -> Response {
    let asked = match read(issuer, query).await {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    if let Login::Approve(user) = &issuer.settings.login {
        return match issuer.users.named(user).cloned() {
            Some(subject) => {
                issuer.count(Event::Login("approved"));
                grant(issuer, asked, subject)
            }
            None => page::fault(StatusCode::INTERNAL_SERVER_ERROR, "the user to approve for is unknown"),
        };
    }
    let transaction = secret::random("");
    let response = page::login(&asked, &transaction, &issuer.url("authorize"), None);
    let now = clock::now();
    let held = issuer.grants().transactions.insert(Secret::of(&transaction), asked, now + PATIENCE, now);
    match held {
        Ok(()) => response,
        Err(_) => {
            page::fault(StatusCode::SERVICE_UNAVAILABLE, "too many people are logging in; try again later")
        }
    }
}

/// Answers `POST /authorize`: what was typed into the page.
pub(super) async fn decide(issuer: &Arc<Issuer>, form: &Form, address: IpAddr) -> Response {
    let now = clock::now();
    let transaction = form.get("transaction").unwrap_or_default();
    // Taken out, so that it is used once; put back where the password was wrong.
    let Some(asked) = issuer.grants().transactions.remove(&Secret::of(transaction), now) else {
        return page::fault(StatusCode::BAD_REQUEST, "this page is too old or was used before; start again");
    };
    if form.get("decision") != Some("allow") {
        issuer.count(Event::Login("denied"));
        return refuse(
            issuer,
            &asked.redirect,
            asked.state.as_deref(),
            &Refusal::new("access_denied", "the user said no"),
        );
    }
    match log_in(issuer, form, address, now).await {
        Ok(subject) => {
            issuer.count(Event::Login("passed"));
            grant(issuer, asked, subject)
        }
        Err(turned) => again(issuer, asked, turned),
    }
}

/// Why nobody was logged in.
enum Turned {
    Wrong,
    /// After too many attempts: for so many seconds.
    Away(i64),
    /// As many passwords as may be are being hashed.
    Busy,
}

async fn log_in(issuer: &Arc<Issuer>, form: &Form, address: IpAddr, now: i64) -> Result<Subject, Turned> {
    let name = form.get("username").unwrap_or_default();
    let password = form.get("password").unwrap_or_default();
    let attempt = issuer.throttle.begin(name, address, now).map_err(Turned::Away)?;
    let Ok(permit) = Arc::clone(&issuer.hashing).try_acquire_owned() else {
        issuer.throttle.withdraw(&attempt);
        return Err(Turned::Busy);
    };
    let subject = verify(issuer, name.to_owned(), password.to_owned(), permit).await.ok_or(Turned::Wrong)?;
    issuer.throttle.passed(&attempt);
    Ok(subject)
}

/// Hashing takes a while; others are answered meanwhile. It goes on where the sender has left, and so keeps its permit.
async fn verify(
    issuer: &Arc<Issuer>,
    name: String,
    password: String,
    permit: OwnedSemaphorePermit,
) -> Option<Subject> {
    let issuer = Arc::clone(issuer);
    let work = move || {
        let _permit = permit;
        issuer.users.authenticate(&name, &password)
    };
    tokio::task::spawn_blocking(work).await.ok().flatten()
}

/// The page once more.
fn again(issuer: &Issuer, asked: Asked, turned: Turned) -> Response {
    let now = clock::now();
    let (status, message, outcome, wait) = match turned {
        Turned::Wrong => (StatusCode::FORBIDDEN, "Name or password is wrong.".to_owned(), "refused", None),
        Turned::Away(wait) => (
            StatusCode::TOO_MANY_REQUESTS,
            format!("Too many attempts. Wait {}.", clock::say(wait)),
            "throttled",
            Some(wait),
        ),
        Turned::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many people are logging in. Try again.".to_owned(),
            "busy",
            Some(1),
        ),
    };
    issuer.count(Event::Login(outcome));
    let transaction = secret::random("");
    let mut response = page::login(&asked, &transaction, &issuer.url("authorize"), Some(&message));
    *response.status_mut() = status;
    if let Some(wait) = wait {
        response.headers_mut().insert(axum::http::header::RETRY_AFTER, wait.into());
    }
    // Where there is no room the next attempt has to start again.
    let _ = issuer.grants().transactions.insert(Secret::of(&transaction), asked, now + PATIENCE, now);
    response
}

/// Gives a code.
fn grant(issuer: &Issuer, asked: Asked, subject: Subject) -> Response {
    let (now, code) = (clock::now(), secret::random(""));
    let fresh = Fresh {
        terms: Terms {
            client: asked.client.id.clone(),
            subject,
            scope: asked.scope,
            resources: asked.resources,
            key: asked.key,
        },
        redirect: asked.redirect.clone(),
        challenge: asked.challenge,
        refresh: asked.client.refresh,
    };
    let kept = issuer.grants().codes.insert(Secret::of(&code), Code::Fresh(fresh), now + code::LIFETIME, now);
    if kept.is_err() {
        return refuse(issuer, &asked.redirect, asked.state.as_deref(), &Refusal::full());
    }
    issuer.count(Event::Code("issued"));
    let iss = Some(issuer.settings.issuer.as_str());
    let parameters = [("code", Some(code.as_str())), ("state", asked.state.as_deref()), ("iss", iss)];
    page::back(&redirect::with(&asked.redirect, &parameters))
}

/// Sends the browser back with an error (RFC 6749 section 4.1.2.1).
fn refuse(issuer: &Issuer, uri: &str, state: Option<&str>, refusal: &Refusal) -> Response {
    issuer.count(Event::Refused { endpoint: "authorize", error: refusal.error });
    let parameters = [
        ("error", Some(refusal.error)),
        ("error_description", Some(refusal.description.as_str())),
        ("state", state),
        ("iss", Some(issuer.settings.issuer.as_str())),
    ];
    page::back(&redirect::with(uri, &parameters))
}

/// Reads a request. Until client and redirect URI are known to belong together nobody is sent anywhere.
async fn read(issuer: &Issuer, query: &str) -> Result<Asked, Box<Response>> {
    let stop = |message: &str| {
        issuer.count(Event::Refused { endpoint: "authorize", error: "page" });
        Box::new(page::fault(StatusCode::BAD_REQUEST, message))
    };
    if query.len() > LONGEST_QUERY {
        return Err(stop("the request is too long"));
    }
    let form = Form::parse(query.as_bytes()).map_err(|refusal| stop(&refusal.description))?;
    let id = form.get("client_id").ok_or_else(|| stop("client_id is missing"))?;
    let client = issuer.client(id).await.map_err(|refusal| stop(&refusal.description))?;
    let client = client.ok_or_else(|| stop("this client is not known here"))?;
    let redirect = form.get("redirect_uri").filter(|uri| client.admits(uri));
    let redirect =
        redirect.ok_or_else(|| stop("redirect_uri is missing or not one of the client's"))?.to_owned();
    let state = form.get("state").map(str::to_owned);
    match parameters(issuer, &form, client, redirect.clone()) {
        Ok(asked) => Ok(asked),
        Err(refusal) => Err(Box::new(refuse(issuer, &redirect, state.as_deref(), &refusal))),
    }
}

fn parameters(issuer: &Issuer, form: &Form, client: Arc<Client>, redirect: String) -> Result<Asked, Refusal> {
    if form.need("response_type")? != "code" {
        return Err(Refusal::new("unsupported_response_type", "only code"));
    }
    if form.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(Refusal::invalid("response_mode can only be query"));
    }
    if form.get("prompt") == Some("none") && issuer.settings.login == Login::Ask {
        return Err(Refusal::new("login_required", "nobody stays logged in here"));
    }
    if form.get("request").or(form.get("request_uri")).is_some() {
        return Err(Refusal::new("request_not_supported", "parameters stand in the query"));
    }
    let challenge = form.need("code_challenge")?;
    if form.get("code_challenge_method") != Some("S256") || !code::is_challenge(challenge) {
        return Err(Refusal::invalid("code_challenge must be by S256"));
    }
    let state = form.get("state").map(str::to_owned);
    Ok(Asked {
        redirect,
        scope: subject::scope(client.scopes.as_deref(), form.get("scope"))?,
        resources: subject::resources(&form.resources)?,
        state,
        challenge: challenge.to_owned(),
        key: form.get("dpop_jkt").map(str::to_owned),
        client,
    })
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;
    use crate::issuer::{
        Known, Settings,
        password::{self, Password},
        users::{User, Users},
    };
    use crate::signer::{Algorithm, SigningKey};

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn issuer() -> Arc<Issuer> {
        let user = User {
            password: Password::hashed(&password::hash("correct horse").unwrap()).unwrap(),
            subject: Subject { name: "ann".into(), ..Subject::default() },
        };
        let mut known = Known::standard();
        known.users = Users::new([("ann".to_owned(), user)].into());
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        Arc::new(Issuer::new(Settings::of("https://idp.example.com"), known, key))
    }

    /// Posts what was typed into a page of its own.
    fn post(issuer: &Arc<Issuer>, password: &str) -> JoinHandle<StatusCode> {
        let asked = Asked {
            client: issuer.clients.get("alice").unwrap(),
            redirect: "http://127.0.0.1/cb".into(),
            scope: None,
            resources: Vec::new(),
            state: None,
            challenge: "x".into(),
            key: None,
        };
        let (now, transaction) = (clock::now(), secret::random(""));
        issuer.grants().transactions.insert(Secret::of(&transaction), asked, now + PATIENCE, now).unwrap();
        let text = format!("transaction={transaction}&decision=allow&username=ann&password={password}");
        let (issuer, form) = (Arc::clone(issuer), Form::parse(text.as_bytes()).unwrap());
        tokio::spawn(async move { decide(&issuer, &form, HERE).await.status() })
    }

    /// Waits until no password is hashed.
    async fn quiet(issuer: &Issuer) {
        drop(issuer.hashing.acquire_many(4).await.unwrap());
    }

    #[tokio::test]
    async fn guesses_at_once_wait_as_guesses_in_turn_do() {
        let issuer = issuer();
        issuer.hashing.add_permits(40);
        let guesses: Vec<_> = (0..40).map(|number| post(&issuer, &format!("guess{number}"))).collect();
        let mut looked_at = 0;
        for guess in guesses {
            looked_at += usize::from(guess.await.unwrap() == StatusCode::FORBIDDEN);
        }
        // The sixth has to wait a second, which may be over.
        assert!((5..=6).contains(&looked_at), "{looked_at} of 40 passwords were looked at");
    }

    #[tokio::test]
    async fn who_leaves_before_the_answer_has_tried() {
        let issuer = issuer();
        for number in 0..5 {
            let guess = post(&issuer, &format!("guess{number}"));
            tokio::task::yield_now().await;
            guess.abort();
            assert!(guess.await.unwrap_err().is_cancelled());
            quiet(&issuer).await;
        }
        // Asked as of long ago, so that no second that passes lets it through.
        assert!(issuer.throttle.begin("ann", HERE, 0).is_err());
    }

    #[tokio::test]
    async fn where_no_more_can_be_hashed_the_page_comes_again_and_nothing_is_counted() {
        let issuer = issuer();
        let others = issuer.hashing.acquire_many(4).await.unwrap();
        assert!(issuer.hashing.try_acquire().is_err());
        for number in 1..=10 {
            assert_eq!(post(&issuer, "correct+horse").await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(issuer.grants().transactions.len(), number);
        }
        drop(others);
        assert_eq!(post(&issuer, "correct+horse").await.unwrap(), StatusCode::SEE_OTHER);
        assert!(issuer.metrics().contains("toolgate_issuer_logins_total{outcome=\"busy\"} 10"));
    }
}
