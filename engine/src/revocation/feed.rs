// SPDX-License-Identifier: Apache-2.0
//! A list that is fetched.

use super::list::{HashKey, List};
use crate::config::RevocationFeed;
use crate::feed::{Document, Feed, SourceId};
use crate::time::UnixTime;
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
    document: Document<List>,
}

impl ListFeed {
    /// A feed that has not been fetched.
    #[must_use]
    pub fn new(feed: &RevocationFeed, key: HashKey) -> ListFeed {
        let url = &feed.target.url;
        let id = SourceId::new(&["revocation", &url.origin(), &url.path_and_query()]);
        ListFeed {
            issuer: feed.issuer,
            on_failure: feed.on_failure,
            document: Document::new(id, vec![feed.target.clone()], feed.refresh, key),
        }
    }

    /// The list as something that is fetched.
    pub fn feed(&mut self) -> &mut dyn Feed {
        &mut self.document
    }

    /// The issuer whose tokens it is about; nothing where it is about all credentials.
    #[must_use]
    pub fn issuer(&self) -> Option<usize> {
        self.issuer
    }

    /// The list, however old.
    #[must_use]
    pub fn list(&self) -> Option<&Rc<List>> {
        self.document.held()
    }

    /// When it was fetched, or last confirmed.
    #[must_use]
    pub fn fetched_at(&self) -> Option<UnixTime> {
        self.document.schedule().fetched().map(|(fetched_at, _)| fetched_at)
    }

    /// Whether what is held is enough to let anybody in.
    #[must_use]
    pub fn suffices(&self, now: UnixTime) -> bool {
        match self.on_failure {
            OnFailure::KeepLast => true,
            OnFailure::Close => self.document.usable(now).is_some(),
        }
    }
}
