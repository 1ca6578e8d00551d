//! error
#[derive(Debug)]
pub enum CloudError {}
