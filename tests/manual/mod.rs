//! A second reading of the IBSI reference manual (arXiv 1612.07003), slow and plain, that shares
//! nothing with abscope: a test compares the two by the names of the features.
//!
//! Sections and codes are those of the manual. What the manual leaves undefined (0 / 0, a mean over
//! nothing) is `None`. Axes are always in the order z, y, x; a slice is a plane of one z.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

pub mod cases;
pub mod counts;
pub mod discretisation;
pub mod exact;
pub mod glcm;
pub mod gldzm;
pub mod glrlm;
pub mod glszm;
pub mod histogram;
pub mod hull;
pub mod interpolation;
pub mod ivh;
pub mod local_intensity;
pub mod mesh;
pub mod morphology;
pub mod ngldm;
pub mod ngtdm;
pub mod nifti;
pub mod resegmentation;
pub mod statistics;

/// Names and values of one family.
pub type Features = Vec<(&'static str, Option<f64>)>;

/// Intensities on a regular grid; x runs fastest. Spacing in mm.
#[derive(Clone, Debug)]
pub struct Image {
    pub size: [usize; 3],
    pub spacing: [f64; 3],
    pub values: Vec<f64>,
}

/// A place in the grid.
pub type Voxel = [usize; 3];

/// Where a voxel lies in the list of all voxels.
pub fn offset(size: [usize; 3], [z, y, x]: Voxel) -> usize {
    (z * size[1] + y) * size[2] + x
}

/// The voxel at a distance, when it lies in the grid.
pub fn moved(size: [usize; 3], voxel: Voxel, by: [isize; 3]) -> Option<Voxel> {
    let mut to = [0; 3];
    for axis in 0..3 {
        to[axis] = voxel[axis].checked_add_signed(by[axis])?;
        if to[axis] >= size[axis] {
            return None;
        }
    }
    Some(to)
}

/// Every voxel of a grid, z slowest.
pub fn voxels(size: [usize; 3]) -> Vec<Voxel> {
    let mut all = Vec::with_capacity(size.iter().product());
    for z in 0..size[0] {
        for y in 0..size[1] {
            for x in 0..size[2] {
                all.push([z, y, x]);
            }
        }
    }
    all
}

/// The voxels inside a mask.
pub fn inside(size: [usize; 3], mask: &[bool]) -> Vec<Voxel> {
    voxels(size).into_iter().filter(|&voxel| mask[offset(size, voxel)]).collect()
}

/// Section 2.4: how intensities come onto the new grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Interpolation {
    Nearest,
    Linear,
    Cubic,
}

/// Section 2.4 (68QD): intensities in HU are rounded to the nearest integer after interpolation.
/// The manual does not say which of two equally near integers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rounding {
    None,
    HalfAwayFromZero,
    HalfToEven,
    HalfUp,
}

/// Section 2.7.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Discretisation {
    /// The intensities are grey levels already.
    None,
    FixedBinNumber(usize),
    /// From the lower bound of the range, without one from the lowest intensity of the region.
    FixedBinSize(f64),
}

/// Section 3.5: what kind of intensities the intensity-volume histogram takes them for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum VolumeHistogram {
    /// Calibrated and discrete: every integer of the range is a level.
    Discrete,
    /// Calibrated and continuous: bins of a width, told by their centres.
    FixedBinSize(f64),
    /// Arbitrary units: bins of a number, told by their numbers.
    FixedBinNumber(usize),
}

/// How the length of a direction is measured (section 3, MPUJ), in voxels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Norm {
    Manhattan,
    Euclidean,
    Chebyshev,
}

/// Section 3.6: the weight of the co-occurrences of a direction, from its length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weight {
    One,
    Inverse(Norm),
    Gaussian(Norm),
}

