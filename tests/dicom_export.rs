//! An export of two patients, written as a hospital's archive gives it: CT, PET and MR, structure sets
//! with outline, margins and dose, segmentations, two studies of one patient, all in one folder under
//! names that say nothing, and the same in one archive.
//!
//! Oracle: the two sarcoma CTs as NIfTI (fixtures/ibsi/ibsi_validation_sts_ct), from which the test
//! writes the files: voxels of each lesion, and its intensity statistics as extracted from the NIfTI.

mod common;
#[path = "common/dicom.rs"]
mod dicom;

use std::collections::BTreeMap;
use std::path::Path;

use abscope::extract::extract;
use abscope::ingest::{Case, load};
use abscope::mask::Mask;
use abscope::plan::Plan;
use abscope::row::Row;
use abscope::settings::Settings;
use abscope::table::Table;
use dicom::{EXPLICIT, contour, item, pixel_format, put, sequence, text};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

/// One examination: what its files have in common.
struct Exam<'a> {
    case: &'a Case,
    patient: &'a str,
    /// Root of its UIDs.
    root: &'a str,
    date: &'a str,
    /// HU that are added to the NIfTI's.
    shift: i16,
}

impl Exam<'_> {
    fn uid(&self, rest: &str) -> String {
        format!("1.2.826.0.1.{}.{rest}", self.root)
    }

    /// A file of the series with this number.
    fn file(
        &self,
        class: &str,
        series: usize,
        instance: usize,
        modality: &str,
    ) -> InMemDicomObject {
        let mut o = InMemDicomObject::new_empty();
        put(&mut o, tags::SOP_CLASS_UID, VR::UI, class);
        put(&mut o, tags::SOP_INSTANCE_UID, VR::UI, self.uid(&format!("{series}.{instance}")));
        put(&mut o, tags::STUDY_INSTANCE_UID, VR::UI, self.uid("1"));
        put(&mut o, tags::SERIES_INSTANCE_UID, VR::UI, self.uid(&series.to_string()));
        put(&mut o, tags::FRAME_OF_REFERENCE_UID, VR::UI, self.uid("9"));
        put(&mut o, tags::MODALITY, VR::CS, modality);
        put(&mut o, tags::PATIENT_ID, VR::LO, self.patient);
        put(&mut o, tags::STUDY_DATE, VR::DA, self.date);
        o
    }

    fn geometry(&self) -> (usize, usize, usize, String, [f64; 3]) {
        let geometry = self.case.volume.geometry();
        let [columns, rows, slices] = geometry.size;
        let [x, y, _] = geometry.direction;
        let axes = x.iter().chain(&y).map(f64::to_string).collect::<Vec<_>>().join("\\");
        (columns, rows, slices, axes, geometry.spacing)
    }

    fn place(&self, slice: usize) -> String {
        let world = self.case.volume.geometry().voxel_to_world([0.0, 0.0, slice as f64]);
        world.map(|v| v.to_string()).join("\\")
    }

    /// A series of slices: the CT as it is, or something else of the same grid.
    fn slices(&self, class: &str, series: usize, modality: &str) -> Vec<InMemDicomObject> {
        let (columns, rows, slices, axes, spacing) = self.geometry();
        let slice = |number: usize| {
            let mut o = self.file(class, series, number, modality);
            put(&mut o, tags::IMAGE_POSITION_PATIENT, VR::DS, self.place(number));
            put(&mut o, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, axes.as_str());
            put(&mut o, tags::PIXEL_SPACING, VR::DS, format!("{}\\{}", spacing[1], spacing[0]));
            put(&mut o, tags::SLICE_THICKNESS, VR::DS, spacing[2].to_string());
            put(&mut o, tags::KVP, VR::DS, "120");
            pixel_format(&mut o, [columns, rows], 16, true);
            put(&mut o, tags::RESCALE_SLOPE, VR::DS, "1");
            put(&mut o, tags::RESCALE_INTERCEPT, VR::DS, self.shift.to_string());
            let words: Vec<u16> = (0..rows * columns)
                .map(|i| self.case.volume.get([i % columns, i / columns, number]) as i16 as u16)
                .collect();
            o.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.into())));
            o
        };
        (0..slices).map(slice).collect()
    }

    fn ct(&self) -> Vec<InMemDicomObject> {
        self.slices(uids::CT_IMAGE_STORAGE, 2, "CT")
    }

    /// A structure set on the CT with these names and types, each around the voxels of the lesion.
    fn set(&self, instance: usize, rois: &[(&str, &str)], drawn: (&str, &str)) -> InMemDicomObject {
        let mut o = self.file(uids::RT_STRUCTURE_SET_STORAGE, 8, instance, "RTSTRUCT");
        put(&mut o, tags::STRUCTURE_SET_LABEL, VR::SH, format!("set {instance}"));
        put(&mut o, tags::STRUCTURE_SET_DATE, VR::DA, drawn.0);
        put(&mut o, tags::APPROVAL_STATUS, VR::CS, drawn.1);
        let slices = self.case.volume.geometry().size[2];
        let image = |n| {
            item([text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, self.uid(&format!("2.{n}")))])
        };
        let series = item([
            text(tags::SERIES_INSTANCE_UID, VR::UI, self.uid("2")),
            sequence(tags::CONTOUR_IMAGE_SEQUENCE, (0..slices).map(image).collect()),
        ]);
        let study = item([sequence(tags::RT_REFERENCED_SERIES_SEQUENCE, vec![series])]);
        let frame = item([
            text(tags::FRAME_OF_REFERENCE_UID, VR::UI, self.uid("9")),
            sequence(tags::RT_REFERENCED_STUDY_SEQUENCE, vec![study]),
        ]);
        o.put(sequence(tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE, vec![frame]));
        let number = |at: usize| (at + 1).to_string();
        let named = rois.iter().enumerate().map(|(at, (name, _))| {
            item([
                text(tags::ROI_NUMBER, VR::IS, number(at)),
                text(tags::ROI_NAME, VR::LO, *name),
                text(tags::REFERENCED_FRAME_OF_REFERENCE_UID, VR::UI, self.uid("9")),
            ])
        });
        o.put(sequence(tags::STRUCTURE_SET_ROI_SEQUENCE, named.collect()));
        let observed = rois.iter().enumerate().map(|(at, (_, kind))| {
            item([
                text(tags::OBSERVATION_NUMBER, VR::IS, number(at)),
                text(tags::REFERENCED_ROI_NUMBER, VR::IS, number(at)),
                text(tags::RTROI_INTERPRETED_TYPE, VR::CS, *kind),
            ])
        });
        o.put(sequence(tags::RTROI_OBSERVATIONS_SEQUENCE, observed.collect()));
        let contours = rows_of(&self.case.lesions[0].mask);
        let drawn = (0..rois.len()).map(|at| {
            item([
                text(tags::REFERENCED_ROI_NUMBER, VR::IS, number(at)),
                sequence(tags::CONTOUR_SEQUENCE, contours.clone()),
            ])
        });
        o.put(sequence(tags::ROI_CONTOUR_SEQUENCE, drawn.collect()));
        o
    }

    /// A binary segmentation of the lesion on the CT.
    fn seg(&self, label: &str, date: &str) -> InMemDicomObject {
        let mask = &self.case.lesions[0].mask;
        let (columns, rows, slices, axes, spacing) = self.geometry();
        let mut o = self.file(uids::SEGMENTATION_STORAGE, 7, 1, "SEG");
        put(&mut o, tags::CONTENT_LABEL, VR::CS, "SEGMENTED");
        put(&mut o, tags::CONTENT_DATE, VR::DA, date);
        put(&mut o, tags::SEGMENTATION_TYPE, VR::CS, "BINARY");
        pixel_format(&mut o, [columns, rows], 1, false);
        let segment = item([text(tags::SEGMENT_LABEL, VR::LO, label), {
            DataElement::new(tags::SEGMENT_NUMBER, VR::US, PrimitiveValue::from(1u16))
        }]);
        o.put(sequence(tags::SEGMENT_SEQUENCE, vec![segment]));
        let image = |n| {
            item([text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, self.uid(&format!("2.{n}")))])
        };
        let series = item([
            text(tags::SERIES_INSTANCE_UID, VR::UI, self.uid("2")),
            sequence(tags::REFERENCED_INSTANCE_SEQUENCE, (0..slices).map(image).collect()),
        ]);
        o.put(sequence(tags::REFERENCED_SERIES_SEQUENCE, vec![series]));
        let spacing_mm = format!("{}\\{}", spacing[1], spacing[0]);
        let measures = item([
            text(tags::PIXEL_SPACING, VR::DS, spacing_mm),
            text(tags::SLICE_THICKNESS, VR::DS, spacing[2].to_string()),
        ]);
        let orientation = item([text(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, axes)]);
        o.put(sequence(
            tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
            vec![item([
                sequence(tags::PIXEL_MEASURES_SEQUENCE, vec![measures]),
                sequence(tags::PLANE_ORIENTATION_SEQUENCE, vec![orientation]),
            ])],
        ));
        let [low, high] = [mask.bounds().min[2], mask.bounds().max[2]];
        let frame = |z: usize| {
            let number = DataElement::new(
                tags::REFERENCED_SEGMENT_NUMBER,
                VR::US,
                PrimitiveValue::from(1u16),
            );
            let place = item([text(tags::IMAGE_POSITION_PATIENT, VR::DS, self.place(z))]);
            item([
                sequence(tags::PLANE_POSITION_SEQUENCE, vec![place]),
                sequence(tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![item([number])]),
            ])
        };
        let frames: Vec<InMemDicomObject> = (low..high).map(frame).collect();
        put(&mut o, tags::NUMBER_OF_FRAMES, VR::IS, frames.len().to_string());
        o.put(sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames));
        let mut bytes = vec![0u8; (columns * rows * (high - low)).div_ceil(16) * 2];
        for at in 0..columns * rows * (high - low) {
            let voxel = [at % columns, at / columns % rows, low + at / (columns * rows)];
            bytes[at / 8] |= u8::from(mask.contains(voxel)) << (at % 8);
        }
        o.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::from(bytes)));
        o
    }
}

