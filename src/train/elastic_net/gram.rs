//! Inner products of columns.

use crate::train::design::{Design, dot};

/// Inner products of columns that have entered, which do not change for a continuous outcome.
#[derive(Default)]
pub(super) struct Gram {
    at: Vec<Option<usize>>,
    entered: Vec<usize>,
    /// `lines[a][b]` for `b <= a`.
    lines: Vec<Vec<f64>>,
}

impl Gram {
    pub(super) fn of(&mut self, design: &Design, weight: &[f64], columns: &[usize]) -> Vec<f64> {
        self.at.resize(design.p, None);
        for &j in columns {
            if self.at[j].is_none() {
                let weighted: Vec<f64> =
                    design.column(j).iter().zip(weight).map(|(x, w)| x * w).collect();
                self.at[j] = Some(self.entered.len());
                self.entered.push(j);
                let line = self.entered.iter().map(|k| dot(&weighted, design.column(*k)));
                self.lines.push(line.collect());
            }
        }
        let at: Vec<usize> = columns.iter().filter_map(|j| self.at[*j]).collect();
        let m = at.len();
        let mut gram = vec![0.0; m * m];
        for (a, &i) in at.iter().enumerate() {
            for (b, &j) in at.iter().enumerate() {
                gram[a * m + b] = self.lines[i.max(j)][i.min(j)];
            }
        }
        gram
    }
}

/// `X' diag(v) X` over `columns`.
pub(super) fn weighted_gram(design: &Design, columns: &[usize], v: &[f64]) -> Vec<f64> {
    let m = columns.len();
    let mut gram = vec![0.0; m * m];
    for (a, &i) in columns.iter().enumerate() {
        let weighted: Vec<f64> = design.column(i).iter().zip(v).map(|(x, v)| x * v).collect();
        for (b, &j) in columns.iter().enumerate().skip(a) {
            let value = dot(&weighted, design.column(j));
            gram[a * m + b] = value;
            gram[b * m + a] = value;
        }
    }
    gram
}
