// SPDX-License-Identifier: Apache-2.0
//! Lists in signed shards, fetched from a site that is a map.

use super::*;
use crate::config::origin::Url;
use crate::feed::{Adopted, Endpoint, Feed, Freshness, Reason, RefreshPolicy, Response, SourceId};
use crate::keys::PublicKey;
use crate::revocation::shards::Sharded;
use alloc::collections::BTreeMap;
use alloc::vec;
use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::{Signer, SigningKey};

const NOW: UnixTime = UnixTime::from_secs(1_000_000);
const END: u64 = 2_000_000;
const MANIFEST: &str = "/r/manifest";

/// A folder of files as a web server has them.
struct Site {
    signer: SigningKey,
    files: BTreeMap<String, Vec<u8>>,
    name: &'static str,
}

impl Site {
    fn new() -> Site {
        Site { signer: SigningKey::from_bytes(&[9; 32]), files: BTreeMap::new(), name: "r" }
    }

    fn publish(&mut self, list: &List, version: u64) -> usize {
        let times = PackTimes { version, issued_at: 1, expires_at: END };
        let packed = pack(self.name, list, None, times).unwrap();
        let count = packed.shards.len();
        self.files.extend(packed.shards.into_iter().map(|(name, bytes)| (format!("/r/{name}"), bytes)));
        self.sign(&packed.text);
        count
    }

    fn sign(&mut self, text: &str) {
        let signature = self.signer.sign(text.as_bytes()).to_bytes();
        self.files.insert(MANIFEST.into(), signed(text, &signature).into_bytes());
    }

    fn x(&self) -> String {
        Base64UrlUnpadded::encode_string(self.signer.verifying_key().as_bytes())
    }

    fn packers(&self) -> Packers {
        Packers::new(self.name, vec![PublicKey::from_ed25519(&self.x()).unwrap()])
    }

    fn sharded(&self) -> Sharded {
        let url = Url::parse(&format!("https://feed.example.com{MANIFEST}")).unwrap();
        let place =
            Endpoint { cluster: "feed".into(), url, accept: "application/json", timeout_millis: 1_000 };
        Sharded::new(SourceId::new(&["r"]), place, RefreshPolicy::default(), self.packers())
    }

    fn manifest(&self, held: Option<&Manifest>, now: UnixTime) -> Result<Manifest, &'static str> {
        Manifest::read(&self.files[MANIFEST], &self.packers(), held, now)
    }

    /// Fetches one thing that is due; gives its page and what came of it.
    fn step(&self, list: &mut Sharded, now: UnixTime) -> Option<(u16, &'static str)> {
        let fetch = list.next_fetch(now)?;
        list.fetch_started(fetch.page, now);
        let body = self.files.get(&fetch.call.path);
        let status = if body.is_some() { 200 } else { 404 };
        let body = body.map(Vec::as_slice).unwrap_or_default();
        let response = Response { status, freshness: Freshness::default(), etag: None, body };
        Some((fetch.page, list.on_response(fetch.page, &response, now, 0).label()))
    }

    /// Fetches all that is due; gives how many fetches that took.
    fn load(&self, list: &mut Sharded, now: UnixTime) -> usize {
        let mut steps = 0;
        while let Some((_, outcome)) = self.step(list, now) {
            assert!(matches!(outcome, "fresh" | "unchanged"), "{outcome}");
            steps += 1;
        }
        steps
    }
}

/// So many tokens, and what more is written.
fn tokens(count: usize, key: HashKey) -> List {
    let jti = (0..count).map(|id| format!("token-{id}")).collect();
    List::new(&ListWire { jti, ..ListWire::default() }, key)
}

fn serves(list: &Sharded, id: usize) -> bool {
    list.list().is_some_and(|list| list.has_token(&format!("token-{id}")))
}

#[test]
fn shards_are_loaded_one_by_one_and_only_what_changed_again() {
    let mut site = Site::new();
    assert_eq!(site.publish(&tokens(20_000, KEY), 1), 4);
    let mut list = site.sharded();
    // The manifest and four shards; nothing serves before all are there.
    for page in 0..4 {
        assert_eq!(site.step(&mut list, NOW), Some((page, "fresh")));
        assert!(list.list().is_none() && list.whole_at().is_none());
    }
    assert_eq!(site.step(&mut list, NOW), Some((4, "fresh")));
    assert_eq!((list.next_fetch(NOW), list.whole_at(), list.version()), (None, Some(NOW), Some(1)));
    assert_eq!(list.list().unwrap().count(), 20_000);
    assert!((0..20_000).all(|id| serves(&list, id)));
    assert!(!(20_000..40_000).any(|id| serves(&list, id)));
    // One id more: the manifest and one shard; the others stay.
    site.publish(&tokens(20_001, KEY), 2);
    let later = NOW.plus_secs(600);
    assert_eq!(site.load(&mut list, later), 2);
    assert!(serves(&list, 20_000) && serves(&list, 0));
    // Other keys, other shards: the old list serves until the new one is whole.
    let other = HashKey([4; 16]);
    site.publish(&tokens(8, other), 3);
    let later = later.plus_secs(600);
    assert_eq!(site.step(&mut list, later), Some((0, "fresh")));
    assert!(serves(&list, 8));
    assert_eq!(site.step(&mut list, later), Some((1, "fresh")));
    assert!(!serves(&list, 8) && serves(&list, 7));
    // An empty list needs no shard.
    assert_eq!(site.publish(&tokens(0, other), 4), 0);
    assert_eq!(site.load(&mut list, later.plus_secs(600)), 1);
    assert_eq!(list.list().map(List::count), Some(0));
}

