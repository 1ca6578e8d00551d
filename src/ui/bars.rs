//! Bars on a terminal: what runs now, what is being waited for and for how long.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::plain;
use super::style::printable;
use crate::event::{Event, Observer};

/// One spinner for each step that runs, and one for the wait; what has ended stays above as plain lines.
pub(super) struct Bars {
    screen: MultiProgress,
    colour: bool,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    steps: HashMap<String, ProgressBar>,
    wait: Option<(String, ProgressBar)>,
}

impl Bars {
    pub(super) fn new(colour: bool) -> Self {
        Self {
            screen: MultiProgress::new(),
            colour,
            running: Mutex::default(),
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
            Event::PhaseFinished { .. } => {
                for (_, bar) in running.steps.drain() {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
        if !matches!(event, Event::Waiting { .. })
            && let Some(text) = plain::line(&event, self.colour)
        {
            let _ = self.screen.println(text);
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let _ = self.screen.clear();
    }
}
