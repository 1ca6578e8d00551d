//! What a whole setup does on a server, as `strike.py` saw it, and where it can be struck.

use serde_json::{Value, json};

use super::bed::LOCK;

/// From so many seconds on an act is struck in its midst, too.
const LONG: f64 = 1.0;
/// So far into a long act, at most.
const MIDST: f64 = 4.0;

/// A step and what the runner does for it, in order.
pub(crate) struct Step {
    pub(crate) name: String,
    acts: Vec<Act>,
}

struct Act {
    what: String,
    seconds: f64,
}

/// One way for one step to go wrong.
#[derive(Clone)]
pub(crate) struct Blow {
    pub(crate) harm: &'static str,
    /// What is done then, unless it is anything; steps that are done side by side do more or less, as the others do.
    act: Option<String>,
    /// The so-manieth of the kind, counted from 1.
    turn: usize,
    after: f64,
}

/// Reads what `strike.py` notes of acts: time, step, act.
pub(crate) fn read(seen: &str) -> Vec<Step> {
    let lines: Vec<Vec<&str>> = seen
        .lines()
        .map(|line| line.splitn(3, '\t').collect())
        .collect();
    let time = |line: &[&str]| -> f64 { line[0].parse().expect("a time") };
    let mut steps: Vec<Step> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let act = Act {
            what: line[2].to_owned(),
            // Steps that are done side by side mix: what follows another's act is thought to be shorter than it is.
            seconds: lines
                .get(number + 1)
                .map_or(0.0, |next| time(next) - time(line)),
        };
        match steps.iter_mut().find(|step| step.name == line[1]) {
            Some(step) => step.acts.push(act),
            None => steps.push(Step {
                name: line[1].to_owned(),
                acts: vec![act],
            }),
        }
    }
    steps
}

impl Step {
    /// How it goes wrong, on a server each: it fails at its first act, before which it did nothing, and its runner is
    /// killed when most is done; where it takes its time, in the midst of its longest command, where the connection is
    /// cut as well.
    pub(crate) fn lives(&self) -> Vec<Vec<Blow>> {
        let blow = |harm, number: usize, after| {
            let what = &self.acts[number].what;
            let same = self.acts[..=number].iter().filter(|act| act.what == *what);
            Blow {
                harm,
                act: Some(what.clone()),
                turn: same.count(),
                after,
            }
        };
        let error = Blow {
            harm: "error",
            act: None,
            turn: 1,
            after: 0.0,
        };
        let commands = self.acts.iter().enumerate();
        let longest = commands
            .filter(|(_, act)| act.what.starts_with("run "))
            .max_by(|(_, one), (_, other)| one.seconds.total_cmp(&other.seconds));
        match longest {
            Some((number, act)) if act.seconds > LONG => {
                let after = (act.seconds / 2.0).min(MIDST);
                vec![
                    vec![error, blow("killed", number, after)],
                    vec![blow("cut", number, after)],
                ]
            }
            _ => vec![vec![error, blow("killed", self.last(), 0.0)]],
        }
    }

    /// The last act that is another than those before: how often one asks whether a unit is up is a matter of luck.
    fn last(&self) -> usize {
        let is_new = |number: usize| {
            let before = &self.acts[..number];
            before.iter().all(|act| act.what != self.acts[number].what)
        };
        (0..self.acts.len())
            .rev()
            .find(|number| is_new(*number))
            .unwrap_or(0)
    }
}

impl Blow {
    /// For `strike.py`.
    pub(crate) fn plan(&self, step: &Step) -> Value {
        json!({
            "lock": LOCK, "step": step.name, "harm": self.harm, "act": self.act, "turn": self.turn, "after": self.after,
        })
    }
}

#[test]
fn a_step_is_struck_at_its_first_act_its_last_and_its_longest() {
    let seen = "1.0\twrite /a\twrite /a.new\n1.1\twrite /a\tos.rename /a.new\n\
                1.2\tvenv /v\trun uv\n1.5\tvenv /v\trun uv\n8.5\tvenv /v\twrite /v/stamp\n\
                8.6\tunit x\trun start\n8.7\tunit x\trun show\n8.8\tunit x\trun show\n";
    let told: Vec<String> = read(seen)
        .iter()
        .flat_map(|step| {
            let lives = step.lives().into_iter();
            lives.map(|life| {
                let blows = life.iter().map(|blow| {
                    let act = blow.act.as_deref().unwrap_or("any");
                    format!("{} at {act} {}, {} s on", blow.harm, blow.turn, blow.after)
                });
                format!("{}: {}", step.name, blows.collect::<Vec<_>>().join("; "))
            })
        })
        .collect();
    assert_eq!(
        told,
        [
            "write /a: error at any 1, 0 s on; killed at os.rename /a.new 1, 0 s on",
            "venv /v: error at any 1, 0 s on; killed at run uv 2, 3.5 s on",
            "venv /v: cut at run uv 2, 3.5 s on",
            "unit x: error at any 1, 0 s on; killed at run show 1, 0 s on",
        ]
    );
}
