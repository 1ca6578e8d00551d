//! The host half of a plan: the steps, in order, and how they look.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::step::Step;

/// What differs between the host and what it should be. Empty where nothing is to be done.
#[derive(Debug, Clone, Default, Serialize)]
pub struct HostPlan {
    pub steps: Vec<Step>,
    /// What is in the way; [`apply`](super::apply()) does nothing while there is any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// Worth knowing, but no step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    #[serde(skip)]
    pub(super) environment: BTreeMap<String, String>,
}

/// Something on the host that hubctl will not decide about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl HostPlan {
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.problems.is_empty()
    }

    /// The plan as JSON: names, reasons and diffs of its steps. Holds no secret.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!(self)
    }
}

impl fmt::Display for HostPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "! {}", problem.message)?;
        }
        for step in &self.steps {
            writeln!(f, "~ {} ({})", step.name, step.why)?;
            for line in step.diff.iter().flat_map(|diff| diff.lines()) {
                writeln!(f, "    {line}")?;
            }
        }
        for warning in &self.warnings {
            writeln!(f, "  {warning}")?;
        }
        Ok(())
    }
}

/// The unified diff of a host file, without the headings.
pub(super) fn unified(path: &str, old: &str, new: &str) -> String {
    similar::TextDiff::from_lines(old, new)
        .unified_diff()
        .context_radius(2)
        .header(&format!("{path} (host)"), &format!("{path} (wanted)"))
        .to_string()
}
