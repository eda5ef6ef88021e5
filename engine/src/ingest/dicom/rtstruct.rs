//! Structure sets (RTSTRUCT, PS3.3, A.19) to masks.
//!
//! A voxel belongs to a ROI if its centre lies within an odd number of the contours of its plane
//! (even-odd rule, so that holes and keyholes come out right); contours of one plane are combined by
//! exclusive or, each once. A contour goes to the slice nearest to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dicom_dictionary_std::tags;
use ndarray::Array3;

use super::object::{DicomObject, Fields, name};
use crate::error::{Error, Problem, Result};
use crate::geometry::{Geometry, IndexBox, Vec3};
use crate::mask::Mask;

/// A contour's points may leave their plane by this part of a slice.
const FLATNESS: f64 = 0.1;
/// Contours closer than this part of a slice lie in one plane.
const SAME_PLANE: f64 = 0.01;
/// Points closer than this part of a voxel to its centre lie on it; chance puts one of 2500 there.
const ON_CENTRE: f64 = 0.01;

/// A structure set.
#[derive(Clone, Debug)]
pub struct StructureSet {
    path: PathBuf,
    /// The ROIs, by number.
    pub rois: Vec<Roi>,
}

/// A region of interest.
#[derive(Clone, Debug)]
pub struct Roi {
    /// ROINumber.
    pub number: i64,
    /// ROIName; empty where there is none.
    pub name: String,
    /// RTROIInterpretedType; empty where there is none.
    pub kind: String,
    /// Closed planar contours: points in LPS mm.
    pub contours: Vec<Vec<Vec3>>,
    /// Contours of other kinds (points, open lines), which enclose nothing.
    pub other_contours: usize,
    /// Contours that are there again and were left out: the exclusive or of two would be nothing.
    pub repeated_contours: usize,
}

/// Masks of some ROIs.
#[derive(Debug)]
pub struct Masks {
    /// Number, name and voxels.
    pub regions: Vec<(i64, String, Mask)>,
    /// Empty ROIs, contours off the image, and the like.
    pub warnings: Vec<String>,
}

impl StructureSet {
    /// Reads a structure set from its elements; `path` names the file in errors.
    ///
    /// # Errors
    /// It is no structure set; a contour holds something else than triples of finite numbers, or
    /// another number of them than it says; two ROIs have one number.
    pub fn read(object: &DicomObject, path: &Path) -> Result<Self> {
        let fields = Fields::new(object, path);
        let modality = fields.text(tags::MODALITY).unwrap_or_else(|| "missing".into());
        if modality != "RTSTRUCT" {
            return Err(Error::unsupported(
                path,
                format!("is no RTSTRUCT: its modality is {modality}"),
            ));
        }
        let mut rois: BTreeMap<i64, Roi> = BTreeMap::new();
        for item in fields.items(tags::STRUCTURE_SET_ROI_SEQUENCE) {
            let number = number(&item, tags::ROI_NUMBER)?;
            let name = item.text(tags::ROI_NAME).unwrap_or_default();
            let roi = Roi {
                number,
                name,
                kind: String::new(),
                contours: Vec::new(),
                other_contours: 0,
                repeated_contours: 0,
            };
            if rois.insert(number, roi).is_some() {
                return Err(fields.bad(format!("two ROIs have the number {number}")));
            }
        }
        for item in fields.items(tags::RTROI_OBSERVATIONS_SEQUENCE) {
            let Some(number) = item.integer(tags::REFERENCED_ROI_NUMBER)? else { continue };
            if let Some(roi) = rois.get_mut(&number) {
                roi.kind = item.text(tags::RTROI_INTERPRETED_TYPE).unwrap_or_default();
            }
        }
        for item in fields.items(tags::ROI_CONTOUR_SEQUENCE) {
            let number = number(&item, tags::REFERENCED_ROI_NUMBER)?;
            let Some(roi) = rois.get_mut(&number) else {
                return Err(
                    fields.bad(format!("has contours of ROI {number}, which it does not list"))
                );
            };
            for (index, contour) in item.items(tags::CONTOUR_SEQUENCE).enumerate() {
                roi.add(index, &contour)?;
            }
        }
        for roi in rois.values_mut() {
            roi.drop_repeated();
        }
        Ok(Self { path: path.to_owned(), rois: rois.into_values().collect() })
    }

