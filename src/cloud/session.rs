//! session
pub struct Cloud;
