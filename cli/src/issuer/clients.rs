// SPDX-License-Identifier: Apache-2.0
//! Who may ask for a token.

use std::{collections::BTreeMap, env, fmt};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    diagnostic::{Diagnostic, Failure},
    jws::Object,
    yaml::Document,
};

/// A client secret, kept as its digest: comparing it tells nothing of its length.
#[derive(Clone)]
struct Secret([u8; 32]);

impl Secret {
    fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    fn is(&self, given: &str) -> bool {
        self.0.ct_eq(&Self::of(given).0).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// A client and what its tokens say.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    secret: Secret,
    /// The claim `sub`.
    pub(super) subject: String,
    /// The claim `roles`.
    pub(super) roles: Vec<String>,
    /// The scopes it may ask for; any, where there is no list.
    pub(super) scopes: Option<Vec<String>>,
    /// Further claims.
    pub(super) claims: Object,
}

/// The clients by id.
#[derive(Clone, Debug)]
pub(crate) struct Clients(BTreeMap<String, Client>);

impl Clients {
    /// alice, bob, root and carol; each one's secret is its name and `-secret`.
    pub(crate) fn standard() -> Self {
        let roles: [(&str, &[&str]); 4] =
            [("alice", &["developer"]), ("bob", &["readonly"]), ("root", &["admin"]), ("carol", &[])];
        let client = |(name, roles): &(&str, &[&str])| {
            let client = Client {
                secret: Secret::of(&format!("{name}-secret")),
                subject: (*name).to_owned(),
                roles: roles.iter().map(|role| (*role).to_owned()).collect(),
                scopes: None,
                claims: Object::new(),
            };
            ((*name).to_owned(), client)
        };
        Self(roles.iter().map(client).collect())
    }

    /// Reads a file of clients.
    pub(crate) fn read(document: &Document) -> Result<Self, Failure> {
        let written: Written = document.decode()?;
        let mut clients = BTreeMap::new();
        for (id, client) in written.clients {
            let path = ["clients".to_owned(), id.clone(), "secret".to_owned()];
            let secret = match client.secret {
                WrittenSecret { env: Some(name), value: None } => env::var(&name)
                    .map_err(|_| format!("the environment has no `{name}`, the secret of the client `{id}`")),
                WrittenSecret { env: None, value: Some(value) } => Ok(value),
                _ => Err("write either `value` or `env`".to_owned()),
            };
            let secret = secret
                .and_then(
                    |secret| if secret.is_empty() { Err("an empty secret".to_owned()) } else { Ok(secret) },
                )
                .map_err(|message| Failure::from(Diagnostic::error(message).at(document.place(&path))))?;
            let client = Client {
                secret: Secret::of(&secret),
                subject: client.subject.unwrap_or_else(|| id.clone()),
                roles: client.roles,
                scopes: client.scopes,
                claims: client.claims,
            };
            clients.insert(id, client);
        }
        Ok(Self(clients))
    }

    /// The client, if the secret is its own. As much work for an unknown client as for a wrong secret.
    pub(super) fn authenticate(&self, id: &str, secret: &str) -> Option<&Client> {
        let nobody = Secret([0; 32]);
        let client = self.0.get(id);
        let matches = client.map_or(&nobody, |client| &client.secret).is(secret);
        client.filter(|_| matches)
    }

    /// Every scope that some client is limited to.
    pub(super) fn scopes(&self) -> Vec<&str> {
        let mut scopes: Vec<&str> =
            self.0.values().flat_map(|client| client.scopes.iter().flatten()).map(String::as_str).collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    clients: BTreeMap<String, WrittenClient>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenClient {
    secret: WrittenSecret,
    subject: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    scopes: Option<Vec<String>>,
    #[serde(default)]
    claims: Object,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSecret {
    env: Option<String>,
    value: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_secret_opens() {
        let clients = Clients::standard();
        assert_eq!(clients.authenticate("alice", "alice-secret").unwrap().roles, ["developer"]);
        for (id, secret) in [("alice", "bob-secret"), ("alice", ""), ("eve", "eve-secret"), ("", "")] {
            assert!(clients.authenticate(id, secret).is_none(), "{id}");
        }
        assert!(!format!("{clients:?}").contains("alice-secret"));
    }

    #[test]
    fn a_file_of_clients_is_read_and_a_bad_one_refused() {
        let read = |text: &str| Clients::read(&Document::parse("clients.yaml", text)?);
        let good = "clients:\n  ci: { secret: { value: s3cret }, roles: [ci], scopes: [a], claims: { groups: [eng] } }\n";
        let clients = read(good).unwrap();
        assert!(clients.authenticate("ci", "s3cret").is_some());
        assert_eq!(clients.scopes(), ["a"]);
        for bad in [
            "clients: { ci: { secret: {} } }",
            "clients: { ci: { secret: { value: '' } } }",
            "clients: { ci: { secret: { value: a, env: B } } }",
            "clients: { ci: { secret: { env: TOOLGATE_NO_SUCH_VARIABLE } } }",
            "clients: { ci: { secret: { value: a }, rolez: [] } }",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
