//! User names as JupyterHub has them: lower case, no slash.

/// The longest name, in characters.
const LONGEST: usize = 255;

/// The hub's form of a name that was typed or that a provider said; `None` if no user can be called so.
pub fn normalised(typed: &str) -> Option<String> {
    let name = typed.to_lowercase();
    let fits = !name.is_empty()
        && name.trim() == name
        && name.chars().count() <= LONGEST
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c == '/' || c.is_control());
    fits.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (typed, expected) in [
            ("alice", Some("alice")),
            ("Alice", Some("alice")),
            ("ÄRGER", Some("ärger")),
            ("a b", Some("a b")),
            ("ada@uni.example", Some("ada@uni.example")),
            ("", None),
            (" alice", None),
            ("alice\t", None),
            ("a/b", None),
            ("a\nb", None),
            ("a\0", None),
            (".", None),
            ("..", None),
        ] {
            assert_eq!(normalised(typed).as_deref(), expected, "{typed:?}");
        }
        assert_eq!(normalised(&"a".repeat(256)), None);
    }
}
