//! Repeats one piece of work so often as it is told: for counting instructions (`engine/benches/guard`).
//! Without arguments it lists what there is.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark may fail loudly"
)]
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

mod work;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [name, times] = &arguments[..] else {
        work::all().iter().for_each(|(name, _)| println!("{name}"));
        return;
    };
    let (_, make) = work::all().into_iter().find(|(own, _)| own == name).expect("a name of the list");
    let mut work = make();
    for _ in 0..times.parse::<usize>().expect("a number of times") {
        work();
    }
}
