//! The command line: configurable-http-proxy's, and `--config FILE` in its place.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::styling::Styles;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};

/// What configurable-http-proxy's `-V` printed when its command line was last compared with this one.
pub const CHP_VERSION: &str = "5.3.0";

/// A reverse proxy for notebook hubs.
///
/// Takes configurable-http-proxy's options and environment (CONFIGPROXY_AUTH_TOKEN, CONFIGPROXY_SSL_KEY_PASSPHRASE,
/// CONFIGPROXY_API_SSL_KEY_PASSPHRASE), or everything from a file of its own (--config).
#[derive(Debug, Parser)]
#[command(name = "hubproxy", disable_version_flag = true, args_override_self = true, styles = Styles::plain())]
pub struct Args {
    /// Read hubproxy.toml instead of options
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub config: Option<PathBuf>,
    /// Check the configuration, say what is wrong with it, and end
    #[arg(long)]
    pub check_config: bool,
    /// Print the version
    #[arg(short = 'V', long)]
    pub version: bool,

    /// Public IP address or host name; '' or '*': all
    #[arg(long, value_name = "IP")]
    pub ip: Option<String>,
    /// Public port [default: 8000]; 0: any free one
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// Public Unix socket, instead of --ip and --port
    #[arg(long, value_name = "PATH", value_parser = path(), conflicts_with_all = ["ip", "port"])]
    pub socket: Option<PathBuf>,
    /// Key of the public certificate
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub ssl_key: Option<PathBuf>,
    /// Public certificate; with it, the public port speaks HTTPS
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub ssl_cert: Option<PathBuf>,
    /// Authorities of clients' certificates
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub ssl_ca: Option<PathBuf>,
    /// Ask clients for a certificate
    #[arg(long)]
    pub ssl_request_cert: bool,
    /// Refuse clients without a valid one (with --ssl-request-cert)
    #[arg(long)]
    pub ssl_reject_unauthorized: bool,
    /// The one TLS version to speak: TLSv1_2 or TLSv1_3
    #[arg(long, value_name = "NAME")]
    pub ssl_protocol: Option<String>,
    /// Accepted and ignored: only forward-secret AEAD suites are spoken
    #[arg(long, value_name = "LIST")]
    pub ssl_ciphers: Option<String>,
    /// Accepted and ignored: there is no RC4
    #[arg(long)]
    pub ssl_allow_rc4: bool,
    /// Accepted and ignored: key exchange is elliptic
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub ssl_dhparam: Option<PathBuf>,

    /// Address of the routes API
    #[arg(long, value_name = "IP", default_value = "localhost")]
    pub api_ip: String,
    /// Port of the routes API [default: --port + 1]
    #[arg(long, value_name = "N")]
    pub api_port: Option<u16>,
    /// Unix socket of the routes API, instead of --api-ip and --api-port
    #[arg(long, value_name = "PATH", value_parser = path())]
    pub api_socket: Option<PathBuf>,
    /// Key of the API's certificate
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub api_ssl_key: Option<PathBuf>,
    /// The API's certificate
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub api_ssl_cert: Option<PathBuf>,
    /// Authorities of certificates that the API's callers show
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub api_ssl_ca: Option<PathBuf>,
    /// Ask the API's callers for a certificate
    #[arg(long)]
    pub api_ssl_request_cert: bool,
    /// Refuse callers without a valid one (with --api-ssl-request-cert)
    #[arg(long)]
    pub api_ssl_reject_unauthorized: bool,

    /// Key of the certificate shown to https targets
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub client_ssl_key: Option<PathBuf>,
    /// Certificate shown to https targets
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub client_ssl_cert: Option<PathBuf>,
    /// Authorities of https targets
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub client_ssl_ca: Option<PathBuf>,
    /// Accepted; targets always show a certificate
    #[arg(long)]
    pub client_ssl_request_cert: bool,
    /// Accepted; targets' certificates are checked unless --insecure
    #[arg(long)]
    pub client_ssl_reject_unauthorized: bool,

