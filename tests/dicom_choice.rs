//! Which structure set, patient, time point and volume is measured where an export has several.
//!
//! Oracle: what the test writes into the files: a square of 9 voxels per slice (tests/common/dicom.rs),
//! so that the volume says which delineation was read, and HU that say which slices were.

mod common;
#[path = "common/dicom.rs"]
mod dicom;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use abscope::error::{Message, Remedy};
use abscope::ingest::{Case, LoadOptions, load};
use abscope::table::Table;
use dicom::{EXPLICIT, item, put, sequence, square, stack, structure_set, text, under};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use tempfile::TempDir;

/// Slices of a stack.
const SLICES: usize = 4;

/// A folder under construction.
struct Export {
    folder: TempDir,
    files: usize,
}

impl Export {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), files: 0 }
    }

    fn add(&mut self, object: &InMemDicomObject) -> PathBuf {
        self.files += 1;
        let path = self.path().join(format!("f{}", self.files));
        dicom::write(&path, object, EXPLICIT);
        path
    }

    fn add_all(&mut self, objects: &[InMemDicomObject]) {
        for object in objects {
            self.add(object);
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn read(&self, options: LoadOptions) -> abscope::Result<Case> {
        load(self.path(), self.path(), &options)
    }

    fn case(&self) -> Case {
        self.read(common::options()).expect("reads")
    }
}

fn changed(
    object: InMemDicomObject,
    change: impl FnOnce(&mut InMemDicomObject),
) -> InMemDicomObject {
    let mut object = object;
    change(&mut object);
    object
}

/// The CT of all tests.
fn ct() -> Vec<InMemDicomObject> {
    stack(SLICES)
}

/// A structure set on the first slices of the CT, as many as `slices`, with this number and label.
fn set(number: usize, slices: usize, label: &str) -> InMemDicomObject {
    let contours = (0..slices).map(square).collect();
    changed(structure_set(contours, &[0, 1, 2, 3]), |o| {
        put(o, tags::SOP_INSTANCE_UID, VR::UI, format!("1.2.3.8.{number}"));
        put(o, tags::STRUCTURE_SET_LABEL, VR::SH, label);
    })
}

fn dated(object: InMemDicomObject, date: &str, time: &str) -> InMemDicomObject {
    changed(object, |o| {
        put(o, tags::STRUCTURE_SET_DATE, VR::DA, date);
        put(o, tags::STRUCTURE_SET_TIME, VR::TM, time);
    })
}

fn named(object: InMemDicomObject, name: &str) -> InMemDicomObject {
    changed(object, |o| {
        let roi = item([
            text(tags::ROI_NUMBER, VR::IS, "1"),
            text(tags::ROI_NAME, VR::LO, name),
            text(tags::REFERENCED_FRAME_OF_REFERENCE_UID, VR::UI, "1.2.3.3"),
        ]);
        o.put(sequence(tags::STRUCTURE_SET_ROI_SEQUENCE, vec![roi]));
    })
}

fn studied(objects: Vec<InMemDicomObject>, date: &str) -> Vec<InMemDicomObject> {
    let on = |object| changed(object, |o| put(o, tags::STUDY_DATE, VR::DA, date));
    objects.into_iter().map(on).collect()
}

fn voxels(case: &Case) -> Vec<usize> {
    case.lesions.iter().map(|lesion| lesion.mask.voxel_count()).collect()
}

fn told<'a>(case: &'a Case, part: &str) -> &'a Message {
    let warning = case.warnings.iter().find(|warning| warning.contains(part));
    warning.unwrap_or_else(|| panic!("{part}: {:?}", case.warnings))
}

