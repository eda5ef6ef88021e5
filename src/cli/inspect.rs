//! `abscope inspect`: what a folder holds, and what is wrong with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::console;
use abscope::geometry::Geometry;
use abscope::ingest::dicom::catalogue::{Catalogue, Delineation, Patient, Problem, Series};
use abscope::ingest::dicom::{lesions, series};
use abscope::ingest::nifti;
use abscope::ingest::pseudonyms::Pseudonyms;
use abscope::paths::shown;
use rayon::prelude::*;
use serde::Serialize;

/// Exit status where something could not be read, each thing named.
const SOMETHING_UNREADABLE: u8 = 1;

/// Show what a folder or file holds: patients, CT series, lesions, and every problem found.
///
/// Reads headers only, but for the contours, segments and label maps whose volumes it shows. Exit status 1 says
/// that something could not be read.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder (searched to any depth, zip archives included), a DICOM file or a NIfTI file.
    path: PathBuf,

    /// Write JSON instead of the tree.
    #[arg(long)]
    json: bool,

    /// Show the real patient ids instead of pseudonyms.
    #[arg(long)]
    identify: bool,
}

/// A NIfTI file with more labels is shown as an image, which it may be.
const MAX_LABELS: usize = 100;

#[derive(Serialize)]
struct Inspection {
    patients: Vec<PatientView>,
    nifti: Vec<NiftiView>,
    problems: Vec<ProblemView>,
    other_files: usize,
}

#[derive(Serialize)]
struct PatientView {
    id: String,
    studies: Vec<StudyView>,
}

#[derive(Serialize)]
struct StudyView {
    uid: String,
    /// Days from the patient's first study here.
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<i64>,
    series: Vec<SeriesView>,
    delineations: Vec<DelineationView>,
}

#[derive(Serialize)]
struct SeriesView {
    uid: String,
    /// What `--series` takes for it.
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    modality: String,
    files: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    geometry: Option<Geometry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kvp: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slice_thickness_mm: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contrast: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Serialize)]
struct DelineationView {
    kind: String,
    /// Label, day from the patient's first study, time and approval.
    #[serde(skip_serializing_if = "String::is_empty")]
    about: String,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<String>,
    regions: Vec<RegionView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Serialize)]
struct RegionView {
    id: String,
    name: String,
    volume_ml: Option<f64>,
}

#[derive(Serialize)]
struct NiftiView {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    geometry: Option<Geometry>,
    labels: Vec<RegionView>,
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Serialize)]
struct ProblemView {
    file: String,
    problem: String,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let catalogue = Catalogue::scan(&args.path)?;
    let names = if args.identify || catalogue.patients.is_empty() {
        None
    } else {
        Some(Pseudonyms::of_user()?)
    };
    let inspection = inspect(&args.path, &catalogue, names.as_ref());
    let text = if args.json {
        let mut text = serde_json::to_string_pretty(&inspection)?;
        text.push('\n');
        text
    } else {
        tree(&inspection)
    };
    match args.json {
        true => console::data(text)?,
        false => console::line(text.trim_end())?,
    }
    let unreadable = catalogue.problems.iter().any(|p| p.unreadable)
        || inspection.nifti.iter().any(|n| n.problem.is_some())
        || inspection.patients.iter().flat_map(|p| &p.studies).any(|s| {
            s.series.iter().any(|s| s.problem.is_some())
                || s.delineations.iter().any(|d| d.problem.is_some())
        });
    Ok(ExitCode::from(if unreadable { SOMETHING_UNREADABLE } else { 0 }))
}

fn inspect(root: &Path, catalogue: &Catalogue, names: Option<&Pseudonyms>) -> Inspection {
    let patients = catalogue.patients.iter().map(|patient| PatientView {
        id: id_of(patient, names),
        studies: patient
            .studies
            .iter()
            .map(|study| {
                let delineations = catalogue.delineations();
                let of_study = delineations
                    .iter()
                    .filter(|d| study.series.iter().any(|s| std::ptr::eq(s, d.series)));
                StudyView {
                    uid: study.uid.clone(),
                    day: patient.study_day(study),
                    series: study
                        .series
                        .iter()
                        .filter(|s| !s.instances.iter().all(|i| i.references.is_some()))
                        .map(series_view)
                        .collect(),
                    delineations: of_study.map(|d| delineation(root, catalogue, d)).collect(),
                }
            })
            .collect(),
    });
    let problem =
        |p: &Problem| ProblemView { file: short(root, &p.file), problem: p.problem.to_string() };
    Inspection {
        patients: patients.collect(),
        nifti: catalogue.nifti.par_iter().map(|path| nifti_view(root, path)).collect(),
        problems: catalogue.problems.iter().map(problem).collect(),
        other_files: catalogue.other_files,
    }
}

