//! Carrying out a plan: one exchange, whatever its number of steps.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use super::desired::Content;
use super::names::LOCK;
use super::observe::{framed, runner};
use super::plan::HostPlan;
use super::{Lock, SetupError, template};
use crate::event::{Event, Observer};
use crate::host::{Host, HostError, Limits};

/// What a run changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Steps that were carried out.
    pub changed: usize,
}

/// The longest silence of a step that downloads and installs, and of a whole setup.
const LIMITS: Limits = Limits::new(Duration::from_secs(1900), Duration::from_secs(2 * 3600));
/// Takes half the time of the default, for a twentieth more bytes.
const PACKING: flate2::Compression = flate2::Compression::new(3);
/// How long the remote side goes on without hearing from us.
const SILENCE: Duration = Duration::from_secs(90);
/// How often it hears from us.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);
/// How long a second login may take that proves the way in.
const SECOND_LOGIN: Duration = Duration::from_secs(30);

/// Carries out a plan. An empty plan costs nothing. What was installed into which folder is told to `locked` at once, so
/// that it is known even where a later step fails.
///
/// When this future is dropped, or the connection ends in any other way, the remote side ends what it was doing; the next
/// run goes on from there.
pub async fn apply(
    host: &Host,
    plan: &HostPlan,
    observer: &dyn Observer,
    locked: &mut (dyn FnMut(&str, Lock) + Send),
) -> Result<Applied, SetupError> {
    if !plan.problems.is_empty() {
        return Err(SetupError::Blocked {
            problems: plan.problems.clone(),
        });
    }
    if plan.steps.is_empty() {
        return Ok(Applied { changed: 0 });
    }
    let mut running = host.start(&runner(), bundle(plan), LIMITS);
    let mut changed = 0;
    let mut done = false;
    let mut failed = None;
    let mut alive = tokio::time::interval(SIGN_OF_LIFE);
    loop {
        let line = tokio::select! {
            line = running.line() => line,
            _ = alive.tick() => {
                running.send(b"\n");
                continue;
            }
        };
        let Some(line) = line else { break };
        let Ok(answer) = serde_json::from_str(&line) else {
            observer.detail(line);
            continue;
        };
        let name = |step: Option<usize>| {
            step.and_then(|step| plan.steps.get(step)).map_or_else(
                || "setting up the host".to_owned(),
                |step| step.name.clone(),
            )
        };
        match answer {
            Answer::Started { step } => {
                observer.on(Event::StepStarted {
                    name: name(Some(step)),
                });
            }
            Answer::Finished { step, seconds } => {
                changed += 1;
                observer.on(Event::StepFinished {
                    name: name(Some(step)),
                    changed: true,
                    seconds,
                });
            }
            Answer::Detail { message } => observer.detail(message),
            Answer::Waiting {
                what,
                state,
                elapsed,
                deadline,
            } => observer.on(Event::Waiting {
                what,
                state,
                elapsed_seconds: elapsed,
                deadline_seconds: deadline,
            }),
            Answer::Locked { folder, text } => {
                if let Some(lock) = Lock::parse(&text) {
                    locked(&folder, lock);
                }
            }
            Answer::Confirm { what } => {
                observer.detail(format!("proving that {what} still lets us in"));
                running.send(format!("{}\n", second_login(host, observer).await).as_bytes());
            }
            Answer::Failed {
                step,
                message,
                tail,
            } => {
                failed = Some(SetupError::Step {
                    step: name(step),
                    message,
                    tail,
                });
            }
            Answer::Done => done = true,
        }
    }
    let ended = running.end().await;
    if let Some(failed) = failed {
        return Err(failed);
    }
    let output = ended?;
    if !done {
        return Err(SetupError::Ended {
            stderr: output.stderr,
        });
    }
    Ok(Applied { changed })
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Answer {
    Started {
        step: usize,
    },
    Finished {
        step: usize,
        seconds: f64,
    },
    Detail {
        message: String,
    },
    Waiting {
        what: String,
        state: String,
        elapsed: f64,
        deadline: f64,
    },
    /// An environment was installed, and what in it.
    Locked {
        folder: String,
        text: String,
    },
    /// The remote side wants to know whether a further login is possible.
    Confirm {
        what: String,
    },
    Failed {
        step: Option<usize>,
        message: String,
        tail: String,
    },
    Done,
}

/// `ok`, or why no further login is possible. A reloading sshd refuses connections for a moment.
async fn second_login(host: &Host, observer: &dyn Observer) -> String {
    let begun = Instant::now();
    let mut refusals = 0;
    loop {
        match host.again(Duration::from_secs(10), observer).await {
            Ok(_) => return "ok".to_owned(),
            Err(error) => {
                refusals += u32::from(matches!(error, HostError::LoginRefused { .. }));
                if !error.heals() || refusals > 2 || begun.elapsed() > SECOND_LOGIN {
                    return error.to_string().replace('\n', " ");
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// The program, the header and the content of the files, as they are sent.
fn bundle(plan: &HostPlan) -> Vec<u8> {
    let (header, contents) = header(plan);
    let mut bytes = framed(template::APPLY);
    bytes.extend(framed(&header.to_string()));
    for content in contents {
        bytes.extend_from_slice(&content);
    }
    bytes
}

/// As it is sent: programs are large, and are packed (zlib).
fn packed(content: &Content) -> std::borrow::Cow<'_, [u8]> {
    use std::io::Write;
    match content {
        Content::Program(program) => {
            let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), PACKING);
            #[expect(clippy::expect_used, reason = "memory takes what is written")]
            packer.write_all(program.content()).expect("packing");
            #[expect(clippy::expect_used, reason = "memory takes what is written")]
            packer.finish().expect("packing").into()
        }
        other => other.reveal().into(),
    }
}

/// The header, which holds no secret, and the contents that follow it.
pub(super) fn header(plan: &HostPlan) -> (serde_json::Value, Vec<std::borrow::Cow<'_, [u8]>>) {
    let mut contents = Vec::new();
    let mut steps = Vec::new();
    for step in &plan.steps {
        let mut action = json!(step.action);
        if let Some(fields) = action.as_object_mut() {
            if let Some(lane) = step.lane {
                fields.insert("lane".to_owned(), json!(lane));
            }
            if let Some(content) = &step.content {
                fields.insert("blob".to_owned(), json!(contents.len()));
                if matches!(content, Content::Program(_)) {
                    fields.insert("packed".to_owned(), json!(true));
                }
                contents.push(packed(content));
            }
        }
        steps.push(action);
    }
    let header = json!({
        "lock": LOCK,
        "lock_deadline": 1800,
        "silence": SILENCE.as_secs(),
        "environment": plan.environment,
        "steps": steps,
        "blobs": contents.iter().map(|content| content.len()).collect::<Vec<_>>(),
    });
    (header, contents)
}
