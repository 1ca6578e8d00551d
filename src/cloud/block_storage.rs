//! block_storage
