//! Files, folders, links and accounts.

use hubctl::setup::{self};

use crate::common::{site, spec};
use crate::{CONFIG, STOCK, check, converged, desired, file, steps};

#[test]
fn a_host_that_is_as_it_should_be_needs_nothing() {
    let desired = desired();
    let plan = setup::diff(&desired, &converged(&desired));
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(plan.to_string(), "");
}

#[test]
fn an_edited_file_is_written_and_its_unit_restarted() {
    check(
        |_, facts| file(facts, CONFIG).sha256 = Some("other".to_owned()),
        &[
            "write /etc/jupyterhub/jupyterhub_config.py (changed)",
            "restart jupyterhub.service (/etc/jupyterhub/jupyterhub_config.py changes)",
        ],
    );
}

#[test]
fn a_restart_is_due_whoever_wrote_the_file() {
    check(
        |_, facts| {
            let unit = facts.units.get_mut("jupyterhub.service").unwrap();
            (unit.newest, unit.newest_path) = (200.5, CONFIG.to_owned());
        },
        &[
            "restart jupyterhub.service (/etc/jupyterhub/jupyterhub_config.py changed since it started)",
        ],
    );
}

#[test]
fn owners_and_modes_are_set_without_writing() {
    check(
        |_, facts| {
            file(facts, "/etc/jupyterhub/tls/key.pem").mode = "0644".to_owned();
            file(facts, "/etc/jupyterhub/secrets").owner = "ada".to_owned();
        },
        &[
            "make the folder /etc/jupyterhub/secrets (owner ada:root → root:root)",
            "set owner and mode of /etc/jupyterhub/tls/key.pem (mode 0644 → 0640)",
            "restart jupyterhub-proxy.service (/etc/jupyterhub/tls/key.pem changes)",
        ],
    );
}

#[test]
fn a_link_in_a_file_s_place_is_replaced() {
    check(
        |_, facts| file(facts, "/etc/cron.allow").kind = "link".to_owned(),
        &["write /etc/cron.allow (it is a link)"],
    );
}

#[test]
fn open_homes_are_closed_and_lines_are_set() {
    check(
        |_, facts| {
            facts.open_homes = vec!["/home/ada".to_owned()];
            file(facts, "/etc/login.defs").text = Some("HOME_MODE 0755\n".to_owned());
            file(facts, "/etc/hosts").text = Some("127.0.0.1 localhost\n".to_owned());
            facts.files.insert("/etc/adduser.conf".to_owned(), None);
        },
        &[
            "edit /etc/hosts (the server knows its own name)",
            "edit /etc/login.defs (new homes are private)",
            "make homes private (others can look into /home/ada)",
        ],
    );
}

#[test]
fn what_is_not_asked_for_any_more_is_removed() {
    let desired = setup::desired(
        &spec(&format!("{STOCK}host: {{unattended_upgrades: false}}")),
        &site(),
    )
    .unwrap();
    let facts = converged(&self::desired());
    assert_eq!(
        steps(&desired, &facts),
        ["remove /etc/apt/apt.conf.d/52hubctl-unattended-upgrades (not asked for any more)"]
    );
}
