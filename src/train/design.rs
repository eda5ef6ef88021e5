//! Columns of numbers laid out for coordinate descent, and the sums over them.

/// A design matrix by columns.
#[derive(Clone, Debug)]
pub(super) struct Design {
    pub(super) n: usize,
    pub(super) p: usize,
    values: Vec<f64>,
}

impl Design {
    pub(super) fn new(n: usize, columns: impl IntoIterator<Item = Vec<f64>>) -> Self {
        let mut values = Vec::new();
        let mut p = 0;
        for column in columns {
            debug_assert_eq!(column.len(), n);
            values.extend(column);
            p += 1;
        }
        Self { n, p, values }
    }

    pub(super) fn column(&self, j: usize) -> &[f64] {
        &self.values[j * self.n..(j + 1) * self.n]
    }
}

/// Inner product in eight partial sums, which the compiler turns into vector instructions and which
/// always add up in the same order.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (mut ca, mut cb) = (a.chunks_exact(8), b.chunks_exact(8));
    let mut sums = [0.0; 8];
    for (x, y) in (&mut ca).zip(&mut cb) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f64 = ca.remainder().iter().zip(cb.remainder()).map(|(x, y)| x * y).sum();
    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])) + rest
}

/// `y += a * x`.
pub(super) fn add_scaled(y: &mut [f64], a: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}
