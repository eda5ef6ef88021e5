//! A filter made ready for voxels of a given spacing.

use ndarray::ArrayView3;

use super::boundary::Boundary;
use super::settings::Dimension;
use super::tile::Tile;

/// The voxels that a filter is made ready for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    /// Along x, y, z, mm.
    pub(crate) spacing: [f64; 3],
    pub(crate) dimension: Dimension,
}

impl Grid {
    /// A length in voxels along x, y, z.
    pub(crate) fn voxels(&self, mm: f64) -> [f64; 3] {
        self.spacing.map(|spacing| mm / spacing)
    }
}

/// What makes the response maps of a filter.
pub(crate) enum Operator {
    /// Kernels of bounded support, evaluated where they are asked for.
    Local(Box<dyn Local>),
    /// Unbounded support: made by FFT of the whole image.
    Fourier(Fourier),
}

/// Transfer function and orders of −iω along x, y, z.
pub(crate) struct Fourier {
    pub(crate) transfer: Transfer,
    pub(crate) order: [u32; 3],
}

/// A real transfer function of ω in radians per voxel.
pub(crate) type Transfer = Box<dyn Fn([f64; 3]) -> f64 + Send + Sync>;

impl Operator {
    pub(crate) fn local(kernels: impl Local + 'static) -> Self {
        Self::Local(Box::new(kernels))
    }

    /// A filter of one map with an isotropic transfer function.
    pub(crate) fn isotropic(transfer: impl Fn([f64; 3]) -> f64 + Send + Sync + 'static) -> Self {
        Self::Fourier(Fourier { transfer: Box::new(transfer), order: [0; 3] })
    }

    /// Voxels beyond a box that its response depends on, along x, y, z; none for the whole image.
    pub(crate) fn reach(&self) -> Option<[usize; 3]> {
        match self {
            Self::Local(local) => Some(local.reach()),
            Self::Fourier(_) => None,
        }
    }
}

/// Kernels of bounded support.
pub(crate) trait Local: Send + Sync {
    /// Voxels beyond a box that its response depends on, along x, y, z.
    fn reach(&self) -> [usize; 3];

    /// Leaves out all maps but these, where that saves work. `true` where it did.
    fn keep(&mut self, _maps: &[usize]) -> bool {
        false
    }

    /// The responses within `min..max` of an image's voxels, one per map.
    fn respond(&self, scene: &Scene<'_>, min: [isize; 3], max: [isize; 3]) -> Vec<Tile>;
}

/// An image as kernels of bounded support see it.
pub(crate) struct Scene<'a> {
    /// Shape (z, y, x).
    pub(crate) image: ArrayView3<'a, f32>,
    /// Voxels along x, y, z.
    pub(crate) size: [usize; 3],
    pub(crate) boundary: Boundary,
}

impl Scene<'_> {
    /// The image over a box and what a kernel needs before and after it.
    pub(crate) fn extended(
        &self,
        min: [isize; 3],
        max: [isize; 3],
        reach: [(isize, isize); 3],
    ) -> Tile {
        let from = std::array::from_fn(|a| min[a] - reach[a].0);
        let to = std::array::from_fn(|a| max[a] + reach[a].1);
        self.boundary.extend(self.image, [0; 3], self.size, from, to)
    }

    /// The image over a box and as much to either side.
    pub(crate) fn around(&self, min: [isize; 3], max: [isize; 3], reach: [usize; 3]) -> Tile {
        self.extended(min, max, reach.map(|r| (r as isize, r as isize)))
    }
}
