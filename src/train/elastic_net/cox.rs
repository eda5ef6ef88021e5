//! Cox's partial likelihood with Breslow's ties, its gradient and its exact Hessian.
//!
//! Cox 1972; Breslow 1974; as glmnet has it (Simon et al., J Stat Softw 2011,
//! doi:10.18637/jss.v039.i05): the log partial likelihood with weights that sum to 1.

use super::gram::weighted_gram;
use crate::train::design::{Design, add_scaled};

/// Times and events in the order that risk sets need.
#[derive(Clone, Debug)]
pub(in crate::train) struct Survival {
    /// Rows by descending time.
    order: Vec<usize>,
    /// Ranges of `order` with one time, longest first.
    tied: Vec<(usize, usize)>,
    event: Vec<bool>,
    weight: Vec<f64>,
}

/// One distinct event time: weight of its events and of those at risk.
struct Moment {
    end: usize,
    deaths: f64,
    at_risk: f64,
}

impl Survival {
    pub(in crate::train) fn new(time: &[f64], event: &[bool], weight: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..time.len()).collect();
        order.sort_by(|a, b| time[*b].total_cmp(&time[*a]));
        let mut tied = Vec::new();
        let mut start = 0;
        while start < order.len() {
            let same = order[start..].iter().take_while(|i| time[**i] == time[order[start]]);
            let end = start + same.count();
            tied.push((start, end));
            start = end;
        }
        Self { order, tied, event: event.to_vec(), weight: weight.to_vec() }
    }

    /// Hazards relative to the largest, weighted, so that nothing overflows.
    fn hazards(&self, eta: &[f64]) -> (f64, Vec<f64>) {
        let top = eta.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (top, eta.iter().zip(&self.weight).map(|(e, w)| w * (e - top).exp()).collect())
    }

    fn moments(&self, hazard: &[f64]) -> Vec<Moment> {
        let mut at_risk = 0.0;
        let mut moments = Vec::new();
        for &(start, end) in &self.tied {
            let rows = &self.order[start..end];
            at_risk += rows.iter().map(|i| hazard[*i]).sum::<f64>();
            let deaths = rows.iter().filter(|i| self.event[**i]).map(|i| self.weight[*i]).sum();
            if deaths > 0.0 {
                moments.push(Moment { end, deaths, at_risk });
            }
        }
        moments
    }

    /// Negative log partial likelihood.
    pub(in crate::train) fn value(&self, eta: &[f64]) -> f64 {
        let (top, hazard) = self.hazards(eta);
        let events: f64 = (0..eta.len())
            .filter(|i| self.event[*i])
            .map(|i| self.weight[i] * (eta[i] - top))
            .sum();
        let risk: f64 = self.moments(&hazard).iter().map(|m| m.deaths * m.at_risk.ln()).sum();
        risk - events
    }

    /// The least value any linear predictor reaches: `d ln d` for tied deaths of weight `d`.
    pub(in crate::train) fn saturated(&self) -> f64 {
        self.tied
            .iter()
            .map(|&(start, end)| {
                let rows = &self.order[start..end];
                rows.iter().filter(|i| self.event[**i]).map(|i| self.weight[*i]).sum::<f64>()
            })
            .filter(|deaths| *deaths > 0.0)
            .map(|deaths| deaths * deaths.ln())
            .sum()
    }

    /// Negative gradient by the linear predictor.
    pub(in crate::train) fn residual(&self, eta: &[f64]) -> Vec<f64> {
        let (_, hazard) = self.hazards(eta);
        let cumulative = self.cumulative(&hazard);
        (0..eta.len())
            .map(|i| {
                f64::from(u8::from(self.event[i])) * self.weight[i] - hazard[i] * cumulative[i]
            })
            .collect()
    }

    /// Breslow's cumulative hazard at each row's time, in units of the relative hazards.
    fn cumulative(&self, hazard: &[f64]) -> Vec<f64> {
        let moments = self.moments(hazard);
        let mut cumulative = vec![0.0; hazard.len()];
        let mut sum = 0.0;
        let mut moments = moments.iter().rev().peekable();
        for &(start, end) in self.tied.iter().rev() {
            while let Some(moment) = moments.next_if(|m| m.end >= end) {
                sum += moment.deaths / moment.at_risk;
            }
            for row in &self.order[start..end] {
                cumulative[*row] = sum;
            }
        }
        cumulative
    }

    /// The Hessian by the coefficients of `columns`, row by row.
    pub(in crate::train) fn hessian(
        &self,
        design: &Design,
        columns: &[usize],
        eta: &[f64],
    ) -> Vec<f64> {
        let m = columns.len();
        let (_, hazard) = self.hazards(eta);
        let cumulative = self.cumulative(&hazard);
        let diagonal: Vec<f64> = hazard.iter().zip(&cumulative).map(|(h, c)| h * c).collect();
        let mut hessian = weighted_gram(design, columns, &diagonal);
        // Sums of hazard-weighted covariates over each risk set, one rank-one term per event time.
        let mut sums = vec![0.0; m];
        let mut from = 0;
        for moment in self.moments(&hazard) {
            for row in &self.order[from..moment.end] {
                for (sum, j) in sums.iter_mut().zip(columns) {
                    *sum += hazard[*row] * design.column(*j)[*row];
                }
            }
            from = moment.end;
            let factor = moment.deaths / (moment.at_risk * moment.at_risk);
            for (a, line) in hessian.chunks_exact_mut(m).enumerate() {
                add_scaled(line, -factor * sums[a], &sums);
            }
        }
        hessian
    }
}