#[test]
fn what_is_recent_is_a_whole_list_whose_signer_stands_by_it() {
    let mut site = Site::new();
    site.publish(&tokens(3, KEY), 1);
    let mut list = site.sharded();
    site.step(&mut list, NOW);
    assert!(!list.is_recent(NOW));
    site.step(&mut list, NOW);
    let day = RefreshPolicy::default().max_stale_secs;
    assert!(list.is_recent(NOW) && list.is_recent(NOW.plus_secs(day - 1)));
    assert!(!list.is_recent(NOW.plus_secs(day)));
    // A newer manifest without its shards does not make the old ones younger.
    site.publish(&tokens(4, KEY), 2);
    let later = NOW.plus_secs(600);
    site.files.retain(|name, _| name == MANIFEST);
    assert_eq!(site.step(&mut list, later), Some((0, "fresh")));
    assert_eq!(site.step(&mut list, later), Some((1, "status")));
    assert_eq!((list.whole_at(), list.version()), (Some(NOW), Some(2)));
    // What a signer has let expire is not recent, however often it is served.
    site.publish(&tokens(4, KEY), 2);
    site.load(&mut list, later.plus_secs(60));
    let last = UnixTime::from_secs(END - 1);
    site.load(&mut list, last);
    assert!(list.is_recent(last) && !list.is_recent(last.plus_secs(1)));
}

#[test]
fn a_manifest_is_believed_by_its_signature_version_and_end() {
    let mut site = Site::new();
    site.publish(&tokens(3, KEY), 5);
    let held = site.manifest(None, NOW).unwrap();
    assert_eq!((held.version, held.expires_at), (5, UnixTime::from_secs(END)));
    assert_eq!(site.manifest(None, UnixTime::from_secs(END)).err(), Some("expired"));
    assert_eq!(site.manifest(Some(&held), NOW).as_ref(), Ok(&held));
    for (version, told) in [(4, Some("older")), (6, None), (5, Some("same_version"))] {
        let mut other = Site::new();
        other.publish(&tokens(4, KEY), version);
        assert_eq!(other.manifest(Some(&held), NOW).err(), told, "{version}");
    }
    let good = site.files[MANIFEST].clone();
    let read = |bytes: &[u8], packers: &Packers| Manifest::read(bytes, packers, None, NOW).err();
    let stranger = Site { signer: SigningKey::from_bytes(&[8; 32]), ..Site::new() };
    assert_eq!(read(&good, &stranger.packers()), Some("bad_signature"));
    let keys = [&stranger, &site].map(|site| PublicKey::from_ed25519(&site.x()).unwrap());
    let both = Packers::new("r", keys.to_vec());
    assert_eq!(read(&good, &both), None);
    for at in 0..good.len() {
        let mut bent = good.clone();
        bent[at] ^= 1;
        let fault = read(&bent, &site.packers());
        assert!(matches!(fault, Some("bad_signature" | "unsigned")), "{at}: {fault:?}");
    }
    assert_eq!(read(b"", &site.packers()), Some("unsigned"));
    assert_eq!(format!("{both:?}"), "Packers(r, 2 keys)");
    assert!(PublicKey::from_ed25519("AAAA").is_none() && PublicKey::from_ed25519("x\",\"d\":\"").is_none());
}

