//! What cannot be together: checks that look at several fields.

mod certificate;
mod choices;
mod host;
mod hub;
mod limits;
mod network;
mod release;
mod tls;

use time::OffsetDateTime;

use super::model::Spec;
use super::node::Node;
use super::problem::{Place, Problem, Problems};

/// The place of the value at `path`, or of the nearest group above it that somebody wrote.
pub(super) fn nearest(tree: &Node, path: &str) -> Place {
    let mut path = path;
    loop {
        if let Some(node) = tree.at(path) {
            return tree
                .key_place(path)
                .filter(|_| node.map().is_some())
                .unwrap_or(&node.place)
                .clone();
        }
        match path.rsplit_once(['.', '[']) {
            Some((above, _)) => path = above,
            None => return tree.place.clone(),
        }
    }
}

pub(super) struct Checks<'a> {
    spec: &'a Spec,
    tree: &'a Node,
    bad: &'a [String],
    now: Option<OffsetDateTime>,
    pub(super) problems: Problems,
    pub(super) warnings: Problems,
}

impl<'a> Checks<'a> {
    /// `bad` are the paths whose values were wrong and are not in `spec`: what depends on them is not checked.
    pub(super) fn new(
        spec: &'a Spec,
        tree: &'a Node,
        bad: &'a [String],
        now: Option<OffsetDateTime>,
    ) -> Self {
        Self {
            spec,
            tree,
            bad,
            now,
            problems: Problems::default(),
            warnings: Problems::default(),
        }
    }

    pub(super) fn run(&mut self) {
        self.network();
        self.dns();
        self.access();
        self.server();
        self.hub();
        self.combination();
        self.plain();
        self.second_hop();
        self.hub_kind();
        self.choices();
        self.tls();
        self.proxy();
        self.release();
        self.files();
        self.limits();
        self.environment();
    }

    /// Whether the values at these paths are what was written.
    fn sound(&self, paths: &[&str]) -> bool {
        paths.iter().all(|path| {
            !self.bad.iter().any(|bad| {
                let within = |a: &str, b: &str| {
                    a.strip_prefix(b)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                };
                within(bad, path) || within(path, bad)
            })
        })
    }

    /// The path of the `kept`th entry of a list as it was written: wrong entries have been taken out.
    fn entry(&self, list: &str, kept: usize) -> String {
        let mut taken: Vec<usize> = self
            .bad
            .iter()
            .filter_map(|bad| {
                bad.strip_prefix(list)?
                    .strip_prefix('[')?
                    .strip_suffix(']')?
                    .parse()
                    .ok()
            })
            .collect();
        taken.sort_unstable();
        let mut index = kept;
        for gone in taken {
            if gone <= index {
                index += 1;
            }
        }
        format!("{list}[{index}]")
    }

    /// A problem with the `kept`th entry of a list.
    fn entry_problem(
        &mut self,
        list: &str,
        kept: usize,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let place = nearest(self.tree, &format!("{list}[{kept}]"));
        let path = self.entry(list, kept);
        self.problems
            .push(Problem::new(place, path, message).hint(hint));
    }

    fn problem(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        let place = nearest(self.tree, path);
        self.problems
            .push(Problem::new(place, path, message).hint(hint));
    }

    fn warning(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        let place = nearest(self.tree, path);
        self.warnings
            .push(Problem::new(place, path, message).hint(hint));
    }
}
