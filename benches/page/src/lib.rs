//! docs/benchmarks.md: its tables, its sections, and the machine they were measured on.

mod machine;
mod page;
mod table;

pub use machine::{Machine, calm, load, processors};
pub use page::{Page, today};
pub use table::{Sample, Table, ratio, seconds, thousands};
