//! Who gets in by SSH, whatever is changed.

use hubctl::setup::{self};

use crate::check;

#[test]
fn nobody_who_can_log_in_by_key_and_sudo_is_locked_out() {
    check(
        |_, facts| {
            facts.key_users = vec!["ada".to_owned(), "debian".to_owned()];
            facts
                .files
                .insert("/etc/ssh/sshd_config.d/00-hubctl.conf".to_owned(), None);
        },
        &[
            "let ada log in by SSH (not in the group hubctl-ssh)",
            "close SSH to all but the group hubctl-ssh, and passwords (absent)",
        ],
    );
}

#[test]
fn an_ssh_setting_that_has_no_effect_is_not_good_enough() {
    check(
        |_, facts| {
            let sshd = facts.sshd.as_mut().unwrap();
            sshd.insert("passwordauthentication".to_owned(), vec!["yes".to_owned()]);
        },
        &["close SSH to all but the group hubctl-ssh, and passwords (it has no effect)"],
    );
}

#[test]
fn an_ssh_setting_that_was_never_confirmed_is_proven_again() {
    check(
        |_, facts| {
            let mut timer = facts.units["jupyterhub.service"].clone();
            timer.enabled = "transient".to_owned();
            facts
                .units
                .insert(setup::names::SSH_GUARD.to_owned(), timer);
        },
        &[
            "close SSH to all but the group hubctl-ssh, and passwords (an earlier run ended before a second login proved it)",
        ],
    );
}
