//! LSTM: a recurrent network that goes through the last steps.
//!
//! Hochreiter and Schmidhuber, *Long short-term memory* (Neural Computation 9, 1997), with the forget gate of Gers,
//! Schmidhuber and Cummins (2000). What it says corrects a baseline, see [`crate::neural`].

use crate::{
    neural::{Corrector, INPUTS, Network, OUTPUTS, Pupil},
    tape::{At, Tape, linear_size},
};

const HIDDEN: usize = 8;
const GATES: usize = linear_size(INPUTS + HIDDEN, 4 * HIDDEN);

/// A baseline corrected by the network.
pub(crate) type LongShortTermMemory = Corrector<Lstm>;

/// The same with weights that all series share.
pub(crate) type GlobalMemory = Pupil<Lstm>;

/// The network.
pub(crate) struct Lstm;

impl Network for Lstm {
    const WEIGHTS: usize = GATES + linear_size(HIDDEN, OUTPUTS);
    const STATE: usize = 2 * HIDDEN;

    fn advance(tape: &mut Tape<'_>, state: &[f64], window: &[[f64; INPUTS]]) -> (At, At) {
        let (shown, kept) = state.split_at(HIDDEN.min(state.len()));
        let mut hidden = tape.given(shown.to_vec());
        let mut cell = tape.given(kept.to_vec());
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
        let state = tape.concatenated(hidden, cell);
        (state, tape.linear(hidden, GATES, OUTPUTS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neural::{check_gradient, check_learning, check_school};

    #[test]
    fn gradients_are_right() {
        check_gradient::<Lstm>();
    }

    #[test]
    fn it_learns_what_the_baseline_cannot_know() {
        check_learning::<Lstm>();
    }

    #[test]
    fn what_is_learned_of_some_series_helps_another() {
        check_school::<Lstm>();
    }

    #[test]
    fn going_step_by_step_is_the_same_as_going_at_once() {
        let weights: Vec<f32> = (0..Lstm::WEIGHTS).map(|place| (place as f32).sin() * 0.3).collect();
        let window: Vec<[f64; INPUTS]> = (0..9).map(|step| [f64::from(step).cos(), 0.2, -0.4, 0.1]).collect();
        let mut whole = Tape::new(&weights);
        let out = Lstm::forward(&mut whole, &window);
        let (mut state, mut said) = (vec![0.0; Lstm::STATE], Vec::new());
        for one in &window {
            let mut tape = Tape::new(&weights);
            let (after, out) = Lstm::advance(&mut tape, &state, std::slice::from_ref(one));
            (state, said) = (tape.value(after).to_vec(), tape.value(out).to_vec());
        }
        assert_eq!(said, whole.value(out));
    }
}
