//! Weights that are moved by gradients, by rates that follow their size (Kingma and Ba, *Adam*, ICLR 2015).

use serde::{Deserialize, Serialize};

const RATE: f64 = 0.004;
const MOMENTUM: f64 = 0.9;
const SQUARES: f64 = 0.99;

/// Weights, and what is known of their gradients.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Weights {
    pub(super) values: Vec<f32>,
    momenta: Vec<f32>,
    squares: Vec<f32>,
    trained: u64,
}

impl Weights {
    /// Small ones, always the same.
    pub(super) fn new(count: usize) -> Self {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut small = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            ((seed >> 40) as f32 / (1_u32 << 24) as f32 - 0.5) * 0.4
        };
        Self {
            values: (0..count).map(|_| small()).collect(),
            momenta: vec![0.0; count],
            squares: vec![0.0; count],
            trained: 0,
        }
    }

    /// Moves each against its slope.
    pub(super) fn descend(&mut self, gradient: Vec<f64>) {
        self.trained += 1;
        let warm = |part: f64| 1.0 - part.powf(self.trained as f64);
        let sums = self.momenta.iter_mut().zip(&mut self.squares);
        for ((weight, (momentum, square)), slope) in self.values.iter_mut().zip(sums).zip(gradient) {
            *momentum += ((1.0 - MOMENTUM) * (slope - f64::from(*momentum))) as f32;
            *square += ((1.0 - SQUARES) * (slope * slope - f64::from(*square))) as f32;
            let size = (f64::from(*square) / warm(SQUARES)).sqrt() + 1e-6;
            *weight -= (RATE * f64::from(*momentum) / warm(MOMENTUM) / size) as f32;
        }
    }
}
