//! What may be in a server's environment, and how it is written for systemd.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::refusal::Refusal;

/// What the hub may set without being told so by the helper's file.
const ALLOWED: [&str; 8] = [
    "JPY_API_TOKEN",
    "MEM_LIMIT",
    "MEM_GUARANTEE",
    "CPU_LIMIT",
    "CPU_GUARANTEE",
    "LANG",
    "LC_ALL",
    "TZ",
];
const PREFIX: &str = "JUPYTERHUB_";

/// What is never the hub's to set: it would run what the hub wants as the user, or lead the unit elsewhere.
const RESERVED: [&str; 20] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "IFS",
    "ENV",
    "BASH_ENV",
    "TMPDIR",
    "NODE_OPTIONS",
    "PERL5LIB",
    "PERL5OPT",
    "RUBYOPT",
    "GCONV_PATH",
    "LOCPATH",
    "NLSPATH",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "NOTIFY_SOCKET",
    "JUPYTER_SOCKET",
];
const RESERVED_PREFIXES: [&str; 9] = [
    "DOCKER_",
    "LD_",
    "PYTHON",
    "GLIBC_",
    "MALLOC_",
    "LISTEN_",
    "SYSTEMD_",
    "BASH_FUNC",
    "DBUS_",
];

/// More than any hub sends, less than a kernel takes.
const LONGEST: usize = 128 * 1024;

/// Whether the variable is never the hub's to set.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Writes the environment as a file for `EnvironmentFile=`.
///
/// # Errors
/// Where a variable is not the hub's to set, or a value has what such a file cannot hold.
pub fn render(
    environment: &BTreeMap<String, String>,
    allowed: &[String],
) -> Result<String, Refusal> {
    let mut text = String::new();
    for (name, value) in environment {
        if !may_be_set(name, allowed) {
            let name: String = name.chars().take(64).collect();
            return Err(Refusal::Refused(format!(
                "the variable {name:?} is not the hub's to set; add it to `environment` of the helper's file, \
                 or leave it out"
            )));
        }
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(Refusal::Refused(format!(
                "the value of {name} has a control character or a line break"
            )));
        }
        let value = quoted(value);
        let _ = writeln!(text, "{name}={value}");
    }
    if text.len() > LONGEST {
        return Err(Refusal::Refused(format!(
            "the environment has more than {LONGEST} bytes"
        )));
    }
    Ok(text)
}

fn may_be_set(name: &str, allowed: &[String]) -> bool {
    let is_name = !name.is_empty()
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
        && !name.as_bytes()[0].is_ascii_digit();
    is_name
        && !is_reserved(name)
        && (name.starts_with(PREFIX)
            || ALLOWED.contains(&name)
            || allowed.iter().any(|other| other == name))
}

/// In double quotes; within them systemd takes a backslash off these four characters and off no other.
fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(name: &str, value: &str) -> Result<String, String> {
        let environment = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        render(&environment, &["GRADER".to_owned()]).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn values_are_quoted_as_systemd_reads_them() {
        assert_eq!(
            rendered("JUPYTERHUB_OAUTH_SCOPES", r#"["a b!c=$d\`"]"#).unwrap(),
            "JUPYTERHUB_OAUTH_SCOPES=\"[\\\"a b!c=\\$d\\\\\\`\\\"]\"\n"
        );
        assert_eq!(rendered("GRADER", " # ; ").unwrap(), "GRADER=\" # ; \"\n");
        assert_eq!(rendered("TZ", "").unwrap(), "TZ=\"\"\n");
    }

    #[test]
    fn only_the_hub_s_own_variables_and_those_of_the_file_are_set() {
        for name in ["JUPYTERHUB_USER", "MEM_LIMIT", "GRADER", "LANG"] {
            assert!(rendered(name, "x").is_ok(), "{name}");
        }
        for name in [
            "LD_PRELOAD",
            "PATH",
            "PYTHONPATH",
            "OTHER",
            "",
            "1A",
            "JUPYTERHUB A",
            "JUPYTERHUB_A=B",
            "JUPYTER_SOCKET",
            "JUPYTERHUB_Ä",
            "JUPYTERHUB_\nX",
        ] {
            assert!(
                rendered(name, "x").unwrap_err().contains("not the hub's"),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_value_cannot_start_another_line_and_is_not_repeated_in_the_refusal() {
        for value in [
            "secret\nLD_PRELOAD=/x",
            "secret\0",
            "secret\r",
            "secret\u{1b}[0m",
        ] {
            let said = rendered("JUPYTERHUB_API_TOKEN", value).unwrap_err();
            assert!(!said.contains("secret"), "{said}");
        }
    }
}
