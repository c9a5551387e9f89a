//! Room for one value more, in vectors that have a largest size: there is one of each per series, and a vector that doubles
//! would leave half of its room empty for good.

/// So many at first.
const LEAST: usize = 8;

/// Makes room for one more where there is none: half as much again, but no more than for `most` in all.
pub(crate) fn make_room<T>(values: &mut Vec<T>, most: usize) {
    let len = values.len();
    if len == values.capacity() {
        values.reserve_exact((len / 2).max(LEAST).min(most.saturating_sub(len)).max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_grows_to_the_largest_size_and_not_beyond() {
        let mut values = Vec::new();
        for number in 0..49 {
            make_room(&mut values, 49);
            values.push(number);
            assert!(values.capacity() <= 49.min(LEAST + values.len() * 3 / 2), "{}", values.capacity());
        }
        assert_eq!(values.capacity(), 49);
        make_room(&mut values, 49);
        values.push(49);
        assert_eq!(values.len(), 50, "who was wrong about the largest size loses nothing");
    }
}
