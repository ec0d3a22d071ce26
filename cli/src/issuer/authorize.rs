// SPDX-License-Identifier: Apache-2.0
//! The authorization endpoint: code flow with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 9207).

use std::{net::IpAddr, sync::Arc};

use axum::{http::StatusCode, response::Response};

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
    let name = form.get("username").unwrap_or_default().to_owned();
    let wait = issuer.throttle.wait(&name, address, now);
    let subject = match wait {
        0 => verify(issuer, name.clone(), form.get("password").unwrap_or_default().to_owned()).await,
        _ => None,
    };
    if let Some(subject) = subject {
        issuer.throttle.passed(&name);
        issuer.count(Event::Login("passed"));
        return grant(issuer, asked, subject);
    }
    again(issuer, asked, &name, address, wait)
}

/// Hashing takes a while; others are answered meanwhile.
async fn verify(issuer: &Arc<Issuer>, name: String, password: String) -> Option<Subject> {
    let issuer = Arc::clone(issuer);
    tokio::task::spawn_blocking(move || issuer.users.authenticate(&name, &password)).await.ok().flatten()
}

/// The page once more.
fn again(issuer: &Issuer, asked: Asked, name: &str, address: IpAddr, wait: i64) -> Response {
    let now = clock::now();
    let (status, message, outcome) = match wait {
        0 => {
            issuer.throttle.failed(name, address, now);
            (StatusCode::FORBIDDEN, "Name or password is wrong.".to_owned(), "refused")
        }
        wait => (
            StatusCode::TOO_MANY_REQUESTS,
            format!("Too many attempts. Wait {}.", clock::say(wait)),
            "throttled",
        ),
    };
    issuer.count(Event::Login(outcome));
    let transaction = secret::random("");
    let mut response = page::login(&asked, &transaction, &issuer.url("authorize"), Some(&message));
    *response.status_mut() = status;
    if wait > 0 {
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
