//! Ridge regression on normal equations.

/// Sums of a weighted least-squares problem, row by row.
pub(crate) struct Normal {
    size: usize,
    /// Lower triangle of XᵀX, row by row.
    products: Vec<f64>,
    /// Xᵀy.
    targets: Vec<f64>,
}

impl Normal {
    pub(crate) fn new(size: usize) -> Self {
        Self { size, products: vec![0.0; size * (size + 1) / 2], targets: vec![0.0; size] }
    }

    pub(crate) fn add(&mut self, row: &[f64], target: f64, weight: f64) {
        let mut products = self.products.iter_mut();
        for ((index, value), sum) in row.iter().enumerate().zip(&mut self.targets) {
            let weighted = value * weight;
            *sum += weighted * target;
            for (other, product) in row.iter().take(index + 1).zip(products.by_ref()) {
                *product += weighted * other;
            }
        }
    }

    /// Adds a row of ones in a few columns and zeros elsewhere; targets are given apart.
    pub(crate) fn add_sparse(&mut self, columns: &[usize], weight: f64) {
        for row in columns {
            for column in columns.iter().filter(|column| *column <= row) {
                if let Some(product) = self.products.get_mut(row * (row + 1) / 2 + column) {
                    *product += weight;
                }
            }
        }
    }

    /// The same sums with these right-hand sides.
    pub(crate) fn with_targets(self, targets: Vec<f64>) -> Self {
        Self { targets, ..self }
    }

    /// The coefficients with `penalty(index)` added to each diagonal, by Cholesky decomposition; `None` when they are not
    /// determined.
    pub(crate) fn solve(&self, penalty: impl Fn(usize) -> f64) -> Option<Vec<f64>> {
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(self.size);
        let mut products = self.products.iter();
        for index in 0..self.size {
            let mut row: Vec<f64> = Vec::with_capacity(index + 1);
            for column in 0..=index {
                let mut sum = *products.next()?;
                if column < index {
                    let other = rows.get(column)?;
                    sum -= dot(&row, other);
                    row.push(sum / other.last()?);
                } else {
                    let diagonal = sum + penalty(index) - dot(&row, &row);
                    if diagonal.is_nan() || diagonal <= 1e-12 * (sum + penalty(index)).abs() {
                        return None;
                    }
                    row.push(diagonal.sqrt());
                }
            }
            rows.push(row);
        }
        let mut forward: Vec<f64> = Vec::with_capacity(self.size);
        for (row, target) in rows.iter().zip(&self.targets) {
            forward.push((target - dot(&forward, row)) / row.last()?);
        }
        let mut solution = vec![0.0; self.size];
        for index in (0..self.size).rev() {
            let value = forward.get(index)? / rows.get(index)?.get(index)?;
            *solution.get_mut(index)? = value;
            for (sum, factor) in forward.iter_mut().zip(rows.get(index)?) {
                *sum -= factor * value;
            }
        }
        solution.iter().all(|value| value.is_finite()).then_some(solution)
    }
}

/// The sum of products, as far as both go.
pub(crate) fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_law_is_found_and_a_penalty_shrinks_it() {
        let mut normal = Normal::new(3);
        for step in 0..30 {
            let (x, y) = (f64::from(step), f64::from(step * step % 7));
            normal.add(&[1.0, x, y], 4.0 - 2.0 * x + 0.5 * y, 1.0);
        }
        let found = normal.solve(|_| 0.0).unwrap();
        for (found, wanted) in found.iter().zip([4.0, -2.0, 0.5]) {
            assert!((found - wanted).abs() < 1e-8, "{found} instead of {wanted}");
        }
        let shrunk = normal.solve(|index| if index == 1 { 1e9 } else { 0.0 }).unwrap();
        assert!(shrunk[1].abs() < 1e-3);
        assert!(Normal::new(2).solve(|_| 0.0).is_none());
    }
}
