//! The page of slips as it is printed: by a browser to PDF, on both papers, read back as people and phones read it.
//!
//! Needs what `scripts/peers --web` installs: chromium and poppler. With HANDOUT_FOLDER what was printed stays there.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hubctl::handout::{Hub, page};
use hubctl::secret::Secret;
use hubctl::state::Certificate;
use hubctl::users::credentials::Note;
use hubctl::users::{Credential, Credentials};

const PEOPLE: usize = 23;
/// Of the pictures.
const DPI: usize = 150;

/// A class: short names and long ones, passwords that were made and one that somebody chose, all that a list may hold.
fn people() -> Credentials {
    let mut all = Credentials::default();
    for number in 1..=PEOPLE {
        let (full_name, password) = match number {
            3 => (
                "Doña María de los Ángeles Fernández-Villaverde y O’Connor".to_owned(),
                "x".repeat(128),
            ),
            4 => (
                "W".repeat(120),
                format!("quiet-velvet-planet-marble-{number:02}"),
            ),
            5 => (String::new(), format!("a-b-c-d-{number:02}")),
            _ => (
                format!("Person {number}"),
                format!("quiet-velvet-planet-marble-{number:02}"),
            ),
        };
        all.put(Credential {
            user: user(number),
            full_name,
            password: Secret::new(password),
            note: if number == 7 {
                Note::Changed
            } else {
                Note::None
            },
            ..Credential::default()
        });
    }
    all
}

fn user(number: usize) -> String {
    match number {
        9 => "a".repeat(32),
        _ => format!("training{number:02}"),
    }
}

/// Runs a program that ends with this test, within two minutes.
fn run(program: &str, args: &[&str], folder: &Path) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).env("HOME", folder);
    // A browser has children of its own; what is left of them is ended with the group.
    let out = fs::File::create(folder.join("out")).unwrap();
    let mut child = command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(fs::File::create(folder.join("err")).unwrap())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; scripts/peers --web installs it"));
    let group = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if started.elapsed() > Duration::from_secs(120) {
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
    let _ = child.wait();
    let said = fs::read_to_string(folder.join("err")).unwrap_or_default();
    assert!(
        status.is_some_and(|status| status.success()),
        "{program} {args:?}: {said}"
    );
    fs::read(folder.join("out")).unwrap()
}

/// The page on this paper, page by page: its text, and what the codes on it say.
fn printed(html: &str, paper: &str, folder: &Path) -> Vec<(String, Vec<String>)> {
    // A printer has one paper; the page itself takes any.
    let html = html.replace("@page {", &format!("@page {{ size: {paper}; "));
    fs::write(folder.join("page.html"), html).unwrap();
    let address = format!("file://{}", folder.join("page.html").display());
    run(
        "chromium",
        &[
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-extensions",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--user-data-dir=profile",
            "--no-pdf-header-footer",
            "--print-to-pdf=page.pdf",
            &address,
        ],
        folder,
    );
    let text = String::from_utf8(run("pdftotext", &["-layout", "page.pdf", "-"], folder)).unwrap();
    let pages: Vec<&str> = text
        .split('\u{c}')
        .filter(|page| !page.trim().is_empty())
        .collect();
    run(
        "pdftoppm",
        &["-gray", "-r", &DPI.to_string(), "page.pdf", "image"],
        folder,
    );
    let mut images: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pgm"))
        .collect();
    images.sort();
    let codes: Vec<Vec<String>> = images.iter().map(|path| codes(path)).collect();
    images
        .iter()
        .for_each(|path| fs::remove_file(path).unwrap());
    assert_eq!(pages.len(), codes.len());
    pages.into_iter().map(str::to_owned).zip(codes).collect()
}

/// What the codes on a picture say (PGM: three words, then a byte a pixel), from top to bottom in each column.
///
/// The reader takes corners of two codes for one where it sees both: it is shown a column, and of that so much as holds one
/// code, again and again a little further down, as a hand with a phone does.
fn codes(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap();
    let mut words = bytes.splitn(4, |byte| byte.is_ascii_whitespace());
    assert_eq!(words.next(), Some(&b"P5"[..]));
    let number = |word: Option<&[u8]>| -> usize {
        std::str::from_utf8(word.unwrap()).unwrap().parse().unwrap()
    };
    let (width, height) = (number(words.next()), number(words.next()));
    let pixels = &bytes[bytes.len() - width * height..];
    let mm = |mm: usize| mm * DPI * 10 / 254;
    let mut found = Vec::new();
    for left in [0, width / 2] {
        let mut last = None;
        for top in (0..height).step_by(mm(7)) {
            let tall = mm(38).min(height - top);
            let mut view = rqrr::PreparedImage::prepare_from_greyscale(width / 2, tall, |x, y| {
                pixels[(top + y) * width + left + x]
            });
            for grid in view.detect_grids() {
                let at = top + usize::try_from(grid.bounds[0].y).unwrap();
                if let Ok((_, text)) = grid.decode()
                    && last.is_none_or(|last| at > last + mm(20))
                {
                    last = Some(at);
                    found.push(text);
                }
            }
        }
    }
    found
}

#[test]
fn every_slip_is_on_one_page_and_can_be_read() {
    let hub = Hub {
        name: "class".into(),
        url: "https://203.0.113.107/".into(),
        certificate: Certificate::Deployment,
    };
    let people = people();
    let html = page(&hub, &people).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("HANDOUT_FOLDER").map(std::path::PathBuf::from);
    for paper in ["A4", "letter"] {
        let folder = kept.as_deref().unwrap_or(temporary.path()).join(paper);
        fs::create_dir_all(&folder).unwrap();
        let pages = printed(&html, paper, &folder);
        // Eight to ten on a page, and no page for nothing.
        assert!(
            (3..=4).contains(&pages.len()),
            "{} pages of {paper}",
            pages.len()
        );
        let mut found = 0;
        for (text, codes) in &pages {
            // A long word is broken where a line ends.
            let packed: String = text.split_whitespace().collect();
            let slips: Vec<&Credential> = people
                .rows()
                .iter()
                .filter(|row| packed.contains(&row.user))
                .collect();
            found += slips.len();
            for slip in &slips {
                match slip.note {
                    Note::Changed => assert!(!packed.contains(slip.password.reveal()), "{text}"),
                    _ if slip.password.reveal().len() > 40 => {
                        assert!(packed.matches('x').count() >= 128, "{text}");
                    }
                    // As it stands, on one line.
                    _ => assert!(
                        text.contains(slip.password.reveal()),
                        "{}: {text}",
                        slip.user
                    ),
                }
            }
            assert_eq!(
                text.matches("https://203.0.113.107").count(),
                slips.len(),
                "{text}"
            );
            assert_eq!(text.matches("User name").count(), slips.len(), "{text}");
            assert_eq!(codes, &vec!["https://203.0.113.107/hub/login"; slips.len()]);
            // What is for whoever prints is not printed.
            assert!(!text.contains("cut along"), "{text}");
        }
        assert_eq!(found, PEOPLE, "each once, on {paper}");
    }
}
