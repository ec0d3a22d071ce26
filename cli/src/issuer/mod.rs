// SPDX-License-Identifier: Apache-2.0
//! A development OAuth authorization server: logins, tokens, clients that register themselves, keys, and a back door
//! for tests.
//!
//! What enters: HTTP on one listener. What leaves: access tokens (RFC 9068), refresh tokens, and public keys.
//! Deliberately absent: storage (a restart forgets everything), TLS, ID tokens; it is for development and tests, and
//! says so.

mod access;
mod admin;
mod authenticate;
mod authorize;
mod client;
mod clients;
mod code;
mod documents;
mod dpop;
mod ending;
mod enrol;
mod family;
mod form;
mod grant;
mod keyring;
mod metadata;
mod metrics;
mod page;
mod password;
mod redirect;
mod register;
mod routes;
mod secret;
mod settings;
mod state;
mod store;
mod subject;
mod throttle;
mod users;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::diagnostic::Failure;

pub(crate) use self::{
    clients::Known,
    password::hash as hash_password,
    settings::{Documents, Login, Nonce, Registration, Settings, TokenFormat},
    state::Issuer,
};

/// The URL under which this machine reaches the listener.
pub(crate) fn local_url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// Answers until the task is dropped.
pub(crate) async fn serve(listener: TcpListener, issuer: Issuer) -> Result<(), Failure> {
    let service = routes::router(issuer).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await.map_err(|error| Failure::new(format!("cannot serve: {error}")))
}

/// Resolves when the process is asked to end. Signals are caught from this call on.
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let catch = |kind| signal(kind).map_err(|error| Failure::new(format!("cannot catch signals: {error}")));
    let (mut interrupt, mut terminate) = (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