/// A closed contour around each run of voxels of a row: together they are the mask.
fn rows_of(mask: &Mask) -> Vec<InMemDicomObject> {
    let bounds = mask.bounds();
    let world = |x: f64, y: f64, z: usize| {
        let voxel =
            [x + bounds.min[0] as f64, y + bounds.min[1] as f64, (z + bounds.min[2]) as f64];
        mask.grid().voxel_to_world(voxel)
    };
    let mut contours = Vec::new();
    for (z, plane) in mask.inside().outer_iter().enumerate() {
        for (y, row) in plane.outer_iter().enumerate() {
            let mut x = 0;
            while x < row.len() {
                let run = row.iter().skip(x).take_while(|inside| **inside).count();
                if run > 0 {
                    let (left, right) = (x as f64 - 0.4, (x + run) as f64 - 0.6);
                    let (top, bottom) = (y as f64 - 0.4, y as f64 + 0.4);
                    contours.push(contour(&[
                        world(left, top, z),
                        world(right, top, z),
                        world(right, bottom, z),
                        world(left, bottom, z),
                    ]));
                }
                x += run + 1;
            }
        }
    }
    contours
}

fn nifti(name: &str) -> Case {
    let folder = common::fixture("ibsi/ibsi_validation_sts_ct");
    let path = |what: &str| folder.join(format!("{name}_CT_{what}.nii.gz"));
    load(&path("image"), &path("mask"), &common::options()).expect("the fixtures are there")
}

