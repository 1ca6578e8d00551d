//! Settings from `hubproxy.toml`.

mod files;
mod listeners;
mod tls;

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use hub_api::proxy::{self, File, Listen};
use rustls::pki_types::ServerName;

use super::{Api, ErrorPages, Forward, Settings};
use crate::config::{Problem, Problems, read};
use crate::routes::Target;
use crate::serve::{Limits, LoginLimit};
use files::{absolute, clients, key_files, readable, secret, with_mode};

/// Reads the text of `hubproxy.toml` and the secrets that it names. `cpus` is how many threads serve by default.
pub fn from_file(text: &str, cpus: usize) -> Result<Settings, Vec<Problem>> {
    let (file, mut problems) = read::<File>(text)?;
    let (listeners, redirect) = listeners::listeners(&file, &mut problems);
    let tls = tls::tls(&file, &mut problems);
    let api = api(&file, &mut problems);
    let forward = forward(file.forward, &mut problems);
    let limits = limits(file.limits, &mut problems);
    if let Some(Err(error)) = file.default_target.as_deref().map(Target::parse) {
        problems.add("default_target", error.to_string());
    }
    let error_pages = match (file.error_pages.target, file.error_pages.path) {
        (Some(_), Some(_)) => {
            problems.add(
                "error_pages",
                "there is a target and a path: leave one of them out",
            );
            ErrorPages::Own
        }
        (Some(target), None) => {
            if let Err(error) = Target::parse(&target) {
                problems.add("error_pages.target", error.to_string());
            }
            ErrorPages::Target(target)
        }
        (None, Some(path)) => {
            if !path.is_dir() {
                problems.add(
                    "error_pages.path",
                    format!("{} is not a folder", path.display()),
                );
            }
            ErrorPages::Folder(path)
        }
        (None, None) => ErrorPages::Own,
    };
    if file.workers == Some(0) {
        problems.add("workers", "somebody must serve: 1 or more");
    }
    if let Some(path) = &file.state_file {
        absolute("state_file", path, &mut problems);
    }
    let (Some(api), true) = (api, problems.is_empty()) else {
        return Err(problems.into_vec());
    };
    Ok(Settings {
        is_chp: false,
        workers: file.workers.unwrap_or(cpus),
        listeners,
        redirect,
        tls,
        api,
        metrics: file.metrics.map(|metrics| with_mode(metrics.listen, 0o660)),
        default_target: file.default_target,
        host_routing: file.host_routing,
        state_file: file.state_file,
        pid_file: None,
        drain: Duration::from_secs(file.drain_seconds.unwrap_or(10)),
        log_level: file.log_level,
        log_format: file.log_format,
        access_log: file.access_log,
        limits,
        forward,
        error_pages,
        notes: problems.take_notes(),
    })
}

fn api(file: &File, problems: &mut Problems) -> Option<Api> {
    let Some(api) = &file.api else {
        problems.add("api", "is missing: the hub must be able to set routes");
        return None;
    };
    let mode = match &api.socket_mode {
        None => 0o660,
        Some(text) => u32::from_str_radix(text.trim_start_matches("0o"), 8).unwrap_or_else(|_| {
            problems.add("api.socket_mode", format!("\"{text}\" is no octal mode"));
            0o660
        }),
    };
    let is_private = matches!(api.listen, Listen::Unix(_)) && mode & 0o007 == 0;
    let token = api
        .token_file
        .as_deref()
        .and_then(|path| secret("api.token_file", path, problems));
    if api.token_file.is_none() && !is_private {
        let reason =
            "is missing: anybody could set routes (a Unix socket with a mode like 0660 needs none)";
        problems.add("api.token_file", reason);
    }
    Some(Api {
        address: with_mode(api.listen.clone(), mode),
        tls: api
            .tls
            .as_ref()
            .and_then(|pair| key_files("api.tls", pair, problems)),
        callers: clients(
            "api",
            api.client_certificates,
            api.client_ca.as_deref(),
            problems,
        ),
        token,
    })
}