/// Everything the manual lets a user choose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// New spacing (z, y, x); an axis that keeps its spacing keeps its voxels.
    pub spacing: Option<[f64; 3]>,
    pub interpolation: Interpolation,
    pub mask_interpolation: Interpolation,
    pub mask_threshold: f64,
    /// Applies to interpolated intensities only.
    pub rounding: Rounding,
    /// Closed range of intensities; either bound may be missing.
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    /// Intensities beyond so many standard deviations from the mean are left out.
    pub outliers: Option<f64>,
    pub discretisation: Discretisation,
    pub volume_histogram: VolumeHistogram,
    pub glcm_distance: usize,
    pub glcm_weight: Weight,
    pub ngtdm_distance: usize,
    pub ngldm_distance: usize,
    pub ngldm_alpha: usize,
    /// Moran's I and Geary's C take every pair of voxels: minutes on a large region.
    pub autocorrelation: bool,
    /// The oriented bounding box is searched for: seconds on a region of tens of voxels.
    pub oriented_box: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            spacing: None,
            interpolation: Interpolation::Linear,
            mask_interpolation: Interpolation::Linear,
            mask_threshold: 0.5,
            rounding: Rounding::HalfAwayFromZero,
            lower: None,
            upper: None,
            outliers: None,
            discretisation: Discretisation::None,
            volume_histogram: VolumeHistogram::Discrete,
            glcm_distance: 1,
            glcm_weight: Weight::One,
            ngtdm_distance: 1,
            ngldm_distance: 1,
            ngldm_alpha: 0,
            autocorrelation: true,
            oriented_box: false,
        }
    }
}

/// The image on the grid of the features, and its two masks (ECJF): the morphological one keeps the
/// shape of the region, the intensity one has been re-segmented.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub image: Image,
    pub shape: Vec<bool>,
    pub intensity: Vec<bool>,
}

impl Prepared {
    /// The intensities of the region.
    pub fn intensities(&self) -> Vec<f64> {
        let size = self.image.size;
        inside(size, &self.intensity)
            .into_iter()
            .map(|v| self.image.values[offset(size, v)])
            .collect()
    }
}

/// Section 2, in its order: interpolation, then re-segmentation.
pub fn prepare(image: &Image, mask: &[bool], settings: &Settings) -> Prepared {
    let (image, shape) = match settings.spacing {
        None => (image.clone(), mask.to_vec()),
        Some(spacing) => (
            interpolation::image(image, spacing, settings.interpolation, settings.rounding),
            interpolation::mask(
                image,
                mask,
                spacing,
                settings.mask_interpolation,
                settings.mask_threshold,
            ),
        ),
    };
    let intensity = resegmentation::intensity_mask(
        &image,
        &shape,
        settings.lower,
        settings.upper,
        settings.outliers,
    );
    Prepared { image, shape, intensity }
}

/// Grey levels, 1 and up, of the voxels in the intensity mask.
#[derive(Clone, Debug)]
pub struct Levels {
    pub size: [usize; 3],
    pub levels: Vec<Option<usize>>,
    /// The number of grey levels of the whole region: its highest one (section 3.4.9: the maximum
    /// discretised intensity is N_g by definition), also for a slice that does not reach it.
    pub count: usize,
}

impl Levels {
    pub fn at(&self, voxel: Voxel) -> Option<usize> {
        self.levels[offset(self.size, voxel)]
    }

    /// The level of a neighbour; `None` as well outside the grid.
    pub fn beside(&self, voxel: Voxel, by: [isize; 3]) -> Option<usize> {
        self.at(moved(self.size, voxel, by)?)
    }

    /// The region's voxels of one slice.
    pub fn slice(&self, z: usize) -> Vec<Voxel> {
        self.all().into_iter().filter(|voxel| voxel[0] == z).collect()
    }

    pub fn all(&self) -> Vec<Voxel> {
        voxels(self.size).into_iter().filter(|&voxel| self.at(voxel).is_some()).collect()
    }

    /// The slices that hold a voxel of the region.
    pub fn slices(&self) -> Vec<usize> {
        (0..self.size[0]).filter(|&z| !self.slice(z).is_empty()).collect()
    }
}