    /// Where requests go that no route takes
    #[arg(long, value_name = "URL")]
    pub default_target: Option<String>,
    /// Server that makes error pages: asked for CODE?url=…
    #[arg(long, value_name = "URL")]
    pub error_target: Option<String>,
    /// Folder of error pages: CODE.html, error.html
    #[arg(long, value_name = "PATH", value_parser = path())]
    pub error_path: Option<PathBuf>,
    /// Port whose HTTP requests are redirected to HTTPS
    #[arg(long, value_name = "N")]
    pub redirect_port: Option<u16>,
    /// Port that they are redirected to [default: --port]
    #[arg(long, value_name = "N")]
    pub redirect_to: Option<u16>,
    /// File for the process id; removed at the end
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub pid_file: Option<PathBuf>,

    /// Add no X-Forwarded headers
    #[arg(long)]
    pub no_x_forward: bool,
    /// Leave out the path of the target's URL
    #[arg(long)]
    pub no_prepend_path: bool,
    /// Cut the route's prefix off the forwarded path
    #[arg(long)]
    pub no_include_prefix: bool,
    /// Rewrite host and port in Location
    #[arg(long)]
    pub auto_rewrite: bool,
    /// Set Host to the target's
    #[arg(long)]
    pub change_origin: bool,
    /// Rewrite the scheme in Location to this one
    #[arg(long, value_name = "SCHEME")]
    pub protocol_rewrite: Option<String>,
    /// Header for every forwarded request, 'NAME: VALUE'; repeatable
    #[arg(long, value_name = "HEADER")]
    pub custom_header: Vec<String>,
    /// Do not check certificates of https targets
    #[arg(long)]
    pub insecure: bool,
    /// Route by host name: it is the first segment of a routespec
    #[arg(long)]
    pub host_routing: bool,

    /// Address of the metrics; '': all
    #[arg(long, value_name = "IP", default_value = "")]
    pub metrics_ip: String,
    /// Port of the metrics [default: no metrics]
    #[arg(long, value_name = "N")]
    pub metrics_port: Option<u16>,
    /// Unix socket of the metrics, instead of --metrics-ip and --metrics-port
    #[arg(long, value_name = "PATH", value_parser = path())]
    pub metrics_socket: Option<PathBuf>,
    /// debug, info, warn or error
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
    /// Milliseconds after which a silent client's request is dropped
    #[arg(long, value_name = "MS")]
    pub timeout: Option<u64>,
    /// Milliseconds that a target may take to answer
    #[arg(long, value_name = "MS")]
    pub proxy_timeout: Option<u64>,
    /// Refused: routes are kept in memory (and, with --config, in state_file)
    #[arg(long, value_name = "MODULE")]
    pub storage_backend: Option<String>,
    /// Milliseconds that an idle connection is kept [default: 5000]
    #[arg(long, value_name = "MS")]
    pub keep_alive_timeout: Option<u64>,
}

/// A path that may be empty, which stands for an option that was not given.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Request {
    /// Serve, or check the configuration.
    Run(Box<Args>),
    /// Print this on standard output and end with 0: `-h`, `-V`.
    Show(String),
    /// Print this on standard error and end with 1, as configurable-http-proxy does.
    Refuse(String),
}

/// Reads a command line, program name included.
pub fn parse<I, T>(line: I) -> Request
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let line: Vec<OsString> = line.into_iter().map(Into::into).collect();
    let matches = match command().try_get_matches_from(&line) {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => return Request::Refuse(error.to_string()),
        Err(help) => return Request::Show(help.to_string()),
    };
    if matches.get_flag("version") {
        return Request::Show(version(line.first()));
    }
    if matches.contains_id("config")
        && let Some(option) = beside_config(&matches)
    {
        return Request::Refuse(format!(
            "error: --{option} cannot be used with --config: write it into the file\n"
        ));
    }
    match Args::from_arg_matches(&matches) {
        Ok(args) => Request::Run(Box::new(args)),
        Err(error) => Request::Refuse(error.to_string()),
    }
}

/// A value may start with a dash, as it may in configurable-http-proxy: `--custom-header -x:1`.
fn command() -> clap::Command {
    Args::command().mut_args(|arg| {
        let takes_value = arg.get_action().takes_values();
        arg.allow_hyphen_values(takes_value)
    })
}

