//! The YAML parser's complaints in words that help.

use std::sync::Arc;

use saphyr_parser::ScanError;

use super::problem::{Place, Problem};
use super::walk;

pub(super) fn problem(file: &Arc<str>, text: &str, error: &ScanError) -> Problem {
    let (line, column) = (error.marker().line().max(1), error.marker().col() + 1);
    if of_tabs(error.info())
        && let Some((index, column)) = tab(text, line - 1)
    {
        return Problem::new(
            Place::line(file, index + 1, column + 1),
            "",
            "a tab is used to indent",
        )
        .hint("YAML wants spaces: two for each level");
    }
    let mut lines: Vec<&str> = text.lines().take(line).collect();
    // At the end of the text there is nothing to point at: the last line that says something is meant.
    let past = lines.len() < line
        || text
            .lines()
            .skip(line - 1)
            .all(|line| line.trim().is_empty());
    while past && lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    let (line, column) = match lines.last() {
        Some(last) if past => (lines.len(), indentation(last) + 1),
        _ => (line, column),
    };
    let found = explain(error.info(), &lines);
    let place = match found.line {
        // The parser noticed later than where it went wrong.
        Some(earlier) => Place::line(file, earlier + 1, indentation(lines[earlier]) + 1),
        None => Place::line(file, line, column),
    };
    Problem::new(place, "", found.message).hint(found.hint)
}

/// Whether the complaint is of a tab ("unprintable" is not).
fn of_tabs(info: &str) -> bool {
    info.split(|c: char| !c.is_ascii_alphabetic())
        .any(|word| matches!(word, "tab" | "tabs"))
}

/// The first line at or after `start` that is indented with a tab: its index and the tab's.
fn tab(text: &str, start: usize) -> Option<(usize, usize)> {
    text.lines()
        .enumerate()
        .skip(start)
        .take(2)
        .find_map(|(index, line)| {
            let indent = &line[..line.len() - line.trim_start().len()];
            indent.find('\t').map(|column| (index, column))
        })
}

struct Found {
    message: String,
    hint: String,
    /// Index of the line to blame, where it is not the parser's.
    line: Option<usize>,
}

fn found(message: &str, hint: &str) -> Found {
    Found {
        message: message.to_owned(),
        hint: hint.to_owned(),
        line: None,
    }
}

/// `lines` ends with the line the parser stopped at.
fn explain(info: &str, lines: &[&str]) -> Found {
    let line = lines.last().copied().unwrap_or("");
    if line[..line.len() - line.trim_start().len()].contains('\t') || of_tabs(info) {
        return found(
            "a tab is used to indent",
            "YAML wants spaces: two for each level",
        );
    }
    if opens_a_quote(line) && !info.contains("escape") {
        return found(
            "a quote is opened and not closed in its line",
            "close it at the end of the value",
        );
    }
    brackets(info)
        .or_else(|| quoting(info))
        .or_else(|| layout(info, lines))
        .unwrap_or_else(|| {
            found(
                &format!("is not YAML: {info}"),
                "look at this line and the one before it",
            )
        })
}

fn quoting(info: &str) -> Option<Found> {
    if info.contains("double-quoted scalar") {
        return Some(found(
            "something follows the closing quote",
            "put quotes around the whole value, single ones where it contains double ones",
        ));
    }
    if info.contains("escape") || info.contains("hexadecimal") {
        return Some(found(
            "a `\\` in double quotes is not understood",
            "use single quotes, in which `\\` means itself",
        ));
    }
    if info.contains("unknown anchor") {
        return Some(found(
            "`*` names an anchor that does not exist",
            "put quotes around a value that starts with `*`",
        ));
    }
    if let Some(odd) = info.strip_prefix("unexpected character: `") {
        return Some(found(
            &format!(
                "a value cannot start with `{}`",
                odd.chars().next().unwrap_or(' ')
            ),
            "put quotes around it",
        ));
    }
    if info.contains("unprintable") {
        return Some(found(
            "a character here cannot be printed",
            "remove it, or type the line anew",
        ));
    }
    None
}

fn brackets(info: &str) -> Option<Found> {
    if info.contains("flow sequence") {
        return Some(found(
            "a `[` is not closed, or a `,` is missing",
            "write lists as `[a, b]`",
        ));
    }
    if info.contains("flow mapping") {
        return Some(found(
            "a `{` is not closed, or a `,` is missing",
            "write `{a: 1, b: 2}`",
        ));
    }
    if info.contains("illegal placement of ':'") || info.contains("flow construct") {
        return Some(found(
            "a bracket above is not closed, or a `,` is missing",
            "write lists as `[a, b]`, in one line",
        ));
    }
    if info.contains("recursion limit") {
        return Some(found(
            "brackets are nested too deep",
            "is it the right file?",
        ));
    }
    if info.contains("misplaced bracket") {
        return Some(found(
            "a bracket closes nothing",
            "remove it, or put quotes around the value",
        ));
    }
    None
}

/// Indentation, and colons that are missing or too many.
fn layout(info: &str, lines: &[&str]) -> Option<Found> {
    let known = [
        "mapping values are not allowed",
        "block mapping",
        "block collection",
        "block sequence",
        "simple key",
        "indentation",
        "document start",
        "document-start",
        "plain scalar",
    ];
    if !known.iter().any(|known| info.contains(known)) {
        return None;
    }
    let line = lines.last().copied().unwrap_or("");
    let said = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let before = lines.iter().rev().skip(1).position(said);
    let before = before.map(|back| lines.len() - 2 - back);
    // A word alone, where a group begins: the parser only stumbles over what follows it.
    let wordless = |line: &str| {
        line.trim()
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    for index in [Some(lines.len().saturating_sub(1)), before]
        .into_iter()
        .flatten()
    {
        let word = lines.get(index).copied().unwrap_or("").trim();
        if !word.is_empty() && wordless(word) {
            return Some(Found {
                line: Some(index),
                ..found(
                    &format!("`{}` has no `:` behind it", walk::shown(word)),
                    &format!("write `{}:`", walk::shown(word)),
                )
            });
        }
    }
    let deeper = before.is_some_and(|before| {
        indentation(line) > indentation(lines[before]) && !lines[before].trim_end().ends_with(':')
    });
    if deeper {
        return Some(Found {
            line: lines.len().checked_sub(1),
            ..found(
                "is indented further than the line before, which has a value already",
                "fields of one group start in the same column",
            )
        });
    }
    if info.contains("mapping values are not allowed") {
        return Some(found(
            "a second `:` is not understood here",
            "put quotes around a value that contains `: `",
        ));
    }
    Some(found(
        "the indentation does not fit the lines above, or a `:` is missing",
        "fields of one group start in the same column; a field is a word, a colon and a space: `name: class`",
    ))
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Whether the value in this line starts with a quote that does not end in it.
fn opens_a_quote(line: &str) -> bool {
    let value = line.split_once(": ").map_or(line, |(_, value)| value);
    let value = value.trim_start().trim_start_matches("- ").trim_start();
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return false;
    };
    value.matches(quote).count() % 2 == 1
}
