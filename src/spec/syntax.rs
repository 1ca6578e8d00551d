//! The YAML parser's complaints in words that help.

use std::sync::Arc;

use saphyr_parser::ScanError;

use super::problem::{Place, Problem};

pub(super) fn problem(file: &Arc<str>, text: &str, error: &ScanError) -> Problem {
    let mark = error.marker();
    let line = text
        .lines()
        .nth(mark.line().saturating_sub(1))
        .unwrap_or("");
    let place = Place::line(file, mark.line().max(1), mark.col() + 1);
    let (message, hint) = explain(error.info(), line);
    Problem::new(place, "", message).hint(hint)
}

fn explain(info: &str, line: &str) -> (String, String) {
    let own = |message: &str, hint: &str| (message.to_owned(), hint.to_owned());
    let trimmed = line.trim_start();
    if info.contains("tab")
        || line.len() > trimmed.len() && line[..line.len() - trimmed.len()].contains('\t')
    {
        return own(
            "a tab is used to indent",
            "YAML wants spaces: two for each level",
        );
    }
    if info.contains("mapping values are not allowed") {
        return own(
            "a second `:` is not understood here",
            "put quotes around a value that contains `: `; check that the line before is not indented less or more than it should be",
        );
    }
    if info.contains("quoted scalar") && info.contains("end of stream") {
        return own(
            "a quote is opened and never closed",
            "close it at the end of the value",
        );
    }
    if info.contains("double-quoted scalar") && info.contains("trailing") {
        return own(
            "something follows the closing quote",
            "put quotes around the whole value, single ones where it contains double ones",
        );
    }
    if info.contains("unknown escape")
        || info.contains("hexadecimal")
        || info.contains("escape character")
    {
        return own(
            "a `\\` in double quotes is not understood",
            "use single quotes, in which `\\` means itself",
        );
    }
    if info.contains("flow sequence") {
        return own(
            "a `[` is not closed, or a `,` is missing",
            "write lists as `[a, b]`",
        );
    }
    if info.contains("flow mapping") {
        return own(
            "a `{` is not closed, or a `,` is missing",
            "write `{a: 1, b: 2}`",
        );
    }
    if info.contains("misplaced bracket") {
        return own(
            "a bracket closes nothing",
            "remove it, or put quotes around the value",
        );
    }
    if info.contains("unknown anchor") {
        return own(
            "`*` names an anchor that does not exist",
            "put quotes around a value that starts with `*`",
        );
    }
    if matches!(trimmed.chars().next(), Some('@' | '`' | '%'))
        || info.contains("found character that cannot start")
    {
        return own(
            "a value cannot start with this character",
            "put quotes around it",
        );
    }
    if info.contains("block mapping")
        || info.contains("simple key")
        || info.contains("block collection")
        || info.contains("invalid indentation")
        || info.contains("document start")
        || info.contains("document-start")
    {
        return own(
            "the indentation does not fit the lines above, or a `:` is missing",
            "fields of one group start in the same column; a field is a word, a colon and a space: `name: class`",
        );
    }
    (
        format!("is not YAML: {info}"),
        "look at this line and the one before it".to_owned(),
    )
}
