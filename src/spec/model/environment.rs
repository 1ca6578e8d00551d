//! What the notebooks run in.

use std::path::PathBuf;

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
    /// Packages from conda-forge (`gdal`, `python=3.12`), in an environment of their own beside JupyterLab's, with a kernel.
    pub conda: Vec<String>,
    /// With `conda`: where `micromamba` comes from, if that is to install them: a `.tar.bz2` that has it in `bin`, such as
    /// `https://micro.mamba.pm/api/micromamba/linux-64/2.3.2`. Default: `py-rattler` does, a Python package.
    #[schemars(with = "Option<format::WebAddress>")]
    pub micromamba: Option<String>,
    /// With `micromamba`: SHA-256 of that archive. Default: HTTPS alone vouches for it.
    #[schemars(with = "Option<format::Sha256>")]
    pub micromamba_sha256: Option<String>,
    /// With `conda`: the channel that its packages are from: a name at anaconda.org, or the address of a mirror.
    pub conda_channel: String,
    /// R, with a kernel (`r-cran-irkernel` of the distribution).
    pub r: bool,
    /// File here in which hubctl keeps the versions that were installed (`environment.lock`): another server gets the same.
    /// Default: the deployment's state folder, and gone with it.
    #[schemars(with = "Option<format::LocalFile>")]
    pub lock: Option<PathBuf>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            jupyterlab: "4.6.6".to_owned(),
            packages: Vec::new(),
            conda: Vec::new(),
            micromamba: None,
            micromamba_sha256: None,
            conda_channel: "conda-forge".to_owned(),
            r: false,
            lock: None,
        }
    }
}