fn id_of(patient: &Patient, names: Option<&Pseudonyms>) -> String {
    let study = patient.studies.first().map_or("", |s| s.uid.as_str());
    match names {
        Some(names) => names.patient(&patient.key, study, false),
        None if patient.key.id.is_empty() => "(no PatientID)".into(),
        None => patient.key.id.clone(),
    }
}

fn series_view(series: &Series) -> SeriesView {
    let mut view = SeriesView {
        uid: series.uid.clone(),
        name: series.name(),
        description: series.description.clone(),
        modality: series.modality.clone(),
        files: series.instances.len(),
        geometry: None,
        kvp: None,
        kernel: None,
        slice_thickness_mm: None,
        contrast: None,
        phase: None,
        warnings: Vec::new(),
        problem: None,
    };
    if series.modality != "CT" {
        return view;
    }
    if !series.is_ct() {
        view.warnings.push("holds localizers only".into());
        return view;
    }
    if let Some(part) = &series.part {
        let volumes = format!("one of {} volumes at the same places: {part}", part.of);
        view.warnings.push(volumes);
    }
    match series::survey(&series.sources()) {
        Ok(survey) => {
            view.geometry = Some(survey.geometry);
            view.kvp = survey.acquisition.kvp;
            view.kernel = survey.acquisition.kernel;
            view.slice_thickness_mm = survey.acquisition.slice_thickness;
            view.contrast = survey.acquisition.contrast;
            view.phase = survey.acquisition.phase;
            view.warnings.extend(survey.warnings);
        }
        Err(e) => view.problem = Some(e.to_string()),
    }
    view
}

fn delineation(root: &Path, catalogue: &Catalogue, found: &Delineation<'_>) -> DelineationView {
    let target = catalogue.target(found);
    let mut view = DelineationView {
        kind: found.series.modality.clone(),
        about: found.references.about.words(found.patient).to_string(),
        file: short(root, &found.instance.source.display()),
        series: target.as_ref().ok().map(|s| s.name()),
        regions: Vec::new(),
        warnings: target.as_ref().err().map(|e| e.message().to_string()).into_iter().collect(),
        problem: None,
    };
    let grid = target.ok().and_then(|s| series::survey(&s.sources()).ok()).map(|s| s.geometry);
    let mut volumes: BTreeMap<i64, f64> = BTreeMap::new();
    match lesions::measure(found, grid.as_ref()) {
        Ok(read) => {
            let measured = read.regions.iter().map(|(n, _, mask)| (*n, mask.volume_ml()));
            volumes.extend(measured);
            view.warnings.extend(read.warnings);
            if !read.others.is_empty() {
                let others = read.others.join(", ");
                view.warnings.push(format!("no lesion by name or type: {others}"));
            }
        }
        Err(e) => view.problem = Some(e.to_string()),
    }
    view.regions = found
        .references
        .regions
        .iter()
        .map(|region| RegionView {
            id: region.number.to_string(),
            name: region.name.clone(),
            volume_ml: volumes.get(&region.number).copied(),
        })
        .collect();
    view
}

fn nifti_view(root: &Path, path: &Path) -> NiftiView {
    let mut view = NiftiView {
        file: short(root, path),
        geometry: None,
        labels: Vec::new(),
        warnings: Vec::new(),
        problem: None,
    };
    // A label map holds some whole numbers from 0; whatever is none is an image.
    let found = match nifti::survey(path) {
        Ok(found) => found,
        Err(e) => {
            view.problem = Some(e.to_string());
            return view;
        }
    };
    view.warnings = found.warnings;
    match found.labels {
        Some(labels) if labels.len() <= MAX_LABELS => {
            let volume = found.geometry.voxel_volume();
            let region = |(label, voxels): (u32, u64)| RegionView {
                id: label.to_string(),
                name: String::new(),
                volume_ml: Some(voxels as f64 * volume / 1000.0),
            };
            view.labels = labels.into_iter().map(region).collect();
        }
        Some(labels) => view.warnings.push(format!(
            "shown as an image; as a mask, its {} different whole numbers above 0 are as many lesions",
            labels.len()
        )),
        None => {}
    }
    view.geometry = Some(found.geometry);
    view
}

