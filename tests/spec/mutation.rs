//! Documents broken at random: whatever is read, the answer is a spec or problems, never a panic or a hang.

use std::fs;

use hubctl::spec::{self, Document};

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(sides.max(1)).unwrap()).unwrap()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}

const PIECES: &[&str] = &[
    "",
    " ",
    "\n",
    "\t",
    ":",
    ": ",
    "- ",
    "#",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "|",
    ">",
    "&a ",
    "*a",
    "!x ",
    "!!int ",
    "<<: ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "null",
    "~",
    "yes",
    "1e999",
    ".inf",
    "-0",
    "0x",
    "ü",
    "\u{0}",
    "\u{feff}",
    "\u{2028}",
    "99999999999999999999",
    "name",
    "server:\n",
    "  ",
    "? ",
    "@",
    "`",
    ",",
    "\\",
    "\r\n",
    "PRIVATE KEY",
    "[[[[[[[[[[",
    "{{{{{{",
];

fn mutate(text: &str, dice: &mut Dice) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(chars.len() + 1);
        let piece: Vec<char> = dice.pick(PIECES).chars().collect();
        match dice.roll(4) {
            // Put something in.
            0 => drop(chars.splice(at..at, piece)),
            // Take something out.
            1 => {
                let end = (at + dice.roll(12)).min(chars.len());
                chars.drain(at..end);
            }
            // Put something in another's place.
            2 => {
                let end = (at + dice.roll(6)).min(chars.len());
                drop(chars.splice(at..end, piece));
            }
            // Write a part a second time, elsewhere.
            _ => {
                let from = dice.roll(chars.len() + 1);
                let end = (from + dice.roll(60)).min(chars.len());
                let part: Vec<char> = chars[from..end].to_vec();
                drop(chars.splice(at..at, part));
            }
        }
    }
    chars.into_iter().collect()
}

#[test]
fn no_document_makes_it_panic() {
    let mut originals: Vec<String> = super::yaml_files("examples")
        .iter()
        .chain(&super::yaml_files("profiles"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    originals.extend(
        super::yaml_files("tests/spec/broken")
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok()),
    );
    let mut dice = Dice(42);
    let (mut valid, mut broken) = (0, 0);
    for _ in 0..3000 {
        let original = dice.pick(originals.as_slice());
        let text = mutate(original, &mut dice);
        let document = Document::new("hub.yaml", text.as_str(), "");
        match spec::load(&document, None, &[]) {
            Ok(_) => valid += 1,
            Err(problems) => {
                broken += 1;
                assert!(!problems.is_empty(), "{text}");
                let lines = text.matches(['\n', '\r']).count() + 1;
                for problem in &problems {
                    assert!(
                        !problem.to_string().contains("cannot be read: "),
                        "{problem}\n{text}"
                    );
                    if let spec::Place::Text { line, column, .. } = &problem.place {
                        assert!(
                            (1..=lines).contains(line) && *column >= 1,
                            "{problem}\n{text}"
                        );
                    }
                }
            }
        }
    }
    assert!(
        valid > 50 && broken > 1000,
        "{valid} valid, {broken} broken: the mutations prove nothing"
    );
}

#[test]
fn no_argument_makes_it_panic() {
    let document = Document::new("hub.yaml", "name: class\nhub: {admins: [ada]}\n", "");
    let originals = [
        "limits.seats=30",
        "access.ssh[0]=192.0.2.0/24",
        "hub.admins=[ada, grace]",
        "volume={size: 3}",
        "server.floating_ip=none",
        "hub.extra_config=\"c.x = 1\"",
        "hub.admins[1][2].x=3",
    ];
    let mut dice = Dice(7);
    let mut broken = 0;
    for _ in 0..2000 {
        let original = dice.pick(originals.as_slice());
        let set = mutate(original, &mut dice);
        if let Err(problems) = spec::load(&document, None, std::slice::from_ref(&set)) {
            broken += 1;
            assert!(
                !problems.to_string().contains("cannot be read: "),
                "{set}: {problems}"
            );
        }
    }
    assert!(broken > 500, "{broken} of 2000");
}
