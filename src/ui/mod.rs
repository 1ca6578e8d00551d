//! The only part that prints. Data goes to standard output, talk to standard error.
#![expect(clippy::print_stderr, reason = "the one place that prints")]

mod bars;
mod json;
mod plain;
mod report;
mod style;

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};

use serde::Serialize;

use crate::cli::Output;
use crate::event::{Event, Observer};

pub use report::{Diagnosis, Exit};

/// So many of a thing: `1 route`, `2 routes`.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, thing: &str) -> String {
    let plural = if count == 1.into() { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

/// Shows what happens, asks, and reports how it ended.
pub struct Ui {
    output: Output,
    sink: Box<dyn Sink>,
}

/// Where events become visible.
trait Sink: Observer {
    /// Nothing runs any more, whether or not its end was told: the last words follow.
    fn settle(&self) {}
}

impl Ui {
    /// Bars on a terminal, lines elsewhere, JSON where it was asked for.
    pub fn new(output: Output) -> Self {
        let colour = style::wanted();
        let sink: Box<dyn Sink> = match output {
            Output::Json => Box::new(json::Json),
            Output::Human | Output::Junit if io::stderr().is_terminal() => {
                Box::new(bars::Bars::new(colour))
            }
            Output::Human | Output::Junit => Box::new(plain::Plain::new(colour)),
        };
        Self { output, sink }
    }

    pub fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    pub fn is_junit(&self) -> bool {
        self.output == Output::Junit
    }

    /// Prints data: a table, a document, a plan. With `--output json` use [`Ui::record`] instead.
    pub fn data(&self, text: &str) {
        // A reader that has seen enough (`| head`) is no error.
        let mut out = io::stdout().lock();
        let _ = out
            .write_all(text.as_bytes())
            .and_then(|()| {
                if text.ends_with('\n') {
                    Ok(())
                } else {
                    out.write_all(b"\n")
                }
            })
            .and_then(|()| out.flush());
    }

    /// Prints one JSON line.
    pub fn record(&self, value: &impl Serialize) {
        json::line(value);
    }

    /// Says something to the person at the terminal; silent with `--output json`.
    pub fn say(&self, text: &str) {
        if self.output != Output::Json {
            eprintln!("{text}");
        }
    }

    /// Asks a question and returns the line typed, or `None` where nobody can answer.
    pub fn ask(&self, question: &str) -> Option<String> {
        if self.output == Output::Json || !io::stdin().is_terminal() {
            return None;
        }
        eprint!("{question} ");
        let _ = io::stderr().flush();
        let mut answer = String::new();
        match io::stdin().lock().read_line(&mut answer) {
            Ok(read) if read > 0 => Some(answer.trim().to_owned()),
            _ => None,
        }
    }

    /// Says that a run was stopped, and what of the deployment stands (in words, a line each).
    pub fn interrupted(&self, signal: &str, remains: Option<&str>) {
        self.sink.settle();
        match self.output {
            Output::Json => json::line(&serde_json::json!({
                "event": "interrupted",
                "signal": signal,
                "remains": remains.map(|text| text.lines().collect::<Vec<_>>()),
            })),
            Output::Human | Output::Junit => {
                eprintln!(
                    "\n{} {signal}",
                    style::paint("interrupted:", style::Colour::Red, style::wanted())
                );
                match remains {
                    Some("") => eprintln!("  nothing of it stands in the cloud"),
                    Some(remains) => {
                        eprintln!("  in the cloud stands:");
                        for line in remains.lines() {
                            eprintln!("    {line}");
                        }
                        eprintln!(
                            "{} `hubctl provision` goes on from here, `hubctl destroy` takes it away",
                            style::paint("hint:", style::Colour::Bold, style::wanted())
                        );
                    }
                    None => {}
                }
            }
        }
    }

    /// Reports why a command ended early and returns its exit status.
    pub fn fail(&self, error: &anyhow::Error) -> Exit {
        self.sink.settle();
        let diagnosis = Diagnosis::of(error);
        match self.output {
            Output::Json => json::line(&diagnosis),
            Output::Human | Output::Junit => eprint!("{}", diagnosis.to_text(style::wanted())),
        }
        diagnosis.exit
    }
}

impl Observer for Ui {
    fn on(&self, event: Event) {
        self.sink.on(event);
    }
}