/// A path as seen from the folder that was asked for.
fn short(root: &Path, path: &Path) -> String {
    match path.strip_prefix(root) {
        Ok(rest) if !rest.as_os_str().is_empty() => shown(rest),
        _ => shown(path),
    }
}

fn tree(found: &Inspection) -> String {
    let mut out = String::new();
    let mut line = |depth: usize, text: String| {
        out.push_str(&"  ".repeat(depth));
        out.push_str(&text);
        out.push('\n');
    };
    for patient in &found.patients {
        line(0, format!("patient {}", patient.id));
        for study in &patient.studies {
            let day = study.day.map_or_else(String::new, |day| format!(", day {day}"));
            line(1, format!("study {}{day}", study.uid));
            for series in &study.series {
                let described = series.description.as_ref().map(|text| format!(" \"{text}\""));
                let described = described.unwrap_or_default();
                line(2, format!("{} series {}{described}", series.modality, series.name));
                line(3, facts(series));
                for warning in &series.warnings {
                    line(3, format!("warning: {warning}"));
                }
                if let Some(problem) = &series.problem {
                    line(3, format!("cannot be read: {problem}"));
                }
            }
            for set in &study.delineations {
                let target =
                    set.series.as_ref().map_or_else(String::new, |s| format!(" of series {s}"));
                let about = match set.about.as_str() {
                    "" => String::new(),
                    about => format!(" ({about})"),
                };
                line(2, format!("{} {}{about}{target}", set.kind, set.file));
                regions(&set.regions, &mut line);
                for warning in &set.warnings {
                    line(3, format!("warning: {warning}"));
                }
                if let Some(problem) = &set.problem {
                    line(3, format!("cannot be read: {problem}"));
                }
            }
        }
    }
    for file in &found.nifti {
        line(0, format!("NIfTI {}", file.file));
        if let Some(geometry) = &file.geometry {
            line(1, grid(geometry));
        }
        regions(&file.labels, &mut |depth, text| line(depth - 2, text));
        for warning in &file.warnings {
            line(1, format!("warning: {warning}"));
        }
        if let Some(problem) = &file.problem {
            line(1, format!("cannot be read: {problem}"));
        }
    }
    for problem in &found.problems {
        line(0, format!("problem: {}: {}", problem.file, problem.problem));
    }
    if found.other_files > 0 {
        line(0, format!("{} other files", found.other_files));
    }
    if found.patients.is_empty() && found.nifti.is_empty() && found.problems.is_empty() {
        line(0, "no DICOM or NIfTI file".into());
    }
    out
}

fn regions(regions: &[RegionView], line: &mut impl FnMut(usize, String)) {
    for region in regions {
        let name = if region.name.is_empty() { String::new() } else { format!(" {}", region.name) };
        let volume = region.volume_ml.map_or_else(String::new, |v| format!(": {v:.3} mL"));
        line(3, format!("{}{name}{volume}", region.id));
    }
}

fn facts(series: &SeriesView) -> String {
    let mut facts = vec![format!("{} files", series.files)];
    facts.extend(series.geometry.as_ref().map(grid));
    facts.extend(series.slice_thickness_mm.map(|t| format!("slice thickness {t} mm")));
    if series.modality == "CT" {
        facts.push(series.kvp.map_or_else(|| "kVp unknown".into(), |kvp| format!("{kvp} kVp")));
    }
    facts.extend(series.kernel.as_ref().map(|k| format!("kernel {k}")));
    facts.extend(series.contrast.as_ref().map(|c| format!("contrast {c}")));
    facts.extend(series.phase.as_ref().map(|phase| format!("phase {phase}")));
    facts.join(", ")
}

fn grid(geometry: &Geometry) -> String {
    let [nx, ny, nz] = geometry.size;
    let [dx, dy, dz] = geometry.spacing;
    format!("{nx} x {ny} x {nz} voxels of {dx} x {dy} x {dz} mm")
}
