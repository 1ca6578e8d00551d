//! The REST API.

use crate::program::{Program, Proxy};
use crate::table::{Place, Row, differs, same};

const HANGS: &str = "an exception in its handler leaves the client without an answer";

const AUTHORIZATION: &[Row] = &[
    same("GET /api/routes", &["403", "body "]),
    same(
        "GET /api/routes\nAuthorization: token wrong",
        &["403", "body "],
    ),
    same("GET /api/routes\n{auth}", &["200"]),
    same("GET /api/routes\nAuthorization: token    {token}", &["200"]),
    same("GET /api/routes\nAuthorization: Token {token}", &["403"]),
    same("GET /api/routes\nAuthorization: Bearer {token}", &["403"]),
    same("GET /api/routes\nAuthorization: {token}", &["403"]),
    same("GET /api/routes\nAuthorization: token", &["403"]),
    same("GET /api/routes\nAuthorization: token {token}x", &["403"]),
    same(
        "GET /api/routes\nAuthorization: foo token {token} bar",
        &["200"],
    ),
    same(
        "GET /api/routes\nAuthorization: token x token {token}",
        &["403"],
    ),
    same("GET /api/routes?token={token}", &["403"]),
    same(
        "POST /api/routes/x\n\n{\"target\":\"http://127.0.0.1:1\"}",
        &["403"],
    ),
    // The body is read before the token is.
    same(
        "POST /api/routes/x\n\n{",
        &["400", "body has not valid JSON"],
    ),
    same("DELETE /api/routes/x", &["403"]),
    // What is not there, and what cannot be done, needs no token.
    same("GET /api", &["404", "body Not Found"]),
    same("GET /", &["404"]),
    same("GET /api/routesx", &["404"]),
    same("GET /api/other", &["404"]),
    same(
        "PUT /api/routes/x\n\n{}",
        &["405", "body Method not supported"],
    ),
    same("PATCH /api/routes\n\n{}", &["405"]),
    same("OPTIONS /api/routes", &["405"]),
    same("HEAD /api/routes\n{auth}", &["405", "body "]),
];

pub async fn authorization(program: Program) {
    let proxy = Proxy::start(program, &[]).await;
    let place = Place::api(&proxy).with("{token}", crate::program::TOKEN);
    place.side_by_side(AUTHORIZATION).await;
}

