//! Makes the workloads of `docs/performance.md`, the same bytes every time.
//!
//! ```text
//! cargo run --release --example make_workloads -- FOLDER
//! ```
//!
//! | workload | image | lesions |
//! |---|---|---|
//! | A | 512 x 512 x 300 voxels of 0.75 x 0.75 x 1 mm, chest-like | 10 of 8 to 60 mm in one label map |
//! | B | 256 x 256 x 256 voxels of 1 mm | one of 150 mm, about 1.76 million voxels |
//! | C | 128 x 128 x 128 voxels of 1 mm | one of 40 mm |
//!
//! Each is written as `X_image.nii.gz`, `X_mask.nii.gz` and uncompressed as `.nii`. Lesions are
//! ellipsoids with texture on two scales; the noise of the scanner is correlated over neighbouring
//! voxels, so that images compress about as well as real CTs do.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use flate2::{Compression, GzBuilder};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).context("give a folder")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    chest(1).write(folder, "A")?;
    single(2, 256, 150.0).write(folder, "B")?;
    single(3, 128, 40.0).write(folder, "C")?;
    Ok(())
}

/// An image in HU and its label map.
struct Workload {
    grid: Grid,
    image: Vec<f32>,
    labels: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Grid {
    size: [usize; 3],
    spacing: [f32; 3],
}

impl Grid {
    fn len(&self) -> usize {
        self.size.iter().product()
    }

    /// Voxels with their place in mm from the middle of the grid.
    fn places(self) -> impl Iterator<Item = [f32; 3]> {
        let [nx, ny, nz] = self.size;
        let middle = self.size.map(|n| (n as f32 - 1.0) / 2.0);
        (0..nz).flat_map(move |z| {
            (0..ny).flat_map(move |y| {
                (0..nx).map(move |x| {
                    let at = [x as f32, y as f32, z as f32];
                    std::array::from_fn(|a| (at[a] - middle[a]) * self.spacing[a])
                })
            })
        })
    }
}

fn chest(seed: u64) -> Workload {
    const DIAMETERS: [f32; 10] = [8.0, 12.0, 16.0, 20.0, 25.0, 30.0, 36.0, 44.0, 52.0, 60.0];
    const CENTRES: [[f32; 3]; 10] = [
        [-92.0, -2.0, -90.0],
        [93.0, -22.0, -50.0],
        [-107.0, -42.0, 0.0],
        [88.0, -2.0, 50.0],
        [-82.0, 8.0, 80.0],
        [88.0, 23.0, -90.0],
        [-82.0, -2.0, -40.0],
        [93.0, 23.0, 10.0],
        [-87.0, -12.0, 30.0],
        [13.0, -82.0, 85.0],
    ];
    let grid = Grid { size: [512, 512, 300], spacing: [0.75, 0.75, 1.0] };
    let inside = |p: [f32; 3], c: [f32; 3], r: [f32; 3]| {
        (0..3).map(|a| ((p[a] - c[a]) / r[a]).powi(2)).sum::<f32>() < 1.0
    };
    let far = 1e6;
    let image = grid.places().map(|p| {
        let lung = |side: f32| inside(p, [side * 78.0, -2.0, 0.0], [62.0, 88.0, 150.0]);
        match () {
            () if !inside(p, [0.0; 3], [175.0, 125.0, far]) => -1000.0,
            () if !inside(p, [0.0; 3], [160.0, 110.0, far]) => -95.0,
            () if inside(p, [0.0, 85.0, 0.0], [20.0, 20.0, far]) => 260.0,
            () if inside(p, [15.0, -20.0, -60.0], [55.0, 50.0, 60.0]) => 45.0,
            () if lung(1.0) || lung(-1.0) => -860.0,
            () => 35.0,
        }
    });
    let lesions: Vec<_> = DIAMETERS.into_iter().zip(CENTRES).collect();
    build(seed, grid, image.collect(), &lesions)
}

fn single(seed: u64, n: usize, diameter: f32) -> Workload {
    let grid = Grid { size: [n; 3], spacing: [1.0; 3] };
    build(seed, grid, vec![-90.0; n * n * n], &[(diameter, [0.0; 3])])
}

fn build(seed: u64, grid: Grid, mut image: Vec<f32>, lesions: &[(f32, [f32; 3])]) -> Workload {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut noise = |passes| smooth_noise(&mut random, grid, passes);
    let (coarse, fine, scanner) = (noise(12), noise(2), noise(1));
    let mut labels = vec![0u8; grid.len()];
    for (index, place) in grid.places().enumerate() {
        let within = |(diameter, centre): &(f32, [f32; 3])| {
            // Axes of 0.9, 1 and 1.11 times the radius: the volume is that of the sphere.
            let axes = [0.9, 1.0, 1.0 / 0.9].map(|f| f * diameter / 2.0);
            (0..3).map(|a| ((place[a] - centre[a]) / axes[a]).powi(2)).sum::<f32>() < 1.0
        };
        if let Some(lesion) = lesions.iter().position(within) {
            labels[index] = lesion as u8 + 1;
            image[index] = 20.0 + 5.0 * lesion as f32 + 28.0 * coarse[index] + 18.0 * fine[index];
        }
        image[index] += 22.0 * scanner[index];
    }
    Workload { grid, image, labels }
}

/// Noise of mean 0 and variance 1, correlated by `passes` passes of the kernel (1 2 1)/4 along each
/// axis, periodic.
fn smooth_noise(random: &mut ChaCha8Rng, grid: Grid, passes: usize) -> Vec<f32> {
    let mut values: Vec<f32> = (0..grid.len()).map(|_| StandardNormal.sample(random)).collect();
    let [nx, ny, nz] = grid.size;
    for (n, stride) in [(nx, 1), (ny, nx), (nz, nx * ny)] {
        let mut line = vec![0.0f32; n];
        let starts = (0..values.len()).filter(|i| i / stride % n == 0).collect::<Vec<_>>();
        for start in starts {
            for _ in 0..passes {
                (0..n).for_each(|i| line[i] = values[start + i * stride]);
                for i in 0..n {
                    let (before, after) = (line[(i + n - 1) % n], line[(i + 1) % n]);
                    values[start + i * stride] = 0.25 * (before + 2.0 * line[i] + after);
                }
            }
        }
    }
    let n = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
    values.iter().map(|&v| ((f64::from(v) - mean) / variance.sqrt()) as f32).collect()
}

impl Workload {
    fn write(&self, folder: &Path, name: &str) -> anyhow::Result<()> {
        let hu = |v: &f32| (v.round().clamp(-1024.0, 3071.0) as i16).to_le_bytes();
        let image: Vec<u8> = self.image.iter().flat_map(hu).collect();
        self.write_file(folder, &format!("{name}_image"), 4, &image)?;
        self.write_file(folder, &format!("{name}_mask"), 2, &self.labels)
    }