    /// Masks of the ROIs that `wanted` takes by number and name, on an image's grid.
    ///
    /// # Errors
    /// A contour lies in no plane of the grid.
    pub fn masks(&self, grid: &Geometry, wanted: &dyn Fn(i64, &str) -> bool) -> Result<Masks> {
        let mut masks = Masks { regions: Vec::new(), warnings: Vec::new() };
        for roi in self.rois.iter().filter(|r| wanted(r.number, &r.name)) {
            let called = format!("ROI {} ({})", roi.number, roi.name);
            if roi.name.is_empty() {
                masks.warnings.push(format!("ROI {} has no name", roi.number));
            }
            if roi.other_contours > 0 {
                masks.warnings.push(format!(
                    "{called}: {} contours are points or open lines and were ignored",
                    roi.other_contours
                ));
            }
            if roi.repeated_contours > 0 {
                masks.warnings.push(format!(
                    "{called}: {} contours are there more than once and count once",
                    roi.repeated_contours
                ));
            }
            let mut notes = Vec::new();
            let mask = roi
                .mask(grid, &mut notes)
                .map_err(|problem| Error::bad_data(&self.path, format!("{called}: {problem}")))?;
            masks.warnings.extend(notes.into_iter().map(|note| format!("{called}: {note}")));
            match mask {
                Some(mask) => masks.regions.push((roi.number, roi.name.clone(), mask)),
                None => {
                    masks.warnings.push(format!("{called} is empty on this image and was left out"))
                }
            }
        }
        Ok(masks)
    }
}

fn number(item: &Fields<'_>, tag: dicom_core::Tag) -> Result<i64> {
    item.integer(tag)?.ok_or_else(|| item.missing(tag))
}

impl Roi {
    fn add(&mut self, index: usize, contour: &Fields<'_>) -> Result<()> {
        let kind = contour.text(tags::CONTOUR_GEOMETRIC_TYPE).unwrap_or_default();
        let values = contour.decimals(tags::CONTOUR_DATA)?.unwrap_or_default();
        if values.len() % 3 != 0 {
            return Err(contour.bad(format!(
                "contour {} of ROI {} ({}) has {} numbers, which are no triples x, y, z",
                index + 1,
                self.number,
                self.name,
                values.len()
            )));
        }
        let points = (values.len() / 3) as i64;
        let said = contour.integer(tags::NUMBER_OF_CONTOUR_POINTS)?;
        if let Some(said) = said.filter(|said| *said != points) {
            return Err(contour.bad(format!(
                "contour {} of ROI {} ({}) has {points} points in {} and says {said} in {}; fetch the \
                 file again",
                index + 1,
                self.number,
                self.name,
                name(tags::CONTOUR_DATA),
                name(tags::NUMBER_OF_CONTOUR_POINTS)
            )));
        }
        let closed = kind == "CLOSED_PLANAR" || kind == "CLOSEDPLANAR_XOR";
        if !closed || values.len() < 9 {
            self.other_contours += 1;
            return Ok(());
        }
        self.contours.push(values.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect());
        Ok(())
    }

    /// Keeps the first of contours that are the same.
    fn drop_repeated(&mut self) {
        let before = self.contours.len();
        let mut seen = BTreeSet::new();
        self.contours.retain(|contour| seen.insert(outline(contour)));
        self.repeated_contours = before - self.contours.len();
    }

