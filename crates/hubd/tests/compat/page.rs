//! `docs/compatibility.md`, written from the table of requests and the list of differences.

use std::fmt::Write;
use std::path::PathBuf;

use crate::differences::DIFFERENCES;
use crate::table::{CASES, OPERATIONS, elsewhere, operation};

/// Fails if the page is not what the tables say; `BLESS=1` writes it.
pub fn check() {
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/compatibility.md"
    ));
    let text = text();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).expect("writing the page");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "{} is stale: run BLESS=1 cargo nextest run -p hubd --test compat page",
        path.display()
    );
}

fn text() -> String {
    let mut text = String::from(
        "# What hubd answers otherwise than JupyterHub\n\n\
         Written by `crates/hubd/tests/compat` from its own tables; do not edit. The test sends each request to a stock\n\
         JupyterHub 6.1.1 and to hubd, which have the same people, and compares status, content type, every key with its\n\
         value, and the texts of errors. Moments, tokens and ids count by their kind.\n\n\
         ## Differences\n\n| what | why |\n|---|---|\n",
    );
    for difference in DIFFERENCES {
        let _infallible = writeln!(text, "| {} | {} |", difference.what, difference.why);
    }
    let _infallible = write!(
        text,
        "\n## Operations\n\nAll of JupyterHub's `rest-api.yml`, with the number of requests compared ({} in all).\n\n\
         | operation | requests | of these answered otherwise |\n|---|---|---|\n",
        CASES.len()
    );
    for (method, path) in OPERATIONS {
        let cases: Vec<_> = CASES
            .iter()
            .filter(|case| operation(case.method, case.path) == Some((*method, *path)))
            .collect();
        let otherwise = cases
            .iter()
            .filter(|case| crate::differences::of(case.name).is_some())
            .count();
        let count = if elsewhere(method, path) {
            "other tests".to_owned()
        } else {
            cases.len().to_string()
        };
        let _infallible = writeln!(text, "| {method} `{path}` | {count} | {otherwise} |");
    }
    text
}
