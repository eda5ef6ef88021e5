//! Divides the lesion of a label map into four parts, so that a scan with one lesion can show a
//! report of several. `fixtures/ct_phantom_parts.nii.gz` was made by
//!
//! ```text
//! cargo run --release --example divide_lesion -- \
//!     fixtures/ibsi/ct_radiomics_phantom/mask.nii.gz fixtures/ct_phantom_parts.nii.gz
//! ```
//!
//! The lesion is cut across its longest principal axis into 60 and 40 % of its voxels, and the two
//! pieces across the lesion's second axis into 70 and 30 %, and into halves. The parts are neither
//! lesions nor habitats: they mean nothing but that there are four of them.

use std::fs::File;
use std::io::{Read, Write};

use anyhow::{Context, ensure};
use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use nalgebra::{Matrix3, SymmetricEigen, Vector3};
use nifti::NiftiHeader;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(input), Some(output)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("give a label map of unsigned bytes (.nii.gz) and the file to write");
    };
    let mut bytes = Vec::new();
    let file = File::open(&input).with_context(|| format!("{}", input.display()))?;
    GzDecoder::new(file).read_to_end(&mut bytes)?;
    let header = NiftiHeader::from_reader(bytes.as_slice())?;
    ensure!(header.datatype == 2, "voxels must be unsigned bytes");
    let voxels = &mut bytes[header.vox_offset as usize..];

    let [nx, ny] = [1, 2].map(|axis| usize::from(header.dim[axis]));
    let position = |index: usize| {
        let voxel = [index % nx, index / nx % ny, index / (nx * ny)];
        Vector3::from_fn(|axis, _| voxel[axis] as f64 * f64::from(header.pixdim[axis + 1]))
    };
    let lesion: Vec<usize> = (0..voxels.len()).filter(|&i| voxels[i] != 0).collect();
    let [first, second] = principal_axes(&lesion, position);
    let (long, short) = cut(lesion, 0.6, |i| position(i).dot(&first));
    let (one, two) = cut(long, 0.7, |i| position(i).dot(&second));
    let (three, four) = cut(short, 0.5, |i| position(i).dot(&second));
    for (part, label) in [one, two, three, four].iter().zip(1..) {
        part.iter().for_each(|&index| voxels[index] = label);
    }

    // No name and no time in the gzip header: the same input gives the same bytes.
    let mut file = GzBuilder::new().mtime(0).write(File::create(output)?, Compression::best());
    file.write_all(&bytes)?;
    file.finish()?;
    Ok(())
}

/// The two longest principal axes, each pointing towards growing x (or y, or z where that is 0).
fn principal_axes(voxels: &[usize], position: impl Fn(usize) -> Vector3<f64>) -> [Vector3<f64>; 2] {
    let n = voxels.len() as f64;
    let mean = voxels.iter().map(|&i| position(i)).sum::<Vector3<f64>>() / n;
    let scatter: Matrix3<f64> = voxels
        .iter()
        .map(|&i| {
            let d = position(i) - mean;
            d * d.transpose()
        })
        .sum();
    let eigen = SymmetricEigen::new(scatter / n);
    let mut order = [0, 1, 2];
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    [order[0], order[1]].map(|i| {
        let axis: Vector3<f64> = eigen.eigenvectors.column(i).into();
        let leading = axis.iter().find(|c| c.abs() > 1e-9).copied().unwrap_or(1.0);
        axis * leading.signum()
    })
}

/// The `share` of the voxels lowest along an axis, and the rest.
fn cut(
    mut voxels: Vec<usize>,
    share: f64,
    along: impl Fn(usize) -> f64,
) -> (Vec<usize>, Vec<usize>) {
    voxels.sort_by(|&a, &b| along(a).total_cmp(&along(b)).then(a.cmp(&b)));
    let rest = voxels.split_off((share * voxels.len() as f64) as usize);
    (voxels, rest)
}
