// SPDX-License-Identifier: Apache-2.0
//! People who log in.

use std::collections::BTreeMap;

use crate::issuer::{password::Password, secret::Secret, subject::Subject};

/// Somebody who logs in.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) password: Password,
    pub(super) subject: Subject,
}

/// Everybody who may log in, by name.
#[derive(Clone, Debug)]
pub(crate) struct Users {
    users: BTreeMap<String, User>,
    /// What a wrong name is measured against: as costly as the others, and nobody's.
    nobody: Password,
}

impl Users {
    pub(super) fn new(users: BTreeMap<String, User>) -> Self {
        let hashed = users.values().find(|user| matches!(user.password, Password::Hashed(_)));
        let nobody = hashed.map_or(Password::Known(Secret::nobody()), |user| user.password.clone());
        Self { users, nobody }
    }

    /// The user without a password: for `--auto-approve`.
    pub(super) fn named(&self, name: &str) -> Option<&Subject> {
        self.users.get(name).map(|user| &user.subject)
    }

    /// The user, if the password is theirs. As much work for an unknown name as for a wrong password.
    pub(super) fn authenticate(&self, name: &str, password: &str) -> Option<Subject> {
        let user = self.users.get(name);
        let matches = user.map_or(&self.nobody, |user| &user.password).is(password);
        user.filter(|_| matches).map(|user| user.subject.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::password;

    #[test]
    fn a_wrong_name_never_opens_though_it_is_measured_against_a_real_hash() {
        let hash = password::hash("correct horse").unwrap();
        let user = User {
            password: Password::hashed(&hash).unwrap(),
            subject: Subject { name: "ann".into(), ..Subject::default() },
        };
        let users = Users::new([("ann".to_owned(), user)].into());
        assert_eq!(users.authenticate("ann", "correct horse").unwrap().name, "ann");
        assert!(users.authenticate("eve", "correct horse").is_none());
        assert!(users.authenticate("ann", "wrong").is_none());
    }
}
