//! The people: names, passwords, accounts on the server, what is handed out.