    /// The mask on a grid. `None` where no voxel is inside.
    fn mask(&self, grid: &Geometry, notes: &mut Vec<String>) -> Result<Option<Mask>, Problem> {
        let mut planar = Vec::with_capacity(self.contours.len());
        for contour in &self.contours {
            planar.push(Planar::new(contour, grid)?);
        }
        let Some(axis) = planar.first().map(|p| p.axis) else { return Ok(None) };
        if planar.iter().any(|p| p.axis != axis) {
            return Err("its contours lie in planes of different orientation".into());
        }
        let count = planar.len();
        let slices = grid.size[axis] as f64;
        planar.retain(|p| p.place > -0.5 && p.place < slices - 0.5);
        if planar.len() < count {
            notes.push(format!("{} contours meet no slice of the image", count - planar.len()));
        }
        let planar = nearest_planes(planar, notes);
        if !planar.is_empty() && planar.iter().all(Planar::is_through_centres) {
            notes.push(
                "its contours run through the centres of voxels, as rt-utils writes them: of the \
                 voxels that they were made from, a part of the outermost is missing; measure the \
                 mask that they were made from"
                    .into(),
            );
        }
        let Some(bounds) = bounds(&planar, axis, grid.size) else { return Ok(None) };
        let [sx, sy, sz] = bounds.size();
        let mut inside = Array3::from_elem((sz, sy, sx), false);
        for contour in &planar {
            contour.flip(&bounds, &mut inside);
        }
        Ok(Mask::new(grid.clone(), bounds, &inside))
    }
}

/// A contour in voxel coordinates, in a plane across one axis.
struct Planar {
    axis: usize,
    /// Voxel coordinate of its plane along the axis.
    place: f64,
    /// Voxel coordinates along the other two axes, in ascending order of axis.
    points: Vec<[f64; 2]>,
}

impl Planar {
    fn new(contour: &[Vec3], grid: &Geometry) -> Result<Self, Problem> {
        let voxels: Vec<Vec3> = contour.iter().map(|p| grid.world_to_voxel(*p)).collect();
        let spread = |axis: usize| {
            let values = voxels.iter().map(|v| v[axis]);
            let high = values.clone().fold(f64::NEG_INFINITY, f64::max);
            high - values.fold(f64::INFINITY, f64::min)
        };
        let spreads: Vec3 = std::array::from_fn(spread);
        let flat = (0..3).min_by(|&a, &b| spreads[a].total_cmp(&spreads[b])).unwrap_or(2);
        // A contour of a single row of voxels is flat in two directions: slices are across z then.
        let axis = if spreads[2] <= FLATNESS { 2 } else { flat };
        if !(spreads[axis] <= FLATNESS) {
            return Err(format!(
                "a contour lies in no plane of the image: it spans {:.2} x {:.2} x {:.2} voxels; was \
                 it drawn on another series?",
                spreads[0], spreads[1], spreads[2]
            ).into());
        }
        let place = voxels.iter().map(|v| v[axis]).sum::<f64>() / voxels.len() as f64;
        let [u, v] = others(axis);
        let points = voxels.iter().map(|p| [p[u], p[v]]).collect();
        Ok(Self { axis, place, points })
    }

    /// Whether every point is the centre of a voxel.
    fn is_through_centres(&self) -> bool {
        let on_centre = |v: f64| (v - v.round()).abs() <= ON_CENTRE;
        self.points.iter().flatten().all(|v| on_centre(*v))
    }

    fn slice(&self) -> usize {
        self.place.round().max(0.0) as usize
    }

    /// Flips every voxel of the box whose centre the contour encloses.
    fn flip(&self, bounds: &IndexBox, inside: &mut Array3<bool>) {
        let [u, v] = others(self.axis);
        let (first_u, end_u) = (bounds.min[u] as f64, bounds.max[u]);
        for row in bounds.min[v]..bounds.max[v] {
            let y = row as f64;
            let mut crossings = Vec::new();
            for (i, a) in self.points.iter().enumerate() {
                let b = self.points[(i + 1) % self.points.len()];
                // Half-open in y, so that a corner counts once.
                if (a[1] <= y) != (b[1] <= y) {
                    crossings.push(a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]));
                }
            }
            crossings.sort_by(f64::total_cmp);
            for pair in crossings.chunks_exact(2) {
                let from = pair[0].ceil().max(first_u) as usize;
                let to = (pair[1].ceil().max(0.0) as usize).min(end_u);
                for column in from..to {
                    let mut at = [0; 3];
                    at[self.axis] = self.slice() - bounds.min[self.axis];
                    at[u] = column - bounds.min[u];
                    at[v] = row - bounds.min[v];
                    inside[[at[2], at[1], at[0]]] ^= true;
                }
            }
        }
    }
}

