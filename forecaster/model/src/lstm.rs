//! LSTM: a recurrent network that goes through the last steps.
//!
//! Hochreiter and Schmidhuber, *Long short-term memory* (Neural Computation 9, 1997), with the forget gate of Gers,
//! Schmidhuber and Cummins (2000). What it says corrects a baseline, see [`crate::neural`].

use crate::{
    neural::{Corrector, INPUTS, Network, OUTPUTS},
    tape::{At, Tape, linear_size},
};

const HIDDEN: usize = 8;
const GATES: usize = linear_size(INPUTS + HIDDEN, 4 * HIDDEN);

/// A baseline corrected by the network.
pub(crate) type LongShortTermMemory = Corrector<Lstm>;

/// The network.
pub(crate) struct Lstm;

impl Network for Lstm {
    const WEIGHTS: usize = GATES + linear_size(HIDDEN, OUTPUTS);

    fn forward(tape: &mut Tape<'_>, window: &[[f64; INPUTS]]) -> At {
        let mut hidden = tape.given(vec![0.0; HIDDEN]);
        let mut cell = tape.given(vec![0.0; HIDDEN]);
        for inputs in window {
            let inputs = tape.given(inputs.to_vec());
            let both = tape.concatenated(inputs, hidden);
            let gates = tape.linear(both, 0, 4 * HIDDEN);
            let [keep, take, show, new] =
                [0, 1, 2, 3].map(|gate: usize| tape.part(gates, gate * HIDDEN, HIDDEN));
            let [keep, take, show] = [keep, take, show].map(|gate| tape.sigmoid(gate));
            let new = tape.tanh(new);
            let (kept, taken) = (tape.product(keep, cell), tape.product(take, new));
            cell = tape.sum(kept, taken);
            let shown = tape.tanh(cell);
            hidden = tape.product(show, shown);
        }
        tape.linear(hidden, GATES, OUTPUTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neural::{check_gradient, check_learning};

    #[test]
    fn gradients_are_right() {
        check_gradient::<Lstm>();
    }

    #[test]
    fn it_learns_what_the_baseline_cannot_know() {
        check_learning::<Lstm>();
    }
}
