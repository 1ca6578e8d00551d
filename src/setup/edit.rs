//! Single lines in files of the distribution.

use super::desired::EditKind;

const BEGIN: &str = "# Begin of what hubctl manages";
const END: &str = "# End of what hubctl manages";

/// The file's content with the line set; the same content where it is set already.
pub(super) fn edited(text: &str, kind: &EditKind) -> String {
    match kind {
        EditKind::HostName(name) => {
            let named = text.lines().any(|line| {
                let line = line.split('#').next().unwrap_or_default();
                line.split_whitespace().skip(1).any(|word| word == name)
            });
            if named {
                text.to_owned()
            } else {
                with_line(text, &format!("127.0.1.1 {name}"))
            }
        }
        EditKind::Setting { key, line } => setting(text, key, line),
        EditKind::Block(lines) => block(text, lines),
    }
}

fn with_line(text: &str, line: &str) -> String {
    let gap = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{text}{gap}{line}\n")
}

fn setting(text: &str, key: &str, line: &str) -> String {
    let is_set = |one: &&str| {
        one.strip_prefix(key)
            .is_some_and(|rest| rest.starts_with(['=', ' ', '\t']))
    };
    let words = |one: &str| {
        one.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let mut seen = false;
    let mut lines = Vec::new();
    for one in text.lines() {
        if !is_set(&one) {
            lines.push(one);
        } else if !seen {
            seen = true;
            lines.push(if words(one) == words(line) { one } else { line });
        }
    }
    let joined: String = lines.iter().map(|one| format!("{one}\n")).collect();
    if seen {
        joined
    } else {
        with_line(&joined, line)
    }
}

fn block(text: &str, lines: &[String]) -> String {
    let mut outside = Vec::new();
    let mut inside = false;
    for one in text.lines() {
        match one {
            BEGIN => inside = true,
            END => inside = false,
            _ if !inside => outside.push(one),
            _ => {}
        }
    }
    let mut result: String = outside.iter().map(|one| format!("{one}\n")).collect();
    let missing: Vec<_> = lines
        .iter()
        .filter(|line| !outside.contains(&line.as_str()))
        .collect();
    if !missing.is_empty() {
        result.push_str(BEGIN);
        result.push('\n');
        for line in missing {
            result.push_str(line);
            result.push('\n');
        }
        result.push_str(END);
        result.push('\n');
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &EditKind, before: &str, after: &str) {
        assert_eq!(edited(before, kind), after);
        assert_eq!(edited(after, kind), after, "a second edit changes nothing");
    }

    #[test]
    fn a_setting_is_replaced_or_added() {
        let kind = EditKind::Setting {
            key: "HOME_MODE",
            line: "HOME_MODE\t0700",
        };
        check(
            &kind,
            "A 1\nHOME_MODE 0755\nB 2\n",
            "A 1\nHOME_MODE\t0700\nB 2\n",
        );
        check(
            &kind,
            "#HOME_MODE 0700\n",
            "#HOME_MODE 0700\nHOME_MODE\t0700\n",
        );
        check(&kind, "HOME_MODE   0700\nA", "HOME_MODE   0700\nA\n");
        check(&kind, "HOME_MODE 1\nHOME_MODE 2\n", "HOME_MODE\t0700\n");
        check(&kind, "HOME_MODES 1\n", "HOME_MODES 1\nHOME_MODE\t0700\n");
    }

    #[test]
    fn a_host_that_knows_its_name_is_left_alone() {
        let kind = EditKind::HostName("class".to_owned());
        check(
            &kind,
            "127.0.0.1 localhost class\n",
            "127.0.0.1 localhost class\n",
        );
        check(
            &kind,
            "127.0.0.1 localhost # class\n127.0.1.1 class.example",
            "127.0.0.1 localhost # class\n127.0.1.1 class.example\n127.0.1.1 class\n",
        );
    }

    #[test]
    fn keys_of_the_image_stay_and_ours_come_and_go() {
        let one = EditKind::Block(vec!["ssh-ed25519 B b".to_owned()]);
        let after = format!("ssh-ed25519 A a\n{BEGIN}\nssh-ed25519 B b\n{END}\n");
        check(&one, "ssh-ed25519 A a\n", &after);
        check(&EditKind::Block(Vec::new()), &after, "ssh-ed25519 A a\n");
        check(&one, "ssh-ed25519 B b\n", "ssh-ed25519 B b\n");
    }
}