/// A closed contour whichever point it starts with and whichever way it runs, by the bits of its
/// coordinates.
fn outline(contour: &[Vec3]) -> Vec<[u64; 3]> {
    // 0.0 and -0.0 are one place.
    let mut points: Vec<[u64; 3]> =
        contour.iter().map(|p| p.map(|v| (v + 0.0).to_bits())).collect();
    if points.len() > 1 && points.first() == points.last() {
        points.pop();
    }
    let first = (0..points.len()).min_by_key(|&i| points[i]).unwrap_or(0);
    points.rotate_left(first);
    // Of the two ways round, the one whose second point is the lower.
    if points.len() > 2 && points[points.len() - 1] < points[1] {
        points[1..].reverse();
    }
    points
}

fn others(axis: usize) -> [usize; 2] {
    match axis {
        0 => [1, 2],
        1 => [0, 2],
        _ => [0, 1],
    }
}

/// For each slice the contours of the plane nearest to it: contours of two planes must not cancel
/// each other out where they were drawn on finer slices.
fn nearest_planes(planar: Vec<Planar>, notes: &mut Vec<String>) -> Vec<Planar> {
    let mut nearest: BTreeMap<usize, f64> = BTreeMap::new();
    for contour in &planar {
        let slice = contour.slice();
        let distance = |place: f64| (place - slice as f64).abs();
        let best = nearest.entry(slice).or_insert(contour.place);
        if (distance(contour.place), contour.place) < (distance(*best), *best) {
            *best = contour.place;
        }
    }
    let count = planar.len();
    let kept: Vec<Planar> = planar
        .into_iter()
        .filter(|c| (c.place - nearest[&c.slice()]).abs() <= SAME_PLANE)
        .collect();
    if kept.len() < count {
        notes.push(format!(
            "{} contours lie between slices that have nearer ones and were left out",
            count - kept.len()
        ));
    }
    let slices: Vec<usize> = nearest.into_keys().collect();
    let gaps = slices.windows(2).filter(|w| w[1] - w[0] > 1).count();
    if gaps > 0 && slices.len() > 1 {
        notes.push(format!("{gaps} gaps without contours between its slices"));
    }
    kept
}

