//! An image: a grid and its intensities.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use ndarray::Array3;
use rayon::prelude::*;

use crate::geometry::{Geometry, IndexBox};

/// Intensities in the narrowest type that holds them exactly; x fastest, then y, then z.
#[derive(Clone, Debug)]
pub enum Voxels {
    /// Whole numbers, as almost every CT holds (HU).
    I16(Vec<i16>),
    /// The same, in the bytes of a file.
    Stored(StoredI16),
    /// Anything else.
    F32(Vec<f32>),
}

impl Voxels {
    /// Number of voxels.
    pub fn len(&self) -> usize {
        match self.whole() {
            Ok(v) => v.len(),
            Err(v) => v.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The voxels as whole numbers, or else as real ones.
    pub fn whole(&self) -> Result<&[i16], &[f32]> {
        match self {
            Self::I16(v) => Ok(v),
            Self::Stored(v) => Ok(v.voxels()),
            Self::F32(v) => Err(v),
        }
    }
}

impl PartialEq for Voxels {
    fn eq(&self, other: &Self) -> bool {
        self.whole() == other.whole()
    }
}

/// Whole numbers where a reader left them: behind the header, in bytes of the machine's own order.
///
/// Nothing is copied this way once it was read or decompressed.
#[derive(Clone)]
pub struct StoredI16 {
    bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
    span: Range<usize>,
}

impl StoredI16 {
    /// The numbers in `span` of `bytes`. `None` where the span does not lie within the bytes, does
    /// not hold whole numbers of 2 bytes, or does not start at an even address.
    pub fn new(bytes: Arc<dyn AsRef<[u8]> + Send + Sync>, span: Range<usize>) -> Option<Self> {
        let slice = (*bytes).as_ref().get(span.clone())?;
        bytemuck::try_cast_slice::<u8, i16>(slice).ok()?;
        Some(Self { bytes, span })
    }

    fn voxels(&self) -> &[i16] {
        bytemuck::cast_slice(&(*self.bytes).as_ref()[self.span.clone()])
    }
}

impl std::fmt::Debug for StoredI16 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoredI16({} voxels)", self.span.len() / 2)
    }
}

/// A scalar image in canonical axis order (see [`crate::geometry`]). CT intensities are in HU.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    geometry: Geometry,
    voxels: Voxels,
    flaw: Option<Arc<Flaw>>,
}

/// What is wrong with intensities that are no finite numbers, which no feature may read.
#[derive(Clone, Debug, PartialEq)]
pub struct Flaw {
    /// The file that holds them.
    pub path: PathBuf,
    /// The first of them, and the way out.
    pub problem: String,
}

impl Volume {
    /// An image from its grid and `geometry.voxel_count()` intensities, x fastest: finite ones, unless
    /// [`Volume::with_flaw`] says what others there are.
    ///
    /// # Panics
    /// If the number of voxels does not fit the grid; readers check it and report the file.
    pub fn new(geometry: Geometry, voxels: Voxels) -> Self {
        assert_eq!(geometry.voxel_count(), voxels.len(), "voxels do not fit the grid");
        Self { geometry, voxels, flaw: None }
    }

    /// The same image, of which some intensities are no finite numbers.
    #[must_use]
    pub fn with_flaw(self, flaw: Flaw) -> Self {
        Self { flaw: Some(Arc::new(flaw)), ..self }
    }

    /// What is wrong with intensities that are no finite numbers, if there are any.
    pub fn flaw(&self) -> Option<&Flaw> {
        self.flaw.as_deref()
    }

    /// The grid.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The intensities, x fastest.
    pub fn voxels(&self) -> &Voxels {
        &self.voxels
    }

    /// Intensity of one voxel.
    pub fn get(&self, [x, y, z]: [usize; 3]) -> f32 {
        let [nx, ny, _] = self.geometry.size;
        let index = (z * ny + y) * nx + x;
        match self.voxels.whole() {
            Ok(v) => f32::from(v[index]),
            Err(v) => v[index],
        }
    }

    /// Intensities of a box of voxels, shape (z, y, x).
    pub fn crop(&self, bounds: &IndexBox) -> Array3<f32> {
        let [sx, sy, sz] = bounds.size();
        let mut out = vec![0.0; sx * sy * sz];
        let [nx, ny, _] = self.geometry.size;
        let voxels = self.voxels.whole();
        out.par_chunks_mut((sx * sy).max(1)).enumerate().for_each(|(z, plane)| {
            for (y, out) in plane.chunks_exact_mut(sx).enumerate() {
                let row = ((z + bounds.min[2]) * ny + y + bounds.min[1]) * nx;
                let span = row + bounds.min[0]..row + bounds.max[0];
                match voxels {
                    Ok(v) => {
                        for (to, &from) in out.iter_mut().zip(&v[span]) {
                            *to = f32::from(from);
                        }
                    }
                    Err(v) => out.copy_from_slice(&v[span]),
                }
            }
        });
        Array3::from_shape_vec((sz, sy, sx), out).expect("rows of the box fill its shape")
    }
}
