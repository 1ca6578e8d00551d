//! One JSON event a line on standard output, for programs.
#![expect(clippy::print_stdout, reason = "the one place that prints")]

use serde::Serialize;

use super::Sink;
use crate::event::{Event, Observer};

pub(super) struct Json;

impl Observer for Json {
    fn on(&self, event: Event) {
        line(&event);
    }
}

impl Sink for Json {}

pub(super) fn line(value: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        println!("{text}");
    }
}
