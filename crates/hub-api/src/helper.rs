//! The root helper: its configuration file and the four verbs on its socket.
