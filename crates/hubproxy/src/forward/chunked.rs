//! Where the data lies in a chunked body.

use bytes::{Buf, Bytes, BytesMut};

/// A chunk's size line, extensions included, and all trailers together are at most so long.
const LINE: usize = 4096;
const TRAILERS: usize = 16 * 1024;

/// Why a chunked body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the chunked body is malformed")]
pub(super) struct Malformed;

/// The decoder of one chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunked {
    Size,
    Data(u64),
    /// The line end after a chunk's data.
    DataEnd,
    /// Trailers, of which so many bytes were seen; they are dropped.
    Trailers(usize),
    End,
}

/// What a step of the decoder found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Data(Bytes),
    /// More input is needed.
    More,
    End,
}

impl Chunked {
    pub(super) fn step(&mut self, input: &mut BytesMut) -> Result<Step, Malformed> {
        loop {
            match *self {
                Self::Size => {
                    let Some(line) = line(input, LINE)? else {
                        return Ok(Step::More);
                    };
                    let size = size(&input[..line])?;
                    input.advance(line + 2);
                    *self = if size == 0 {
                        Self::Trailers(0)
                    } else {
                        Self::Data(size)
                    };
                }
                Self::Data(left) => {
                    if input.is_empty() {
                        return Ok(Step::More);
                    }
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let data = input.split_to(take).freeze();
                    let left = left - take as u64;
                    *self = if left == 0 {
                        Self::DataEnd
                    } else {
                        Self::Data(left)
                    };
                    // The end of the last chunk is mostly there already: the exchange then ends with its data.
                    return Ok(Step::Data(data));
                }
                Self::DataEnd => {
                    if input.len() < 2 {
                        return if input.first().is_none_or(|byte| *byte == b'\r') {
                            Ok(Step::More)
                        } else {
                            Err(Malformed)
                        };
                    }
                    if !input.starts_with(b"\r\n") {
                        return Err(Malformed);
                    }
                    input.advance(2);
                    *self = Self::Size;
                }
                Self::Trailers(seen) => {
                    let Some(line) = line(input, TRAILERS - seen)? else {
                        return Ok(Step::More);
                    };
                    input.advance(line + 2);
                    *self = if line == 0 {
                        Self::End
                    } else {
                        Self::Trailers(seen + line)
                    };
                }
                Self::End => return Ok(Step::End),
            }
        }
    }
}

/// The length of the line at the head of `input`, without its CRLF. Line feeds alone do not end a line.
fn line(input: &[u8], most: usize) -> Result<Option<usize>, Malformed> {
    match input.iter().take(most + 2).position(|byte| *byte == b'\n') {
        Some(0) => Err(Malformed),
        Some(end) if input[end - 1] != b'\r' || input[..end - 1].contains(&b'\r') => Err(Malformed),
        Some(end) => Ok(Some(end - 1)),
        None if input.len() >= most + 2 => Err(Malformed),
        None => Ok(None),
    }
}

/// The size in a chunk's size line: hexadecimal digits, and then nothing or an extension.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line
        .iter()
        .position(|byte| !byte.is_ascii_hexdigit())
        .unwrap_or(line.len());
    let (digits, rest) = line.split_at(digits);
    let rest = rest.trim_ascii_start();
    if digits.is_empty() || digits.len() > 16 || !(rest.is_empty() || rest.starts_with(b";")) {
        return Err(Malformed);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| Malformed)?;
    u64::from_str_radix(digits, 16).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `wire`, given so many bytes at a time; the data, and what was left after the end.
    fn decode(wire: &[u8], at_a_time: usize) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
        let mut decoder = Chunked::Size;
        let mut input = BytesMut::new();
        let mut data = Vec::new();
        let mut wire = wire.chunks(at_a_time);
        loop {
            match decoder.step(&mut input)? {
                Step::Data(more) => data.extend_from_slice(&more),
                Step::End => {
                    return Ok(Some((
                        data,
                        input.len() + wire.map(<[u8]>::len).sum::<usize>(),
                    )));
                }
                Step::More => match wire.next() {
                    Some(more) => input.extend_from_slice(more),
                    None => return Ok(None),
                },
            }
        }
    }

    #[test]
    fn bodies_are_decoded_however_they_arrive() {
        for at_a_time in [1, 2, 3, 7, 1000] {
            for (wire, data, left) in [
                (&b"0\r\n\r\n"[..], &b""[..], 0),
                (b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world", 0),
                (
                    b"A;ext=\"x\"\r\n0123456789\r\n000\r\n\r\nnext",
                    b"0123456789",
                    4,
                ),
                (b"1 \r\nx\r\n0\r\nTrailer: a\r\nOther: b\r\n\r\n", b"x", 0),
            ] {
                let decoded = decode(wire, at_a_time).unwrap().unwrap();
                assert_eq!(decoded, (data.to_vec(), left), "{wire:?} by {at_a_time}");
            }
        }
    }

    #[test]
    fn malformed_bodies_are_refused_and_short_ones_wait() {
        for wire in [
            &b"\r\n"[..],
            b"\n",
            b"5\nhello",
            b"g\r\n",
            b"-1\r\n",
            b"0x5\r\nhello\r\n",
            b"5 5\r\nhello\r\n",
            b"5\r\nhelloX",
            b"5\r\nhello\nX",
            b"10000000000000000\r\n",
            b"5\r;\r\n",
            b"0\r\nTrailer: a\n\r\n",
        ] {
            for at_a_time in [1, 1000] {
                assert_eq!(decode(wire, at_a_time), Err(Malformed), "{wire:?}");
            }
        }
        let long = [b"5;".to_vec(), vec![b'x'; LINE]].concat();
        assert_eq!(decode(&long, 1000), Err(Malformed));
        let trailers = [b"0\r\n".to_vec(), b"A: b\r\n".repeat(4000)].concat();
        assert_eq!(decode(&trailers, 1000), Err(Malformed));
        assert_eq!(decode(b"5\r\nhel", 1000), Ok(None));
        assert_eq!(decode(b"0\r\n", 1000), Ok(None));
    }
}
