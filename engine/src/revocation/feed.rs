// SPDX-License-Identifier: Apache-2.0
//! A list that is fetched, whole or in shards.

use super::list::{HashKey, List};
use super::shards::Sharded;
use crate::config::{ListForm, RevocationFeed};
use crate::feed::{Document, Feed, SourceId};
use crate::time::UnixTime;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec;

/// What holds while a feed does not give its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The last good list, however old; before the first one, nothing.
    KeepLast,
    /// Nobody is let in without a list that is recent enough.
    Close,
}

/// One feed of the configuration in one VM.
#[derive(Debug)]
pub struct ListFeed {
    issuer: Option<usize>,
    on_failure: OnFailure,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Whole(Box<Document<List>>),
    Sharded(Box<Sharded>),
}

impl ListFeed {
    /// A feed that has not been fetched. `key` is for lists whose names are hashed here.
    #[must_use]
    pub fn new(feed: &RevocationFeed, key: HashKey) -> ListFeed {
        let (place, url) = (feed.target.clone(), &feed.target.url);
        let (origin, path) = (url.origin(), url.path_and_query());
        let form = match &feed.form {
            ListForm::Json => {
                let id = SourceId::new(&["revocation", &origin, &path]);
                Form::Whole(Box::new(Document::new(id, vec![place], feed.refresh, key)))
            }
            ListForm::Shards(packers) => {
                let id = SourceId::new(&["revocation", packers.name(), &origin, &path]);
                Form::Sharded(Box::new(Sharded::new(id, place, feed.refresh, packers.clone())))
            }
        };
        ListFeed { issuer: feed.issuer, on_failure: feed.on_failure, form }
    }

    /// The list as something that is fetched.
    pub fn feed(&mut self) -> &mut dyn Feed {
        match &mut self.form {
            Form::Whole(document) => document.as_mut(),
            Form::Sharded(sharded) => sharded.as_mut(),
        }
    }

    /// The issuer whose tokens it is about; nothing where it is about all credentials.
    #[must_use]
    pub fn issuer(&self) -> Option<usize> {
        self.issuer
    }

    /// The list, however old.
    #[must_use]
    pub fn list(&self) -> Option<&List> {
        match &self.form {
            Form::Whole(document) => document.held().map(Rc::as_ref),
            Form::Sharded(sharded) => sharded.list(),
        }
    }

    /// When it was fetched, or last confirmed; of a list in shards, when all of it was there.
    #[must_use]
    pub fn fetched_at(&self) -> Option<UnixTime> {
        match &self.form {
            Form::Whole(document) => document.schedule().fetched().map(|(fetched_at, _)| fetched_at),
            Form::Sharded(sharded) => sharded.whole_at(),
        }
    }

    /// The version of a signed list that was announced last.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        match &self.form {
            Form::Whole(_) => None,
            Form::Sharded(sharded) => sharded.version(),
        }
    }

    /// Whether what is held is enough to let anybody in.
    #[must_use]
    pub fn suffices(&self, now: UnixTime) -> bool {
        match (self.on_failure, &self.form) {
            (OnFailure::KeepLast, _) => true,
            (OnFailure::Close, Form::Whole(document)) => document.usable(now).is_some(),
            (OnFailure::Close, Form::Sharded(sharded)) => sharded.is_recent(now),
        }
    }
}