fn bounds(planar: &[Planar], axis: usize, size: [usize; 3]) -> Option<IndexBox> {
    let [u, v] = others(axis);
    let mut low = [f64::INFINITY; 3];
    let mut high = [f64::NEG_INFINITY; 3];
    let mut reach = |a: usize, value: f64| {
        low[a] = low[a].min(value);
        high[a] = high[a].max(value);
    };
    for contour in planar {
        reach(axis, contour.slice() as f64);
        for p in &contour.points {
            reach(u, p[0]);
            reach(v, p[1]);
        }
    }
    let clamp = |value: f64, n: usize| value.clamp(0.0, n as f64) as usize;
    let bounds = IndexBox {
        min: std::array::from_fn(|a| clamp(low[a].floor(), size[a])),
        max: std::array::from_fn(|a| clamp(high[a].floor() + 1.0, size[a])),
    };
    (bounds.voxel_count() > 0).then_some(bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roi(contours: Vec<Vec<Vec3>>) -> Roi {
        Roi {
            number: 1,
            name: "GTV".into(),
            kind: "GTV".into(),
            contours,
            other_contours: 0,
            repeated_contours: 0,
        }
    }

    fn square(low: f64, high: f64, z: f64) -> Vec<Vec3> {
        vec![[low, low, z], [high, low, z], [high, high, z], [low, high, z]]
    }

    fn count(roi: &Roi, grid: &Geometry) -> (usize, Vec<String>) {
        let mut notes = Vec::new();
        let mask = roi.mask(grid, &mut notes).expect("planar");
        (mask.map_or(0, |m| m.voxel_count()), notes)
    }

    #[test]
    fn voxel_centres_within_count_and_holes_are_cut_out() {
        let grid = Geometry::axis_aligned([10, 10, 4], [1.0, 1.0, 2.0]);
        // Centres 1 to 5 of both axes: 25, less the hole's 2 to 3: 4.
        assert_eq!(count(&roi(vec![square(0.5, 5.5, 2.0)]), &grid).0, 25);
        let ring = roi(vec![square(0.5, 5.5, 2.0), square(1.5, 3.5, 2.0)]);
        assert_eq!(count(&ring, &grid).0, 21);
        // Beyond the image on one side: columns and rows 7 to 9.
        assert_eq!(count(&roi(vec![square(6.5, 30.0, 2.0)]), &grid).0, 9);
    }

    #[test]
    fn contours_go_to_the_nearest_slice_and_those_off_the_image_are_told() {
        let grid = Geometry::axis_aligned([10, 10, 4], [1.0, 1.0, 2.0]);
        let (voxels, notes) =
            count(&roi(vec![square(0.5, 5.5, 2.9), square(0.5, 5.5, 9.0)]), &grid);
        assert_eq!(voxels, 25);
        assert_eq!(notes, ["1 contours meet no slice of the image"]);
        // Two planes near one slice must not cancel out.
        let (voxels, notes) =
            count(&roi(vec![square(0.5, 5.5, 2.0), square(0.5, 5.5, 2.6)]), &grid);
        assert_eq!(voxels, 25);
        assert_eq!(notes.len(), 1, "{notes:?}");
    }

    #[test]
    fn a_contour_that_is_there_again_does_not_erase_its_slice() {
        let grid = Geometry::axis_aligned([10, 10, 4], [1.0, 1.0, 2.0]);
        let once = square(0.5, 5.5, 2.0);
        let again = once.clone();
        // From another point, the other way round, and closed by its first point.
        let mut turned: Vec<Vec3> = once.iter().rev().copied().collect();
        turned.rotate_left(2);
        turned.push(turned[0]);
        let mut roi = roi(vec![once, again, turned, square(1.5, 3.5, 2.0)]);
        roi.drop_repeated();
        assert_eq!((roi.contours.len(), roi.repeated_contours), (2, 2));
        assert_eq!(count(&roi, &grid).0, 21);
    }

    #[test]
    fn contours_through_the_centres_of_voxels_are_told() {
        let grid = Geometry::axis_aligned([10, 10, 4], [0.5, 0.5, 2.0]);
        let scaled = |low: f64, high: f64| square(0.5 * low, 0.5 * high, 2.0);
        let (voxels, notes) = count(&roi(vec![scaled(1.0, 5.0)]), &grid);
        // 5 x 5 voxels lie on or within the square, of which the half-open rule takes 4 x 4.
        assert_eq!(voxels, 16);
        assert!(notes.iter().any(|n| n.contains("through the centres")), "{notes:?}");
        assert_eq!(count(&roi(vec![scaled(1.0, 5.1)]), &grid).1, Vec::<String>::new());
    }

    #[test]
    fn a_contour_across_slices_is_refused() {
        let grid = Geometry::axis_aligned([10, 10, 4], [1.0, 1.0, 2.0]);
        let tilted = vec![[0.5, 0.5, 0.0], [5.5, 0.5, 3.0], [5.5, 5.5, 3.0], [0.5, 5.5, 0.0]];
        assert!(roi(vec![tilted]).mask(&grid, &mut Vec::new()).is_err());
    }

    #[test]
    fn contours_of_sagittal_planes_fill_sagittal_planes() {
        let grid = Geometry::axis_aligned([10, 10, 10], [2.0, 1.0, 1.0]);
        let contour = vec![[6.0, 0.5, 0.5], [6.0, 5.5, 0.5], [6.0, 5.5, 4.5], [6.0, 0.5, 4.5]];
        let mask =
            roi(vec![contour]).mask(&grid, &mut Vec::new()).expect("planar").expect("filled");
        assert_eq!(mask.voxel_count(), 20);
        assert_eq!(mask.bounds().min, [3, 1, 1]);
    }
}