/// The four directions in a slice and the thirteen in a volume (section 3.6). Each stands for itself
/// and its opposite.
pub fn directions(volume: bool) -> Vec<[isize; 3]> {
    let mut all = Vec::new();
    for z in -1..=1 {
        for y in -1..=1 {
            for x in -1..=1 {
                // One of each pair of opposites: the one whose first step that is not 0 is forward.
                let first = [z, y, x].into_iter().find(|&step| step != 0);
                if first == Some(1) && (volume || z == 0) {
                    all.push([z, y, x]);
                }
            }
        }
    }
    all
}

/// All steps within a Chebyshev distance, but for the one of no length.
pub fn neighbourhood(distance: usize, volume: bool) -> Vec<[isize; 3]> {
    let reach = distance as isize;
    let mut all = Vec::new();
    for z in -reach..=reach {
        for y in -reach..=reach {
            for x in -reach..=reach {
                if [z, y, x] != [0, 0, 0] && (volume || z == 0) {
                    all.push([z, y, x]);
                }
            }
        }
    }
    all
}

/// The mean of each feature over several matrices. The manual does not say what a matrix without the
/// feature does to the mean; here it is left out, and a feature that no matrix has is undefined.
pub fn averaged(families: &[Features]) -> Features {
    let Some(first) = families.first() else {
        return Vec::new();
    };
    let mut means = Vec::new();
    for (index, &(name, _)) in first.iter().enumerate() {
        let values: Vec<f64> = families.iter().filter_map(|family| family[index].1).collect();
        means.push((name, mean(&values)));
    }
    means
}

pub fn mean(values: &[f64]) -> Option<f64> {
    ratio(values.iter().sum(), values.len() as f64)
}

/// A fraction, undefined over 0.
pub fn ratio(above: f64, below: f64) -> Option<f64> {
    if below == 0.0 { None } else { Some(above / below) }
}

/// p log2 p, which goes to 0 with p.
pub fn plogp(p: f64) -> f64 {
    if p > 0.0 { p * p.log2() } else { 0.0 }
}

/// Every feature of every family: its name, its aggregation (empty where a family has none), its value.
/// An empty region gives `None` throughout.
pub fn everything(
    image: &Image,
    mask: &[bool],
    settings: &Settings,
) -> Vec<(String, String, Option<f64>)> {
    of_prepared(&prepare(image, mask, settings), settings)
}

/// The least and the most that any marching cubes gives, for the features that take the volume or the
/// area of the mesh (`mesh` says of what ways).
pub fn mesh_ranges(image: &Image, mask: &[bool], settings: &Settings) -> Vec<(String, f64, f64)> {
    morphology::ranges(&prepare(image, mask, settings), settings)
        .into_iter()
        .map(|(name, least, most)| (name.to_owned(), least, most))
        .collect()
}

/// The features of a region that has been prepared already.
pub fn of_prepared(prepared: &Prepared, settings: &Settings) -> Vec<(String, String, Option<f64>)> {
    let mut all = Vec::new();
    let mut add = |aggregation: &str, features: Features| {
        for (name, value) in features {
            all.push((name.to_owned(), aggregation.to_owned(), value));
        }
    };
    let x = prepared.intensities();
    add("", morphology::features(prepared, settings));
    add("", local_intensity::features(prepared));
    add("", statistics::features(&x));
    let levels = discretisation::levels(prepared, settings);
    add("", histogram::features(&levels));
    add("", ivh::features(&x, settings));
    for (aggregation, features) in glcm::features(&levels, settings) {
        add(aggregation, features);
    }
    for (aggregation, features) in glrlm::features(&levels) {
        add(aggregation, features);
    }
    for (aggregation, features) in glszm::features(&levels) {
        add(aggregation, features);
    }
    for (aggregation, features) in gldzm::features(&levels, &prepared.shape) {
        add(aggregation, features);
    }
    for (aggregation, features) in ngtdm::features(&levels, settings.ngtdm_distance) {
        add(aggregation, features);
    }
    for (aggregation, features) in
        ngldm::features(&levels, settings.ngldm_distance, settings.ngldm_alpha)
    {
        add(aggregation, features);
    }
    all
}
