//! The table of routes: which target a request goes to.

mod path;
mod route;
mod table;
mod target;

pub(crate) use path::decode;
pub use path::{PathError, Segments};
pub use route::Route;
pub use table::{RouteError, Table};
pub use target::{Endpoint, Target, TargetError};
