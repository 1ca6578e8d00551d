//! The URL of a request as its target gets it.

use http::request::Parts;

use super::options::Options;
use crate::routes::{Route, Target};

/// Writes the target's own path and what is left of the request's URL, byte for byte.
pub(super) fn write(
    out: &mut Vec<u8>,
    parts: &Parts,
    route: &Route,
    target: &Target,
    options: &Options,
) {
    let whole = parts
        .uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    if options.prepend_path {
        out.extend_from_slice(target.path.as_bytes());
    }
    let rest = if options.include_prefix {
        whole
    } else {
        let path = &*route.path;
        let prefix = if options.host_routing {
            // The first segment is the host.
            path.get(1..)
                .and_then(|path| path.find('/'))
                .map_or("", |at| &path[at + 1..])
        } else {
            path
        };
        without_prefix(whole, prefix)
    };
    if !rest.starts_with('/') {
        out.push(b'/');
    }
    out.extend_from_slice(rest.as_bytes());
}

/// Takes a route's path off a URL, whose encoding may differ from it. The URL stays whole where its dot segments hide
/// the path.
fn without_prefix<'a>(url: &'a str, prefix: &str) -> &'a str {
    if prefix.is_empty() || prefix == "/" {
        return url;
    }
    let path = url.split('?').next().unwrap_or_default();
    // It has at least as many slashes once it is decoded as before.
    let most = prefix.matches('/').count() + 1;
    let ends = path
        .match_indices(['/', '\\'])
        .map(|(at, _)| at)
        .chain([path.len()])
        .take(most + 1);
    for end in ends {
        if crate::routes::decode(&path[..end]).is_ok_and(|decoded| decoded == prefix) {
            return &url[end..];
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn url(
        url: &str,
        target: &str,
        route: &str,
        include_prefix: bool,
        prepend_path: bool,
        host_routing: bool,
    ) -> String {
        let options = Options {
            include_prefix,
            prepend_path,
            host_routing,
            ..Options::default()
        };
        let (parts, ()) = Request::get(url).body(()).unwrap().into_parts();
        let table = crate::routes::Table::new();
        let mut data = serde_json::Map::new();
        data.insert("target".to_owned(), target.into());
        let route = table.insert(route, data).unwrap();
        let mut out = Vec::new();
        write(
            &mut out,
            &parts,
            &route,
            route.target.as_ref().unwrap(),
            &options,
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_url_is_the_targets_path_and_what_is_left_of_the_requests() {
        let plain = "http://h";
        assert_eq!(
            url("/a//b%2F?q", plain, "/", true, true, false),
            "/a//b%2F?q"
        );
        assert_eq!(
            url("/a/b?q", "http://h/base/", "/a", true, true, false),
            "/base/a/b?q"
        );
        assert_eq!(
            url("/a/b?q", "http://h/base/", "/a", true, false, false),
            "/a/b?q"
        );
        assert_eq!(url("/a/b?q", plain, "/a", false, true, false), "/b?q");
        assert_eq!(url("/a?q", plain, "/a", false, true, false), "/?q");
        assert_eq!(url("/a%20b/c", plain, "/a b", false, true, false), "/c");
        assert_eq!(
            url("/a/b", "http://h/base", "/a", false, true, false),
            "/base/b"
        );
        assert_eq!(
            url("/a/b", plain, "/hub.example/a", false, true, true),
            "/b"
        );
        assert_eq!(
            url("/a/b", plain, "/hub.example", false, true, true),
            "/a/b"
        );
    }
}
