//! What comes from outside, at random and from a kept corpus, against models: routespecs, the command line, bodies of the
//! REST API, headers. `PROPTEST_CASES` says how many cases; what once failed stays in `corpus/*.seeds`.

#![expect(clippy::expect_used, reason = "a test may")]

#[path = "../support/address.rs"]
mod address;
mod body;
mod command_line;
mod header;
#[path = "../conformance/program.rs"]
#[allow(
    dead_code,
    reason = "shared with the conformance suite, which uses all of it"
)]
mod program;
mod routespec;
#[path = "../conformance/upstream.rs"]
#[allow(
    dead_code,
    reason = "shared with the conformance suite, which uses all of it"
)]
mod upstream;
#[path = "../conformance/wire.rs"]
#[allow(
    dead_code,
    reason = "shared with the conformance suite, which uses all of it"
)]
mod wire;

use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};

/// A runner that keeps what failed, with this many cases unless the environment says otherwise.
fn runner(seeds: &'static str, cases: u32) -> TestRunner {
    let asked = std::env::var("PROPTEST_CASES").ok();
    TestRunner::new(Config {
        cases: asked.and_then(|asked| asked.parse().ok()).unwrap_or(cases),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
        max_shrink_iters: 2000,
        ..Config::default()
    })
}

/// The lines of a corpus; `#` begins a remark.
fn lines(corpus: &str) -> impl Iterator<Item = &str> {
    corpus.lines().filter(|line| !line.starts_with('#'))
}
