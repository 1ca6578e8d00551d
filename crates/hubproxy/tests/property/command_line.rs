//! The command line: what is well formed means what it says, what is not is refused, and nothing panics.

use hubproxy::cli::{Args, Request, parse};
use hubproxy::settings::{Environment, from_args};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::{lines, runner};

const FLAGS: &[&str] = &[
    "--ssl-request-cert",
    "--ssl-reject-unauthorized",
    "--ssl-allow-rc4",
    "--api-ssl-request-cert",
    "--api-ssl-reject-unauthorized",
    "--client-ssl-request-cert",
    "--client-ssl-reject-unauthorized",
    "--no-x-forward",
    "--no-prepend-path",
    "--no-include-prefix",
    "--auto-rewrite",
    "--change-origin",
    "--insecure",
    "--host-routing",
];
const TEXTS: &[&str] = &[
    "--ip",
    "--ssl-key",
    "--ssl-cert",
    "--ssl-ca",
    "--api-ip",
    "--default-target",
    "--error-target",
    "--pid-file",
    "--protocol-rewrite",
    "--log-level",
    "--metrics-ip",
    "--custom-header",
];
const NUMBERS: &[&str] = &[
    "--port",
    "--api-port",
    "--redirect-port",
    "--redirect-to",
    "--metrics-port",
    "--timeout",
    "--proxy-timeout",
    "--keep-alive-timeout",
];

