// SPDX-License-Identifier: Apache-2.0
//! The clients and users that the issuer knows from its start.

use std::{collections::BTreeMap, env, sync::Arc};

use serde::Deserialize;

use crate::{
    diagnostic::{Diagnostic, Failure},
    issuer::{
        client::{Client, Introspection, Proof, Refresh},
        password::Password,
        redirect::RedirectUri,
        secret::Secret,
        subject::Subject,
        users::{User, Users},
    },
    jws::Object,
    yaml::Document,
};

/// Who is who where no file says it: name and roles.
const STANDARD: [(&str, &[&str]); 4] =
    [("alice", &["developer"]), ("bob", &["readonly"]), ("root", &["admin"]), ("carol", &[])];

/// The clients by id.
#[derive(Clone, Debug)]
pub(crate) struct Clients(BTreeMap<String, Arc<Client>>);

/// What a file of clients and users says, or what stands for it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(super) clients: Clients,
    pub(super) users: Users,
}

impl Known {
    /// alice, bob, root and carol, each a client with the secret NAME-secret and a user with the password
    /// NAME-password; and the client gate, which may introspect.
    pub(crate) fn standard() -> Self {
        let subject = |name: &str, roles: &[&str]| Subject {
            name: name.to_owned(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            claims: Object::new(),
        };
        let mut clients: BTreeMap<String, Arc<Client>> = BTreeMap::new();
        for (name, roles) in STANDARD {
            let client = confidential(name, Some(subject(name, roles)), Introspection::Refused);
            clients.insert(name.to_owned(), Arc::new(client));
        }
        clients.insert("gate".to_owned(), Arc::new(confidential("gate", None, Introspection::Allowed)));
        let user = |(name, roles): (&str, &[&str])| {
            let password = Password::known(&format!("{name}-password"));
            (name.to_owned(), User { password, subject: subject(name, roles) })
        };
        Self { clients: Clients(clients), users: Users::new(STANDARD.into_iter().map(user).collect()) }
    }

    /// Reads a file of clients and users.
    pub(crate) fn read(document: &Document) -> Result<Self, Failure> {
        let written: Written = document.decode()?;
        let mut clients = BTreeMap::new();
        for (id, client) in written.clients {
            let place = |member: &str| ["clients".to_owned(), id.clone(), member.to_owned()];
            let at = |member: &str, message: String| {
                Failure::from(Diagnostic::error(message).at(document.place(&place(member))))
            };
            let client = client.compiled(&id).map_err(|(member, message)| at(member, message))?;
            clients.insert(id, Arc::new(client));
        }
        let mut users = BTreeMap::new();
        for (name, user) in written.users {
            let place = ["users".to_owned(), name.clone(), "password".to_owned()];
            let user = user
                .compiled(&name)
                .map_err(|message| Failure::from(Diagnostic::error(message).at(document.place(&place))))?;
            users.insert(name, user);
        }
        Ok(Self { clients: Clients(clients), users: Users::new(users) })
    }
}

fn confidential(name: &str, own: Option<Subject>, introspection: Introspection) -> Client {
    Client {
        id: name.to_owned(),
        name: name.to_owned(),
        proof: Proof::Secret(Secret::of(&format!("{name}-secret"))),
        own,
        redirect_uris: Vec::new(),
        scopes: None,
        introspection,
        refresh: Refresh::Withheld,
    }
}

impl Clients {
    pub(super) fn get(&self, id: &str) -> Option<Arc<Client>> {
        self.0.get(id).cloned()
    }