const BODIES: &[Row] = &[
    same(
        "POST /api/routes/a\n{auth}\n\n{\"target\":\"http://127.0.0.1:1\"}",
        &["201", "body ", "no header content-type"],
    ),
    same(
        "POST /api/routes/b\n{auth}\nContent-Type: text/plain\n\n{\"target\":\"http://127.0.0.1:1\"}",
        &["201"],
    ),
    same(
        "POST /api/routes/c\n{auth}\nContent-Type: application/x-www-form-urlencoded\n\n{\"target\":\"http://127.0.0.1:1\"}",
        &["201"],
    ),
    same(
        "POST /api/routes/d\n{auth}\nTransfer-Encoding: chunked\n\n1b\r\n{\"target\":\"http://host:1/x\"\r\n1\r\n}\r\n0\r\n\r\n",
        &["201"],
    ),
    same(
        "GET /api/routes/d\n{auth}",
        &["200", r#"json /target "http://host:1/x""#],
    ),
    same(
        "POST /api/routes/e\n{auth}\n\n",
        &["400", "body has not valid JSON"],
    ),
    same(
        "POST /api/routes/e\n{auth}\n\n[]",
        &["400", "body Must specify 'target' as string"],
    ),
    same(
        "POST /api/routes/e\n{auth}\n\nnull",
        &["400", "body Must specify 'target' as string"],
    ),
    same(
        "POST /api/routes/e\n{auth}\n\n7",
        &["400", "body Must specify 'target' as string"],
    ),
    same(
        "POST /api/routes/e\n{auth}\n\n\"x\"",
        &["400", "body Must specify 'target' as string"],
    ),
    same(
        "POST /api/routes/e\n{auth}\n\n{}",
        &["400", "body Must specify 'target' as string"],
    ),
    same(
        "POST /api/routes/e\n{auth}\n\n{\"target\":7}",
        &["400", "body Must specify 'target' as string"],
    ),
    same("POST /api/routes/e\n{auth}\n\n{\"target\":null}", &["400"]),
    same(
        "POST /api/routes/e\n{auth}\n\n{\"target\":\"http://h\"} x",
        &["400", "body has not valid JSON"],
    ),
    same("GET /api/routes/e\n{auth}", &["404", "body "]),
    // Everything else is kept as it was sent, but for the time.
    same(
        "POST /api/routes/user/x\n{auth}\n\n{\"user\":\"x\",\"server_name\":\"\",\"target\":\"http://127.0.0.1:1\",\"jupyterhub\":true,\"n\":{\"a\":[1,null,\"ü\"]},\"last_activity\":\"1999\"}",
        &["201"],
    ),
    same(
        "GET /api/routes/user/x\n{auth}",
        &[
            "200",
            "header content-type: application/json",
            r#"json /user "x""#,
            r#"json /server_name """#,
            "json /jupyterhub true",
            r#"json /n {"a":[1,null,"ü"]}"#,
            "body has \"last_activity\":\"20",
            "body has Z\"",
        ],
    ),
    // A second one replaces all of it.
    same(
        "POST /api/routes/user/x\n{auth}\n\n{\"target\":\"http://127.0.0.1:2\"}",
        &["201"],
    ),
    same(
        "GET /api/routes/user/x\n{auth}",
        &[
            "200",
            r#"json /target "http://127.0.0.1:2""#,
            "json no /user",
        ],
    ),
    // Whether it is a URL is seen when it is used.
    same(
        "POST /api/routes/f\n{auth}\n\n{\"target\":\"elsewhere\"}",
        &["201"],
    ),
];

pub async fn bodies(program: Program) {
    let proxy = Proxy::start(program, &[]).await;
    Place::api(&proxy).in_order(BODIES).await;
}

const T: &str = "http://127.0.0.1:1";

const PATHS: &[Row] = &[
    same(
        "POST /api/routes\n{auth}\n\n{\"target\":\"{t}\",\"is\":\"root\"}",
        &["201"],
    ),
    same("GET /api/routes\n{auth}", &["200", r#"json /~1/is "root""#]),
    same(
        "GET /api/routes/\n{auth}",
        &["200", r#"json /~1/is "root""#],
    ),
    same(
        "POST /api/routes/\n{auth}\n\n{\"target\":\"{t}\",\"is\":\"root again\"}",
        &["201"],
    ),
    same(
        "GET /api/routes\n{auth}",
        &["200", r#"json /~1/is "root again""#],
    ),
    // Decoded when stored, decoded when asked for.
    same(
        "POST /api/routes/user/foo%20bar\n{auth}\n\n{\"target\":\"{t}\"}",
        &["201"],
    ),
    same("GET /api/routes/user/foo%20bar\n{auth}", &["200"]),
    same(
        "GET /api/routes\n{auth}",
        &["json /~1user~1foo~2bar/target \"{t}\""],
    ),
    same(
        "POST /api/routes/user/%C3%BC\n{auth}\n\n{\"target\":\"{t}\"}",
        &["201"],
    ),
    same(
        "GET /api/routes\n{auth}",
        &["json /~1user~1ü/target \"{t}\""],
    ),
    same(
        "POST /api/routes/a%2Fb\n{auth}\n\n{\"target\":\"{t}\",\"is\":\"decoded\"}",
        &["201"],
    ),
    same(
        "GET /api/routes/a/b\n{auth}",
        &["200", r#"json /is "decoded""#],
    ),
    // One slash at the end is as none.
    same(
        "POST /api/routes/s/\n{auth}\n\n{\"target\":\"{t}\"}",
        &["201"],
    ),
    same("GET /api/routes/s\n{auth}", &["200"]),
    same("GET /api/routes/s/\n{auth}", &["200"]),
    same("DELETE /api/routes/s/\n{auth}", &["204"]),
    same("GET /api/routes/s\n{auth}", &["404"]),
    same("DELETE /api/routes/nothing\n{auth}", &["404", "body "]),
    same("DELETE /api/routes/\n{auth}", &["204"]),
    same("DELETE /api/routes/\n{auth}", &["404"]),
    differs(HANGS, "DELETE /api/routes\n{auth}", &["hangs"], &["404"]),
    differs(HANGS, "GET /api/routes/%ZZ\n{auth}", &["hangs"], &["400"]),
    differs(
        HANGS,
        "DELETE /api/routes/%ZZ\n{auth}",
        &["hangs"],
        &["400"],
    ),
    differs(
        HANGS,
        "POST /api/routes/%FF\n{auth}\n\n{\"target\":\"{t}\"}",
        &["hangs"],
        &["400"],
    ),
];

pub async fn paths(program: Program) {
    let proxy = Proxy::start(program, &[]).await;
    Place::api(&proxy).with("{t}", T).in_order(PATHS).await;
}

const INACTIVE: &[Row] = &[
    same(
        "POST /api/routes/a\n{auth}\n\n{\"target\":\"{t}\"}",
        &["201"],
    ),
    same(
        "GET /api/routes?inactiveSince=2000-01-01T00:00:00Z\n{auth}",
        &["200", "body {}"],
    ),
    same(
        "GET /api/routes?inactiveSince=2000-01-01\n{auth}",
        &["200", "body {}"],
    ),
    same(
        "GET /api/routes?inactiveSince=2100-01-01T00:00:00.000Z\n{auth}",
        &["200", "json /~1a/target \"{t}\""],
    ),
    same(
        "GET /api/routes?inactiveSince=2100-01-01T00:00:00%2B02:00\n{auth}",
        &["200", "json /~1a/target \"{t}\""],
    ),
    same(
        "GET /api/routes/?inactive_since=2100-01-01\n{auth}",
        &["200", "json /~1a/target \"{t}\""],
    ),
    same(
        "GET /api/routes?inactive_since=2000-01-01T00:00:00Z\n{auth}",
        &["200", "body {}"],
    ),
    same(
        "GET /api/routes?inactiveSince=\n{auth}",
        &["200", "json /~1a/target \"{t}\""],
    ),
    same(
        "GET /api/routes?inactiveSince=endoftheworld\n{auth}",
        &[
            "400",
            "body Invalid datestamp 'endoftheworld' must be ISO8601.",
        ],
    ),
    same("GET /api/routes?inactiveSince=endoftheworld", &["403"]),
    same(
        "GET /api/routes/a?inactiveSince=endoftheworld\n{auth}",
        &["200"],
    ),
    same(
        "GET /api/routes?other=1\n{auth}",
        &["200", "json /~1a/target \"{t}\""],
    ),
];

pub async fn inactive_since(program: Program) {
    let proxy = Proxy::start(program, &[]).await;
    Place::api(&proxy).with("{t}", T).in_order(INACTIVE).await;
}
