//! What was just done, told on the page that follows: `?done=` names one of these texts and cannot say anything else.

/// The text of a notice.
pub fn text(done: &str) -> Option<&'static str> {
    Some(match done {
        "logged-out" => "You are logged out.",
        "password" => "Your password is changed. Other browsers are logged out.",
        "stopped" => "The server is stopped.",
        "stopping" => "The server is stopping.",
        "started" => "The server is started.",
        "starting" => "The server is starting.",
        "removed" => "The server is removed. Files are not touched.",
        "revoked" => "The token is revoked.",
        "app-revoked" => "The application is forgotten. Its tokens are revoked.",
        "saved" => "Saved.",
        "added" => "Added.",
        "deleted" => "Deleted.",
        _ => return None,
    })
}