    /// Every scope that some client is limited to.
    pub(super) fn scopes(&self) -> Vec<&str> {
        let lists = self.0.values().filter_map(|client| client.scopes.as_ref());
        let mut scopes: Vec<&str> = lists.flatten().map(String::as_str).collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    clients: BTreeMap<String, WrittenClient>,
    #[serde(default)]
    users: BTreeMap<String, WrittenUser>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenClient {
    secret: Option<WrittenSecret>,
    subject: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    scopes: Option<Vec<String>>,
    #[serde(default)]
    claims: Object,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    introspection: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenUser {
    password: WrittenHash,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    claims: Object,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenHash {
    env: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSecret {
    env: Option<String>,
    value: Option<String>,
}

impl WrittenClient {
    /// A fault comes with the member it is in.
    fn compiled(self, id: &str) -> Result<Client, (&'static str, String)> {
        let proof = match self.secret {
            Some(secret) => Proof::Secret(secret.read(id).map_err(|message| ("secret", message))?),
            None if self.redirect_uris.is_empty() => {
                return Err(("secret", format!("the client `{id}` has no secret and no `redirect_uris`")));
            }
            None => Proof::Public,
        };
        let redirect_uris = self.redirect_uris.iter().map(|uri| {
            RedirectUri::parse(uri)
                .ok_or_else(|| ("redirect_uris", format!("`{uri}` cannot be a redirect URI")))
        });
        let redirect_uris = redirect_uris.collect::<Result<Vec<_>, _>>()?;
        let confidential = matches!(proof, Proof::Secret(_));
        let name = self.subject.unwrap_or_else(|| id.to_owned());
        let own = Subject { name, roles: self.roles, claims: self.claims };
        Ok(Client {
            id: id.to_owned(),
            name: id.to_owned(),
            proof,
            own: confidential.then_some(own),
            redirect_uris,
            scopes: self.scopes,
            introspection: match self.introspection && confidential {
                true => Introspection::Allowed,
                false => Introspection::Refused,
            },
            refresh: Refresh::Given,
        })
    }
}

impl WrittenSecret {
    fn read(self, id: &str) -> Result<Secret, String> {
        let secret = match self {
            Self { env: Some(name), value: None } => env::var(&name)
                .map_err(|_| format!("the environment has no `{name}`, the secret of the client `{id}`"))?,
            Self { env: None, value: Some(value) } => value,
            _ => return Err("write either `value` or `env`".to_owned()),
        };
        if secret.is_empty() { Err("an empty secret".to_owned()) } else { Ok(Secret::of(&secret)) }
    }
}

impl WrittenUser {
    fn compiled(self, name: &str) -> Result<User, String> {
        let variable = &self.password.env;
        let hash = env::var(variable).map_err(|_| {
            format!("the environment has no `{variable}`, the password hash of the user `{name}`")
        })?;
        let password = Password::hashed(&hash).ok_or_else(|| {
            format!("`{variable}` holds no Argon2 hash; make one with `toolgate issuer hash-password`")
        })?;
        Ok(User {
            password,
            subject: Subject { name: name.to_owned(), roles: self.roles, claims: self.claims },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_secret_opens() {
        let known = Known::standard();
        let opens = |id: &str, secret: &str| {
            known.clients.get(id).is_some_and(|client| client.is_proven_by(Some(secret)))
        };
        assert!(opens("alice", "alice-secret"));
        for (id, secret) in [("alice", "bob-secret"), ("alice", ""), ("eve", "eve-secret"), ("", "")] {
            assert!(!opens(id, secret), "{id}");
        }
        assert!(!known.clients.get("alice").unwrap().is_proven_by(None));
        assert!(!format!("{known:?}").contains("alice-secret"));
    }

    #[test]
    fn a_file_of_clients_is_read_and_a_bad_one_refused() {
        let read = |text: &str| Known::read(&Document::parse("clients.yaml", text)?);
        let good = "clients:\n  ci: { secret: { value: s3cret }, roles: [ci], scopes: [a], claims: { groups: [eng] } }\n  \
                    app: { redirect_uris: ['https://app.example.com/cb'] }\n";
        let known = read(good).unwrap();
        assert!(known.clients.get("ci").unwrap().is_proven_by(Some("s3cret")));
        let app = known.clients.get("app").unwrap();
        assert!(app.own.is_none() && app.is_proven_by(None) && app.admits("https://app.example.com/cb"));
        assert_eq!(known.clients.scopes(), ["a"]);
        for bad in [
            "clients: { ci: {} }",
            "clients: { ci: { secret: {} } }",
            "clients: { ci: { secret: { value: '' } } }",
            "clients: { ci: { secret: { value: a, env: B } } }",
            "clients: { ci: { secret: { env: TOOLGATE_NO_SUCH_VARIABLE } } }",
            "clients: { ci: { secret: { value: a }, rolez: [] } }",
            "clients: { ci: { redirect_uris: ['javascript:alert(1)'] } }",
            "clients: {}\nusers: { ann: { password: { env: TOOLGATE_NO_SUCH_VARIABLE } } }",
            "clients: {}\nusers: { ann: { password: { value: secret } } }",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
