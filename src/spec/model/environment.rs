//! What the notebooks run in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::format;

/// What the notebooks run in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Environment {
    /// Version of JupyterLab.
    #[schemars(with = "format::Version")]
    pub jupyterlab: String,
    /// Further Python packages, as pip requirements (`numpy`, `pandas>=2`).
    #[schemars(with = "Vec<format::Requirement>")]
    pub packages: Vec<String>,
    /// Packages from conda-forge (`gdal`, `r-base`), in an environment of their own beside JupyterLab's, with a kernel.
    pub conda: Vec<String>,
    /// With `conda`: where `micromamba` comes from, which installs them: a `.tar.bz2` that has it in `bin`.
    #[schemars(with = "format::WebAddress")]
    pub micromamba: String,
    /// With `conda`: SHA-256 of that archive, in hexadecimal. Default: HTTPS alone vouches for it.
    pub micromamba_sha256: Option<String>,
    /// R, with a kernel (`r-cran-irkernel` of the distribution).
    pub r: bool,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            jupyterlab: "4.6.6".to_owned(),
            packages: Vec::new(),
            conda: Vec::new(),
            micromamba: "https://micro.mamba.pm/api/micromamba/linux-64/2.3.2".to_owned(),
            micromamba_sha256: None,
            r: false,
        }
    }
}
