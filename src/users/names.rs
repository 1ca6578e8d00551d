//! User names: which ones may be made, and how a class is numbered.

use std::collections::BTreeSet;

/// Longest name Linux takes.
const LONGEST: usize = 32;

/// Names that mean something on a Debian or Ubuntu server, or to the hub, whether the account is there yet or not. A
/// new user's own group carries the same name: on Ubuntu, members of `admin` may become root.
const RESERVED: &str = "_apt adm admin administrator anonymous audio avahi backup bin cdrom centos chrony cloud-user crontab \
    daemon debian dialout dip disk dnsmasq docker everyone fax fedora floppy ftp games gnats group guest \
    hub hubctl hubd hubproxy input irc jupyter jupyterhub kmem kvm landscape libvirt list lp lxd mail \
    man messagebus mysql netdev news nginx nobody nogroup ntp opc operator plugdev polkitd pollinate \
    postfix postgres proxy redis render root rtkit sasl sgx shadow shutdown snap src ssh sshd staff sudo \
    sync sys syslog systemd tape tcpdump tftp traefik tss tty ubuntu users usbmux utmp uucp uuidd video \
    voice wheel www www-data";

/// Beginnings of names that belong to programs.
const RESERVED_PREFIXES: &[&str] = &["hubctl-", "jupyter-", "jupyterhub-", "systemd-"];

/// Why a name cannot be a user's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} {reason}")]
pub struct NameProblem {
    pub name: String,
    pub reason: String,
    pub hint: String,
}

/// Whether `name` can be a user's: Linux's rules, and the server's own names left alone.
pub fn check(name: &str) -> Result<(), NameProblem> {
    let problem = |reason: String, hint: String| {
        Err(NameProblem {
            name: name.to_owned(),
            reason,
            hint,
        })
    };
    let rules =
        "a name is a lower case letter, then lower case letters, digits, - and _".to_owned();
    let near = suggestion(name);
    let hint = match &near {
        Some(near) => format!("did you mean {near}? {rules}"),
        None => rules,
    };
    if name.is_empty() {
        return problem("is no name".to_owned(), hint);
    }
    if let Some(wrong) = name
        .chars()
        .find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_')))
    {
        return problem(format!("has {wrong:?} in it"), hint);
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return problem("does not begin with a letter".to_owned(), hint);
    }
    if name.ends_with(['-', '_']) {
        return problem("does not end with a letter or digit".to_owned(), hint);
    }
    if name.len() > LONGEST {
        return problem(
            format!("has {} letters", name.len()),
            format!("Linux takes {LONGEST}"),
        );
    }
    if RESERVED.split(' ').any(|reserved| reserved == name)
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
    {
        return problem(
            "is reserved".to_owned(),
            "it is, or may become, an account or a group of the server's own: choose another"
                .to_owned(),
        );
    }
    Ok(())
}

/// The name someone may have meant: of an address the part before the @, in lower case, with dots as dashes.
fn suggestion(name: &str) -> Option<String> {
    let local = name.split('@').next().unwrap_or_default();
    let plain: String = local
        .to_lowercase()
        .chars()
        .map(|c| match c {
            'a'..='z' | '0'..='9' | '_' => c,
            _ => '-',
        })
        .collect();
    let plain = plain
        .trim_start_matches(|c: char| !c.is_ascii_lowercase())
        .trim_end_matches(['-', '_'])
        .to_owned();
    (plain != name && !plain.is_empty() && plain.is_ascii() && check(&plain).is_ok())
        .then_some(plain)
}

/// Whether numbers can follow `prefix` as the names of a class of `count`.
pub fn check_prefix(prefix: &str) -> Result<(), NameProblem> {
    check(&format!("{prefix}01")).map_err(|problem| NameProblem {
        name: prefix.to_owned(),
        ..problem
    })
}

