//! Making an input that fails smaller: pieces are left out, then bytes become zero, as long as it still fails.

/// Most inputs tried.
const MOST_TRIES: usize = 2_000;

/// The smallest input found for which `fails` is still true.
pub(crate) fn shrink(input: &[u8], mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut tries = 0;
    let mut piece = best.len().div_ceil(2);
    while piece > 0 && tries < MOST_TRIES {
        let mut at = 0;
        while at < best.len() && tries < MOST_TRIES {
            let end = (at + piece).min(best.len());
            let without: Vec<u8> = best.iter().take(at).chain(best.iter().skip(end)).copied().collect();
            tries += 1;
            if fails(&without) {
                best = without;
            } else {
                at = end;
            }
        }
        piece /= 2;
    }
    for at in 0..best.len() {
        let mut simpler = best.clone();
        if let Some(byte) = simpler.get_mut(at).filter(|byte| **byte != 0 && tries < MOST_TRIES) {
            *byte = 0;
            tries += 1;
            if fails(&simpler) {
                best = simpler;
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_makes_it_fail_is_left() {
        let input: Vec<u8> = (0..200).collect();
        let fails = |bytes: &[u8]| bytes.contains(&77) && bytes.len() >= 3;
        let small = shrink(&input, fails);
        assert_eq!(small.len(), 3);
        assert_eq!(small.iter().filter(|byte| **byte != 0).count(), 1);
    }
}
