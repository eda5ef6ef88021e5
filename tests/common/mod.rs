//! What several tests share: the program, the fixtures' paths, signatures and NIfTI files made to
//! measure.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

pub mod signature;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use abscope::ingest::LoadOptions;
use abscope::ingest::pseudonyms::Pseudonyms;
use abscope::signature::{Model, SignatureFile};
use flate2::Compression;
use flate2::write::GzEncoder;

/// The program, started in the repository's folder, with a key of pseudonyms that is not the user's.
pub fn abscope() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_abscope"));
    command.env("ABSCOPE_KEY_FILE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("pseudonym.key"));
    command
}

/// What a program said on standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Sees that a program did all that it was asked.
pub fn succeed(output: &Output) {
    assert!(output.status.success(), "{}: {}", output.status, stderr(output));
}

/// Every file below a folder, none where there is no folder, and its bytes.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    if !folder.exists() {
        return BTreeMap::new();
    }
    let entries = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.expect("readable"));
    entries
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(folder).expect("below").to_owned();
            (name, std::fs::read(entry.path()).expect("readable"))
        })
        .collect()
}

/// Few and cheap features on the image's own grid.
pub const STATISTICS: &str = "
[features]
families = [\"statistics\"]
[resampling]
spacing_mm = \"none\"
[resegmentation]
range_hu = [-1100.0, 3000.0]
";

/// The readers' defaults for a patient P, with a key of pseudonyms that is not the user's.
pub fn options() -> LoadOptions {
    LoadOptions::default().patient("P".to_owned()).pseudonyms(Pseudonyms::new([7; 32]))
}

/// A file of the fixtures.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The CT phantom and its tumour divided into four.
pub fn ct_phantom() -> (PathBuf, PathBuf) {
    (fixture("ibsi/ct_radiomics_phantom/image.nii.gz"), fixture("ct_phantom_parts.nii.gz"))
}

/// The model of a file that differs.
pub fn changed(model: &Model, change: impl FnOnce(&mut SignatureFile)) -> Model {
    let mut file = model.file().clone();
    change(&mut file);
    file.resolve().expect("a valid file").complete().expect("a complete one")
}

/// Voxel types by their code in the NIfTI-1 header.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    U8 = 2,
    I16 = 4,
    I32 = 8,
    F32 = 16,
    F64 = 64,
    U16 = 512,
}

/// A NIfTI-1 file in parts, so that tests can contradict any of them.
#[derive(Clone, Debug)]
pub struct Nifti {
    pub dim: [i16; 8],
    pub pixdim: [f32; 8],
    pub kind: Kind,
    pub slope: f32,
    pub inter: f32,
    pub qform_code: i16,
    pub quatern: [f32; 3],
    pub qoffset: [f32; 3],
    pub sform_code: i16,
    pub srow: [[f32; 4]; 3],
    /// Stored values, x fastest.
    pub voxels: Vec<f64>,
    pub big_endian: bool,
}

impl Nifti {
    /// A file whose affine (RAS, mm) has the columns `axes[a] * spacing[a]` and the offset `origin`.
    pub fn new(
        size: [usize; 3],
        spacing: [f64; 3],
        axes: [[f64; 3]; 3],
        origin: [f64; 3],
        voxels: Vec<f64>,
    ) -> Self {
        assert_eq!(voxels.len(), size.iter().product::<usize>());
        let [nx, ny, nz] = size.map(|n| n as i16);
        let [dx, dy, dz] = spacing.map(|s| s as f32);
        Self {
            dim: [3, nx, ny, nz, 1, 1, 1, 1],
            pixdim: [1.0, dx, dy, dz, 0.0, 0.0, 0.0, 0.0],
            kind: Kind::I16,
            slope: 0.0,
            inter: 0.0,
            qform_code: 0,
            quatern: [0.0; 3],
            qoffset: [0.0; 3],
            sform_code: 1,
            srow: std::array::from_fn(|r| {
                [0, 1, 2, 3].map(|c| {
                    if c == 3 { origin[r] as f32 } else { (axes[c][r] * spacing[c]) as f32 }
                })
            }),
            voxels,
            big_endian: false,
        }
    }