/// Runs `batch` on a folder or archive with the intensity statistics only.
fn batch(cases: &Path, more: &[&str]) -> (Output, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("settings.toml");
    let text = "[features]\nfamilies = [\"statistics\"]\n[resampling]\nspacing_mm = \"none\"\n";
    std::fs::write(&settings, text).expect("written");
    let output = common::abscope()
        .arg("batch")
        .arg(cases)
        .arg("--settings")
        .arg(&settings)
        .args(["-o"])
        .arg(folder.path().join("out"))
        .args(more)
        .output()
        .expect("abscope starts");
    (output, folder)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The rows of a table by the names of its columns.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut table = csv::Reader::from_path(path).expect("a table");
    table.deserialize().map(|row| row.expect("a row")).collect()
}

#[test]
fn of_several_structure_sets_the_latest_approved_one_is_measured_and_the_others_are_told() {
    let mut export = Export::new();
    export.add_all(&ct());
    export.add(&dated(set(1, 1, "first"), "20240105", "080000"));
    export.add(&dated(set(2, 2, "second"), "20240105", "093000"));
    export.add(&dated(set(3, 3, "third"), "20240104", "230000"));
    let case = export.case();
    assert_eq!(voxels(&case), [18], "{:?}", case.warnings);
    let warning = told(&case, "3 structure sets");
    for label in ["\"first\"", "\"second\"", "\"third\"", "09:30"] {
        assert!(warning.contains(label), "{warning}");
    }

    let approved = changed(dated(set(4, 4, "fourth"), "20231224", "1200"), |o| {
        put(o, tags::APPROVAL_STATUS, VR::CS, "APPROVED");
    });
    export.add(&approved);
    let case = export.case();
    assert_eq!(voxels(&case), [36], "{:?}", case.warnings);
    assert!(told(&case, "4 structure sets").contains("\"fourth\", 12:00, approved); left out"));

    let (output, out) = batch(export.path(), &[]);
    assert!(output.status.success(), "{}", said(&output));
    let table = rows(&out.path().join("out/features.csv"));
    assert_eq!(table.len(), 1, "one choice, and no sum");
    let warnings = std::fs::read_to_string(out.path().join("out/warnings.csv")).expect("there");
    assert!(warnings.contains("4 structure sets"), "{warnings}");
}