#[test]
fn a_signed_manifest_that_contradicts_itself_is_refused() {
    let mut site = Site::new();
    let times = PackTimes { version: 1, issued_at: 1, expires_at: END };
    let text = pack("r", &tokens(3, KEY), None, times).unwrap();
    for (from, to, told) in [
        ("", "", None),
        (r#""bits":0"#, r#""bits":1"#, Some("wrong_form")),
        (r#""bits":0"#, r#""bits":9"#, Some("wrong_form")),
        (r#""count":3,"shards""#, r#""count":4,"shards""#, Some("wrong_form")),
        (r#""count":3}"#, r#""count":9000}"#, Some("wrong_form")),
        (r#""version":1"#, r#""version":-1"#, Some("wrong_form")),
        (r#""name":"r""#, r#""name":"s""#, Some("other_name")),
        (r#""name":"r","#, "", Some("other_name")),
        (r#""name":"r""#, r#""name":7"#, Some("other_name")),
        ("manifest v2", "manifest v1", Some("unsigned")),
        ("{", "", Some("not_json")),
    ] {
        assert!(text.text.contains(from), "{from}");
        site.sign(&text.text.replacen(from, to, 1));
        assert_eq!(site.manifest(None, NOW).err(), told, "{to}");
    }
}

#[test]
fn a_shard_that_is_not_the_manifests_is_refused_and_asked_for_again() {
    let mut site = Site::new();
    site.publish(&tokens(3, KEY), 1);
    let name = site.files.keys().find(|name| name.ends_with(".shard")).unwrap().clone();
    let good = site.files.insert(name.clone(), vec![0; 24]).unwrap();
    let mut list = site.sharded();
    assert_eq!(site.step(&mut list, NOW), Some((0, "fresh")));
    assert_eq!(site.step(&mut list, NOW), Some((1, "other_shard")));
    assert!(list.list().is_none());
    // It may be of another manifest, so that is asked for first; then the shard again, after a wait.
    assert_eq!(list.next_fetch(NOW).map(|fetch| fetch.reason), Some(Reason::Wanted));
    assert_eq!(site.step(&mut list, NOW), Some((0, "unchanged")));
    assert_eq!(list.next_fetch(NOW), None);
    site.files.insert(name, good);
    assert_eq!(site.step(&mut list, NOW.plus_secs(1)), Some((1, "fresh")));
    assert!(serves(&list, 2));
}

#[test]
fn a_clock_that_went_back_freezes_no_shard() {
    let mut site = Site::new();
    site.publish(&tokens(3, KEY), 1);
    let name = site.files.keys().find(|name| name.ends_with(".shard")).unwrap().clone();
    let shard = site.files.remove(&name).unwrap();
    let mut list = site.sharded();
    let ahead = NOW.plus_secs(3_600);
    assert_eq!(site.step(&mut list, ahead), Some((0, "fresh")));
    assert_eq!(site.step(&mut list, ahead), Some((1, "status")));
    assert_eq!(site.step(&mut list, ahead), Some((0, "unchanged")));
    assert_eq!(list.next_fetch(ahead), None, "it is waited for a second");
    // By the clock that was set right the manifest is from the future; then the shard has its turn.
    assert_eq!(site.step(&mut list, NOW), Some((0, "unchanged")));
    let fetch = list.next_fetch(NOW).expect("the shard");
    assert_eq!((fetch.page, fetch.reason), (1, Reason::Page));
    // The call goes out by a clock that is ahead once more, and no answer comes.
    list.fetch_started(1, ahead);
    assert_eq!(list.next_fetch(NOW).map(|fetch| fetch.page), Some(1));
    list.fetch_started(1, NOW);
    assert_eq!([0, 1, 2].map(|later| list.next_fetch(NOW.plus_secs(later)).is_some()), [false, false, true]);
    site.files.insert(name, shard);
    assert_eq!(site.step(&mut list, NOW.plus_secs(2)), Some((1, "fresh")));
    assert!(serves(&list, 2));
}

#[test]
fn a_shard_that_is_signed_but_out_of_order_is_refused() {
    for hashes in [[2_u64, 1], [1, 1]] {
        let mut site = Site::new();
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_be_bytes()).collect();
        let note = ShardNote { sha256: Sha256::digest(&bytes).into(), count: 2 };
        site.files.insert(format!("/r/{}", note.file()), bytes);
        let sha256 = Base64UrlUnpadded::encode_string(&note.sha256);
        let key = Base64UrlUnpadded::encode_string(&KEY.0);
        let text = r#"{"name":"r","version":1,"issued_at":1,"expires_at":2000000,"key":"KEY","bits":0,"count":2,"shards":[{"sha256":"SHA","count":2}],"not_before":[]}"#;
        let text = text.replace("KEY", &key).replace("SHA", &sha256);
        site.sign(&["toolgate revocation manifest v2\n", &text, "\n"].concat());
        let mut list = site.sharded();
        assert_eq!(site.step(&mut list, NOW), Some((0, "fresh")));
        assert_eq!(site.step(&mut list, NOW), Some((1, "wrong_form")));
    }
}

#[test]
fn workers_take_shards_over_from_each_other() {
    let mut site = Site::new();
    site.publish(&tokens(20_000, KEY), 1);
    let (mut one, mut two) = (site.sharded(), site.sharded());
    assert_eq!(site.load(&mut one, NOW), 5);
    let (head, manifest) = (one.head().unwrap(), site.manifest(None, NOW).unwrap());
    assert_eq!(two.adopt(&head, None, NOW, 0), Adopted::NeedsBody);
    assert_eq!(two.adopt(&head, Some(&site.files[MANIFEST]), NOW, 0), Adopted::Taken);
    while let Some(page) = two.wanted_page() {
        let name = format!("/r/{}", manifest.shards[usize::from(page) - 1].file());
        assert_eq!(two.adopt_page(page, b"of another manifest", NOW), Adopted::NotNewer);
        assert_eq!(two.adopt_page(page, &site.files[&name], NOW), Adopted::Taken);
    }
    assert!(serves(&two, 19_999));
}

#[test]
fn a_million_ids_take_eight_megabytes_and_one_shard_a_step() {
    let mut site = Site::new();
    let shards = site.publish(&tokens(1_000_000, KEY), 1);
    let mut list = site.sharded();
    assert_eq!(site.load(&mut list, NOW), shards + 1);
    let held = list.list().unwrap();
    assert_eq!(held.count(), 1_000_000);
    assert!(held.bytes() <= 8 * 1024 * 1024, "{} bytes", held.bytes());
    // No answer, and so no tick, brings more than a shard of 64 KiB.
    assert!(site.files.values().all(|bytes| bytes.len() <= 64 * 1024));
    assert!((1..300).all(|page| list.max_bytes(page) <= 64 * 1024));
    assert!(serves(&list, 0) && serves(&list, 999_999) && !serves(&list, 1_000_000));
}

#[test]
fn as_many_shards_as_before_where_they_fit_and_room_where_they_do_not() {
    let times = PackTimes { version: 1, issued_at: 1, expires_at: END };
    let bits = |count: usize, before: Option<u32>| {
        let packed = pack("r", &tokens(count, KEY), before, times)?;
        (0..=MAX_BITS).find(|bits| packed.text.contains(&format!(r#""bits":{bits},"#)))
    };
    assert_eq!((bits(6_144, None), bits(6_145, None)), (Some(0), Some(1)));
    assert_eq!((bits(8_192, Some(0)), bits(8_193, Some(0)), bits(3, Some(5))), (Some(0), Some(1), Some(5)));
    // More of one beginning than a shard holds, however many shards there are.
    let mut crowded = List::in_parts(KEY, 0);
    crowded.put(0, (0..=MAX_SHARD_IDS as u64).collect());
    assert!(pack("r", &crowded, None, times).is_none());
    let sub = (0..=MAX_TIMES as u64).map(|id| (format!("{id}"), id)).collect();
    let wire =
        ListWire { not_before: list::NotBeforeWire { sub, ..Default::default() }, ..Default::default() };
    assert!(pack("r", &List::new(&wire, KEY), None, times).is_none());
}

#[test]
fn times_travel_in_the_manifest() {
    let wire: ListWire = crate::json::from_value(
        crate::json::Doc::parse(
            br#"{"not_before":{"sub":{"u":7},"iss":{"i":9}}}"#,
            crate::json::Limits::TOKEN,
        )
        .unwrap()
        .root(),
    )
    .unwrap();
    let (plain, mut site) = (List::new(&wire, KEY), Site::new());
    site.publish(&plain, 1);
    let mut list = site.sharded();
    assert_eq!(site.load(&mut list, NOW), 1);
    assert_eq!(list.list().unwrap().times(), plain.times());
    assert_eq!(list.list().unwrap().count(), 2);
}

#[test]
fn a_list_of_another_feed_does_not_take_the_place_of_this_one() {
    let (mut ours, mut theirs) = (Site::new(), Site { name: "another \"feed\"\n", ..Site::new() });
    ours.publish(&tokens(10, KEY), 1);
    let mut list = ours.sharded();
    ours.load(&mut list, NOW);
    assert!(serves(&list, 3));
    // By the same packer, a version further, and put where ours was.
    theirs.publish(&tokens(0, HashKey([7; 16])), 2);
    assert_eq!(theirs.manifest(None, NOW).map(|manifest| manifest.version), Ok(2));
    let later = NOW.plus_secs(600);
    assert_eq!(theirs.step(&mut list, later), Some((0, "other_name")));
    assert_eq!((list.version(), list.next_fetch(later)), (Some(1), None));
    assert!(serves(&list, 3));
    // What a worker holds is not taken over by one that asks for another name.
    let mut other = theirs.sharded();
    let head = list.head().unwrap();
    assert_eq!(other.adopt(&head, Some(&ours.files[MANIFEST]), NOW, 0), Adopted::Unusable);
    assert!(other.list().is_none());
}
