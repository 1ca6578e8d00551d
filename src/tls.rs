//! Certificates: an authority for each deployment and the leaf it signs.
