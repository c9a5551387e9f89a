//! Keys, read beside everything else; ends with its value.

use std::{
    io::{Read, stdin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::mpsc;

/// The keys that are pressed from now on.
pub(crate) struct Keys {
    pressed: mpsc::UnboundedReceiver<u8>,
    over: Arc<AtomicBool>,
    /// Keeps the channel open where no keys can be read.
    _sender: mpsc::UnboundedSender<u8>,
}

impl Keys {
    /// Reads keys of a terminal whose reads return soon, with or without a key; of no terminal there are none.
    pub(crate) fn listen(terminal: bool) -> Self {
        let (sender, pressed) = mpsc::unbounded_channel();
        let over = Arc::new(AtomicBool::new(false));
        if terminal {
            let (sender, over) = (sender.clone(), Arc::clone(&over));
            thread::spawn(move || read(&sender, &over));
        }
        Self { pressed, over, _sender: sender }
    }

    /// Waits until somebody wants it to end.
    pub(crate) async fn quit(&mut self) {
        while self.pressed.recv().await.is_some_and(|key| !matches!(key, b'q' | b'Q')) {}
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn read(sender: &mpsc::UnboundedSender<u8>, over: &AtomicBool) {
    let mut keys = [0; 16];
    while !over.load(Ordering::Relaxed) {
        match stdin().read(&mut keys) {
            // Nobody who listens no more has a use for them.
            Ok(count @ 1..) => keys.iter().take(count).for_each(|key| {
                let _ = sender.send(*key);
            }),
            // A terminal that is gone answers at once, for ever.
            _ => thread::sleep(Duration::from_millis(20)),
        }
    }
}