/// All files of the export, in an order in which nothing stays together.
fn files(first: &Case, second: &Case) -> Vec<InMemDicomObject> {
    let exam = |case, patient, root, date, shift| Exam { case, patient, root, date, shift };
    let baseline = exam(first, "MRN-0019", "19", "20240105", 0);
    let follow_up = exam(first, "MRN-0019", "20", "20240209", -10);
    let other = exam(second, "MRN-0025", "25", "20240301", 0);
    let plan =
        [("BODY", "EXTERNAL"), ("GTV", "GTV"), ("PTV", "PTV"), ("Dose 95[%]", "DOSE_REGION")];
    let mut files = Vec::new();
    // The approved set of the baseline is neither the first nor the latest.
    files.extend(baseline.ct());
    files.push(baseline.set(1, &[("GTV draft", "GTV")], ("20240105", "UNAPPROVED")));
    files.push(baseline.set(2, &plan, ("20240106", "APPROVED")));
    files.push(baseline.seg("copy", "20240110"));
    files.extend(baseline.slices(uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE, 3, "PT"));
    files.extend(baseline.slices(uids::MR_IMAGE_STORAGE, 4, "MR"));
    // Of the follow-up the segmentation is the latest.
    files.extend(follow_up.ct());
    files.push(follow_up.set(1, &plan, ("20240209", "UNAPPROVED")));
    files.push(follow_up.seg("Metastasis", "20240210"));
    // The other patient's later structure set holds no lesion.
    files.extend(other.ct());
    files.push(other.seg("Sarcoma", "20240301"));
    files.push(other.set(1, &plan[..1], ("20240302", "APPROVED")));
    files.extend(other.slices(uids::MR_IMAGE_STORAGE, 4, "MR"));
    let count = files.len();
    // A multiplicative order: 7919 is prime and larger than the number of files.
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|at| (at + 1) * 7919 % (count + 1));
    order.into_iter().map(|at| files[at].clone()).collect()
}

