//! Where hubd answers otherwise than JupyterHub, and why.

/// Cases that are answered otherwise for one reason.
pub struct Difference {
    /// Names of [`crate::table::CASES`].
    pub cases: &'static [&'static str],
    /// For the page: what differs, and why.
    pub what: &'static str,
    pub why: &'static str,
}

/// All of them.
pub const DIFFERENCES: &[Difference] = &[];

/// Why a case is answered otherwise, if it is.
pub fn of(case: &str) -> Option<&'static Difference> {
    DIFFERENCES
        .iter()
        .find(|difference| difference.cases.contains(&case))
}

/// Every case that is listed.
pub fn cases() -> impl Iterator<Item = &'static str> {
    DIFFERENCES
        .iter()
        .flat_map(|difference| difference.cases.iter().copied())
}
