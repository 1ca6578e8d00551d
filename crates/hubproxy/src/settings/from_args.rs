//! Settings from configurable-http-proxy's command line and environment.

mod tls;

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use hub_api::proxy::{AccessLog, LogFormat, LogLevel, MinVersion};
use secrecy::SecretString;

use super::{Address, Api, ErrorPages, Forward, Listener, Note, Settings};
use crate::cli::Args;
use crate::config::{Problem, Problems};
use crate::serve::Limits;
use tls::{authority, pair, public_tls};

/// What the environment says; secrets among it.
#[derive(Debug, Default)]
pub struct Environment {
    /// `CONFIGPROXY_AUTH_TOKEN`.
    pub token: Option<SecretString>,
    /// `CONFIGPROXY_SSL_KEY_PASSPHRASE`.
    pub key_passphrase: Option<SecretString>,
    /// `CONFIGPROXY_API_SSL_KEY_PASSPHRASE`.
    pub api_key_passphrase: Option<SecretString>,
}

const DEFAULT_PORT: u16 = 8000;

/// Makes settings of a command line. `cpus` is how many threads serve.
pub fn from_args(
    args: Args,
    environment: Environment,
    cpus: usize,
) -> Result<Settings, Vec<Problem>> {
    let args = without_empty(args);
    let mut problems = Problems::default();
    let mut notes = Vec::new();
    let mut note = |level, text: &str| {
        notes.push(Note {
            level,
            text: text.to_owned(),
        })
    };

    if args.error_target.is_some() && args.error_path.is_some() {
        problems.add(
            "",
            "Cannot specify both error-target and error-path. Pick one.",
        );
    }
    if args.storage_backend.is_some() {
        problems.add(
            "--storage-backend",
            "routes are kept in memory; a file keeps them with --config and state_file",
        );
    }
    let log_level = match args.log_level.to_lowercase().as_str() {
        "debug" | "verbose" | "silly" => LogLevel::Debug,
        "info" | "http" => LogLevel::Info,
        "warn" => LogLevel::Warn,
        "error" => LogLevel::Error,
        other => {
            problems.add(
                "--log-level",
                format!("there is no level \"{other}\": use debug, info, warn or error"),
            );
            LogLevel::Info
        }
    };

    let mut tls = public_tls(&args, environment.key_passphrase, &mut problems);
    for (given, name) in [
        (args.ssl_ciphers.is_some(), "--ssl-ciphers"),
        (args.ssl_allow_rc4, "--ssl-allow-rc4"),
        (args.ssl_dhparam.is_some(), "--ssl-dhparam"),
    ] {
        if given {
            note(
                LogLevel::Warn,
                &format!("{name} is ignored: only forward-secret AEAD suites are spoken"),
            );
        }
    }
    if let (Some(tls), Some(protocol)) = (&mut tls, &args.ssl_protocol) {
        match protocol.as_str() {
            "TLSv1_2" => tls.only_tls12 = true,
            "TLSv1_3" => tls.min_version = MinVersion::Tls13,
            "TLS" | "SSLv23" => {}
            _ => problems.add(
                "--ssl-protocol",
                format!("{protocol} is not spoken: use TLSv1_2 or TLSv1_3"),
            ),
        }
    }

    let ip = match args.ip.as_deref() {
        Some("*") => {
            note(
                LogLevel::Warn,
                "Interpreting ip='*' as all-interfaces; '' and 0.0.0.0 are the better ways to say it",
            );
            ""
        }
        Some(ip) => ip,
        None => "",
    };
    let port = args.port.unwrap_or(DEFAULT_PORT);
    let public = match args.socket {
        Some(path) => Address::Unix { path, mode: None },
        None => Address::Host {
            host: ip.to_owned(),
            port,
        },
    };
    let api_port = args.api_port.unwrap_or(match public.port() {
        Some(0) => 0,
        Some(port) => port.checked_add(1).unwrap_or_else(|| {
            problems.add("--api-port", "there is no port after 65535: give one");
            0
        }),
        None => DEFAULT_PORT + 1,
    });
    let mut listeners = vec![Listener {
        address: public,
        tls: tls.is_some(),
    }];
    let mut redirect = None;
    if let Some(redirect_port) = args.redirect_port {
        if tls.is_none() {
            problems.add(
                "",
                "HTTPS redirection specified but certificates not provided.",
            );
        }
        // Port 80 is never redirected away from, as there.
        if listeners[0].address.port().is_some_and(|port| port != 80) {
            let address = Address::Host {
                host: String::new(),
                port: redirect_port,
            };
            listeners.push(Listener {
                address,
                tls: false,
            });
            redirect = Some(args.redirect_to.unwrap_or(port));
        }
    }

    let api = Api {
        address: match args.api_socket {
            Some(path) => Address::Unix { path, mode: None },
            None => Address::Host {
                host: args.api_ip,
                port: api_port,
            },
        },
        tls: pair(
            "--api-ssl",
            args.api_ssl_cert,
            args.api_ssl_key,
            environment.api_key_passphrase,
            &mut problems,
        ),
        callers: authority(
            "--api-ssl",
            args.api_ssl_request_cert,
            args.api_ssl_reject_unauthorized,
            args.api_ssl_ca,
            &mut problems,
        ),
        token: environment.token,
    };
    if api.token.is_none() {
        note(LogLevel::Warn, "REST API is not authenticated.");
    }
    let metrics = match (args.metrics_socket, args.metrics_port) {
        (Some(path), _) => Some(Address::Unix { path, mode: None }),
        (None, Some(port)) if port != 0 => Some(Address::Host {
            host: args.metrics_ip,
            port,
        }),
        _ => None,
    };

    let headers = args
        .custom_header
        .iter()
        .filter_map(|text| header(text, &mut problems))
        .collect();
    for (given, text) in [
        (
            args.auto_rewrite,
            "AutoRewrite of Location headers enabled.",
        ),
        (args.change_origin, "Change Origin of host headers enabled."),
    ] {
        if given {
            note(LogLevel::Info, text);
        }
    }
    if let Some(scheme) = &args.protocol_rewrite {
        note(
            LogLevel::Info,
            &format!("ProtocolRewrite enabled. Rewriting to {scheme}"),
        );
    }
    let client = match (args.client_ssl_cert, args.client_ssl_key) {
        (None, None) => None,
        (certificate, key) => pair("--client-ssl", certificate, key, None, &mut problems),
    };
    let milliseconds = |value: Option<u64>| value.filter(|ms| *ms > 0).map(Duration::from_millis);

    if !problems.is_empty() {
        return Err(problems.into_vec());
    }
    notes.extend(problems.take_notes());
    Ok(Settings {
        is_chp: true,
        workers: cpus,
        listeners,
        redirect,
        tls,
        api,
        metrics,
        default_target: args.default_target,
        host_routing: args.host_routing,
        state_file: None,
        pid_file: args.pid_file,
        // It ends at once there; a hub that restarts its proxy waits for the old one.
        drain: Duration::from_millis(500),
        log_level,
        log_format: LogFormat::Text,
        access_log: AccessLog::Off,
        limits: Limits {
            keep_alive_timeout: milliseconds(args.keep_alive_timeout)
                .unwrap_or(Duration::from_secs(5)),
            client_timeout: milliseconds(args.timeout),
            ..Limits::default()
        },
        forward: Forward {
            x_forward: !args.no_x_forward,
            trust_forwarded: true,
            prepend_path: !args.no_prepend_path,
            include_prefix: !args.no_include_prefix,
            auto_rewrite: args.auto_rewrite,
            protocol_rewrite: args.protocol_rewrite,
            change_origin: args.change_origin,
            headers,
            connect_time: Duration::from_secs(30),
            answer_time: milliseconds(args.proxy_timeout),
            insecure: args.insecure,
            client,
            ca: args.client_ssl_ca,
            server_name: None,
        },
        error_pages: match (args.error_target, args.error_path) {
            (Some(url), _) => ErrorPages::Target(url),
            (None, Some(path)) => ErrorPages::Folder(path),
            (None, None) => ErrorPages::Own,
        },
        notes,
    })
}

