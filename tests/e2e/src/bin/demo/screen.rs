//! The terminal as a screen: drawn over in place, and given back as it was, however the demo ends.

mod chart;
mod ink;
mod keys;
mod scene;

use std::{
    io::{IsTerminal, Write, stdin, stdout},
    time::Duration,
};

use anyhow::Result;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

pub(crate) use keys::Keys;
pub(crate) use scene::{Moment, Scene};

use ink::Line;

/// How often it is drawn.
pub(crate) const PERIOD: Duration = Duration::from_millis(500);
/// What a terminal has that does not say.
const USUAL_SIZE: (usize, usize) = (100, 40);

/// Other page, no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// Everything of a frame at once, where the terminal can.
const FRAME: &str = "\x1b[?2026h\x1b[H";
const FRAME_END: &str = "\x1b[J\x1b[?2026l";

/// The screen; gives the terminal back when it is dropped.
pub(crate) struct Screen {
    before: Option<Termios>,
}

impl Screen {
    /// Whether there is somebody to look at it.
    pub(crate) fn is_possible() -> bool {
        stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// Takes the terminal over. Ctrl-C stays what it is: a signal.
    pub(crate) fn open() -> Result<Self> {
        let before = if stdin().is_terminal() { tcgetattr(stdin()).ok() } else { None };
        if let Some(before) = &before {
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            // A read returns after a tenth of a second, with or without a key; Ctrl-Z would leave half a screen.
            quiet.special_codes[SpecialCodeIndex::VMIN] = 0;
            quiet.special_codes[SpecialCodeIndex::VTIME] = 1;
            quiet.special_codes[SpecialCodeIndex::VSUSP] = 0;
            tcsetattr(stdin(), OptionalActions::Now, &quiet)?;
        }
        let screen = Self { before };
        put(ENTER)?;
        Ok(screen)
    }

    /// Whether keys can be read.
    pub(crate) const fn hears_keys(&self) -> bool {
        self.before.is_some()
    }

    /// Columns and rows.
    pub(crate) fn size() -> (usize, usize) {
        let size = tcgetwinsize(stdout()).map(|size| (size.ws_col.into(), size.ws_row.into()));
        size.ok().filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or(USUAL_SIZE)
    }

    /// Draws a frame; what does not fit is cut off.
    pub(crate) fn draw(&self, lines: &[Line]) -> Result<()> {
        let (columns, rows) = Self::size();
        let drawn: Vec<String> = lines.iter().take(rows).map(|line| line.render(columns)).collect();
        put(&format!("{FRAME}{}{FRAME_END}", drawn.join("\r\n")))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = put(LEAVE);
        if let Some(before) = &self.before {
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}

fn put(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
