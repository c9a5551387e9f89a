//! Transformer: the newest step attends to those before it.
//!
//! Vaswani et al., *Attention is all you need* (NeurIPS 2017): a block of attention and one of two layers, each added to
//! what goes in. Only the newest step asks, since only it is forecast from. What it says corrects a baseline, see
//! [`crate::neural`].

use crate::{
    neural::{Corrector, INPUTS, Network, OUTPUTS, Pupil, WINDOW},
    tape::{At, Tape, linear_size},
};

const WIDTH: usize = 8;
const INNER: usize = 16;
/// Place in the window, beside the inputs.
const PLACED: usize = INPUTS + 1;
const EMBEDDING: usize = 0;
const QUERY: usize = EMBEDDING + linear_size(PLACED, WIDTH);
const KEY: usize = QUERY + linear_size(WIDTH, WIDTH);
const VALUE: usize = KEY + linear_size(WIDTH, WIDTH);
const FIRST: usize = VALUE + linear_size(WIDTH, WIDTH);
const SECOND: usize = FIRST + linear_size(WIDTH, INNER);
const LAST: usize = SECOND + linear_size(INNER, WIDTH);

/// A baseline corrected by the network.
pub(crate) type Attentive = Corrector<Transformer>;

/// The same with weights that all series share.
pub(crate) type GlobalAttention = Pupil<Transformer>;

/// The network.
pub(crate) struct Transformer;

impl Network for Transformer {
    const WEIGHTS: usize = LAST + linear_size(WIDTH, OUTPUTS);
    const STATE: usize = 0;

    fn advance(tape: &mut Tape<'_>, _state: &[f64], window: &[[f64; INPUTS]]) -> (At, At) {
        let mut newest = 0;
        let (mut keys, mut values) = (Vec::with_capacity(WINDOW), Vec::with_capacity(WINDOW));
        for (place, inputs) in window.iter().enumerate() {
            let mut placed = inputs.to_vec();
            placed.push(place as f64 / WINDOW as f64 * 2.0 - 1.0);
            let placed = tape.given(placed);
            let embedded = tape.linear(placed, EMBEDDING, WIDTH);
            newest = tape.tanh(embedded);
            keys.push(tape.linear(newest, KEY, WIDTH));
            values.push(tape.linear(newest, VALUE, WIDTH));
        }
        let query = tape.linear(newest, QUERY, WIDTH);
        let attended = tape.attention(query, keys, values);
        let attended = tape.sum(newest, attended);
        let inner = tape.linear(attended, FIRST, INNER);
        let inner = tape.tanh(inner);
        let outer = tape.linear(inner, SECOND, WIDTH);
        let whole = tape.sum(attended, outer);
        (whole, tape.linear(whole, LAST, OUTPUTS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neural::{check_gradient, check_learning, check_school};

    #[test]
    fn gradients_are_right() {
        check_gradient::<Transformer>();
    }

    #[test]
    fn it_learns_what_the_baseline_cannot_know() {
        check_learning::<Transformer>();
    }

    #[test]
    fn what_is_learned_of_some_series_helps_another() {
        check_school::<Transformer>();
    }
}
