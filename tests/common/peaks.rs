//! Cases made to measure the memory that `abscope batch` takes, and the peaks of runs over them: the
//! kernel's own record of a process (`VmHWM` of proc(5)).
#![allow(dead_code, unreachable_pub, reason = "tests and an example take what they need")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

pub const MIB: u64 = 1 << 20;

/// All families, and every kind of filter that sees the whole image or a part of it.
pub const FILTERS: &str = "
[[filter]]
name = \"log\"
kind = \"log\"
sigma_mm = 2.0
[[filter]]
name = \"coif\"
kind = \"wavelet\"
wavelet = \"coif1\"
[[filter]]
name = \"simoncelli\"
kind = \"simoncelli\"
[[filter]]
name = \"mean\"
kind = \"mean\"
support_voxels = 5
";

/// A filter of every kind there is.
pub const EVERY_KIND: &str = "
[[filter]]
name = \"mean\"
kind = \"mean\"
support_voxels = 5
[[filter]]
name = \"log\"
kind = \"log\"
sigma_mm = 3.0
[[filter]]
name = \"laws\"
kind = \"laws\"
kernels = \"L5E5E5\"
rotation_invariant = \"max\"
energy_delta_voxels = 7
[[filter]]
name = \"gabor\"
kind = \"gabor\"
sigma_mm = 5.0
wavelength_mm = 2.0
gamma = 1.5
theta_step_degrees = 45.0
[[filter]]
name = \"wavelet\"
kind = \"wavelet\"
wavelet = \"coif1\"
[[filter]]
name = \"simoncelli\"
kind = \"simoncelli\"
[[filter]]
name = \"shannon\"
kind = \"shannon\"
[[filter]]
name = \"riesz\"
kind = \"riesz\"
order = [1, 0, 0]
of = { kind = \"log\", sigma_mm = 3.0 }
";

/// A label of a voxel at (x, y, z); 0 is none.
type Labels = dyn Fn([usize; 3]) -> u8;

pub struct Bench {
    folder: TempDir,
    /// The program.
    abscope: fn() -> Command,
}

/// What came of a run.
#[derive(Debug)]
pub struct Ran {
    /// Bytes.
    pub peak: u64,
    /// Rows of the feature table.
    pub lesions: usize,
    pub failures: String,
    pub features: Vec<u8>,
}

impl Bench {
    pub fn new(abscope: fn() -> Command) -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), abscope }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A CT of 1 mm voxels with noise, and a mask.
    pub fn make(&self, size: [usize; 3], labels: &Labels) -> [PathBuf; 2] {
        let mut state = 1u64;
        let mut noise = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((state >> 33) % 60) as i16 - 10
        };
        let image = self.at("image.nii.gz");
        write(&image, size, &mut |_| noise());
        let mask = self.at("mask.nii.gz");
        write(&mask, size, &mut |at| i16::from(labels(at)));
        [image, mask]
    }

    /// A run over one case, on a fresh folder.
    pub fn run(
        &self,
        [image, mask]: &[PathBuf; 2],
        settings: &str,
        memory: u64,
        threads: usize,
    ) -> Ran {
        let output = self.at("out");
        let _ = std::fs::remove_dir_all(&output);
        let manifest = self.at("manifest.csv");
        let row = format!("P,{},{}", image.display(), mask.display());
        std::fs::write(&manifest, format!("patient,image,mask\n{row}\n")).expect("written");
        std::fs::write(self.at("settings.toml"), settings).expect("written");
        let mut command = (self.abscope)();
        command
            .arg("batch")
            .arg(&manifest)
            .arg("-o")
            .arg(&output)
            .arg("--settings")
            .arg(self.at("settings.toml"))
            .args(["--memory", &memory.to_string(), "--threads", &threads.to_string()]);
        let (peak, code) = watched(&mut command);
        assert!(matches!(code, Some(0 | 1)), "{code:?}");
        let read = |name: &str| std::fs::read_to_string(output.join(name)).expect("there");
        let features = read("features.csv");
        Ran {
            peak,
            lesions: features.lines().count().saturating_sub(1),
            failures: read("failures.csv").lines().skip(1).collect(),
            features: features.into_bytes(),
        }
    }
}

/// Runs a program to its end: the peak of its resident size, bytes, and its exit status.
pub fn watched(command: &mut Command) -> (u64, Option<i32>) {
    let mut child = command.stderr(Stdio::null()).spawn().expect("starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) * 1024);
        if let Some(status) = child.try_wait().expect("a child") {
            return (peak, status.code());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Writes a volume voxel by voxel, so that the test itself takes no memory.
fn write(path: &Path, size: [usize; 3], value: &mut dyn FnMut([usize; 3]) -> i16) {
    let mut header = [0u8; 352];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348i32.to_le_bytes());
    let dimensions = [3, size[0] as i16, size[1] as i16, size[2] as i16, 1, 1, 1, 1];
    put(40, &dimensions.map(i16::to_le_bytes).concat());
    put(70, &[4i16, 16].map(i16::to_le_bytes).concat());
    put(76, &[1f32; 8].map(f32::to_le_bytes).concat());
    put(108, &352f32.to_le_bytes());
    put(254, &1i16.to_le_bytes());
    for axis in 0..3 {
        put(280 + 20 * axis, &1f32.to_le_bytes());
    }
    put(344, b"n+1\0");
    let file = BufWriter::new(File::create(path).expect("a file"));
    let mut out = GzEncoder::new(file, Compression::fast());
    out.write_all(&header).expect("room");
    let [nx, ny, nz] = size;
    for z in 0..nz {
        let slice = (0..nx * ny).flat_map(|i| value([i % nx, i / nx, z]).to_le_bytes());
        out.write_all(&slice.collect::<Vec<u8>>()).expect("room");
    }
    out.finish().expect("room").flush().expect("room");
}

/// Whether a voxel lies within so many voxels of the centre.
pub fn ball(centre: [usize; 3], radius: usize) -> impl Fn([usize; 3]) -> bool {
    move |at| {
        let squared: usize = (0..3).map(|a| at[a].abs_diff(centre[a]).pow(2)).sum();
        squared <= radius * radius
    }
}

/// What a failure says that its case needs, MiB.
pub fn needed(failures: &str) -> u64 {
    let words: Vec<&str> = failures.split_whitespace().collect();
    let at = words.windows(2).position(|w| w[1] == "MiB").unwrap_or_else(|| panic!("{failures}"));
    words[at].parse().unwrap_or_else(|_| panic!("{failures}"))
}