#[test]
fn a_structure_set_without_a_wanted_region_is_no_choice() {
    let mut export = Export::new();
    export.add_all(&ct());
    export.add(&dated(set(1, 1, "lesion"), "20240105", "080000"));
    export.add(&named(dated(set(2, 2, "plan"), "20240106", "080000"), "PTV"));
    assert_eq!(voxels(&export.case()), [9]);
    let asked = export.read(common::options().roi(["ptv"])).expect("reads");
    assert_eq!(voxels(&asked), [18]);
    let (output, out) = batch(export.path(), &["--roi", "ptv"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(rows(&out.path().join("out/features.csv"))[0]["name"], "PTV");
}

#[test]
fn where_nothing_tells_which_is_meant_the_choice_is_the_users() {
    let mut export = Export::new();
    export.add_all(&ct());
    let one = export.add(&set(1, 1, "A"));
    export.add(&set(2, 2, "B"));
    let error = export.read(common::options()).expect_err("two alike");
    let Some(Remedy::NameDelineation { there }) = error.remedy() else { panic!("{error}") };
    assert!(
        there.len() == 2
            && there[0].to_string().contains("\"A\"")
            && there[1].to_string().contains("\"B\""),
        "{there:?}"
    );
    let case = load(export.path(), &one, &common::options()).expect("reads");
    assert_eq!(voxels(&case), [9]);

    let (output, out) = batch(export.path(), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let failures = rows(&out.path().join("out/failures.csv"));
    assert_eq!(failures.len(), 1);
    let (error, way_out) = (&failures[0]["error"], &failures[0]["way_out"]);
    let both = "RTSTRUCT (\"[withheld]\"); RTSTRUCT (\"[withheld]\")";
    assert!(error.contains(both), "{error}");
    let told = said(&output);
    assert!(told.contains("RTSTRUCT (\"A\"); RTSTRUCT (\"B\")"), "the console has it: {told}");
    assert!(way_out.contains("mask"), "{way_out}");
}

/// Two studies of one patient with the lesion at the same number.
fn follow_up() -> Export {
    let mut export = Export::new();
    for (root, date, kernel) in [("1.2.3.", "20240105", "B30f"), ("1.2.5.", "20240209", "B70f")] {
        let slices = ct().into_iter().map(|o| {
            changed(o, |o| {
                put(o, tags::CONVOLUTION_KERNEL, VR::SH, kernel);
                put(o, tags::SERIES_DESCRIPTION, VR::LO, "Thorax arterial 2.5");
            })
        });
        let mut files: Vec<_> = slices.collect();
        files.push(set(1, 2, "GTV"));
        let files: Vec<_> = files.iter().map(|file| under(root, file)).collect();
        export.add_all(&studied(files, date));
    }
    export
}

#[test]
fn two_studies_are_time_points_and_each_row_says_what_it_was_measured_on() {
    let export = follow_up();
    for format in ["csv", "jsonl", "parquet"] {
        let (output, out) = batch(export.path(), &["--format", format]);
        assert!(output.status.success(), "{}", said(&output));
        let table = Table::read(&out.path().join(format!("out/features.{format}"))).expect("reads");
        let rows: Vec<_> = table.rows().collect();
        assert_eq!(rows.len(), 2, "neither a duplicate");
        let [first, second] = rows.as_slice() else { panic!("two") };
        assert_eq!(first.patient, second.patient);
        assert_eq!((first.lesion.as_str(), second.lesion.as_str()), ("1", "1"));
        let mut days = [first.scan.study_day, second.scan.study_day];
        days.sort_unstable();
        assert_eq!(days, [Some(0), Some(35)], "from 5 January to 9 February 2024");
        for row in [first, second] {
            let scan = &row.scan;
            let kernel = if scan.study_day == Some(0) { "B30f" } else { "B70f" };
            assert_eq!(scan.kernel.as_deref(), Some(kernel));
            assert_eq!(scan.phase.as_deref(), Some("arterial"));
            assert_eq!((scan.slice_thickness_mm, row.kvp), (Some(2.5), Some(120.0)));
            let (study, series) = (scan.study.as_ref(), scan.series.as_ref());
            assert!(study.is_some_and(|s| s.starts_with("ST-")), "{study:?}");
            assert!(series.is_some_and(|s| s.starts_with("SE-")), "{series:?}");
        }
        assert_ne!(first.scan.study, second.scan.study);
        assert_ne!(first.scan.series, second.scan.series);
        assert_eq!(table.by_scan().len(), 2, "ranked apart");
    }
    let (_, out) = batch(export.path(), &["--identify"]);
    let studies: Vec<String> =
        rows(&out.path().join("out/features.csv")).iter().map(|row| row["study"].clone()).collect();
    assert_eq!(studies, ["1.2.3.1", "1.2.5.1"]);
}

#[test]
fn rows_of_a_manifest_that_name_one_export_know_its_time_points() {
    let export = follow_up();
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = folder.path().join("manifest.csv");
    let row = |series: &str| format!("A,{0},{0},{series}\n", export.path().display());
    let text = format!("patient,image,mask,series\n{}{}", row("1.2.5.2"), row("1.2.3.2"));
    std::fs::write(&manifest, text).expect("written");
    let (output, out) = batch(&manifest, &[]);
    assert!(output.status.success(), "{}", said(&output));
    let table = rows(&out.path().join("out/features.csv"));
    let days: Vec<_> = table.iter().map(|row| (&*row["patient"], &*row["study_day"])).collect();
    assert_eq!(days, [("A", "35"), ("A", "0")], "in the manifest's order");
    let (again, _) = batch(&manifest, &["--dry-run"]);
    assert!(again.status.success(), "{}", said(&again));

    // The user's own words come before the file's.
    let text = format!(
        "patient,image,mask,series,study,study_day,phase\nA,{0},{0},1.2.5.2,follow-up,40,portal\n",
        export.path().display()
    );
    std::fs::write(&manifest, text).expect("written");
    let (output, out) = batch(&manifest, &[]);
    assert!(output.status.success(), "{}", said(&output));
    let row = rows(&out.path().join("out/features.csv")).remove(0);
    let said = ["study", "study_day", "phase", "kernel"].map(|name| row[name].as_str());
    assert_eq!(said, ["follow-up", "40", "portal", "B70f"]);
}

#[test]
fn one_image_of_two_studies_is_chosen_by_series() {
    let export = follow_up();
    let error = export.read(common::options()).expect_err("two studies");
    assert!(
        error.to_string().contains("2 structure sets or segmentations of 2 CT series"),
        "{error}"
    );
    let case = export.read(common::options().series("1.2.5.2".to_owned())).expect("reads");
    assert_eq!(case.scan.study_day, Some(35));
    assert_eq!(case.scan.kernel.as_deref(), Some("B70f"));
}

#[test]
fn one_id_of_several_people_is_several_patients() {
    let mut export = Export::new();
    let people = [("Anonymous", "19500101", "M"), ("Anonymous", "19600101", "M"), ("", "", "F")];
    for (at, (name, birth, sex)) in people.into_iter().enumerate() {
        let mut files = ct();
        files.push(set(1, 2, "GTV"));
        for file in files {
            let file = changed(file, |o| {
                put(o, tags::PATIENT_ID, VR::LO, "ANONYMOUS");
                put(o, tags::PATIENT_NAME, VR::PN, name);
                put(o, tags::PATIENT_BIRTH_DATE, VR::DA, birth);
                put(o, tags::PATIENT_SEX, VR::CS, sex);
            });
            export.add(&under(&format!("1.2.3{at}."), &file));
        }
    }
    let (output, out) = batch(export.path(), &[]);
    assert!(output.status.success(), "{}", said(&output));
    let table = rows(&out.path().join("out/features.csv"));
    let patients: std::collections::BTreeSet<&str> =
        table.iter().map(|row| row["patient"].as_str()).collect();
    assert_eq!((table.len(), patients.len()), (3, 3), "{patients:?}");
    let warnings = std::fs::read_to_string(out.path().join("out/warnings.csv")).expect("there");
    assert_eq!(warnings.matches("told by birth date").count(), 3, "{warnings}");
    assert!(!warnings.contains("19500101") && !warnings.contains("ANONYMOUS"), "{warnings}");
}

#[test]
fn a_structure_set_is_not_paired_with_another_patients_ct() {
    for (change, why) in [(tags::PATIENT_ID, "PatientID"), (tags::PATIENT_BIRTH_DATE, "birth date")]
    {
        let born = |object, date: &str| {
            changed(object, |o| put(o, tags::PATIENT_BIRTH_DATE, VR::DA, date))
        };
        let mut export = Export::new();
        export.add_all(&ct().into_iter().map(|o| born(o, "19500101")).collect::<Vec<_>>());
        let other = changed(born(set(1, 2, "GTV"), "19500101"), |o| {
            let value = if change == tags::PATIENT_ID { "MRN-2" } else { "19600606" };
            let vr = if change == tags::PATIENT_ID { VR::LO } else { VR::DA };
            put(o, change, vr, value);
            put(o, tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3.77");
        });
        export.add(&other);
        let error = export.read(common::options()).expect_err(why);
        assert_eq!(error.remedy(), Some(&Remedy::ConfirmSeries), "{error}");
        assert!(!error.to_string().contains("MRN"), "{error}");
        let case = export.read(common::options().series("1.2.3.2".to_owned())).expect("confirmed");
        told(&case, "different patients");

        let (output, _) = batch(export.path(), &[]);
        assert!(!output.status.success());
        assert!(said(&output).contains("of another patient"), "{}", said(&output));
    }
    // A file without an id, as half-anonymised exports have it, contradicts nobody.
    let mut export = Export::new();
    export.add_all(&ct());
    export.add(&changed(set(1, 2, "GTV"), |o| put(o, tags::PATIENT_ID, VR::LO, "")));
    told(&export.case(), "different patients");
}

#[test]
fn volumes_of_one_series_are_divided_by_acquisition() {
    let phase = |number: usize| {
        ct().into_iter().enumerate().map(move |(at, object)| {
            changed(object, |o| {
                put(o, tags::SOP_INSTANCE_UID, VR::UI, format!("1.2.3.9.{}", 10 * number + at));
                put(o, tags::ACQUISITION_NUMBER, VR::IS, number.to_string());
                put(o, tags::RESCALE_INTERCEPT, VR::DS, (100 * number as i32 - 1024).to_string());
            })
        })
    };
    let mut export = Export::new();
    export.add_all(&phase(1).chain(phase(2)).collect::<Vec<_>>());
    export.add(&structure_set(vec![square(0)], &[20, 21, 22, 23]));
    let air = |case: &Case| case.volume.get([0, 0, 0]);
    let case = export.case();
    assert_eq!(air(&case), f32::from(dicom::hu(0, 0, 0)) + 200.0, "{:?}", case.warnings);
    told(&case, "2 volumes at the same places; measured: acquisition 2");

    let first = export.read(common::options().series("1.2.3.2#1".to_owned()));
    told(&first.expect("drawn on the other volume, and named"), "another series or volume");

    let both: Vec<usize> = (10..14).chain(20..24).collect();
    export.add(&changed(structure_set(vec![square(0)], &both), |o| {
        put(o, tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.8.9");
    }));
    let set = export.path().join("f10");
    let error = load(export.path(), &set, &common::options()).expect_err("drawn on both");
    let Some(Remedy::NameSeries { there, .. }) = error.remedy() else { panic!("{error}") };
    assert!(
        there[0].to_string().starts_with("1.2.3.2#1:")
            && there[1].to_string().starts_with("1.2.3.2#2:"),
        "{there:?}"
    );
    let one = common::options().series("1.2.3.2#1".to_owned());
    let case = load(export.path(), &set, &one).expect("reads");
    assert_eq!(air(&case), f32::from(dicom::hu(0, 0, 0)) + 100.0);
}

#[test]
fn a_zip_is_a_source_of_a_batch() {
    let export = follow_up();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("all");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).expect("made"));
    for entry in std::fs::read_dir(export.path()).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = format!("DICOM/{}", entry.file_name().display());
        archive.start_file(name, zip::write::SimpleFileOptions::default()).expect("a member");
        let mut file = std::fs::File::open(entry.path()).expect("opens");
        std::io::copy(&mut file, &mut archive).expect("copied");
    }
    archive.finish().expect("finished");
    let ((of_zip, one), (of_folder, other)) = (batch(&path, &[]), batch(export.path(), &[]));
    assert!(of_zip.status.success() && of_folder.status.success(), "{}", said(&of_zip));
    let table = |folder: &TempDir| std::fs::read(folder.path().join("out/features.csv"));
    assert_eq!(table(&one).expect("there"), table(&other).expect("there"));
}

#[test]
fn a_ct_without_a_series_uid_is_read_and_told() {
    let without =
        |o| changed(o, |o: &mut InMemDicomObject| drop(o.take(tags::SERIES_INSTANCE_UID)));
    let mut export = Export::new();
    export.add_all(&ct().into_iter().map(without).collect::<Vec<_>>());
    export.add(&set(1, 2, "GTV"));
    let case = export.case();
    assert_eq!((voxels(&case), case.volume.geometry().size[2]), (vec![18], SLICES));
    told(&case, "no SeriesInstanceUID");
}

#[test]
fn a_reference_to_another_modality_is_told_from_one_to_nothing() {
    let mut export = Export::new();
    let pet = |o| changed(o, |o: &mut InMemDicomObject| put(o, tags::MODALITY, VR::CS, "PT"));
    export.add_all(&ct().into_iter().map(pet).collect::<Vec<_>>());
    export.add(&set(1, 2, "GTV"));
    let other: Vec<_> = ct().iter().map(|o| under("1.2.6.", o)).collect();
    export.add_all(&other);
    let error = export.read(common::options()).expect_err("drawn on a PET");
    assert!(error.to_string().contains("modality PT, which is no CT"), "{error}");
    // One that refers to the CT is meant where another refers to the PET.
    export.add(&under("1.2.6.", &set(2, 3, "GTV")));
    assert_eq!(voxels(&export.case()), [27]);
}

#[test]
fn one_region_twice_is_told() {
    let mut export = Export::new();
    export.add_all(&ct());
    let twice = changed(set(1, 2, "GTV"), |o| {
        let roi = |number: &str| {
            item([
                text(tags::ROI_NUMBER, VR::IS, number),
                text(tags::ROI_NAME, VR::LO, format!("GTV {number}")),
            ])
        };
        let drawn = |number: &str| {
            item([
                text(tags::REFERENCED_ROI_NUMBER, VR::IS, number),
                sequence(tags::CONTOUR_SEQUENCE, vec![square(0), square(1)]),
            ])
        };
        o.put(sequence(tags::STRUCTURE_SET_ROI_SEQUENCE, vec![roi("1"), roi("2")]));
        o.put(sequence(tags::ROI_CONTOUR_SEQUENCE, vec![drawn("1"), drawn("2")]));
    });
    export.add(&twice);
    let case = export.case();
    told(&case, "1 (GTV 1) and 2 (GTV 2) cover nearly the same voxels (Dice 1.00)");
}

#[test]
fn inspect_tells_apart_what_may_be_chosen() {
    let export = follow_up();
    let output = common::abscope().arg("inspect").arg(export.path()).output().expect("starts");
    let shown = String::from_utf8(output.stdout).expect("text");
    for part in [
        "study 1.2.3.1, day 0",
        "study 1.2.5.1, day 35",
        "\"Thorax arterial 2.5\"",
        "kernel B70f",
        "phase arterial",
        "(\"GTV\") of series 1.2.3.2",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("2024"), "dates are relative: {shown}");
}

#[test]
fn what_was_found_can_be_written_edited_and_used() {
    let export = follow_up();
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = folder.path().join("found.csv");
    let name = manifest.to_str().expect("UTF-8");
    let (output, found) = batch(export.path(), &["--write-manifest", name]);
    assert!(output.status.success(), "{}", said(&output));
    let text = std::fs::read_to_string(&manifest).expect("written");
    let first = text.lines().nth(1).expect("a row").split(',').next().expect("a patient");
    std::fs::write(&manifest, text.replace(first, "A")).expect("written");
    let (output, used) = batch(&manifest, &[]);
    assert!(output.status.success(), "{}", said(&output));
    let table = |folder: &TempDir| {
        std::fs::read_to_string(folder.path().join("out/features.csv")).expect("there")
    };
    assert_eq!(table(&used), table(&found).replace(first, "A"));
}

#[test]
fn a_dry_run_without_a_pair_says_what_is_there() {
    let mut export = Export::new();
    export.add_all(&ct());
    let (output, _) = batch(export.path(), &["--dry-run"]);
    assert!(said(&output).contains("without structure set"), "{}", said(&output));
    let (output, _) = batch(export.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("no image with a mask was found"), "{}", said(&output));
}

#[test]
fn many_files_of_one_problem_share_a_line() {
    let mut export = Export::new();
    let pet = |o| changed(o, |o: &mut InMemDicomObject| put(o, tags::MODALITY, VR::CS, "PT"));
    export.add_all(&ct().into_iter().map(pet).collect::<Vec<_>>());
    for number in 0..20 {
        export.add(&set(number, 1, "PET"));
    }
    let (output, _) = batch(export.path(), &[]);
    let told = said(&output);
    assert_eq!(told.matches("modality PT, which is no CT").count(), 3, "{told}");
    assert!(told.contains("17 more files with this problem"), "{told}");
}
