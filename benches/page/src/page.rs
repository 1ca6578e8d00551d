//! The page, of which each benchmark writes its own section and no other.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use time::OffsetDateTime;
use time::macros::format_description;

const HEAD: &str = "# Benchmarks\n\n\
                    `make bench` writes this page; each part of it the section between its marks.\n";

/// docs/benchmarks.md, or another file like it.
pub struct Page(PathBuf);

impl Page {
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Puts the text where the section of this name is, or at the end where there is none yet.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written.
    pub fn write(&self, section: &str, text: &str) -> anyhow::Result<()> {
        let what = || self.0.display().to_string();
        let before = if self.0.exists() {
            fs::read_to_string(&self.0).with_context(|| format!("reading {}", what()))?
        } else {
            HEAD.to_owned()
        };
        let after = with_section(&before, section, text);
        fs::write(&self.0, after).with_context(|| format!("writing {}", what()))
    }
}

fn with_section(page: &str, section: &str, text: &str) -> String {
    let (begin, end) = (
        format!("<!-- {section} -->\n"),
        format!("<!-- end of {section} -->\n"),
    );
    let section = format!("{begin}\n{}\n\n{end}", text.trim());
    let found = page.find(&begin).zip(page.find(&end));
    match found {
        Some((from, to)) => format!("{}{section}{}", &page[..from], &page[to + end.len()..]),
        None => format!("{}\n\n{section}", page.trim_end()),
    }
}

/// `2026-11-25`, in UTC.
pub fn today() -> String {
    let format = format_description!("[year]-[month]-[day]");
    OffsetDateTime::now_utc().format(format).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_added_and_then_replaced_without_the_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let page = Page::at(folder.path().join("page.md"));
        for (section, text) in [("a", "old"), ("b", "of b\n"), ("a", "new")] {
            page.write(section, text).expect("a page");
        }
        let text = fs::read_to_string(page.path()).expect("a page");
        let wanted =
            "<!-- a -->\n\nnew\n\n<!-- end of a -->\n\n<!-- b -->\n\nof b\n\n<!-- end of b -->\n";
        assert_eq!(text, format!("{HEAD}\n{wanted}"));
    }
}
