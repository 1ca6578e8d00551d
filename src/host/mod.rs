//! The SSH seam: one session to the server, host keys checked, commands and transfers with deadlines.