/// There, an option with an empty value is one that was not given. (An empty address is all addresses.)
fn without_empty(mut args: Args) -> Args {
    let files = [
        &mut args.socket,
        &mut args.ssl_key,
        &mut args.ssl_cert,
        &mut args.ssl_ca,
        &mut args.api_socket,
        &mut args.api_ssl_key,
        &mut args.api_ssl_cert,
        &mut args.api_ssl_ca,
        &mut args.client_ssl_key,
        &mut args.client_ssl_cert,
        &mut args.client_ssl_ca,
        &mut args.error_path,
        &mut args.pid_file,
        &mut args.metrics_socket,
    ];
    for file in files {
        file.take_if(|path| path.as_os_str().is_empty());
    }
    let texts = [
        &mut args.default_target,
        &mut args.error_target,
        &mut args.protocol_rewrite,
        &mut args.ssl_protocol,
        &mut args.storage_backend,
    ];
    for text in texts {
        text.take_if(|text| text.is_empty());
    }
    args
}

fn header(text: &str, problems: &mut Problems) -> Option<(HeaderName, HeaderValue)> {
    let text = text.trim();
    let Some((name, value)) = text.split_once(':').filter(|(name, _)| !name.is_empty()) else {
        problems.add(
            "--custom-header",
            format!("A colon was expected in custom header: {text}"),
        );
        return None;
    };
    match (name.trim().parse(), value.trim().parse()) {
        (Ok(name), Ok(value)) => Some((name, value)),
        _ => {
            problems.add(
                "--custom-header",
                format!("\"{}\" is no header: NAME: VALUE is one", name.trim()),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::cli::{Request, parse};

    fn settings(line: &str) -> Result<Settings, Vec<String>> {
        let words =
            std::iter::once("hubproxy").chain(line.split(' ').filter(|word| !word.is_empty()));
        let Request::Run(args) = parse(words) else {
            panic!("{line}")
        };
        from_args(*args, Environment::default(), 2)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn defaults_are_the_others() {
        let settings = settings("").unwrap();
        assert_eq!(
            settings.listeners[0].address,
            Address::Host {
                host: String::new(),
                port: 8000
            }
        );
        assert_eq!(
            settings.api.address,
            Address::Host {
                host: "localhost".to_owned(),
                port: 8001
            }
        );
        assert_eq!(settings.limits.keep_alive_timeout, Duration::from_secs(5));
        assert!(
            settings.metrics.is_none()
                && settings.forward.x_forward
                && settings.forward.trust_forwarded
        );
        assert_eq!(settings.notes[0].text, "REST API is not authenticated.");
    }

    #[test]
    fn the_api_port_follows_the_public_one() {
        for (line, port) in [
            ("--port 9000", 9001),
            ("--socket /s", 8001),
            ("--port 9000 --api-port 7", 7),
            ("--port 0", 0),
        ] {
            assert_eq!(
                settings(line).unwrap().api.address.port(),
                Some(port),
                "{line}"
            );
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (line, text) in [
            (
                "--error-target http://x --error-path /x",
                "Cannot specify both error-target and error-path. Pick one.",
            ),
            (
                "--redirect-port 80",
                "HTTPS redirection specified but certificates not provided.",
            ),
            ("--ssl-key /k", "--ssl-key: needs --ssl-cert"),
            (
                "--ssl-cert /nonexistent/c --ssl-key /nonexistent/k",
                "--ssl-cert: reading /nonexistent/c: ",
            ),
            (
                "--api-ssl-request-cert --api-ssl-reject-unauthorized",
                "--api-ssl-reject-unauthorized: needs --api-ssl-ca",
            ),
            (
                "--custom-header foo",
                "--custom-header: A colon was expected in custom header: foo",
            ),
            (
                "--custom-header a\u{e4}:1",
                "--custom-header: \"a\u{e4}\" is no header",
            ),
            (
                "--log-level loud",
                "--log-level: there is no level \"loud\"",
            ),
            ("--storage-backend x", "--storage-backend: "),
            ("--port 65535", "--api-port: "),
        ] {
            let found = settings(line).unwrap_err();
            assert!(found[0].starts_with(text), "{line}: {found:?}");
        }
    }

    #[test]
    fn an_empty_value_is_none() {
        let settings =
            settings("--default-target= --error-target= --error-path=/x --ssl-key= --ip=").unwrap();
        assert!(settings.default_target.is_none() && settings.tls.is_none());
        assert_eq!(
            settings.error_pages,
            ErrorPages::Folder(PathBuf::from("/x"))
        );
        assert_eq!(settings.listeners[0].address.port(), Some(8000));
    }

    #[test]
    fn headers_are_trimmed() {
        let headers = settings("--custom-header=k1:v1 --custom-header=X-Y:z:1")
            .unwrap()
            .forward
            .headers;
        assert_eq!(headers[0].0, "k1");
        assert_eq!(
            (headers[1].0.as_str(), headers[1].1.as_bytes()),
            ("x-y", &b"z:1"[..])
        );
    }

    #[test]
    fn a_redirect_goes_to_the_public_port_unless_told_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pem");
        std::fs::write(&file, "").unwrap();
        let file = file.display();
        let line = format!("--port 8443 --ssl-key {file} --ssl-cert {file} --redirect-port 8080");
        let redirect = |line: &str| settings(line).unwrap().redirect;
        assert_eq!(redirect(&line), Some(8443));
        assert_eq!(redirect(&format!("{line} --redirect-to 443")), Some(443));
        assert_eq!(redirect(&line.replace("--port 8443", "--port 80")), None);
    }
}
