//! The last few of something: a bounded memory that player and observers share.

use alloc::vec::Vec;

const KEPT: usize = 64;

/// The last 64 of what was kept.
#[derive(Clone, Debug)]
pub struct Recent<T> {
    list: Vec<T>,
    next: usize,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { list: Vec::new(), next: 0 }
    }
}

impl<T> Recent<T> {
    /// Keeps one more, in place of the oldest.
    pub fn keep(&mut self, item: T) {
        match self.list.get_mut(self.next) {
            Some(oldest) => *oldest = item,
            None => self.list.push(item),
        }
        self.next = (self.next + 1) % KEPT;
    }

    /// The one that was kept `back` others ago, modulo their number; none when there are none.
    #[must_use]
    pub fn pick(&self, back: u32) -> Option<&T> {
        let kept = self.list.len();
        let back = (back as usize).checked_rem(kept)?;
        self.list.get((self.next + kept - 1 - back) % kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room() {
        let mut recent = Recent::default();
        assert_eq!(recent.pick(3), None);
        for number in 0..100 {
            recent.keep(number);
        }
        let kept: Vec<i32> = (0..64).filter_map(|back| recent.pick(back).copied()).collect();
        assert_eq!(kept, (36..100).rev().collect::<Vec<i32>>());
        assert_eq!(recent.pick(64), recent.pick(0));
        let mut few = Recent::default();
        few.keep("old");
        few.keep("new");
        assert_eq!([few.pick(0), few.pick(1), few.pick(2)], [Some(&"new"), Some(&"old"), Some(&"new")]);
    }
}
