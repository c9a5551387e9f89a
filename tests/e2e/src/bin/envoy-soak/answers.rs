//! Answers as they come over one connection: of each only what is counted, so that reading them is cheap.

use std::io::{self, BufRead, ErrorKind, Read};

/// One answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// Its body is a problem document.
    pub(crate) is_problem: bool,
    /// The connection ends with it.
    pub(crate) closes: bool,
}

/// Reads one answer, interim ones left out; `None` where the connection ends instead.
///
/// # Errors
/// When the connection breaks, or what comes is no HTTP/1.1.
pub(crate) fn next(from: &mut impl BufRead, to_head: bool, line: &mut Vec<u8>) -> io::Result<Option<Answer>> {
    loop {
        let Some((mut answer, length)) = head(from, line)? else { return Ok(None) };
        if answer.status / 100 == 1 {
            continue;
        }
        let has_body = !to_head && !matches!(answer.status, 204 | 304);
        match length {
            Some(length) if has_body => skip(from, length)?,
            // Until the connection ends.
            None if has_body => {
                answer.closes = true;
                skip(from, u64::MAX)?;
            }
            _ => {}
        }
        return Ok(Some(answer));
    }
}

/// Status line and headers, with the length of the body if it is told.
fn head(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<(Answer, Option<u64>)>> {
    if !read_line(from, line)? {
        return Ok(None);
    }
    let digits = line.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let status = digits.and_then(number).and_then(|status| u16::try_from(status).ok());
    let Some(status) = status else {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("no status line: {line:?}")));
    };
    let (mut answer, mut length) = (Answer { status, ..Answer::default() }, None);
    loop {
        if !read_line(from, line)? {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if line.is_empty() {
            return Ok(Some((answer, length)));
        }
        if let Some(value) = line.strip_prefix(b"content-length: ") {
            length = number(value);
        } else if line.starts_with(b"content-type: application/problem+json") {
            answer.is_problem = true;
        } else if line.as_slice() == b"connection: close" {
            answer.closes = true;
        }
    }
}

/// A line without its end; false where nothing comes any more.
fn read_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    if from.read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    let end = line.strip_suffix(b"\r\n").map(<[u8]>::len);
    line.truncate(end.ok_or(ErrorKind::UnexpectedEof)?);
    Ok(true)
}

fn skip(from: &mut impl BufRead, length: u64) -> io::Result<()> {
    let skipped = io::copy(&mut from.by_ref().take(length), &mut io::sink())?;
    if skipped < length && length < u64::MAX { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_in_one_stream() {
        let stream = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n\
            HTTP/1.1 100 Continue\r\n\r\n\
            HTTP/1.1 503 No\r\ncontent-type: application/problem+json\r\ncontent-length: 2\r\n\r\n{}\
            HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n\
            HTTP/1.1 400 Bad\r\nconnection: close\r\n\r\nrest";
        let (mut from, mut line) = (stream.as_slice(), Vec::new());
        let mut ask = |to_head| next(&mut from, to_head, &mut line).unwrap();
        let answer = |status, is_problem, closes| Some(Answer { status, is_problem, closes });
        assert_eq!(ask(false), answer(200, false, false));
        assert_eq!(ask(false), answer(503, true, false));
        assert_eq!(ask(true), answer(200, false, false), "without its body");
        assert_eq!(ask(false), answer(400, false, true));
        assert_eq!(ask(false), None);
    }

    #[test]
    fn half_an_answer_is_an_error() {
        for half in
            ["HTTP/1.1 200 OK\r\ncontent-le", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc", "hello\r\n"]
        {
            assert!(next(&mut half.as_bytes(), false, &mut Vec::new()).is_err(), "{half:?}");
        }
    }
}
