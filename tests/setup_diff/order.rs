//! The order of the steps, and how a plan reads.

use hubctl::setup::facts::Facts;
use hubctl::setup::{self};

use crate::common::{X86_64, program, site, spec};
use crate::{converged, desired, file, steps, with_hubd};

#[test]
fn a_fresh_host_gets_everything_in_an_order_that_can_be_cut_anywhere() {
    let desired = desired();
    let facts = Facts {
        disk_free_mb: 20_000,
        ..Facts::default()
    };
    let plan = setup::diff(&desired, &facts);
    let position = |name: &str| {
        plan.steps
            .iter()
            .position(|step| step.name.contains(name))
            .unwrap_or_else(|| panic!("no step {name}"))
    };
    for pair in [
        ["upgrade the system", "install uv"],
        ["upgrade the system", "note that"],
        ["group jupyterhub-users", "jupyterhub_config.py"],
        ["account jupyterhub-proxy", "tls/key.pem"],
        ["start hubctl-metadata", "start jupyterhub.service"],
        ["log in by SSH", "close SSH"],
        ["install uv", "install JupyterHub"],
        ["install Node.js", "install configurable-http-proxy"],
        ["secrets/proxy.env", "start jupyterhub-proxy.service"],
        ["start jupyterhub-proxy.service", "start jupyterhub.service"],
    ] {
        assert!(position(pair[0]) < position(pair[1]), "{pair:?}");
    }
}

#[test]
fn the_login_page_is_there_before_packages_and_those_before_notebooks() {
    let facts = Facts {
        disk_free_mb: 20_000,
        ..Facts::default()
    };
    let mut site = site();
    site.programs = ["hubproxy", "hubd", "hub-helper"]
        .map(|name| program(name, X86_64))
        .to_vec();
    let with_nginx = setup::desired(&spec("{name: class, proxy: {kind: nginx}}"), &site).unwrap();
    for (desired, needed, proxy) in [
        (
            with_hubd(),
            "install ca-certificates (",
            "start hubproxy.service",
        ),
        // A proxy of the distribution's is there before it is started.
        (
            with_nginx,
            "install ca-certificates, nginx (",
            "restart nginx.service",
        ),
    ] {
        let steps = steps(&desired, &facts);
        let at = |part: &str| {
            let named = |step: &String| step.starts_with(part);
            steps
                .iter()
                .position(named)
                .unwrap_or_else(|| panic!("{part}: {steps:?}"))
        };
        let order = [
            needed,
            "close SSH to all",
            proxy,
            "start hubd.service",
            "upgrade the system and install packages",
            "start hubctl-metadata.service",
            "install uv",
            "install JupyterLab",
        ];
        assert!(order.map(at).is_sorted(), "{steps:?}");
        // What was needed early is not among the others.
        let again = |step: &&String| step.contains("missing: ca-certificates");
        assert_eq!(steps.iter().find(again), None);
    }
}

#[test]
fn no_plan_shows_a_secret() {
    let desired = desired();
    let plan = setup::diff(&desired, &Facts::default());
    for text in [
        plan.to_string(),
        plan.to_json().to_string(),
        format!("{plan:?}"),
        format!("{desired:?}"),
    ] {
        for secret in [
            "private-key-of-the-proxy",
            "11111111",
            "22222222",
            "33333333",
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[test]
fn a_changed_file_is_shown_as_a_unified_diff_and_a_secret_only_by_name() {
    let desired = desired();
    let mut facts = converged(&desired);
    let allow = file(&mut facts, "/etc/cron.allow");
    (allow.text, allow.sha256) = (Some("root\nada\n".to_owned()), None);
    file(&mut facts, "/etc/jupyterhub/secrets/api-token").sha256 = None;
    assert_eq!(
        setup::diff(&desired, &facts).to_string(),
        "\
~ write /etc/cron.allow (changed)
    --- /etc/cron.allow (host)
    +++ /etc/cron.allow (wanted)
    @@ -1,2 +1,2 @@
     root
    -ada
    +debian
~ write /etc/jupyterhub/secrets/api-token (changed)
~ restart jupyterhub.service (/etc/jupyterhub/secrets/api-token changes)
"
    );
}
