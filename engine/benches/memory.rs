//! What the engine allocates, in bytes: `cargo bench -p toolgate-engine --bench memory [-- FILE]` prints it, and writes it as
//! JSON where a file is named. `held` is what is kept, `peak` the most that is taken while something is done, over what
//! was held before.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may fail loudly, and its output is what it is for"
)]
#![allow(dead_code, reason = "not all that is measured elsewhere is measured here")]

#[path = "work/counting.rs"]
mod counting;
mod work;

use counting::measure;
use std::collections::BTreeMap;
use toolgate_engine::keys::KeySet;
use work::scale::{Shape, THOUSAND, compiled, document};
use work::size;

/// What was found, by name.
type Found = BTreeMap<String, usize>;

fn note(found: &mut Found, name: &str, (held, peak): (usize, usize)) {
    found.insert(format!("{name}/held"), held);
    found.insert(format!("{name}/peak"), peak);
}

fn policies(found: &mut Found) {
    for (name, shape) in [("exact", Shape::Exact), ("pattern", Shape::Pattern)] {
        for rules in [10, 100, 1_000, 10_000] {
            let document = document(shape, rules);
            note(found, &format!("policy/{name}/{rules}"), measure(|| compiled(&document)));
        }
    }
    let document = document(THOUSAND, 10_000);
    note(found, "policy/roles/10000", measure(|| compiled(&document)));
    for rules in [10, 100, 1_000, 10_000] {
        let (world, bundle) = size::bundle(rules);
        // One is in force while the next comes.
        let before = size::put_in_force(&world, &bundle);
        note(found, &format!("swap/{rules}"), measure(|| size::put_in_force(&world, &bundle)));
        drop(before);
    }
}

fn holdings(found: &mut Found) {
    for tokens in [10, 100, 1_000, 10_000] {
        let mut world = size::world();
        let bearers = size::bearers(tokens);
        note(found, &format!("tokens/{tokens}"), measure(|| size::call_all(&mut world, &bearers)));
    }
    for keys in [10, 100, 1_000] {
        let text = size::key_set(keys);
        let read = || KeySet::parse(text.as_bytes()).expect("keys");
        note(found, &format!("jwks/{keys}"), measure(read));
    }
    for callers in [10, 1_000, 100_000] {
        let mut limits = size::Limits::new();
        note(found, &format!("limits/{callers}"), measure(|| limits.charge_all(callers)));
    }
    for ids in [10, 1_000, 100_000, 1_000_000] {
        let files = work::packed(ids, None);
        let mut world = work::world_of_lists();
        note(found, &format!("revocation/{ids}"), measure(|| work::load(&mut world.memory, &files)));
    }
}

fn lists(found: &mut Found) {
    for tools in [10, 100, 1_000] {
        found.insert(format!("list/{tools}/size"), size::tools(tools).len());
    }
    for (name, make) in work::all().into_iter().filter(|(name, _)| name.starts_with("list/")) {
        let mut work = make();
        // The first repetition fills what is kept between requests.
        work();
        found.insert(format!("{name}/peak"), measure(work).1);
    }
}

fn main() {
    let mut found = Found::new();
    policies(&mut found);
    holdings(&mut found);
    lists(&mut found);
    found.iter().for_each(|(name, bytes)| println!("{name:<32} {bytes:>12}"));
    if let Some(file) = std::env::args().skip(1).find(|argument| !argument.starts_with("--")) {
        let members: Vec<String> = found.iter().map(|(name, bytes)| format!("\"{name}\": {bytes}")).collect();
        std::fs::write(file, format!("{{{}}}\n", members.join(", "))).expect("the file can be written");
    }
}
