//! Certificates: from files, self-signed, by ACME.
