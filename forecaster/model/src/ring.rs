//! The newest values of a stream, at most a fixed number of them.

/// Keeps the newest `capacity` values; memory grows with use up to that bound.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    values: Vec<f32>,
    oldest: usize,
    capacity: usize,
}

impl Ring {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { values: Vec::new(), oldest: 0, capacity }
    }

    pub(crate) fn push(&mut self, value: f32) {
        if self.values.len() < self.capacity {
            self.values.push(value);
            return;
        }
        if let Some(slot) = self.values.get_mut(self.oldest) {
            *slot = value;
        }
        self.oldest = (self.oldest + 1) % self.capacity.max(1);
    }

    /// The values, in no particular order.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Forgets everything and gives the memory back.
    pub(crate) fn clear(&mut self) {
        self.values = Vec::new();
        self.oldest = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_values_stay() {
        let mut ring = Ring::new(3);
        (1_u8..=5).for_each(|value| ring.push(f32::from(value)));
        let mut values = ring.values().to_vec();
        values.sort_by(f32::total_cmp);
        assert_eq!(values, [3.0, 4.0, 5.0]);
        ring.clear();
        assert_eq!(ring.len(), 0);
    }
}
