//! config
pub struct CloudConfig;