fn batch(cases: &Path, folder: &Path) -> Table {
    let settings = folder.join("settings.toml");
    std::fs::write(&settings, common::STATISTICS).expect("written");
    let output = common::abscope()
        .arg("batch")
        .arg(cases)
        .arg("--settings")
        .arg(&settings)
        .arg("-o")
        .arg(folder.join("out"))
        .output()
        .expect("abscope starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Table::read(&folder.join("out/features.csv")).expect("reads")
}

/// The statistics that do not depend on where 0 HU lies, and the mean.
fn measured(row: &Row) -> BTreeMap<String, f64> {
    let names = ["mean", "var", "skew", "p10", "min", "max"];
    let named = names.map(|name| format!("tumour_original_stat_{name}"));
    named.map(|name| (name.clone(), row.value(&name).expect("a column").expect("a value"))).into()
}

#[test]
fn an_export_pairs_into_the_right_lesions_and_time_points() {
    let (first, second) = (nifti("STS_019"), nifti("STS_025"));
    let plan =
        Plan::resolve(&Settings::parse(common::STATISTICS).expect("settings")).expect("a plan");
    let expected = [extract(&first, &plan).remove(0), extract(&second, &plan).remove(0)];

    let folder = tempfile::tempdir().expect("a folder");
    let export = folder.path().join("export");
    std::fs::create_dir(&export).expect("made");
    let path = folder.path().join("export.zip");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).expect("made"));
    for (at, file) in files(&first, &second).iter().enumerate() {
        let name = format!("{:08x}", (at as u32 + 1).wrapping_mul(0x9E37_79B9));
        dicom::write(&export.join(&name), file, EXPLICIT);
        archive.start_file(&name, zip::write::SimpleFileOptions::default()).expect("a member");
        let mut written = std::fs::File::open(export.join(&name)).expect("opens");
        std::io::copy(&mut written, &mut archive).expect("copied");
    }
    archive.finish().expect("finished");

    for source in [&export, &path] {
        let out = tempfile::tempdir().expect("a folder");
        let table = batch(source, out.path());
        let mut rows: Vec<&Row> = table.rows().collect();
        assert_eq!(rows.len(), 3, "a lesion of each examination");
        rows.sort_by_key(|row| (row.name.clone(), row.scan.study_day));
        let names: Vec<_> = rows.iter().map(|row| row.name.as_deref().unwrap_or("")).collect();
        assert_eq!(names, ["GTV", "Metastasis", "Sarcoma"]);
        let [baseline, follow_up, other] = rows.as_slice() else { panic!("three") };
        assert_eq!(baseline.patient, follow_up.patient);
        assert_ne!(baseline.patient, other.patient);
        let days = [baseline, follow_up, other].map(|row| row.scan.study_day);
        assert_eq!(days, [Some(0), Some(35), Some(0)]);
        for (row, of, shift) in [
            (baseline, &expected[0], 0.0),
            (follow_up, &expected[0], -10.0),
            (other, &expected[1], 0.0),
        ] {
            assert_eq!(row.facts[0].voxels, of.facts[0].voxels);
            assert_eq!(row.kvp, Some(120.0));
            for (name, value) in measured(of) {
                let moves = !name.ends_with("var") && !name.ends_with("skew");
                let value = if moves { value + shift } else { value };
                let found = measured(row)[&name];
                let tolerance = 1e-9 * value.abs().max(1.0);
                assert!((found - value).abs() <= tolerance, "{name}: {found} for {value}");
            }
        }
        let warnings = std::fs::read_to_string(out.path().join("out/warnings.csv")).expect("there");
        assert!(warnings.contains("left out, being no lesion"), "{warnings}");
        assert!(warnings.contains("3 structure sets or segmentations belong"), "{warnings}");
    }
}
