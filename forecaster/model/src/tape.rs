//! Small neural networks: operations on vectors that remember how they came about, and so can tell gradients.
//!
//! Reverse-mode differentiation over a list of operations, for networks of some hundreds of weights; nothing here knows
//! what is computed.

/// Place of a vector on a tape.
pub(crate) type At = usize;

enum Op {
    Given,
    /// `rows` sums of products with weights from `weights` on, each with a constant.
    Linear {
        of: At,
        weights: usize,
    },
    Concatenated(At, At),
    Part {
        of: At,
        from: usize,
    },
    Sum(At, At),
    Product(At, At),
    Tanh(At),
    Sigmoid(At),
    /// Softmax of the products of one vector with others, and the others' companions mixed by it.
    Attention {
        query: At,
        keys: Vec<At>,
        values: Vec<At>,
        shares: Vec<f64>,
    },
}

/// A computation.
pub(crate) struct Tape<'a> {
    weights: &'a [f32],
    vectors: Vec<(Op, Vec<f64>)>,
}

/// How many weights a linear layer has.
pub(crate) const fn linear_size(inputs: usize, outputs: usize) -> usize {
    outputs * (inputs + 1)
}

impl<'a> Tape<'a> {
    pub(crate) fn new(weights: &'a [f32]) -> Self {
        Self { weights, vectors: Vec::new() }
    }

    pub(crate) fn value(&self, at: At) -> &[f64] {
        self.vectors.get(at).map_or(&[], |(_, values)| values)
    }

    fn push(&mut self, op: Op, values: Vec<f64>) -> At {
        self.vectors.push((op, values));
        self.vectors.len() - 1
    }

    pub(crate) fn given(&mut self, values: Vec<f64>) -> At {
        self.push(Op::Given, values)
    }

    /// A linear layer with its weights from place `weights` on.
    pub(crate) fn linear(&mut self, of: At, weights: usize, outputs: usize) -> At {
        let inputs = self.value(of);
        let width = inputs.len() + 1;
        let own = self.weights.get(weights..weights + outputs * width).unwrap_or_default();
        let row = |row: &[f32]| {
            let (constant, factors) =
                row.split_last().map_or((0.0, row), |(last, rest)| (f64::from(*last), rest));
            constant
                + factors.iter().zip(inputs).map(|(factor, input)| f64::from(*factor) * input).sum::<f64>()
        };
        let values = own.chunks_exact(width).map(row).collect();
        self.push(Op::Linear { of, weights }, values)
    }

    pub(crate) fn concatenated(&mut self, left: At, right: At) -> At {
        let values = [self.value(left), self.value(right)].concat();
        self.push(Op::Concatenated(left, right), values)
    }

    pub(crate) fn part(&mut self, of: At, from: usize, count: usize) -> At {
        let values = self.value(of).get(from..from + count).unwrap_or_default().to_vec();
        self.push(Op::Part { of, from }, values)
    }

    pub(crate) fn sum(&mut self, left: At, right: At) -> At {
        let values =
            self.value(left).iter().zip(self.value(right)).map(|(left, right)| left + right).collect();
        self.push(Op::Sum(left, right), values)
    }

    pub(crate) fn product(&mut self, left: At, right: At) -> At {
        let values =
            self.value(left).iter().zip(self.value(right)).map(|(left, right)| left * right).collect();
        self.push(Op::Product(left, right), values)
    }

    pub(crate) fn tanh(&mut self, of: At) -> At {
        let values = self.value(of).iter().map(|value| value.tanh()).collect();
        self.push(Op::Tanh(of), values)
    }

    pub(crate) fn sigmoid(&mut self, of: At) -> At {
        let values = self.value(of).iter().map(|value| 1.0 / (1.0 + (-value).exp())).collect();
        self.push(Op::Sigmoid(of), values)
    }

    /// Scaled dot-product attention of one query.
    pub(crate) fn attention(&mut self, query: At, keys: Vec<At>, values: Vec<At>) -> At {
        let scale = 1.0 / (self.value(query).len().max(1) as f64).sqrt();
        let scores: Vec<f64> =
            keys.iter().map(|key| dot(self.value(query), self.value(*key)) * scale).collect();
        let highest = scores.iter().copied().fold(f64::MIN, f64::max);
        let powers: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
        let whole: f64 = powers.iter().sum();
        let shares: Vec<f64> = powers.iter().map(|power| power / whole).collect();
        let mut mixed = vec![0.0; values.first().map_or(0, |value| self.value(*value).len())];
        for (share, value) in shares.iter().zip(&values) {
            add_to(&mut mixed, self.value(*value), *share);
        }
        self.push(Op::Attention { query, keys, values, shares }, mixed)
    }

