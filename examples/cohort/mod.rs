//! A made-up cohort: a manifest and small CT volumes with lesions, from a seed.
//!
//! Each patient has 2 to 8 ball-shaped lesions with smooth random texture in soft tissue with noise.
//! For tests and benchmarks of throughput; no anatomy is meant.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Voxels along x, y, z of a small image.
pub(crate) const SMALL: [usize; 3] = [96, 88, 40];
/// Voxel spacing, mm; along no two axes the same, so that a swap would show.
const SPACING: [f32; 3] = [0.9, 1.1, 2.5];

/// Writes a cohort of so many patients with images of `size` voxels into `folder`: `manifest.csv` and
/// two files per patient.
pub(crate) fn write(
    folder: &Path,
    patients: usize,
    seed: u64,
    size: [usize; 3],
) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;

    let mut manifest = File::create(folder.join("manifest.csv"))?;
    writeln!(manifest, "patient,image,mask,site,kvp,age,centre")?;
    for patient in 1..=patients {
        let name = format!("P{patient:04}");
        // A stream of its own per patient: the first 20 of 200 are the 20 of a smaller cohort.
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(patient as u64);
        let (image, mask) = volumes(&mut random, size);
        write_nifti(&folder.join(format!("{name}_ct.nii.gz")), &image, size)?;
        write_nifti(&folder.join(format!("{name}_mask.nii.gz")), &mask, size)?;
        let site = ["liver", "lung", "node"][random.gen_range(0..3)];
        let kvp = [100, 120][random.gen_range(0..2)];
        let age = random.gen_range(40..85);
        let centre = ["A", "B"][random.gen_range(0..2)];
        writeln!(
            manifest,
            "{name},{name}_ct.nii.gz,{name}_mask.nii.gz,{site},{kvp},{age},{centre}"
        )?;
    }
    Ok(())
}

/// Image (HU) and label map of one patient.
fn volumes(random: &mut ChaCha8Rng, size: [usize; 3]) -> (Vec<i16>, Vec<i16>) {
    let [nx, ny, nz] = size;
    let mut image = vec![0i16; nx * ny * nz];
    let mut mask = vec![0i16; nx * ny * nz];
    for voxel in &mut image {
        *voxel = 40 + random.gen_range(-12..=12);
    }
    let lesions: i16 = random.gen_range(2..=8);
    for label in 1..=lesions {
        let radius: f32 = random.gen_range(6.0..14.0);
        let centre: Vec<f32> = (0..3)
            .map(|a| {
                let length = size[a] as f32 * SPACING[a];
                random.gen_range(radius + 2.0..length - radius - 2.0)
            })
            .collect();
        let (level, swing) = (random.gen_range(20..110), random.gen_range(5.0..60.0f32));
        let wave: Vec<f32> = (0..3).map(|_| random.gen_range(0.2..0.8)).collect();
        let near = |a: usize| {
            let first = ((centre[a] - radius) / SPACING[a]).floor().max(0.0) as usize;
            let last = ((centre[a] + radius) / SPACING[a]).ceil() as usize;
            first..size[a].min(last + 1)
        };
        for z in near(2) {
            for y in near(1) {
                for x in near(0) {
                    let at = [x as f32 * SPACING[0], y as f32 * SPACING[1], z as f32 * SPACING[2]];
                    let d: Vec<f32> = (0..3).map(|a| at[a] - centre[a]).collect();
                    if d.iter().map(|d| d * d).sum::<f32>() > radius * radius {
                        continue;
                    }
                    let index = (z * ny + y) * nx + x;
                    let texture: f32 = (0..3).map(|a| (d[a] * wave[a]).sin()).sum();
                    image[index] = level + (swing * texture) as i16 + random.gen_range(-10i16..=10);
                    mask[index] = label;
                }
            }
        }
    }
    (image, mask)
}

/// A NIfTI-1 file of 16-bit voxels, axes along the world's.
fn write_nifti(path: &Path, voxels: &[i16], size: [usize; 3]) -> Result<(), Box<dyn Error>> {
    let mut header = [0u8; 352];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348i32.to_le_bytes());
    for (at, length) in [3, size[0], size[1], size[2], 1, 1, 1, 1].into_iter().enumerate() {
        put(40 + 2 * at, &(length as i16).to_le_bytes());
    }
    put(70, &4i16.to_le_bytes());
    put(72, &16i16.to_le_bytes());
    for (at, spacing) in [1.0, SPACING[0], SPACING[1], SPACING[2]].into_iter().enumerate() {
        put(76 + 4 * at, &f32::to_le_bytes(spacing));
    }
    put(108, &352f32.to_le_bytes());
    put(112, &1f32.to_le_bytes());
    put(123, &[2]);
    put(254, &1i16.to_le_bytes());
    for axis in 0..3 {
        put(280 + 16 * axis + 4 * axis, &SPACING[axis].to_le_bytes());
    }
    put(344, b"n+1\0");
    let mut file = GzEncoder::new(File::create(path)?, Compression::fast());
    file.write_all(&header)?;
    let bytes: Vec<u8> = voxels.iter().flat_map(|v| v.to_le_bytes()).collect();
    file.write_all(&bytes)?;
    file.finish()?.sync_all()?;
    Ok(())
}
