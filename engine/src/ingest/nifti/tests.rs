//! Files that are damaged, change or fail while they are read: an error, or the voxels and the hash
//! of one content.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::{image_of, labels_of, survey};
use crate::digest::hex;
use crate::error::Error;
use crate::ingest::open_file::OpenFile;
use crate::ingest::open_file::testing::{MISHAPS, Mishap, unlucky};

const SIZE: [usize; 3] = [96, 80, 52];

#[derive(Clone, Copy)]
enum Kind {
    I16,
    F32,
}

/// A file of small whole numbers, all of them labels.
fn file(kind: Kind, seed: u32, compressed: bool) -> Vec<u8> {
    let mut out = vec![0u8; 352];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348i32.to_le_bytes());
    for (axis, n) in [3, SIZE[0], SIZE[1], SIZE[2]].into_iter().enumerate() {
        put(40 + 2 * axis, &(n as i16).to_le_bytes());
    }
    let (code, bits): (i16, i16) = match kind {
        Kind::I16 => (4, 16),
        Kind::F32 => (16, 32),
    };
    put(70, &code.to_le_bytes());
    put(72, &bits.to_le_bytes());
    for axis in 1..4 {
        put(76 + 4 * axis, &1f32.to_le_bytes());
    }
    put(108, &352f32.to_le_bytes());
    put(254, &1i16.to_le_bytes());
    // Axes of the canonical order for 16-bit numbers, so that they are taken as they are stored.
    let flip = if matches!(kind, Kind::I16) { -1f32 } else { 1.0 };
    put(280, &flip.to_le_bytes());
    put(300, &flip.to_le_bytes());
    put(320, &1f32.to_le_bytes());
    put(344, b"n+1\0");
    let mut state = seed;
    for _ in 0..SIZE.iter().product() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let value = (state >> 29) as i16;
        match kind {
            Kind::I16 => out.extend(value.to_le_bytes()),
            Kind::F32 => out.extend(f32::from(value).to_le_bytes()),
        }
    }
    if !compressed {
        return out;
    }
    gzipped(&out, Compression::fast())
}

fn gzipped(content: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// What a reader made of a file, in a form that can be compared, and the hash.
type Told = Result<(String, String), Error>;

fn as_image(file: OpenFile) -> Told {
    let mixed = |sum: u64, value: i64| sum.wrapping_mul(31).wrapping_add(value as u64);
    image_of(file).map(|image| {
        let voxels = match image.volume.voxels().whole() {
            Ok(whole) => whole.iter().fold(0, |sum, v| mixed(sum, i64::from(*v))),
            Err(real) => real.iter().fold(0, |sum, v| mixed(sum, *v as i64)),
        };
        (voxels.to_string(), image.sha256)
    })
}

fn as_labels(file: OpenFile) -> Told {
    labels_of(file).map(|labels| {
        let voxels = labels.masks.iter().map(|(label, mask)| (label, mask.voxel_count()));
        (format!("{:?}", voxels.collect::<Vec<_>>()), labels.sha256)
    })
}

#[test]
fn whatever_happens_to_a_file_voxels_and_hash_are_of_one_content_or_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("case.nii");
    for (kind, compressed) in
        [(Kind::I16, false), (Kind::I16, true), (Kind::F32, false), (Kind::F32, true)]
    {
        let (old, new) = (file(kind, 1, compressed), file(kind, 2, compressed));
        assert!(old.len() > 1 << 17, "longer than what shows a file's kind");
        for read in [as_image, as_labels] {
            let sound = |content: &[u8]| {
                std::fs::write(&path, content).expect("written");
                let told = read(OpenFile::open(&path).expect("there")).expect("sound");
                assert_eq!(told.1, hex(&Sha256::digest(content)));
                told
            };
            let (of_old, of_new) = (sound(&old), sound(&new));
            assert_ne!(of_old, of_new);
            for mishap in MISHAPS {
                for tenth in 0..=10 {
                    let after = tenth * old.len() / 10;
                    match unlucky(&path, &old, after, mishap, &new).and_then(read) {
                        Ok(told) => assert!(told == of_old || told == of_new, "{mishap:?} {tenth}"),
                        Err(error) => {
                            assert!(error.to_string().contains("case.nii"), "{error}");
                            assert_ne!(mishap, Mishap::Replaced, "who has a file open keeps it");
                            let io = matches!(error, Error::Io { .. });
                            assert_eq!(io, mishap == Mishap::Fails, "{error}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_look_at_a_label_map_counts_the_voxels_that_reading_it_finds() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mask.nii");
    for (kind, compressed) in
        [(Kind::I16, false), (Kind::I16, true), (Kind::F32, false), (Kind::F32, true)]
    {
        // Two members of gzip are one file.
        let content = file(kind, 3, false);
        let (first, second) = content.split_at(content.len() / 3);
        let content = match compressed {
            true => [first, second].map(|part| gzipped(part, Compression::fast())).concat(),
            false => content,
        };
        std::fs::write(&path, &content).expect("written");
        let read = labels_of(OpenFile::open(&path).expect("there")).expect("sound");
        let found = survey::read(OpenFile::open(&path).expect("there")).expect("sound");
        let voxels = |mask: &crate::mask::Mask| mask.voxel_count() as u64;
        let oracle = read.masks.iter().map(|(label, mask)| (*label, voxels(mask))).collect();
        assert_eq!(found.labels, Some(oracle));
        assert_eq!(found.geometry, read.geometry);
        for cut in [1, content.len() / 2] {
            std::fs::write(&path, &content[..content.len() - cut]).expect("written");
            let told = survey::read(OpenFile::open(&path).expect("there"));
            told.expect_err("cut off");
        }
        std::fs::write(&path, [&content[..], b"more"].concat()).expect("written");
        survey::read(OpenFile::open(&path).expect("there")).expect_err("goes on");
    }
}

/// It could not be read beyond its first bytes.
#[test]
fn a_look_at_an_image_reads_its_header_and_some_voxels_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image.nii");
    for compressed in [false, true] {
        let mut image = file(Kind::I16, 1, false);
        // Air, as a CT begins with.
        image[352..354].copy_from_slice(&(-1024i16).to_le_bytes());
        let image = if compressed { gzipped(&image, Compression::none()) } else { image };
        let file = unlucky(&path, &image, 1 << 19, Mishap::Fails, &[]).expect("its first bytes");
        assert!(image.len() > 3 << 18);
        assert_eq!(survey::read(file).expect("a header").labels, None);
    }
}

#[test]
fn what_is_no_nifti_is_not_decompressed_to_its_end() {
    let archive = gzipped(&vec![7; 1 << 20], Compression::none());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("archive.tar.gz");
    // It could not be read beyond its first bytes.
    let file = unlucky(&path, &archive, 1 << 17, Mishap::Fails, &[]).expect("its first bytes");
    let told = image_of(file).expect_err("no NIfTI").to_string();
    assert!(told.contains("is not a NIfTI file"), "{told}");
}
