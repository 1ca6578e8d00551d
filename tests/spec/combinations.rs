//! `docs/profiles.md`: which kinds go together, written from the function that decides it.

use std::fmt::Write as _;
use std::fs;

use hubctl::setup;
use hubctl::spec::{
    AuthenticatorKind, HubKind, ProxyKind, Refusal, SpawnerKind, TlsKind, combination,
};

const HUBS: [HubKind; 3] = [HubKind::Jupyterhub, HubKind::Hubd, HubKind::Notebook];
const SPAWNERS: [SpawnerKind; 4] = [
    SpawnerKind::Systemd,
    SpawnerKind::Local,
    SpawnerKind::Docker,
    SpawnerKind::Sudo,
];
const AUTHENTICATORS: [AuthenticatorKind; 5] = [
    AuthenticatorKind::Pam,
    AuthenticatorKind::Github,
    AuthenticatorKind::Gitlab,
    AuthenticatorKind::Google,
    AuthenticatorKind::Oidc,
];

fn word<T: serde::Serialize>(kind: T) -> String {
    serde_json::to_value(kind)
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

/// A proxy that goes with the hub.
fn proxy_of(hub: HubKind) -> ProxyKind {
    match hub {
        HubKind::Jupyterhub => ProxyKind::Chp,
        HubKind::Hubd => ProxyKind::Hubproxy,
        HubKind::Notebook => ProxyKind::None,
    }
}

/// A hub that goes with the proxy.
fn hub_of(proxy: ProxyKind) -> HubKind {
    match proxy {
        ProxyKind::None => HubKind::Notebook,
        _ => HubKind::Jupyterhub,
    }
}

/// One table: rows against columns, and beneath it why what does not hold does not.
fn table<R: Copy + serde::Serialize, C: Copy + serde::Serialize>(
    title: &str,
    rows: &[R],
    columns: &[C],
    holds: impl Fn(R, C) -> Result<(), Refusal>,
    out: &mut String,
) {
    let _ = write!(out, "\n| {title} |");
    for column in columns {
        let _ = write!(out, " `{}` |", word(*column));
    }
    let _ = writeln!(out, "\n|---|{}", "---|".repeat(columns.len()));
    let mut why: Vec<String> = Vec::new();
    for row in rows {
        let _ = write!(out, "| `{}` |", word(*row));
        for column in columns {
            match holds(*row, *column) {
                Ok(()) => out.push_str(" yes |"),
                Err(refusal) => {
                    let reason = format!("`{}` {}", refusal.path, refusal.reason);
                    let known = why.iter().position(|one| *one == reason);
                    let number = known.unwrap_or(why.len()) + 1;
                    if known.is_none() {
                        why.push(reason);
                    }
                    let _ = write!(out, " no ({number}) |");
                }
            }
        }
        out.push('\n');
    }
    out.push('\n');
    for (number, reason) in why.iter().enumerate() {
        let _ = writeln!(out, "{}. {reason}.", number + 1);
    }
}

fn tables() -> String {
    let (pam, systemd) = (AuthenticatorKind::Pam, SpawnerKind::Systemd);
    let signed = TlsKind::SelfSigned;
    let mut out = String::new();
    let (mut all, mut hold) = (0, 0);
    for hub in HUBS {
        for proxy in ProxyKind::ALL {
            for spawner in SPAWNERS {
                for authenticator in AUTHENTICATORS {
                    for tls in TlsKind::ALL {
                        all += 1;
                        hold += usize::from(
                            combination(hub, proxy, spawner, authenticator, tls).is_ok(),
                        );
                    }
                }
            }
        }
    }
    let _ = writeln!(
        out,
        "{hold} of {all} combinations hold. A combination holds where each pair below does."
    );
    table(
        "`hub.kind` / `proxy.kind`",
        &HUBS,
        &ProxyKind::ALL,
        |hub, proxy| combination(hub, proxy, systemd, pam, signed),
        &mut out,
    );
    table(
        "`proxy.kind` / `tls.kind`",
        &ProxyKind::ALL,
        &TlsKind::ALL,
        |proxy, tls| combination(hub_of(proxy), proxy, systemd, pam, tls),
        &mut out,
    );
    table(
        "`hub.kind` / `spawner.kind`",
        &HUBS,
        &SPAWNERS,
        |hub, spawner| combination(hub, proxy_of(hub), spawner, pam, signed),
        &mut out,
    );
    table(
        "`hub.kind` / `authenticator.kind`",
        &HUBS,
        &AUTHENTICATORS,
        |hub, authenticator| combination(hub, proxy_of(hub), systemd, authenticator, signed),
        &mut out,
    );
    out.push('\n');
    out
}

/// Which distributions there are, and what each has.
fn distributions() -> String {
    let names = setup::DISTRIBUTIONS[0].packages.map(|(name, _)| name);
    let mut out = String::from("| | |");
    for name in names {
        let _ = write!(out, " `{name}` |");
    }
    let _ = writeln!(out, "\n|---|---|{}", "---|".repeat(names.len()));
    for one in setup::DISTRIBUTIONS {
        let tested = if one.tested { "tested" } else { "untested" };
        let _ = write!(out, "| {} | {tested} |", one.title);
        for (_, version) in one.packages {
            let _ = write!(out, " {version} |");
        }
        out.push('\n');
    }
    out
}

#[test]
fn the_table_of_distributions_is_the_codes() {
    written("distributions", &distributions());
}

/// Holds `docs/profiles.md` to a text between two marks, or writes it there.
fn written(mark: &str, text: &str) {
    let (begin, end) = (
        format!("<!-- {mark}: written by `make golden` -->\n"),
        format!("<!-- /{mark} -->\n"),
    );
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/profiles.md");
    let kept = fs::read_to_string(path).unwrap();
    let (before, rest) = kept.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    let whole = format!("{before}{begin}{text}{end}{after}");
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, &whole).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap() == whole,
        "docs/profiles.md is old: BLESS=1 cargo test --test spec"
    );
}

#[test]
fn the_table_of_combinations_is_what_the_code_decides() {
    written("combinations", &tables());
}

/// What holds pair by pair holds together, and nothing else does.
#[test]
fn a_combination_is_its_pairs() {
    let (pam, systemd, signed) = (
        AuthenticatorKind::Pam,
        SpawnerKind::Systemd,
        TlsKind::SelfSigned,
    );
    for hub in HUBS {
        for proxy in ProxyKind::ALL {
            for spawner in SPAWNERS {
                for authenticator in AUTHENTICATORS {
                    for tls in TlsKind::ALL {
                        let pairs = [
                            combination(hub, proxy, systemd, pam, signed),
                            combination(hub_of(proxy), proxy, systemd, pam, tls),
                            combination(hub, proxy_of(hub), spawner, pam, signed),
                            combination(hub, proxy_of(hub), systemd, authenticator, signed),
                        ];
                        assert_eq!(
                            combination(hub, proxy, spawner, authenticator, tls).is_ok(),
                            pairs.iter().all(Result::is_ok),
                            "{hub:?} {proxy:?} {spawner:?} {authenticator:?} {tls:?}"
                        );
                    }
                }
            }
        }
    }
}