fn forward(forward: proxy::Forward, problems: &mut Problems) -> Forward {
    let mut headers = Vec::new();
    for (name, value) in &forward.headers {
        match (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            (Ok(name), Ok(value)) => headers.push((name, value)),
            _ => problems.add(format!("forward.headers.{name}"), "is no header"),
        }
    }
    if let Some(ca) = &forward.ca {
        readable("forward.ca", ca, problems);
    }
    let server_name = forward.server_name.and_then(|name| {
        let parsed = ServerName::try_from(name.clone());
        if parsed.is_err() {
            problems.add(
                "forward.server_name",
                format!("\"{name}\" is neither a domain name nor an IP address"),
            );
        }
        parsed.ok()
    });
    if forward.connect_seconds == 0 {
        problems.add("forward.connect_seconds", "must be 1 or more");
    }
    Forward {
        x_forward: forward.x_forward,
        trust_forwarded: forward.trust_forwarded,
        prepend_path: forward.prepend_path,
        include_prefix: forward.include_prefix,
        auto_rewrite: forward.auto_rewrite,
        protocol_rewrite: forward.protocol_rewrite,
        change_origin: forward.change_origin,
        headers,
        connect_time: Duration::from_secs(forward.connect_seconds),
        answer_time: (forward.answer_seconds > 0)
            .then(|| Duration::from_secs(forward.answer_seconds)),
        insecure: forward.insecure,
        client: forward
            .client_certificate
            .as_ref()
            .and_then(|pair| key_files("forward.client_certificate", pair, problems)),
        ca: forward.ca,
        server_name,
    }
}

