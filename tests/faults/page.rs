//! docs/faults.md: what became of each blow.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::Duration;

use bench_page::{Machine, Page, Table, today};

use super::matrix::Row;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faults.md");

/// Writes the profile's section.
pub(crate) fn write(profile: &str, rows: &[Row], took: Duration) {
    // The other profile's may be at it, too.
    let lock = File::create(concat!(env!("CARGO_TARGET_TMPDIR"), "/faults.lock")).unwrap();
    lock.lock().unwrap();
    Page::at(PAGE)
        .write(profile, &section(profile, rows, took))
        .unwrap();
}

fn section(profile: &str, rows: &[Row], took: Duration) -> String {
    let mut steps: Vec<(&str, &str, BTreeMap<&str, String>)> = Vec::new();
    for row in rows {
        let cell = match &row.outcome {
            Ok(changed) => changed.to_string(),
            Err(_) => "not finished".to_owned(),
        };
        let cells = row.harms.last().map(|harm| (*harm, cell));
        match steps.iter_mut().find(|(step, ..)| *step == row.step) {
            Some((.., found)) => found.extend(cells),
            None => steps.push((&row.step, row.base, cells.into_iter().collect())),
        }
    }
    let mut table = Table::new(&["step", "server", "failed, then killed", "cut"]);
    for (step, base, cells) in &steps {
        let [killed, cut] =
            ["killed", "cut"].map(|harm| cells.get(harm).map_or("", String::as_str));
        table = table.row(&[&format!("`{step}`"), base, killed, cut]);
    }
    let blows = || rows.iter().flat_map(|row| &row.harms);
    let [failed, killed, cut] =
        ["error", "killed", "cut"].map(|one| blows().filter(|harm| **harm == one).count());
    let finished = rows.iter().filter(|row| row.outcome.is_ok()).count();
    format!(
        "## Profile `{profile}`\n\n\
         {} steps, {} blows on {} servers: {failed} failed, {killed} killed, {cut} cut. The next run finished the setup of \
         {finished} of the servers, and the run after it changed nothing. `destroy` after one more blow left nothing. \
         Written on {} after {} minutes; {}.\n\n{table}",
        steps.len(),
        blows().count(),
        rows.len(),
        today(),
        took.as_secs().div_ceil(60),
        Machine::this(),
    )
}
