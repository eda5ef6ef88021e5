//! Reading a CT series of 300 slices of 512 x 512 against reading the same bytes, warm cache.
//!
//! `cat` is what the system's `cat` does: every file through one buffer. `series` is a volume in HU
//! from nothing but the paths; `series_and_digest` adds the SHA-256 that results carry; `folder`
//! finds the series first.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::LazyLock;

use abscope::ingest::dicom::catalogue::Catalogue;
use abscope::ingest::dicom::series::{self, SlicePolicy};
use abscope::ingest::dicom::source::Source;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use divan::Bencher;
use tempfile::TempDir;

const SLICES: usize = 300;
const SIDE: usize = 512;

fn main() {
    divan::main();
}

struct Series {
    folder: TempDir,
    paths: Vec<PathBuf>,
}

static SERIES: LazyLock<Series> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = (0..SLICES).map(|n| write_slice(folder.path(), n)).collect();
    Series { folder, paths }
});

fn write_slice(folder: &std::path::Path, n: usize) -> PathBuf {
    let mut o = InMemDicomObject::new_empty();
    let mut put = |tag: Tag, vr: VR, value: PrimitiveValue| {
        o.put(DataElement::new(tag, vr, value));
    };
    let class = "1.2.840.10008.5.1.4.1.1.2";
    let instance = format!("1.2.3.9.{n}");
    put(tags::SOP_CLASS_UID, VR::UI, class.into());
    put(tags::SOP_INSTANCE_UID, VR::UI, instance.as_str().into());
    put(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3.1".into());
    put(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.2".into());
    put(tags::MODALITY, VR::CS, "CT".into());
    put(tags::KVP, VR::DS, "120".into());
    put(tags::SLICE_THICKNESS, VR::DS, "1".into());
    put(tags::IMAGE_POSITION_PATIENT, VR::DS, format!("-200\\-200\\{n}").into());
    put(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0".into());
    put(tags::PIXEL_SPACING, VR::DS, "0.8\\0.8".into());
    put(tags::SAMPLES_PER_PIXEL, VR::US, 1u16.into());
    put(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2".into());
    put(tags::ROWS, VR::US, (SIDE as u16).into());
    put(tags::COLUMNS, VR::US, (SIDE as u16).into());
    put(tags::BITS_ALLOCATED, VR::US, 16u16.into());
    put(tags::BITS_STORED, VR::US, 12u16.into());
    put(tags::HIGH_BIT, VR::US, 11u16.into());
    put(tags::PIXEL_REPRESENTATION, VR::US, 0u16.into());
    put(tags::RESCALE_SLOPE, VR::DS, "1".into());
    put(tags::RESCALE_INTERCEPT, VR::DS, "-1024".into());
    let words: Vec<u16> = (0..SIDE * SIDE).map(|i| ((i * 31 + n * 7) % 4096) as u16).collect();
    put(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.into()));
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax("1.2.840.10008.1.2.1")
        .media_storage_sop_class_uid(class)
        .media_storage_sop_instance_uid(instance);
    let path = folder.join(format!("IM{n:04}"));
    o.with_meta(meta).expect("a file").write_to_file(&path).expect("written");
    path
}

fn sources() -> Vec<Source> {
    SERIES.paths.iter().map(Source::file).collect()
}

#[divan::bench(sample_count = 20)]
fn cat(bencher: Bencher<'_, '_>) {
    let paths = &SERIES.paths;
    let mut sink = File::create("/dev/null").expect("a sink");
    let mut buffer = vec![0u8; 128 << 10];
    bencher.bench_local(|| {
        for path in paths {
            let mut file = File::open(path).expect("there");
            loop {
                let read = file.read(&mut buffer).expect("readable");
                if read == 0 {
                    break;
                }
                std::io::Write::write_all(&mut sink, &buffer[..read]).expect("written");
            }
        }
    });
}

#[divan::bench(sample_count = 20)]
fn read_into_memory(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| {
        SERIES.paths.iter().map(|path| std::fs::read(path).expect("readable")).collect::<Vec<_>>()
    });
}

#[divan::bench(sample_count = 20)]
fn series(bencher: Bencher<'_, '_>) {
    let sources = sources();
    bencher.bench_local(|| series::read(&sources, SlicePolicy::Refuse).expect("a series"));
}

#[divan::bench(sample_count = 20)]
fn folder(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| {
        let catalogue = Catalogue::scan(SERIES.folder.path()).expect("readable");
        let (_, found) = catalogue.series().next().expect("a series");
        series::read(&found.sources(), SlicePolicy::Refuse).expect("a series")
    });
}
