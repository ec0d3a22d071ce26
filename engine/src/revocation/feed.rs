// SPDX-License-Identifier: Apache-2.0
//! A list that is fetched.

use super::list::{HashKey, List};
use crate::config::RevocationFeed;
use crate::feed::{Adopted, Content, Document, Failure, Feed, Fetch, Head, Outcome, Response, SourceId};
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
    id: SourceId,
    issuer: Option<usize>,
    on_failure: OnFailure,
    document: Document<List>,
}

impl ListFeed {
    /// A feed that has not been fetched.
    #[must_use]
    pub fn new(feed: &RevocationFeed, key: HashKey) -> ListFeed {
        let url = &feed.target.url;
        ListFeed {
            id: SourceId::new(&["revocation", &url.origin(), &url.path_and_query()]),
            issuer: feed.issuer,
            on_failure: feed.on_failure,
            document: Document::new(vec![feed.target.clone()], feed.refresh, key),
        }
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

impl Feed for ListFeed {
    fn source(&self) -> SourceId {
        self.id
    }

    fn next_fetch(&self, now: UnixTime) -> Option<Fetch> {
        self.document.next_fetch(now)
    }

    fn fetch_started(&mut self, _: u16, now: UnixTime) {
        self.document.fetch_started(now);
    }

    fn max_bytes(&self, _: u16) -> usize {
        List::MAX_BYTES
    }

    fn on_response(&mut self, _: u16, response: &Response<'_>, now: UnixTime, entropy: u64) -> Outcome {
        self.document.on_response(response, now, entropy)
    }

    fn on_failure(&mut self, _: u16, failure: Failure, now: UnixTime, entropy: u64) {
        self.document.on_failure(failure, now, entropy);
    }

    fn head(&self) -> Option<Head> {
        self.document.head()
    }

    fn adopt(&mut self, head: &Head, body: Option<&[u8]>, now: UnixTime, entropy: u64) -> Adopted {
        self.document.adopt(head, body, now, entropy)
    }
}
