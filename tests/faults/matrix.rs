//! Every step of a host's setup fails once, and its runner is killed once, on a server that is as it was before that step:
//! nothing of one step's blows is there at the next step's. The next run has to finish, and the one after it finds nothing
//! to do.
//!
//! `make test-long` alone does this (`docs/faults.md` is its page): nextest's default filter leaves it out.
//! HUBCTL_TEST_STEPS=sshd,venv takes the steps whose name has one of these words, and leaves the page as it is. Needs root:
//! the sandbox makes its servers of namespaces.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::time::Instant;

use super::bed::{Base, Bed};
use super::page;
use super::survey::{Blow, Step};
use crate::hubctl::{Run, done};

/// What became of the blows that one server had.
pub(crate) struct Row {
    pub(crate) step: String,
    pub(crate) base: &'static str,
    pub(crate) harms: Vec<&'static str>,
    /// What the next run changed, or what is wrong.
    pub(crate) outcome: Result<u64, String>,
}

#[test]
fn rust() {
    matrix("rust", 40);
}

#[test]
fn jupyterhub() {
    matrix("jupyterhub", 30);
}

/// Fewer steps than `at_least` would prove nothing.
fn matrix(profile: &str, at_least: usize) {
    let only = std::env::var("HUBCTL_TEST_STEPS").ok();
    let spec =
        format!("name: class\nprofile: {profile}\nlimits:\n  seats: 2\nvolume:\n  size: 1\n");
    let begun = Instant::now();
    let mut bed = Bed::make(&spec);
    let bases = bed.bases();
    let [fresh, furnished] = &bases;
    let log = Log::begin(profile);
    log.tell(&format!(
        "{:5.0} s  {} steps, {} of them on a furnished server",
        begun.elapsed().as_secs_f64(),
        fresh.steps.len(),
        furnished.steps.len()
    ));
    let mut rows = Vec::new();
    for step in &fresh.steps {
        let is_asked = |words: &String| words.split(',').any(|word| step.name.contains(word));
        if !only.as_ref().is_none_or(is_asked) {
            continue;
        }
        let quick = furnished.steps.iter().find(|one| one.name == step.name);
        let (base, step) = quick.map_or((fresh, step), |step| (furnished, step));
        for life in step.lives() {
            let started = Instant::now();
            let outcome = strike(&mut bed, base, step, &life);
            let harms: Vec<&str> = life.iter().map(|blow| blow.harm).collect();
            log.tell(&format!(
                "{:5.0} s  {:4.1} s  {}\t{}\t{}\t{outcome:?}",
                begun.elapsed().as_secs_f64(),
                started.elapsed().as_secs_f64(),
                base.name,
                harms.join(", "),
                step.name,
            ));
            rows.push(Row {
                step: step.name.clone(),
                base: base.name,
                harms,
                outcome,
            });
        }
    }

    // Struck half way, and away with it.
    let middle = &furnished.steps[furnished.steps.len() / 2];
    bed.back(furnished);
    bed.arm(&middle.lives()[0][0].plan(middle));
    assert!(!bed.provision().status.success());
    bed.operator.events(&["destroy", "--yes"]);
    bed.machines.assert_empty("class");

    let failures: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let error = row.outcome.as_ref().err()?;
            Some(format!("{} {}: {error}", row.harms.join(", "), row.step))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    if only.is_none() {
        assert!(fresh.steps.len() >= at_least, "{} steps", fresh.steps.len());
        page::write(profile, &rows, begun.elapsed());
    }
}

/// What one server meets, and the two runs after it.
fn strike(bed: &mut Bed, base: &Base, step: &Step, life: &[Blow]) -> Result<u64, String> {
    bed.back(base);
    for (number, blow) in life.iter().enumerate() {
        let mut run = hit(bed, step, blow);
        if number > 0 && run.status.success() && bed.noted("struck").is_empty() {
            // The step was not due any more: looking at the server after the blow before was enough (systemd reads a unit's
            // file when it is asked for the unit).
            bed.back(base);
            run = hit(bed, step, blow);
        }
        if bed.noted("struck").is_empty() {
            return Err(format!(
                "never struck: {}; {}",
                blow.plan(step),
                last_words(&run)
            ));
        }
        told(&run, blow.harm)?;
        // Which could do without what failed, and has done all of it.
        if run.status.success() && number + 1 < life.len() {
            bed.back(base);
        }
    }
    bed.server.run("sudo rm -rf /run/faults");
    let next = bed.provision();
    if !next.status.success() {
        let journal = bed
            .server
            .run("sudo journalctl --no-pager -o short-precise -n 80 -u jupyterhub* -u hubd* -u hubproxy*");
        return Err(format!("the next run: {}\n{journal}", last_words(&next)));
    }
    let again = bed.provision();
    let changed = |run: &Run| done(&run.events())["changed"].as_u64();
    if !again.status.success() || changed(&again) != Some(0) {
        return Err(format!("the run after the next: {}", last_words(&again)));
    }
    changed(&next).ok_or_else(|| last_words(&next))
}

fn hit(bed: &mut Bed, step: &Step, blow: &Blow) -> Run {
    bed.arm(&blow.plan(step));
    bed.provision()
}

/// What the operator is told of the blow.
fn told(run: &Run, harm: &str) -> Result<(), String> {
    let is_told = match harm {
        // A step that can do without what failed goes on.
        "error" => {
            run.status.success()
                || format!("{}{}", run.stdout, run.stderr).contains("Read-only file system")
        }
        _ => run.status.code() == Some(6),
    };
    is_told
        .then_some(())
        .ok_or_else(|| format!("told otherwise: {}", last_words(run)))
}

fn last_words(run: &Run) -> String {
    let mut text = run.status.to_string();
    for stream in [&run.stdout, &run.stderr] {
        for line in stream.lines().rev().take(3) {
            let _ = write!(text, "; {}", line.chars().take(600).collect::<String>());
        }
    }
    text
}

/// How far it is, for who waits.
struct Log(File);

impl Log {
    fn begin(profile: &str) -> Self {
        let name = format!("faults-{profile}.log");
        Self(File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)).unwrap())
    }

    fn tell(&self, line: &str) {
        use std::io::Write;
        writeln!(&self.0, "{line}").unwrap();
        #[expect(clippy::print_stdout, reason = "the table that was asked for")]
        {
            println!("{line}");
        }
    }
}