    /// The bytes of a NIfTI-2 file with the same content, uncompressed: offsets of nifti2.h.
    pub fn bytes_2(&self) -> Vec<u8> {
        let number = |bytes: &[u8]| -> Vec<u8> {
            let mut bytes = bytes.to_vec();
            if self.big_endian {
                bytes.reverse();
            }
            bytes
        };
        let long = |v: i16| number(&i64::from(v).to_le_bytes());
        let int = |v: i32| number(&v.to_le_bytes());
        let double = |v: f32| number(&f64::from(v).to_le_bytes());
        let mut out = vec![0u8; 544];
        let mut put = |at: usize, bytes: Vec<u8>| out[at..at + bytes.len()].copy_from_slice(&bytes);
        put(0, int(540));
        put(4, b"n+2\0\r\n\x1a\n".to_vec());
        put(12, number(&(self.kind as i16).to_le_bytes()));
        put(14, number(&(8 * self.voxel_bytes() as i16).to_le_bytes()));
        for i in 0..8 {
            put(16 + 8 * i, long(self.dim[i]));
            put(104 + 8 * i, double(self.pixdim[i]));
        }
        put(168, long(544));
        put(176, double(self.slope));
        put(184, double(self.inter));
        put(344, int(self.qform_code.into()));
        put(348, int(self.sform_code.into()));
        for i in 0..3 {
            put(352 + 8 * i, double(self.quatern[i]));
            put(376 + 8 * i, double(self.qoffset[i]));
            for c in 0..4 {
                put(400 + 32 * i + 8 * c, double(self.srow[i][c]));
            }
        }
        put(500, int(2));
        out.extend_from_slice(&self.bytes()[352..]);
        out
    }

    /// The file's bytes, uncompressed.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0u8; 352];
        let mut put = |at: usize, bytes: Vec<u8>| out[at..at + bytes.len()].copy_from_slice(&bytes);
        put(0, self.i32(348));
        for (i, d) in self.dim.into_iter().enumerate() {
            put(40 + 2 * i, self.i16(d));
        }
        put(70, self.i16(self.kind as i16));
        put(72, self.i16(8 * self.voxel_bytes() as i16));
        for (i, p) in self.pixdim.into_iter().enumerate() {
            put(76 + 4 * i, self.f32(p));
        }
        put(108, self.f32(352.0));
        put(112, self.f32(self.slope));
        put(116, self.f32(self.inter));
        put(123, vec![2]);
        put(252, self.i16(self.qform_code));
        put(254, self.i16(self.sform_code));
        for i in 0..3 {
            put(256 + 4 * i, self.f32(self.quatern[i]));
            put(268 + 4 * i, self.f32(self.qoffset[i]));
            for c in 0..4 {
                put(280 + 16 * i + 4 * c, self.f32(self.srow[i][c]));
            }
        }
        put(344, b"n+1\0".to_vec());
        for &v in &self.voxels {
            out.extend(match self.kind {
                Kind::U8 => vec![v as u8],
                Kind::I16 => self.i16(v as i16),
                Kind::U16 => self.i16(v as u16 as i16),
                Kind::I32 => self.i32(v as i32),
                Kind::F32 => self.f32(v as f32),
                Kind::F64 if self.big_endian => v.to_be_bytes().to_vec(),
                Kind::F64 => v.to_le_bytes().to_vec(),
            });
        }
        out
    }

    fn voxel_bytes(&self) -> usize {
        match self.kind {
            Kind::U8 => 1,
            Kind::I16 | Kind::U16 => 2,
            Kind::I32 | Kind::F32 => 4,
            Kind::F64 => 8,
        }
    }

    fn i16(&self, v: i16) -> Vec<u8> {
        if self.big_endian { v.to_be_bytes().to_vec() } else { v.to_le_bytes().to_vec() }
    }

    fn i32(&self, v: i32) -> Vec<u8> {
        if self.big_endian { v.to_be_bytes().to_vec() } else { v.to_le_bytes().to_vec() }
    }

    fn f32(&self, v: f32) -> Vec<u8> {
        if self.big_endian { v.to_be_bytes().to_vec() } else { v.to_le_bytes().to_vec() }
    }

    /// Writes the file, gzipped where its name ends in `.gz`.
    pub fn write(&self, path: &Path) {
        write_bytes(path, &self.bytes());
    }
}

/// Writes bytes, gzipped where the name ends in `.gz`.
pub fn write_bytes(path: &Path, bytes: &[u8]) {
    if path.extension().is_some_and(|e| e == "gz") {
        let mut file =
            GzEncoder::new(std::fs::File::create(path).expect("creates"), Compression::fast());
        file.write_all(bytes).expect("writes");
        file.finish().expect("writes");
    } else {
        std::fs::write(path, bytes).expect("writes");
    }
}

/// Decompresses a gzip file.
pub fn gunzip(path: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    let file = std::fs::File::open(path).expect("opens");
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(file), &mut out).expect("gzip");
    out
}
