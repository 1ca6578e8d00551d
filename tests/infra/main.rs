//! The cloud half from outside: plans as tables, and its whole life against an OpenStack in this process.

mod fixture;
mod plan;
mod preflight;