/// The next `count` names: numbered on from the highest of `people`, two digits or as many as they have, past every name
/// that is `taken`.
pub fn numbered(
    prefix: &str,
    count: usize,
    people: &BTreeSet<String>,
    taken: &BTreeSet<String>,
) -> Vec<String> {
    let digits: Vec<&str> = people
        .iter()
        .filter_map(|name| name.strip_prefix(prefix))
        .filter(|rest| {
            !rest.is_empty() && rest.len() < 10 && rest.bytes().all(|b| b.is_ascii_digit())
        })
        .collect();
    let highest = digits
        .iter()
        .filter_map(|text| text.parse::<usize>().ok())
        .max()
        .unwrap_or(0);
    let width = digits
        .iter()
        .filter(|text| text.starts_with('0'))
        .map(|text| text.len())
        .max()
        .unwrap_or(0)
        .max(2);
    (highest + 1..)
        .map(|number| format!("{prefix}{number:0width$}"))
        .filter(|name| !taken.contains(name) && !people.contains(name))
        .take(count)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_linux_names_that_nobody_else_owns() {
        for name in [
            "ada",
            "training01",
            "a",
            "ada-l",
            "x_y",
            "a1234567890123456789012345678901",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for (name, message, hint) in [
            ("", r#""" is no name"#, "a name is"),
            ("Ada", r#""Ada" has 'A' in it"#, "did you mean ada?"),
            (
                "ada.lovelace@example.org",
                r#""ada.lovelace@example.org" has '.' in it"#,
                "did you mean ada-lovelace?",
            ),
            (
                "1ada",
                r#""1ada" does not begin with a letter"#,
                "did you mean ada?",
            ),
            (
                "-ada",
                r#""-ada" does not begin with a letter"#,
                "did you mean ada?",
            ),
            (
                "ada-",
                r#""ada-" does not end with a letter or digit"#,
                "did you mean ada?",
            ),
            ("ada:x", r#""ada:x" has ':' in it"#, "did you mean ada-x?"),
            ("ada\n", r#""ada\n" has '\n' in it"#, "did you mean ada?"),
            ("zoë", r#""zoë" has 'ë' in it"#, "did you mean zo?"),
            ("..", r#""" has '.' in it"#, "a name is"),
            (
                "a12345678901234567890123456789012",
                r#""a12345678901234567890123456789012" has 33 letters"#,
                "Linux takes 32",
            ),
            ("root", r#""root" is reserved"#, "choose another"),
            ("docker", r#""docker" is reserved"#, "choose another"),
            (
                "hubctl-check-abcd",
                r#""hubctl-check-abcd" is reserved"#,
                "choose another",
            ),
            (
                "jupyterhub-users",
                r#""jupyterhub-users" is reserved"#,
                "choose another",
            ),
        ] {
            let problem = check(name).unwrap_err();
            if name != ".." {
                assert_eq!(problem.to_string(), message);
            }
            assert!(problem.hint.contains(hint), "{name}: {}", problem.hint);
        }
    }

    #[test]
    fn numbering_goes_on_where_it_left_off() {
        let set = |names: &[&str]| {
            names
                .iter()
                .map(ToString::to_string)
                .collect::<BTreeSet<_>>()
        };
        for (people, taken, count, expected) in [
            (set(&[]), set(&[]), 2, vec!["training01", "training02"]),
            (
                set(&["training01", "training10"]),
                set(&[]),
                2,
                vec!["training11", "training12"],
            ),
            (
                set(&["training98"]),
                set(&[]),
                3,
                vec!["training99", "training100", "training101"],
            ),
            (set(&["training007"]), set(&[]), 1, vec!["training008"]),
            (
                set(&["training3", "trainingx", "other50"]),
                set(&[]),
                1,
                vec!["training04"],
            ),
            (
                set(&["training01"]),
                set(&["training02"]),
                2,
                vec!["training03", "training04"],
            ),
        ] {
            assert_eq!(numbered("training", count, &people, &taken), expected);
        }
    }

    #[test]
    fn a_prefix_leaves_room_for_its_numbers() {
        assert!(check_prefix("training").is_ok());
        assert!(check_prefix("class-").is_ok());
        assert_eq!(
            check_prefix("Class").unwrap_err().to_string(),
            r#""Class" has 'C' in it"#
        );
        assert!(check_prefix("a1234567890123456789012345678901").is_err());
    }
}
