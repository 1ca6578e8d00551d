//! Which SSH keys get in: on the server, in one exchange each.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use crate::host::{Command, Host, Limits};

const WITHIN: Limits = Limits::new(Duration::from_secs(60), Duration::from_secs(60));
const PROGRAM: &str = include_str!("authorized_keys.py");

#[derive(Serialize)]
struct Order<'a> {
    login: &'a str,
    add: &'a [String],
    remove: &'a [String],
}

/// Lets these keys in, and those no more. Keys of others are left.
pub(in crate::command) async fn change(
    host: &Host,
    add: &[String],
    remove: &[String],
) -> anyhow::Result<()> {
    let order = Order {
        login: &host.target().login,
        add,
        remove,
    };
    let command = Command::new("sudo").args(["-n", "python3", "-I", "-B", "-c", PROGRAM]);
    host.run(&command, serde_json::to_vec(&order)?, WITHIN)
        .await
        .context("changing which SSH keys get in")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};

    use super::*;

    /// Runs the program on a home that is a folder; its text of `authorized_keys` afterwards.
    fn changed(home: &std::path::Path, add: &[&str], remove: &[&str]) -> (bool, String) {
        let order =
            serde_json::json!({ "login": "x", "add": add, "remove": remove, "homes": [home] });
        let mut child = Command::new("python3")
            .args(["-I", "-B", "-c", PROGRAM])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(order.to_string().as_bytes()).unwrap();
        drop(input);
        let done = child.wait().unwrap().success();
        let file = home.join(".ssh/authorized_keys");
        (done, std::fs::read_to_string(file).unwrap_or_default())
    }

    #[test]
    fn the_old_key_goes_from_wherever_it_is_and_others_stay() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".ssh");
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("authorized_keys");
        let text = "# from the image\nssh-ed25519 OLD me@lost\nssh-rsa OTHER colleague\n\
            # BEGIN hubctl\nno-pty,command=\"echo OLD\" ssh-ed25519 OLD\nssh-ed25519 AGENT a b\n# END hubctl\n";
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();

        // The new one first, then the old one goes: twice is as good as once.
        for _ in 0..2 {
            let (done, now) = changed(home.path(), &["ssh-ed25519 NEW me@here"], &[]);
            assert!(done);
            assert_eq!(now, format!("{text}ssh-ed25519 NEW me@here\n"));
        }
        for _ in 0..2 {
            let (done, now) = changed(
                home.path(),
                &["ssh-ed25519 NEW me@here"],
                &["ssh-ed25519 OLD me@lost"],
            );
            assert!(done);
            assert_eq!(
                now,
                "# from the image\nssh-rsa OTHER colleague\n# BEGIN hubctl\nssh-ed25519 AGENT a b\n# END hubctl\n\
                 ssh-ed25519 NEW me@here\n"
            );
        }
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        // Nobody is locked out: a key that is to stay is not taken.
        let (done, now) = changed(home.path(), &["ssh-ed25519 NEW"], &["ssh-ed25519 NEW x"]);
        assert!(!done);
        assert!(now.contains("ssh-ed25519 NEW me@here"));
    }
}
