//! A line that a server wrote, as its owner may see it.

/// As much of a line as is shown, in characters.
const WIDTH: usize = 400;

/// The line for a page: no control characters, and nothing that looks like a secret.
pub fn shown(line: &str) -> String {
    let mut plain = String::new();
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\u{1b}' && characters.peek() == Some(&'[') {
            // A terminal's colour: up to its letter.
            characters.by_ref().find(|c| c.is_ascii_alphabetic());
        } else if !c.is_control() {
            plain.push(c);
        }
    }
    let mut text = String::new();
    let mut word = String::new();
    for c in plain.chars() {
        if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
            word.push(c);
        } else {
            text.push_str(without_secret(&word));
            word.clear();
            text.push(c);
        }
    }
    text.push_str(without_secret(&word));
    // Last: half of a secret does not look like one.
    text.chars().take(WIDTH).collect()
}

/// Tokens and cookies are long runs of letters and digits, mixed; words, versions and ids of kernels are not.
fn without_secret(word: &str) -> &str {
    let is_kernel = word.len() == 36 && word.bytes().filter(|c| *c == b'-').count() == 4;
    let has = |test: fn(&u8) -> bool| word.as_bytes().iter().any(test);
    if word.len() >= 24 && !is_kernel && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic) {
        "[hidden]"
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_without_colours_and_secrets() {
        assert_eq!(
            shown("\u{1b}[31mError\u{1b}[0m: no module named 'x'\u{7}"),
            "Error: no module named 'x'"
        );
        assert_eq!(
            shown("http://localhost/?token=0123456789abcdef0123456789abcdef&x=1"),
            "http://localhost/?token=[hidden]&x=1"
        );
        assert_eq!(
            shown("Kernel started: 2b3c9f0e-8d1c-4c1c-9a3b-0a1b2c3d4e5f"),
            "Kernel started: 2b3c9f0e-8d1c-4c1c-9a3b-0a1b2c3d4e5f"
        );
        assert_eq!(shown(&"a ".repeat(1000)).len(), WIDTH);
        let cut = shown(&format!(
            "{}0123456789abcdef0123456789abcdef",
            " ".repeat(WIDTH - 10)
        ));
        assert!(cut.ends_with("[hidden]"), "{cut}");
    }
}
