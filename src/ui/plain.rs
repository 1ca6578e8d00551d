//! Lines, for logs and pipes.
#![expect(clippy::print_stderr, reason = "the one place that prints")]

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::Sink;
use super::style::{Colour, paint, printable};
use crate::event::{Event, Observer};

/// A wait is told again after so long, so that a log shows life without filling up.
const REPEAT_WAIT: Duration = Duration::from_secs(15);

pub(super) struct Plain {
    colour: bool,
    last_wait: Mutex<Option<(String, Instant)>>,
}

impl Plain {
    pub(super) fn new(colour: bool) -> Self {
        Self {
            colour,
            last_wait: Mutex::new(None),
        }
    }

    /// Whether this wait is news: another one than the last told, or told long ago.
    fn is_news(&self, what: &str) -> bool {
        let Ok(mut last) = self.last_wait.lock() else {
            return true;
        };
        let news = last
            .as_ref()
            .is_none_or(|(told, when)| told != what || when.elapsed() > REPEAT_WAIT);
        if news {
            *last = Some((what.to_owned(), Instant::now()));
        }
        news
    }
}

impl Observer for Plain {
    fn on(&self, event: Event) {
        if let Event::Waiting { what, .. } = &event
            && !self.is_news(what)
        {
            return;
        }
        if let Some(text) = line(&event, self.colour) {
            eprintln!("{text}");
        }
    }
}

impl Sink for Plain {}

/// How an event reads as a line; `None` for what is only worth showing live.
pub(super) fn line(event: &Event, colour: bool) -> Option<String> {
    Some(match event {
        Event::PhaseStarted { phase } => paint(&format!("{phase}:"), Colour::Bold, colour),
        Event::StepFinished {
            name,
            changed,
            seconds,
        } => {
            let mark = if *changed && name.starts_with("delete ") {
                paint("-", Colour::Red, colour)
            } else if *changed {
                paint("+", Colour::Green, colour)
            } else {
                paint("=", Colour::Dim, colour)
            };
            format!("  {mark} {name} ({seconds:.1} s)")
        }
        Event::Waiting {
            what,
            state,
            elapsed_seconds,
            deadline_seconds,
        } => format!(
            "  … waiting for {what}: {} ({elapsed_seconds:.0} of at most {deadline_seconds:.0} s)",
            printable(state)
        ),
        Event::Note { message } => format!("  {message}"),
        Event::Warning { message } => {
            format!("{} {message}", paint("warning:", Colour::Yellow, colour))
        }
        Event::PhaseFinished { .. } | Event::StepStarted { .. } | Event::Detail { .. } => {
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_tells_whether_it_changed_anything() {
        let event = |changed| Event::StepFinished {
            name: "install packages".into(),
            changed,
            seconds: 1.25,
        };
        assert_eq!(
            line(&event(true), false).unwrap(),
            "  + install packages (1.2 s)"
        );
        assert_eq!(
            line(&event(false), false).unwrap(),
            "  = install packages (1.2 s)"
        );
    }

    #[test]
    fn a_wait_is_told_once_and_then_rarely() {
        let plain = Plain::new(false);
        assert!(plain.is_news("SSH"));
        assert!(!plain.is_news("SSH"));
        assert!(plain.is_news("cloud-init"));
        assert!(plain.is_news("SSH"));
    }
}
