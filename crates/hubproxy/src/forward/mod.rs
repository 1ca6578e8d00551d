//! Takes a request to its target and the answer back: headers, connections, WebSockets, error pages.
