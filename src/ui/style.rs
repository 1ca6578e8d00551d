//! Colour, never as the only carrier of meaning.

use std::io::{self, IsTerminal};

/// Whether standard error takes colour: a terminal, and neither `NO_COLOR` nor a dumb one.
pub(super) fn wanted() -> bool {
    io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

#[derive(Clone, Copy)]
pub(super) enum Colour {
    Green,
    Yellow,
    Red,
    Bold,
    Dim,
}

pub(super) fn paint(text: &str, colour: Colour, on: bool) -> String {
    if !on {
        return text.to_owned();
    }
    let code = match colour {
        Colour::Green => 32,
        Colour::Yellow => 33,
        Colour::Red => 31,
        Colour::Bold => 1,
        Colour::Dim => 2,
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// A text from elsewhere (a console, a package manager) without what would drive the terminal.
pub(super) fn printable(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\u{1b}' && characters.next_if_eq(&'[').is_some() {
            // A control sequence ends with a letter or one of a few signs.
            while characters
                .next()
                .is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c))
            {}
        } else if !c.is_control() {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_cannot_drive_the_terminal() {
        for (text, plain) in [
            (
                "[\u{1b}[0;32m  OK  \u{1b}[0m] Started udev",
                "[  OK  ] Started udev",
            ),
            ("a\rb\u{7}\u{1b}]0;title\u{7}", "ab]0;title"),
            ("Grüße … \u{1b}[2J", "Grüße … "),
            ("cut \u{1b}[3", "cut "),
        ] {
            assert_eq!(printable(text), plain);
        }
    }
}
