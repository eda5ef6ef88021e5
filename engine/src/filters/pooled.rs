//! Separable kernels whose responses are pooled into maps, and the energy of textures.

use super::mean;
use super::operator::{Local, Scene};
use super::pooling::Pooling;
use super::separable::Bank;
use super::settings::Dimension;
use super::tile::Tile;

/// A bank of separable kernels and what becomes of their responses.
pub(crate) struct Pooled {
    pub(crate) bank: Bank,
    /// Number of response maps; each has as many kernels as the others.
    pub(crate) maps: usize,
    /// How the responses of a map's kernels are pooled; each map has one kernel where there is none.
    pub(crate) pooling: Option<Pooling>,
    pub(crate) energy: Option<Energy>,
}

/// The mean magnitude of a response around each voxel (IBSI 2, Laws).
pub(crate) struct Energy {
    /// Voxels to each side.
    pub(crate) delta: usize,
    pub(crate) dimension: Dimension,
}

impl From<Bank> for Pooled {
    /// One map of one kernel.
    fn from(bank: Bank) -> Self {
        Self { bank, maps: 1, pooling: None, energy: None }
    }
}

impl Local for Pooled {
    fn reach(&self) -> [usize; 3] {
        let reach = self.bank.reach();
        std::array::from_fn(|a| {
            let delta = self.energy.as_ref().filter(|e| a < e.dimension.axes());
            reach[a].0.max(reach[a].1) as usize + delta.map_or(0, |e| e.delta)
        })
    }

    fn keep(&mut self, maps: &[usize]) -> bool {
        self.bank.keep(maps);
        self.maps = maps.len();
        true
    }

    fn respond(&self, scene: &Scene<'_>, min: [isize; 3], max: [isize; 3]) -> Vec<Tile> {
        match &self.energy {
            Some(energy) => self.energy(energy, scene, min, max),
            None => self.pooled(scene, min, max),
        }
    }
}

impl Pooled {
    /// One response per map; the responses of a map's kernels pooled.
    fn pooled(&self, scene: &Scene<'_>, min: [isize; 3], max: [isize; 3]) -> Vec<Tile> {
        let tile = scene.extended(min, max, self.bank.reach());
        let count = self.bank.leaves.len() / self.maps;
        let mut pooled: Vec<Option<Tile>> = vec![None; self.maps];
        self.bank.apply(&tile, min, max, |target, response| match self.pooling {
            None => pooled[target] = Some(response.clone()),
            Some(pooling) => {
                let first = pooled[target].is_none();
                let into = pooled[target].get_or_insert_with(|| Tile::zeros(min, max));
                pooling.take(into, response, count, first);
            }
        });
        pooled.into_iter().flatten().collect()
    }

    /// The response, like the image, goes on beyond the edge by the boundary condition.
    fn energy(
        &self,
        energy: &Energy,
        scene: &Scene<'_>,
        min: [isize; 3],
        max: [isize; 3],
    ) -> Vec<Tile> {
        let mean = mean::bank(2 * energy.delta + 1, energy.dimension);
        let reach = mean.reach();
        let from: [isize; 3] = std::array::from_fn(|a| min[a] - reach[a].0);
        let to: [isize; 3] = std::array::from_fn(|a| max[a] + reach[a].1);
        let span: [(isize, isize); 3] =
            std::array::from_fn(|a| scene.boundary.sources(from[a], to[a], scene.size[a]));
        let (inner_min, inner_max) = (span.map(|s| s.0), span.map(|s| s.1));
        self.pooled(scene, inner_min, inner_max)
            .into_iter()
            .flat_map(|mut response| {
                response.values.iter_mut().for_each(|v| *v = v.abs());
                let around =
                    scene.boundary.extend(response.view(), inner_min, scene.size, from, to);
                let mut result = None;
                mean.apply(&around, min, max, |_, mean| result = Some(mean.clone()));
                result
            })
            .collect()
    }
}