    /// The gradient by each weight, when that by the last vector is `last`.
    pub(crate) fn gradient(&self, last: Vec<f64>) -> Vec<f64> {
        let mut of_weights = vec![0.0; self.weights.len()];
        let mut by: Vec<Vec<f64>> = self.vectors.iter().map(|(_, values)| vec![0.0; values.len()]).collect();
        if let Some(slot) = by.last_mut() {
            *slot = last;
        }
        for (at, (op, values)) in self.vectors.iter().enumerate().rev() {
            let own = by.get_mut(at).map(std::mem::take).unwrap_or_default();
            self.pass_back(op, values, &own, &mut by, &mut of_weights);
        }
        of_weights
    }

    fn pass_back(&self, op: &Op, values: &[f64], own: &[f64], by: &mut [Vec<f64>], of_weights: &mut [f64]) {
        let mut add = |at: At, gradient: &[f64], factor: f64| {
            if let Some(slot) = by.get_mut(at) {
                add_to(slot, gradient, factor);
            }
        };
        let each = |of: &dyn Fn(f64) -> f64| -> Vec<f64> {
            own.iter().zip(values).map(|(own, value)| own * of(*value)).collect()
        };
        match op {
            Op::Given => {}
            Op::Sum(left, right) => {
                add(*left, own, 1.0);
                add(*right, own, 1.0);
            }
            Op::Product(left, right) => {
                let times = |other: At| -> Vec<f64> {
                    own.iter().zip(self.value(other)).map(|(own, other)| own * other).collect()
                };
                add(*left, &times(*right), 1.0);
                add(*right, &times(*left), 1.0);
            }
            Op::Tanh(of) => add(*of, &each(&|value| 1.0 - value * value), 1.0),
            Op::Sigmoid(of) => add(*of, &each(&|value| value * (1.0 - value)), 1.0),
            Op::Concatenated(left, right) => {
                let (first, second) = own.split_at(self.value(*left).len().min(own.len()));
                add(*left, first, 1.0);
                add(*right, second, 1.0);
            }
            Op::Part { of, from } => {
                let mut wide = vec![0.0; self.value(*of).len()];
                wide.iter_mut().skip(*from).zip(own).for_each(|(slot, own)| *slot = *own);
                add(*of, &wide, 1.0);
            }
            Op::Linear { of, weights } => {
                let inputs = self.value(*of);
                let width = inputs.len() + 1;
                let mut of_inputs = vec![0.0; inputs.len()];
                for (row, own) in own.iter().enumerate() {
                    let from = weights + row * width;
                    let factors = self.weights.get(from..from + inputs.len()).unwrap_or_default();
                    for (slot, factor) in of_inputs.iter_mut().zip(factors) {
                        *slot += own * f64::from(*factor);
                    }
                    let slots = of_weights.get_mut(from..from + width).unwrap_or_default();
                    let inputs = inputs.iter().chain(std::iter::once(&1.0));
                    slots.iter_mut().zip(inputs).for_each(|(slot, input)| *slot += own * input);
                }
                add(*of, &of_inputs, 1.0);
            }
            Op::Attention { query, keys, values, shares } => {
                let scale = 1.0 / (self.value(*query).len().max(1) as f64).sqrt();
                let gains: Vec<f64> = values.iter().map(|value| dot(own, self.value(*value))).collect();
                let mean = dot(&gains, shares);
                for (((key, value), share), gain) in keys.iter().zip(values).zip(shares).zip(gains) {
                    add(*value, own, *share);
                    let slope = share * (gain - mean) * scale;
                    add(*key, self.value(*query), slope);
                    add(*query, self.value(*key), slope);
                }
            }
        }
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn add_to(slot: &mut [f64], gradient: &[f64], factor: f64) {
    slot.iter_mut().zip(gradient).for_each(|(slot, gradient)| *slot += factor * gradient);
}