/// Started under the other's name, the version begins with the other's, for scripts that compare it.
fn version(program: Option<&OsString>) -> String {
    let own = env!("CARGO_PKG_VERSION");
    let name = program
        .map(PathBuf::from)
        .and_then(|path| path.file_name().map(OsString::from));
    if name.is_some_and(|name| name == "configurable-http-proxy") {
        format!("{CHP_VERSION} (hubproxy {own})\n")
    } else {
        format!("hubproxy {own}\n")
    }
}

/// An option on the command line that belongs into the file.
fn beside_config(matches: &ArgMatches) -> Option<String> {
    matches
        .ids()
        .map(clap::Id::as_str)
        .filter(|id| !matches!(*id, "config" | "check_config" | "Args"))
        .find(|id| matches.value_source(id) == Some(ValueSource::CommandLine))
        .map(|id| id.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &[&str]) -> Args {
        match parse(std::iter::once("hubproxy").chain(line.iter().copied())) {
            Request::Run(args) => *args,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    fn refusal(line: &[&str]) -> String {
        match parse(std::iter::once("hubproxy").chain(line.iter().copied())) {
            Request::Refuse(text) => text,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    #[test]
    fn jupyterhubs_command_line() {
        let args = run(&[
            "--ip",
            "",
            "--port",
            "8000",
            "--api-ip",
            "127.0.0.1",
            "--api-port",
            "8001",
            "--error-target",
            "http://127.0.0.1:8081/hub/error",
            "--log-level=debug",
        ]);
        assert_eq!(args.ip.as_deref(), Some(""));
        assert_eq!((args.port, args.api_port), (Some(8000), Some(8001)));
        assert_eq!(
            args.error_target.as_deref(),
            Some("http://127.0.0.1:8081/hub/error")
        );
        assert_eq!(args.log_level, "debug");
    }

    #[test]
    fn values_come_with_a_space_or_an_equals_sign_and_the_last_one_counts() {
        assert_eq!(run(&["--port=1", "--port", "2"]).port, Some(2));
        assert_eq!(
            run(&["--custom-header", "-a:b", "--custom-header=c: d"]).custom_header,
            ["-a:b", "c: d"]
        );
        assert!(run(&["--insecure", "--insecure"]).insecure);
        // The other takes the next word whatever it looks like, and so takes `--port` for the address.
        assert_eq!(run(&["--ip", "--port"]).ip.as_deref(), Some("--port"));
    }

    #[test]
    fn what_the_other_refuses_is_refused() {
        for line in [
            &["extra"][..],
            &["--bogus"],
            &["--port"],
            &["--port", "1", "--socket", "/s"],
            &["--ip", "::1", "--socket", "/s"],
            &["--portt", "1"],
            &["--por", "1"],
            &["--logLevel", "debug"],
            &["--x-forward"],
            &["--host-routing=true"],
            &["--port", "99999"],
            &["--", "foo"],
            &["-port", "1"],
        ] {
            assert!(refusal(line).starts_with("error: "), "{line:?}");
        }
        // Taken for 8000 there; nobody means that.
        assert!(refusal(&["--port", "abc"]).contains("--port"));
    }

    #[test]
    fn an_api_socket_goes_before_an_api_port() {
        let args = run(&["--api-socket", "/s", "--api-port", "1"]);
        assert!(args.api_socket.is_some() && args.api_port == Some(1));
    }

    #[test]
    fn beside_a_file_there_are_no_options() {
        assert!(run(&["--config", "/f", "--check-config"]).check_config);
        assert!(refusal(&["--config", "/f", "--log-level", "debug"]).contains("--log-level"));
        assert!(refusal(&["--host-routing", "--config", "/f"]).contains("--host-routing"));
    }

    #[test]
    fn the_version_follows_the_name() {
        let show = |name: &str| match parse([name, "-V"]) {
            Request::Show(text) => text,
            other => panic!("{other:?}"),
        };
        assert!(show("/usr/bin/hubproxy").starts_with("hubproxy "));
        assert!(show("/usr/bin/configurable-http-proxy").starts_with("5.3.0 (hubproxy "));
        assert!(matches!(parse(["hubproxy", "-h"]), Request::Show(_)));
    }
}
