//! A chart as JUnit XML, which CI systems show: a suite a deployment, a case a link.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Chart, State};

/// The chart as a document.
pub fn document(chart: &Chart) -> Result<String, quick_junit::SerializeError> {
    let mut suite = TestSuite::new(chart.name.as_str());
    suite.set_time(Duration::from_secs_f64(chart.seconds()));
    for finding in &chart.findings {
        let status = match &finding.state {
            State::Holds { .. } => TestCaseStatus::success(),
            State::Broken { cause, hint, log } => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                let mut text = cause.clone();
                for line in log {
                    text.push_str(&format!("\n| {line}"));
                }
                text.push_str(&format!("\nhint: {hint}"));
                status
                    .set_message(cause.as_str())
                    .set_type(finding.part.name())
                    .set_description(text);
                status
            }
            State::Skipped { because } => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(format!("needs {}", because.name()));
                status
            }
            State::Untried { why } => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(why.as_str());
                status
            }
        };
        let mut case = TestCase::new(finding.part.name(), status);
        case.set_classname(format!("hubctl.doctor.{}", chart.name))
            .set_time(Duration::from_secs_f64(finding.seconds));
        if let State::Holds { seen } = &finding.state {
            case.set_system_out(seen.as_str());
        }
        suite.add_test_case(case);
    }
    let mut report = Report::new("hubctl doctor");
    report.set_time(Duration::from_secs_f64(chart.seconds()));
    report.add_test_suite(suite);
    report.to_string()
}
