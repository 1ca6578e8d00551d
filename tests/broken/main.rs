//! What is wrong with credentials, with a cloud or with a project, and the exact words that hubctl has for it.
//!
//! Each row starts the program against a cloud of its own. Together they are the first part of
//! `docs/troubleshooting.md`: the page cannot say anything else than the program. `UPDATE_GOLDEN=1` writes it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bed;
mod rows;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bed::Bed;
use rows::{Row, rows};

/// No row has to wait for anything that takes long.
const LONGEST: Duration = Duration::from_secs(60);
const PAGE: &str = "docs/troubleshooting.md";
/// What is written by hand begins here.
const BY_HAND: &str = "## The server and the hub\n";

struct Told {
    text: String,
    seconds: f64,
    /// How it ended otherwise than it should have.
    wrong: Option<String>,
}

fn tell(row: &Row) -> Told {
    let bed = Bed::new(row.scenario, row.tls);
    (row.prepare)(&bed);
    let begun = Instant::now();
    let said = bed.run(&row.arguments(), &row.environment(&bed));
    let taken = begun.elapsed();
    assert!(taken < LONGEST, "{}: {taken:?}", row.title);
    assert!(
        !said.everything.contains("hunter2"),
        "{}: a secret: {}",
        row.title,
        said.everything
    );
    Told {
        text: bed.plain(&said.error),
        seconds: taken.as_secs_f64(),
        wrong: (said.code != Some(row.status))
            .then(|| format!("{}: {:?}\n{}\n", row.title, said.code, said.everything)),
    }
}

#[test]
fn every_fault_has_its_words_and_the_page_has_them() {
    let rows = rows();
    let told: Vec<Mutex<Option<Told>>> = rows.iter().map(|_| Mutex::new(None)).collect();
    let next = Mutex::new(0..rows.len());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let Some(at) = next.lock().unwrap().next() else {
                        break;
                    };
                    *told[at].lock().unwrap() = Some(tell(&rows[at]));
                }
            });
        }
    });
    let mut page = String::from(
        "# When something does not work\n\n`hubctl doctor` finds out what is broken in a deployment that stands. Below is what hubctl says before that: \
         each message as it is, with its exit status. `ID`, `PORT` and the like stand for what differs.\n\n## Credentials, cloud and project\n",
    );
    let mut wrong = String::new();
    for (row, told) in rows.iter().zip(told) {
        let told = told.into_inner().unwrap().expect("told");
        wrong += told.wrong.as_deref().unwrap_or_default();
        println!("{:5.1} s  {}", told.seconds, row.title);
        write!(
            page,
            "\n### {}\n\n`hubctl {}` ends with status {}:\n\n```\n{}\n```\n",
            row.title,
            row.command,
            row.status,
            told.text.trim_end()
        )
        .unwrap();
    }
    assert!(wrong.is_empty(), "{wrong}");
    page.push('\n');
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let by_hand = written.find(BY_HAND).map_or(BY_HAND, |at| &written[at..]);
    let expected = page + by_hand;
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, expected).unwrap();
    } else {
        assert_eq!(written, expected, "UPDATE_GOLDEN=1 writes {PAGE}");
    }
}