    fn write_file(
        &self,
        folder: &Path,
        name: &str,
        kind: i16,
        voxels: &[u8],
    ) -> anyhow::Result<()> {
        let mut bytes = self.header(kind);
        bytes.extend_from_slice(voxels);
        std::fs::write(folder.join(format!("{name}.nii")), &bytes)?;
        let file = std::fs::File::create(folder.join(format!("{name}.nii.gz")))?;
        let mut gzip = GzBuilder::new().mtime(0).write(file, Compression::default());
        gzip.write_all(&bytes)?;
        gzip.finish()?;
        Ok(())
    }

    /// A NIfTI-1 header in little endian, its affine the LPS order that scanners write.
    fn header(&self, kind: i16) -> Vec<u8> {
        let mut header = vec![0u8; 352];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &348i32.to_le_bytes());
        put(40, &3i16.to_le_bytes());
        put(70, &kind.to_le_bytes());
        put(72, &(if kind == 2 { 8i16 } else { 16 }).to_le_bytes());
        put(108, &352f32.to_le_bytes());
        put(123, &[2]);
        put(254, &1i16.to_le_bytes());
        put(344, b"n+1\0");
        for a in 0..7 {
            let size = self.grid.size.get(a).map_or(1, |&n| n as i16);
            put(42 + 2 * a, &size.to_le_bytes());
        }
        for a in 0..3 {
            let spacing = self.grid.spacing[a];
            put(80 + 4 * a, &spacing.to_le_bytes());
            let sign = if a < 2 { -1.0 } else { 1.0 };
            put(280 + 20 * a, &(sign * spacing).to_le_bytes());
        }
        header
    }
}
