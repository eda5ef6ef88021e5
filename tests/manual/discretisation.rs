//! Section 2.7 (4R0B): from intensities to grey levels.

use super::exact::{all_units, floor, units};
use super::{Discretisation, Levels, Prepared, Settings, inside, offset};

/// K15C: floor(N (X - min) / (max - min)) + 1, and N for the highest intensity. A region of one
/// intensity consists of highest ones only, so all of it gets level N.
pub fn fixed_bin_number(x: &[f64], number: usize) -> Vec<usize> {
    let Some((low, high)) = extremes(x) else {
        return Vec::new();
    };
    if let (Some(x), Some(low), Some(high)) = (all_units(x), units(low), units(high)) {
        return x
            .into_iter()
            .map(|x| {
                if x == high {
                    number
                } else {
                    floor(number as i128 * (x - low), high - low) as usize + 1
                }
            })
            .collect();
    }
    x.iter()
        .map(|&x| {
            if x == high {
                number
            } else {
                (number as f64 * (x - low) / (high - low)).floor() as usize + 1
            }
        })
        .collect()
}

/// Q3RU: floor((X - min) / width) + 1.
pub fn fixed_bin_size(x: &[f64], low: f64, width: f64) -> Vec<usize> {
    if let (Some(x), Some(low), Some(width)) = (all_units(x), units(low), units(width)) {
        return x.into_iter().map(|x| floor(x - low, width) as usize + 1).collect();
    }
    x.iter().map(|&x| ((x - low) / width).floor() as usize + 1).collect()
}

/// The grey levels of the region.
pub fn levels(prepared: &Prepared, settings: &Settings) -> Levels {
    let x = prepared.intensities();
    let found = match settings.discretisation {
        Discretisation::None => x.iter().map(|&x| x as usize).collect(),
        Discretisation::FixedBinNumber(number) => fixed_bin_number(&x, number),
        Discretisation::FixedBinSize(width) => {
            let low = settings.lower.or(extremes(&x).map(|(low, _)| low));
            fixed_bin_size(&x, low.unwrap_or(0.0), width)
        }
    };
    let size = prepared.image.size;
    let mut levels = vec![None; prepared.intensity.len()];
    for (voxel, &level) in inside(size, &prepared.intensity).into_iter().zip(&found) {
        levels[offset(size, voxel)] = Some(level);
    }
    Levels { size, levels, count: found.into_iter().max().unwrap_or(0) }
}

/// Lowest and highest.
pub fn extremes(x: &[f64]) -> Option<(f64, f64)> {
    let low = x.iter().copied().reduce(f64::min)?;
    let high = x.iter().copied().reduce(f64::max)?;
    Some((low, high))
}
