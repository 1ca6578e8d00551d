//! The cloud half from outside: plans as tables, and its whole life against an OpenStack in this process.

mod cloud;
mod faults;
mod fixture;
mod life;
mod plan;
mod preflight;
