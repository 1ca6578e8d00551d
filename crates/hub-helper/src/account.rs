//! Which accounts the helper acts for at all.

use std::ffi::CString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hub_api::helper::{Instance, Options};
use nix::unistd::{Gid, Group, User, getgrouplist};

use crate::refusal::Refusal;

/// Groups whose members are, or may become, root, or read what only root should.
const REFUSED: [&str; 21] = [
    "root",
    "sudo",
    "admin",
    "wheel",
    "adm",
    "disk",
    "docker",
    "podman",
    "incus",
    "incus-admin",
    "lxd",
    "libvirt",
    "libvirt-qemu",
    "kmem",
    "kvm",
    "shadow",
    "staff",
    "ssl-cert",
    "lpadmin",
    "systemd-journal",
    "systemd-network",
];
/// The group `users`, which is some systems' primary group of people.
const USERS: u32 = 100;
const NOBODY: u32 = 65534;

/// An account the helper acts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    /// Of its primary group.
    pub gid: u32,
    pub home: PathBuf,
    /// Those of its groups that the helper's file names.
    pub groups: Vec<String>,
}

/// Finds the account and says whether the helper acts for it. Asks the name service, so it may block.
///
/// # Errors
/// Where there is no such account, it is a system's or an administrator's, or no group of notebook users has it.
pub fn admit(options: &Options, name: &str) -> Result<Account, Refusal> {
    // The same rules as for units: what cannot be one is not even looked for.
    Instance::new(name, "")?;
    let user = User::from_name(name)
        .map_err(Refusal::doing("looking for the account"))?
        .filter(|user| user.name == name)
        .ok_or_else(|| Refusal::Refused(format!("there is no account {name:?}")))?;
    let groups = groups(&user)?;
    let account = Account {
        name: user.name,
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        home: user.dir,
        groups: judge(options, name, user.uid.as_raw(), user.gid.as_raw(), &groups)?,
    };
    home_is_its_own(&account)?;
    Ok(account)
}

fn groups(user: &User) -> Result<Vec<(u32, String)>, Refusal> {
    let doing = "looking for the account's groups";
    let name = CString::new(user.name.as_str()).map_err(Refusal::doing(doing))?;
    let ids = getgrouplist(&name, user.gid).map_err(Refusal::doing(doing))?;
    let named = |id: Gid| {
        let group = Group::from_gid(id).map_err(Refusal::doing(doing))?;
        // A group without a name is none of those that are looked for, but may still be a system's.
        Ok((id.as_raw(), group.map_or(String::new(), |group| group.name)))
    };
    ids.into_iter().map(named).collect()
}

/// Whether members of that group are refused.
pub(crate) fn is_refused(options: &Options, group: &str) -> bool {
    REFUSED.contains(&group)
        || options.refused_groups.iter().any(|other| other == group)
        || group == options.proxy_group
        || group == options.hub_account
}

/// The rules, apart from where the facts come from; returns the groups that let the account in.
fn judge(
    options: &Options,
    name: &str,
    uid: u32,
    gid: u32,
    groups: &[(u32, String)],
) -> Result<Vec<String>, Refusal> {
    let refused = |why: &str| Err(Refusal::Refused(format!("the account {name:?} {why}")));
    let lowest = options.lowest_id.max(1000);
    if uid < lowest || uid >= NOBODY || (gid < lowest && gid != USERS) {
        return refused("is the system's, not a person's");
    }
    if let Some((_, group)) = groups
        .iter()
        .find(|(id, group)| *id == 0 || is_refused(options, group))
    {
        return refused(&format!(
            "is in the group {group:?}, for whose members no server is started"
        ));
    }
    let letting: Vec<String> = groups
        .iter()
        .map(|(_, group)| group)
        .filter(|group| options.user_groups.contains(group))
        .cloned()
        .collect();
    if letting.is_empty() {
        return refused(&format!(
            "is in none of the groups {:?}",
            options.user_groups
        ));
    }
    Ok(letting)
}

/// The unit may write to the home: it must be the account's own folder, with a path that needs no quoting.
fn home_is_its_own(account: &Account) -> Result<(), Refusal> {
    let refused = |why: &str| {
        Err(Refusal::Refused(format!(
            "the home {} of {:?} {why}",
            account.home.display(),
            account.name
        )))
    };
    if !is_plain(&account.home) {
        return refused("is no absolute path of letters, digits, '.', '_' and '-'");
    }
    match std::fs::symlink_metadata(&account.home) {
        Ok(home) if home.is_dir() && home.uid() == account.uid => Ok(()),
        Ok(_) => refused("is not a folder of its own"),
        Err(error) => refused(&format!("cannot be looked at: {error}")),
    }
}

/// Whether a path can stand in a unit file as it is.
pub fn is_plain(path: &Path) -> bool {
    path.is_absolute()
        && path.to_str().is_some_and(|text| {
            text.bytes()
                .all(|c| c.is_ascii_alphanumeric() || b"/._-".contains(&c))
                && !text.split('/').any(|part| part == "..")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::tests::options;

    fn of(uid: u32, gid: u32, groups: &[(u32, &str)]) -> Result<Vec<String>, String> {
        let groups: Vec<(u32, String)> =
            groups.iter().map(|(i, g)| (*i, (*g).to_owned())).collect();
        judge(&options(), "ada", uid, gid, &groups).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_notebook_user_is_let_in_and_the_letting_groups_are_told() {
        let groups = of(
            1001,
            1001,
            &[(1001, "ada"), (2000, "hub-users"), (29, "audio")],
        );
        assert_eq!(groups, Ok(vec!["hub-users".to_owned()]));
        assert!(of(1001, 100, &[(100, "users"), (2000, "hub-users")]).is_ok());
    }

    #[test]
    fn systems_accounts_administrators_and_strangers_are_refused() {
        let member = (2000, "hub-users");
        for (uid, gid) in [(0, 0), (999, 1000), (65534, 65534), (1001, 4)] {
            let said = of(uid, gid, &[(gid, "own"), member]).unwrap_err();
            assert!(said.contains("the system's"), "{uid} {gid}: {said}");
        }
        for group in [
            "sudo", "docker", "lxd", "adm", "wheel", "hubproxy", "hubd", "secret",
        ] {
            let said = of(1001, 1001, &[(1001, "ada"), (27, group), member]).unwrap_err();
            assert!(said.contains(group), "{said}");
        }
        assert!(of(1001, 1001, &[(1001, "ada"), (0, "toor"), member]).is_err());
        assert!(
            of(1001, 1001, &[(1001, "ada")])
                .unwrap_err()
                .contains("none of the groups")
        );
    }

    #[test]
    fn a_home_that_a_unit_file_could_misread_is_refused() {
        for path in [
            "home/ada",
            "/home/a da",
            "/home/%h",
            "/home/../etc",
            "/home/a\nb",
        ] {
            assert!(!is_plain(Path::new(path)), "{path:?}");
        }
        assert!(is_plain(Path::new("/srv/homes/ada.b-c_1")));
        let stranger = Account {
            name: "ada".to_owned(),
            uid: 4711,
            gid: 4711,
            home: PathBuf::from("/usr"),
            groups: Vec::new(),
        };
        assert!(home_is_its_own(&stranger).is_err());
    }

    #[test]
    fn root_is_not_admitted() {
        assert!(matches!(
            admit(&options(), "root"),
            Err(Refusal::Refused(_))
        ));
        assert!(matches!(
            admit(&options(), "no-such-account"),
            Err(Refusal::Refused(_))
        ));
        assert!(matches!(
            admit(&options(), "../etc"),
            Err(Refusal::Refused(_))
        ));
    }
}