fn limits(limits: proxy::Limits, problems: &mut Problems) -> Limits {
    for (path, value, least) in [
        ("limits.connections", limits.connections as u64, 1),
        ("limits.header_seconds", limits.header_seconds, 1),
        ("limits.keep_alive_seconds", limits.keep_alive_seconds, 1),
        ("limits.body_seconds", limits.body_seconds, 1),
        ("limits.send_seconds", limits.send_seconds, 1),
        ("limits.header_bytes", limits.header_bytes as u64, 8192),
        ("limits.headers", limits.headers as u64, 16),
        ("limits.http2_streams", u64::from(limits.http2_streams), 1),
        ("limits.login_burst", u64::from(limits.login_burst), 1),
    ] {
        if value < least {
            problems.add(path, format!("must be {least} or more"));
        }
    }
    if !limits.login_path.starts_with('/') {
        problems.add(
            "limits.login_path",
            format!("\"{}\" does not begin with a slash", limits.login_path),
        );
    }
    let login = (limits.login_per_minute > 0).then(|| LoginLimit {
        path: limits.login_path.clone(),
        per_minute: limits.login_per_minute,
        burst: limits.login_burst,
    });
    Limits {
        header_bytes: limits.header_bytes,
        headers: limits.headers,
        header_timeout: Duration::from_secs(limits.header_seconds),
        keep_alive_timeout: Duration::from_secs(limits.keep_alive_seconds),
        client_timeout: (limits.client_idle_seconds > 0)
            .then(|| Duration::from_secs(limits.client_idle_seconds)),
        body_timeout: Duration::from_secs(limits.body_seconds),
        body_rate: limits.body_bytes_per_second,
        send_timeout: Duration::from_secs(limits.send_seconds),
        body_bytes: (limits.body_bytes > 0).then_some(limits.body_bytes),
        connections: limits.connections,
        connections_per_address: limits.connections_per_address,
        streams: limits.http2_streams,
        login,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const API: &str = "[api]\nlisten = \"unix:/run/hubproxy/api.sock\"\n";

    fn problems(text: &str) -> Vec<String> {
        from_file(text, 2)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_least_that_serves() {
        let settings = from_file(&format!("[http]\nlisten = [\"0.0.0.0:80\"]\n{API}"), 2).unwrap();
        assert_eq!(settings.workers, 2);
        assert_eq!(settings.redirect, None);
        assert_eq!(settings.drain, Duration::from_secs(10));
        assert!(!settings.forward.trust_forwarded);
    }

    #[test]
    fn https_redirects_http_to_its_own_port() {
        let text = |more: &str| {
            format!(
                "[http]\nlisten = [\"0.0.0.0:80\"]\n{more}\n[https]\nlisten = [\"0.0.0.0:8443\"]\n[tls.acme]\n\
                 names = [\"Hub.Example.org\", \"2001:DB8:0::1\"]\nstorage = \"/var/lib/hubproxy\"\n\
                 contact = [\"a@example.org\"]\n{API}"
            )
        };
        let settings = from_file(&text(""), 2).unwrap();
        assert_eq!(settings.redirect, Some(8443));
        let acme = settings.tls.unwrap().acme.unwrap();
        assert_eq!(acme.names, ["hub.example.org", "2001:db8::1"]);
        assert_eq!(acme.contact, ["mailto:a@example.org"]);
        assert_eq!(
            acme.directory,
            "https://acme-v02.api.letsencrypt.org/directory"
        );
        assert_eq!(
            from_file(&text("redirect_port = 443"), 2).unwrap().redirect,
            Some(443)
        );
        assert_eq!(
            from_file(&text("redirect = false"), 2).unwrap().redirect,
            None
        );
    }

    #[test]
    fn what_cannot_work_is_said_at_once() {
        let found = problems(
            "workers = 0\ndefault_target = \"hub\"\n[https]\nlisten = [\"0.0.0.0:443\", \"0.0.0.0:443\"]\n\
             client_certificates = \"require\"\n[tls.acme]\nnames = [\"*.example.org\", \"hub\"]\nstorage = \"acme\"\n\
             directory = \"http://ca\"\n[api]\nlisten = \"127.0.0.1:8001\"\n[limits]\nlogin_path = \"hub\"\n\
             [error_pages]\ntarget = \"http://127.0.0.1:8081/hub/error\"\npath = \"/nonexistent\"\n",
        );
        for expected in [
            "line 1: workers: ",
            "line 2: default_target: ",
            "line 4: https.listen: 0.0.0.0:443 is there twice",
            "line 3: https.client_ca: is missing",
            "line 7: tls.acme.names: *.example.org: a wildcard",
            "line 7: tls.acme.names: \"hub\" is neither",
            "line 8: tls.acme.storage: acme is not an absolute path",
            "line 9: tls.acme.directory: ",
            "line 6: tls.acme.challenge: http-01 needs [http]",
            "line 10: api.token_file: is missing",
            "line 13: limits.login_path: ",
            "line 14: error_pages: ",
        ] {
            assert!(
                found.iter().any(|line| line.starts_with(expected)),
                "{expected} in {found:#?}"
            );
        }
        assert_eq!(found.len(), 12, "{found:#?}");
    }

    #[test]
    fn targets_may_have_certificates_for_another_name() {
        let text = |name: &str| {
            format!("[http]\nlisten = [\"0.0.0.0:80\"]\n{API}[forward]\nserver_name = \"{name}\"\n")
        };
        for name in ["hub.example.org", "192.0.2.7", "2001:db8::1"] {
            let named = from_file(&text(name), 1).unwrap().forward.server_name;
            assert_eq!(named.unwrap().to_str(), name);
        }
        for name in ["https://hub.example.org", "[2001:db8::1]", ""] {
            assert!(
                problems(&text(name))[0].contains("forward.server_name: "),
                "{name}"
            );
        }
    }

    #[test]
    fn an_open_api_is_refused_unless_its_socket_is_private() {
        let text = |mode: &str| {
            format!(
                "[http]\nlisten = [\"0.0.0.0:80\"]\n[api]\nlisten = \"unix:/a\"\nsocket_mode = \"{mode}\"\n"
            )
        };
        assert!(from_file(&text("0600"), 1).is_ok());
        assert!(problems(&text("0666"))[0].contains("api.token_file"));
        assert!(problems(&text("rw"))[0].contains("octal"));
    }

    #[test]
    fn the_example_of_the_readme_is_right() {
        let readme = include_str!("../../README.md");
        let example = readme
            .split("```toml\n")
            .nth(1)
            .and_then(|rest| rest.split("```").next())
            .unwrap();
        let settings = from_file(example, 2).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(settings.listeners.len(), 4);
        assert_eq!(settings.redirect, Some(443));
    }

    #[test]
    fn the_token_comes_from_its_file_and_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "secret-words\n").unwrap();
        let text = format!(
            "[http]\nlisten = [\"0.0.0.0:80\"]\n[api]\nlisten = \"127.0.0.1:1\"\ntoken_file = \"{}\"\n",
            file.display()
        );
        let settings = from_file(&text, 1).unwrap();
        assert!(!format!("{settings:?}").contains("secret-words"));
        std::fs::write(&file, "two\nlines\n").unwrap();
        assert!(problems(&text)[0].contains("must hold one line"));
    }
}