#[derive(Clone, Debug)]
enum Word {
    Flag(&'static str),
    Text(&'static str, String),
    Number(&'static str, u16),
}

fn words() -> impl Strategy<Value = Vec<(Word, bool)>> {
    let word = prop_oneof![
        select(FLAGS).prop_map(Word::Flag),
        (select(TEXTS), "[a-z:/. -]{1,12}").prop_map(|(option, text)| Word::Text(option, text)),
        (select(NUMBERS), any::<u16>()).prop_map(|(option, number)| Word::Number(option, number)),
    ];
    vec((word, any::<bool>()), 0..12)
}

fn line(words: &[(Word, bool)]) -> Vec<String> {
    let mut line = vec!["hubproxy".to_owned()];
    for (word, joined) in words {
        let (option, value) = match word {
            Word::Flag(option) => {
                line.push((*option).to_owned());
                continue;
            }
            Word::Text(option, text) => (option, text.clone()),
            Word::Number(option, number) => (option, number.to_string()),
        };
        if *joined {
            line.push(format!("{option}={value}"));
        } else {
            line.extend([(*option).to_owned(), value]);
        }
    }
    line
}

/// What an option that was given last came to.
fn found(args: &Args, option: &str) -> Option<String> {
    let path =
        |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    match option {
        "--ip" => args.ip.clone(),
        "--ssl-key" => path(&args.ssl_key),
        "--ssl-cert" => path(&args.ssl_cert),
        "--ssl-ca" => path(&args.ssl_ca),
        "--api-ip" => Some(args.api_ip.clone()),
        "--default-target" => args.default_target.clone(),
        "--error-target" => args.error_target.clone(),
        "--pid-file" => path(&args.pid_file),
        "--protocol-rewrite" => args.protocol_rewrite.clone(),
        "--log-level" => Some(args.log_level.clone()),
        "--metrics-ip" => Some(args.metrics_ip.clone()),
        "--port" => args.port.map(|n| n.to_string()),
        "--api-port" => args.api_port.map(|n| n.to_string()),
        "--redirect-port" => args.redirect_port.map(|n| n.to_string()),
        "--redirect-to" => args.redirect_to.map(|n| n.to_string()),
        "--metrics-port" => args.metrics_port.map(|n| n.to_string()),
        "--timeout" => args.timeout.map(|n| n.to_string()),
        "--proxy-timeout" => args.proxy_timeout.map(|n| n.to_string()),
        "--keep-alive-timeout" => args.keep_alive_timeout.map(|n| n.to_string()),
        _ => None,
    }
}

fn flag(args: &Args, option: &str) -> bool {
    match option {
        "--ssl-request-cert" => args.ssl_request_cert,
        "--ssl-reject-unauthorized" => args.ssl_reject_unauthorized,
        "--ssl-allow-rc4" => args.ssl_allow_rc4,
        "--api-ssl-request-cert" => args.api_ssl_request_cert,
        "--api-ssl-reject-unauthorized" => args.api_ssl_reject_unauthorized,
        "--client-ssl-request-cert" => args.client_ssl_request_cert,
        "--client-ssl-reject-unauthorized" => args.client_ssl_reject_unauthorized,
        "--no-x-forward" => args.no_x_forward,
        "--no-prepend-path" => args.no_prepend_path,
        "--no-include-prefix" => args.no_include_prefix,
        "--auto-rewrite" => args.auto_rewrite,
        "--change-origin" => args.change_origin,
        "--insecure" => args.insecure,
        "--host-routing" => args.host_routing,
        _ => false,
    }
}

#[test]
fn what_is_well_formed_means_what_it_says() {
    runner("tests/property/corpus/command_line.seeds", 256)
        .run(&words(), |words| {
            let line = line(&words);
            let Request::Run(args) = parse(&line) else {
                return Err(TestCaseError::fail(format!("refused: {line:?}")));
            };
            let mut headers = Vec::new();
            for (at, (word, _)) in words.iter().enumerate() {
                let (option, value) = match word {
                    Word::Flag(option) => {
                        prop_assert!(flag(&args, option), "{option} in {line:?}");
                        continue;
                    }
                    Word::Text("--custom-header", text) => {
                        headers.push(text.clone());
                        continue;
                    }
                    Word::Text(option, text) => (*option, text.clone()),
                    Word::Number(option, number) => (*option, number.to_string()),
                };
                let again = words[at + 1..].iter().any(|(word, _)| match word {
                    Word::Text(other, _) | Word::Number(other, _) => *other == option,
                    Word::Flag(_) => false,
                });
                if !again {
                    prop_assert_eq!(
                        found(&args, option),
                        Some(value),
                        "{} in {:?}",
                        option,
                        line
                    );
                }
            }
            prop_assert_eq!(&args.custom_header, &headers);
            for option in FLAGS {
                let given = words
                    .iter()
                    .any(|(word, _)| matches!(word, Word::Flag(flag) if flag == option));
                prop_assert_eq!(flag(&args, option), given);
            }
            // Settings come of it, or problems that are said.
            if let Err(problems) = from_args(*args, Environment::default(), 1) {
                prop_assert!(!problems.is_empty());
            }
            Ok(())
        })
        .expect("options that mean what they say");
}

#[test]
fn no_command_line_is_too_odd() {
    let try_it = |line: &[String]| match parse(line) {
        Request::Run(args) => drop(from_args(*args, Environment::default(), 1)),
        Request::Show(text) | Request::Refuse(text) => assert!(!text.is_empty(), "{line:?}"),
    };
    for known in lines(include_str!("corpus/command_line.txt")) {
        let line: Vec<String> = std::iter::once("hubproxy")
            .chain(known.split(' '))
            .map(str::to_owned)
            .collect();
        try_it(&line);
    }
    let known = [
        FLAGS,
        TEXTS,
        NUMBERS,
        &["--config", "--socket", "-V", "-h", "--", "-"],
    ]
    .concat();
    let word = prop_oneof![
        select(known).prop_map(str::to_owned),
        any::<String>(),
        "--[a-z-]{1,12}=?.{0,6}"
    ];
    runner("tests/property/corpus/odd_line.seeds", 256)
        .run(&vec(word, 0..8), |mut line| {
            line.insert(0, "hubproxy".to_owned());
            try_it(&line);
            Ok(())
        })
        .expect("no panic");
}
