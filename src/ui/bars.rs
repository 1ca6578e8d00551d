//! Bars on a terminal: what runs now, what is being waited for and for how long.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::style::{Colour, paint, printable};
use super::{Sink, plain};
use crate::event::{Event, Observer};

/// A step that took less is quick: many of them scroll away what matters.
const QUICK: f64 = 1.0;
/// The phase of many quick steps.
const SETUP: &str = "setup";
/// So many of them are still told one by one.
const FEW: usize = 10;

/// One spinner for each step that runs, and one for the wait; what has ended stays above as plain lines. The quick steps of a
/// setup are told when it ends: a few one by one, many as their number.
pub(super) struct Bars {
    screen: MultiProgress,
    colour: bool,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    steps: HashMap<String, ProgressBar>,
    wait: Option<(String, ProgressBar)>,
    phase: &'static str,
    quick: Quick,
}

/// Quick steps of a setup, which changed something.
#[derive(Default)]
struct Quick {
    /// As they would be told one by one.
    lines: Vec<String>,
    seconds: f64,
}

impl Quick {
    /// What is told of them at the end of their phase.
    fn tell(self, colour: bool) -> Vec<String> {
        if self.lines.len() <= FEW {
            return self.lines;
        }
        let (mark, count) = (paint("+", Colour::Green, colour), self.lines.len());
        vec![format!(
            "  {mark} {count} quick steps: files, folders, accounts, units ({:.1} s)",
            self.seconds
        )]
    }
}

impl Bars {
    pub(super) fn new(colour: bool) -> Self {
        Self {
            screen: MultiProgress::new(),
            colour,
            running: Mutex::default(),
        }
    }

    /// Takes what runs off the screen, and tells of the quick steps.
    fn settle(&self, running: &mut Running) {
        for (_, bar) in running.steps.drain() {
            bar.finish_and_clear();
        }
        running.phase = "";
        for line in std::mem::take(&mut running.quick).tell(self.colour) {
            let _ = self.screen.println(line);
        }
    }

    fn spinner(&self, name: &str) -> ProgressBar {
        let bar = self.screen.add(ProgressBar::new_spinner());
        if let Ok(style) =
            ProgressStyle::with_template("  {spinner} {prefix} {elapsed:.dim} {wide_msg:.dim}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    fn wait_bar(&self, what: &str, state: &str, elapsed: f64, deadline: f64) -> ProgressBar {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "seconds of a wait"
        )]
        let bar = self.screen.add(ProgressBar::new(deadline as u64));
        if let Ok(style) = ProgressStyle::with_template(
            "  {spinner} waiting for {prefix} [{bar:20}] {pos} of at most {len} s  {wide_msg:.dim}",
        ) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(what.to_owned());
        update(&bar, state, elapsed);
        bar
    }
}

fn update(bar: &ProgressBar, state: &str, elapsed: f64) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds of a wait"
    )]
    bar.set_position(elapsed as u64);
    bar.set_message(printable(state));
}

impl Observer for Bars {
    fn on(&self, event: Event) {
        let Ok(mut running) = self.running.lock() else {
            return;
        };
        if !matches!(event, Event::Waiting { .. } | Event::Detail { .. })
            && let Some((_, bar)) = running.wait.take()
        {
            bar.finish_and_clear();
        }
        match &event {
            Event::StepStarted { name } => {
                let bar = self.spinner(name);
                running.steps.insert(name.clone(), bar);
            }
            Event::StepFinished { name, .. } => {
                if let Some(bar) = running.steps.remove(name) {
                    bar.finish_and_clear();
                }
            }
            Event::Detail { message } => {
                for bar in running.steps.values() {
                    bar.set_message(printable(message));
                }
            }
            Event::Waiting {
                what,
                state,
                elapsed_seconds,
                deadline_seconds,
            } => match &running.wait {
                Some((known, bar)) if known == what => update(bar, state, *elapsed_seconds),
                _ => {
                    if let Some((_, bar)) = running.wait.take() {
                        bar.finish_and_clear();
                    }
                    let bar = self.wait_bar(what, state, *elapsed_seconds, *deadline_seconds);
                    running.wait = Some((what.clone(), bar));
                }
            },
            Event::PhaseStarted { phase } => running.phase = phase,
            Event::PhaseFinished { .. } => self.settle(&mut running),
            _ => {}
        }
        if matches!(event, Event::Waiting { .. }) {
            return;
        }
        let Some(text) = plain::line(&event, self.colour) else {
            return;
        };
        match event {
            Event::StepFinished {
                changed: true,
                seconds,
                ..
            } if seconds < QUICK && running.phase == SETUP => {
                running.quick.lines.push(text);
                running.quick.seconds += seconds;
            }
            _ => {
                let _ = self.screen.println(text);
            }
        }
    }
}

impl Sink for Bars {
    fn settle(&self) {
        if let Ok(mut running) = self.running.lock() {
            if let Some((_, bar)) = running.wait.take() {
                bar.finish_and_clear();
            }
            self.settle(&mut running);
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let _ = self.screen.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_quick_steps_are_told_one_by_one_and_many_as_their_number() {
        let quick = |count: u8| Quick {
            lines: (0..count).map(|n| format!("  + write /{n}")).collect(),
            seconds: f64::from(count) / 10.0,
        };
        assert_eq!(quick(2).tell(false), ["  + write /0", "  + write /1"]);
        assert_eq!(
            quick(62).tell(false),
            ["  + 62 quick steps: files, folders, accounts, units (6.2 s)"]
        );
    }
}
