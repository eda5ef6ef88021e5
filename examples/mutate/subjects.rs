//! Small sound inputs of every kind, how the library reads them, and which of their bytes nothing vouches
//! for.
#![allow(
    clippy::single_range_in_vec_init,
    reason = "most subjects have one range, some have several"
)]

use std::collections::BTreeSet;
use std::error::Error;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use abscope::batch::manifest::{CaseRequest, Manifest};
use abscope::batch::progress::Event;
use abscope::batch::shard::Shard;
use abscope::batch::{self, Options};
use abscope::ingest::LoadOptions;
use abscope::ingest::dicom::series::SlicePolicy;
use abscope::ingest::pseudonyms::Pseudonyms;
use abscope::patient::scores::Provenance;
use abscope::patient::{AssessOptions, assess_rows};
use abscope::plan::Plan;
use abscope::row::Row;
use abscope::settings::Settings;
use abscope::signature::Model;
use abscope::signature::score::Origin;
use abscope::table::scores::ScoreRow;
use abscope::table::{FeatureWriter, Format, Table};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::dicom::{self, BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT};
use crate::mutation::Mutation;
use crate::signature::one_feature_model;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// The formats, and how many of a hundred mutations each gets.
pub(crate) const FORMATS: [(&str, u64); 19] = [
    ("nifti", 10),
    ("nifti-gz", 8),
    ("dicom", 10),
    ("dicom-implicit", 5),
    ("dicom-big-endian", 3),
    ("dicom-deflated", 4),
    ("dicom-jpeg", 5),
    ("dicom-j2k", 5),
    ("dicom-jpeg-ls", 5),
    ("dicom-rle", 5),
    ("zip", 7),
    ("rtstruct", 7),
    ("seg", 7),
    ("parquet", 7),
    ("csv", 4),
    ("model", 4),
    ("settings", 3),
    ("manifest", 3),
    ("journal", 3),
];

/// Few and cheap features: what is read is compared, not how it is measured.
const SETTINGS: &str =
    "[resampling]\nspacing_mm = \"none\"\n[features]\nfamilies = [\"statistics\"]\n";

/// A file of a subject.
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// Whether mutations may fall on it.
    pub(crate) damaged: bool,
    /// Bytes that say something which neither a checksum nor anything else in the input vouches for.
    pub(crate) apart: Vec<(Range<usize>, &'static str)>,
    /// Whether it is text, where what comes or goes within such bytes leaves the rest what it is.
    pub(crate) text: bool,
    /// What whole lines that come or go are called, where the format lets anything be left out.
    pub(crate) lines: Option<&'static str>,
}

impl File {
    fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        let name = name.into();
        Self { name, bytes, damaged: true, apart: Vec::new(), text: false, lines: None }
    }

    fn sound(self) -> Self {
        Self { damaged: false, ..self }
    }

    fn apart(mut self, name: &'static str, ranges: impl IntoIterator<Item = Range<usize>>) -> Self {
        self.apart.extend(ranges.into_iter().map(|range| (range, name)));
        self
    }
}

/// What reading a subject has shown.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Identities and values.
    pub(crate) values: String,
    /// Warnings.
    pub(crate) told: BTreeSet<String>,
}

/// A sound input in a folder of its own.
pub(crate) struct Subject {
    folder: PathBuf,
    pub(crate) files: Vec<File>,
    /// What two of its files that have changed places are called, if nothing can show it.
    pub(crate) exchange: Option<&'static str>,
    /// A folder in which reading it leaves files.
    output: Option<PathBuf>,
    reader: Box<dyn Fn(&Path) -> Result<Seen>>,
}

impl Subject {
    fn new(files: Vec<File>, reader: impl Fn(&Path) -> Result<Seen> + 'static) -> Self {
        let (folder, reader) = (PathBuf::new(), Box::new(reader));
        Self { folder, files, exchange: None, output: None, reader }
    }

    /// Reads it as a user's command does.
    pub(crate) fn read(&self) -> Result<Seen, String> {
        (self.reader)(&self.folder).map_err(|e| e.to_string())
    }

    fn write(&self, file: usize, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.folder.join(&self.files[file].name);
        std::fs::create_dir_all(path.parent().expect("it is in the folder"))?;
        std::fs::write(path, bytes)
    }

    /// Puts a mutation in place.
    pub(crate) fn put(&self, mutation: &Mutation) -> std::io::Result<()> {
        match mutation.exchanged {
            None => self.write(mutation.file, &mutation.bytes),
            Some(other) => {
                self.write(mutation.file, &self.files[other].bytes)?;
                self.write(other, &self.files[mutation.file].bytes)
            }
        }
    }

    /// Puts what a mutation changes in place, but for what nothing vouches for.
    pub(crate) fn put_rest(&self, mutation: &Mutation) -> std::io::Result<()> {
        if let Some(other) = mutation.exchanged {
            self.write(other, &self.files[other].bytes)?;
        }
        self.write(mutation.file, &mutation.elsewhere(self))
    }

    /// Puts the sound files back.
    pub(crate) fn restore(&mut self, mutation: &Mutation) -> std::io::Result<()> {
        if let Some(output) = &self.output {
            std::fs::remove_dir_all(output)?;
            return (0..self.files.len()).try_for_each(|at| self.write(at, &self.files[at].bytes));
        }
        let files = [Some(mutation.file), mutation.exchanged];
        files.into_iter().flatten().try_for_each(|at| self.write(at, &self.files[at].bytes))
    }
}

/// Makes the subject of a format in a folder.
pub(crate) fn make(name: &str, folder: &Path) -> Result<Subject> {
    let mut subject = match name {
        "nifti" => nifti(false)?,
        "nifti-gz" => nifti(true)?,
        "dicom" => ct(slices(EXPLICIT, &dicom::stack(4))?),
        "dicom-implicit" => ct(slices(IMPLICIT, &dicom::stack(4))?),
        "dicom-big-endian" => ct(slices(BIG_ENDIAN, &dicom::stack(4))?),
        "dicom-deflated" => ct(slices(DEFLATED, &dicom::stack(4))?),
        "dicom-jpeg" => ct(compressed("jpeg-sv1-signed")?),
        "dicom-j2k" => ct(compressed("j2k-signed")?),
        "dicom-jpeg-ls" => ct(compressed("jpegls-signed")?),
        "dicom-rle" => ct(compressed("rle-signed")?),
        "zip" => zip()?,
        "rtstruct" => rtstruct()?,
        "seg" => seg()?,
        "parquet" => table(Format::Parquet)?,
        "csv" => table(Format::Csv)?,
        "model" => model()?,
        "settings" => settings()?,
        "manifest" => manifest()?,
        "journal" => journal(folder)?,
        _ => return Err(format!("no format {name}").into()),
    };
    subject.folder = folder.to_owned();
    for at in 0..subject.files.len() {
        subject.write(at, &subject.files[at].bytes)?;
    }
    Ok(subject)
}

fn plan() -> Result<Plan> {
    Ok(Plan::resolve(&Settings::parse(SETTINGS)?)?)
}

/// What is measured of an image and its lesions.
fn measured(image: &Path, mask: &Path, options: &LoadOptions) -> Result<Seen> {
    let case = abscope::load(image, mask, options)?;
    let rows = abscope::extract(&case, &plan()?);
    Ok(Seen {
        values: rows.iter().map(described).collect(),
        told: case.warnings.iter().map(ToString::to_string).collect(),
    })
}

/// The same of a DICOM image, whose patient is called by the id in it.
fn exam(image: &Path, mask: &Path) -> Result<Seen> {
    measured(image, mask, &options().identify(true))
}

fn described(row: &Row) -> String {
    let Row { patient, lesion, name, site, kvp, volume_ml, facts, .. } = row;
    let known = (patient, lesion, name, site, kvp, volume_ml, facts);
    format!("{known:?} {:?}\n", row.values())
}

/// Voxels along x, y, z.
const SIZE: [usize; 3] = [8, 7, 6];

/// A NIfTI-1 file of voxels of 16 bits; what stands at which byte is in `nifti1.h`.
fn nifti_file(voxel: impl Fn([usize; 3]) -> i16) -> Vec<u8> {
    let spacing = [0.9_f32, 1.1, 2.5];
    let mut bytes = vec![0u8; 352];
    let mut put = |at: usize, new: &[u8]| bytes[at..at + new.len()].copy_from_slice(new);
    put(0, &348_i32.to_le_bytes());
    for (at, length) in [3, SIZE[0], SIZE[1], SIZE[2], 1, 1, 1, 1].into_iter().enumerate() {
        put(40 + 2 * at, &(length as i16).to_le_bytes());
    }
    put(70, &4_i16.to_le_bytes());
    put(72, &16_i16.to_le_bytes());
    for (at, spacing) in [1.0, spacing[0], spacing[1], spacing[2]].into_iter().enumerate() {
        put(76 + 4 * at, &f32::to_le_bytes(spacing));
    }
    put(108, &352_f32.to_le_bytes());
    put(112, &1_f32.to_le_bytes());
    put(123, &[2]);
    put(252, &1_i16.to_le_bytes());
    put(254, &1_i16.to_le_bytes());
    for axis in 0..3 {
        put(280 + 20 * axis, &spacing[axis].to_le_bytes());
    }
    put(344, b"n+1\0");
    for z in 0..SIZE[2] {
        for y in 0..SIZE[1] {
            for x in 0..SIZE[0] {
                bytes.extend(voxel([x, y, z]).to_le_bytes());
            }
        }
    }
    bytes
}

fn image_file() -> Vec<u8> {
    nifti_file(|[x, y, z]| (40 + 7 * x * x + 3 * y + 11 * z) as i16)
}

fn mask_file() -> Vec<u8> {
    let inside = |[x, y, z]: [usize; 3]| x > 0 && y > 1 && (1..5).contains(&z) && x < 7;
    nifti_file(move |at| if inside(at) { 1 + i16::from(at[0] > 3) } else { 0 })
}

fn gzipped(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    file.write_all(bytes)?;
    Ok(file.finish()?)
}

/// The readers' defaults, with a key of pseudonyms that is not the user's.
fn options() -> LoadOptions {
    LoadOptions::default().pseudonyms(Pseudonyms::new([7; 32]))
}

fn nifti(compressed: bool) -> Result<Subject> {
    let files = [("image.nii", image_file()), ("mask.nii", mask_file())];
    let file = |(name, bytes): (&str, Vec<u8>)| -> Result<File> {
        if compressed {
            return Ok(File::new(format!("{name}.gz"), gzipped(&bytes)?));
        }
        let length = bytes.len();
        Ok(File::new(name, bytes)
            .apart("voxels", [352..length])
            .apart("scl_slope and scl_inter", [112..120])
            .apart("affine (srow)", [280..328]))
    };
    let files: Vec<File> = files.into_iter().map(file).collect::<Result<_>>()?;
    let names = [files[0].name.clone(), files[1].name.clone()];
    // Without a name, a NIfTI image is called by its hash.
    let options = self::options().patient("P".to_owned());
    let read =
        move |folder: &Path| measured(&folder.join(&names[0]), &folder.join(&names[1]), &options);
    let exchange = Some("image and mask given in each other's place");
    Ok(Subject { exchange, ..Subject::new(files, read) })
}

/// A DICOM file's bytes.
fn encoded(object: &InMemDicomObject, syntax: &str) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("file");
    dicom::write(&path, object, syntax);
    Ok(std::fs::read(path)?)
}

/// Slices as files, whose pixel data end the file.
fn slices(syntax: &str, stack: &[InMemDicomObject]) -> Result<Vec<File>> {
    let file = |(n, slice): (usize, &InMemDicomObject)| -> Result<File> {
        let bytes = encoded(slice, syntax)?;
        let file = File::new(format!("ct/{n}"), bytes);
        let tag: [u8; 4] =
            if syntax == BIG_ENDIAN { [0x7f, 0xe0, 0, 0x10] } else { [0xe0, 0x7f, 0x10, 0] };
        let length = file.bytes.len();
        if syntax == DEFLATED {
            // The meta information tells its own length.
            let meta = u32::from_le_bytes(file.bytes[140..144].try_into()?) as usize;
            return Ok(file.apart("deflated data set, which has no checksum", [144 + meta..length]));
        }
        let pixels = file.bytes.windows(4).rposition(|b| b == tag).ok_or("no pixel data")?;
        let head = if syntax == IMPLICIT { 8 } else { 12 };
        Ok(file.apart("pixel data", [pixels + head..length]))
    };
    stack.iter().enumerate().map(file).collect()
}

/// A stack of compressed slices of the fixtures, in the place of those of [`dicom::stack`].
fn compressed(name: &str) -> Result<Vec<File>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/dicom/ct").join(name);
    let mut syntax = String::new();
    let mut stack = Vec::new();
    for (n, identity) in dicom::stack(4).into_iter().enumerate() {
        let file = dicom_object::open_file(fixtures.join((n % 2).to_string()))?;
        syntax = file.meta().transfer_syntax().to_owned();
        let mut slice = file.into_inner();
        for tag in [
            tags::SOP_INSTANCE_UID,
            tags::STUDY_INSTANCE_UID,
            tags::SERIES_INSTANCE_UID,
            tags::FRAME_OF_REFERENCE_UID,
            tags::PATIENT_ID,
            tags::PATIENT_NAME,
            tags::IMAGE_POSITION_PATIENT,
        ] {
            let element = identity.element(tag)?.clone();
            slice.put(element);
        }
        stack.push(slice);
    }
    slices(&syntax, &stack)
}

fn structure_set() -> Result<Vec<u8>> {
    let set = dicom::structure_set((0..4).map(dicom::square).collect(), &[0, 1, 2, 3]);
    encoded(&set, EXPLICIT)
}

fn ct(mut files: Vec<File>) -> Subject {
    let set = structure_set().expect("room in the temporary folder");
    files.push(File::new("set", set).sound());
    Subject::new(files, |folder| exam(&folder.join("ct"), &folder.join("set")))
}

fn zip() -> Result<Subject> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut files = slices(EXPLICIT, &dicom::stack(4))?;
    files.push(File::new("ct/set", structure_set()?));
    for (n, file) in files.iter().enumerate() {
        let method = [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated][n % 2];
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        archive.start_file(file.name.as_str(), options)?;
        archive.write_all(&file.bytes)?;
    }
    let bytes = archive.finish()?.into_inner();
    let read = |folder: &Path| {
        let path = folder.join("exam.zip");
        exam(&path, &path)
    };
    Ok(Subject::new(vec![File::new("exam.zip", bytes)], read))
}

/// The values of all elements with this tag, in explicit little endian.
fn elements(bytes: &[u8], tag: dicom_core::Tag) -> Vec<Range<usize>> {
    let mut head = tag.group().to_le_bytes().to_vec();
    head.extend(tag.element().to_le_bytes());
    let starts = bytes.windows(4).enumerate().filter(|(_, window)| *window == head);
    starts
        .map(|(at, _)| {
            let length = u16::from_le_bytes([bytes[at + 6], bytes[at + 7]]);
            at + 8..at + 8 + usize::from(length)
        })
        .collect()
}

fn rtstruct() -> Result<Subject> {
    let set = structure_set()?;
    let mut files: Vec<File> =
        slices(EXPLICIT, &dicom::stack(4))?.into_iter().map(File::sound).collect();
    let (points, names) = (elements(&set, tags::CONTOUR_DATA), elements(&set, tags::ROI_NAME));
    files.push(File::new("set", set).apart("contour points", points).apart("ROI name", names));
    Ok(Subject::new(files, |folder| exam(&folder.join("ct"), &folder.join("set"))))
}

fn seg() -> Result<Subject> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/dicom/seg");
    let mut files = Vec::new();
    for n in 0..4 {
        let bytes = std::fs::read(fixtures.join("ct").join(n.to_string()))?;
        files.push(File::new(format!("ct/{n}"), bytes).sound());
    }
    let bytes = std::fs::read(fixtures.join("binary"))?;
    let pixels = bytes.windows(4).rposition(|b| b == [0xe0, 0x7f, 0x10, 0]).ok_or("no pixels")?;
    let length = bytes.len();
    let labels = elements(&bytes, tags::SEGMENT_LABEL);
    let file = File::new("seg", bytes).apart("pixel data", [pixels + 12..length]);
    files.push(file.apart("segment label", labels));
    Ok(Subject::new(files, |folder| exam(&folder.join("ct"), &folder.join("seg"))))
}

/// The rows of two patients, of two lesions each.
fn rows() -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("image"), image_file())?;
    std::fs::write(at("mask"), mask_file())?;
    let case = abscope::load(&at("image"), &at("mask"), &options().kvp(120.0))?;
    let rows = abscope::extract(&case, &plan()?);
    let of = |patient: &str| {
        let mut rows = rows.clone();
        rows.iter_mut().for_each(|row| row.patient = patient.to_owned());
        rows
    };
    Ok([of("A"), of("B")].concat())
}

/// The scores of a table's lesions, but for the model's hash.
fn scored(model: &Model, table: &Table) -> Result<Seen> {
    let scorer = model.scorer(Origin::of_table(table)?)?;
    let (mut values, mut told) = (String::new(), BTreeSet::new());
    let provenance = Provenance::of(model);
    for rows in table.by_scan() {
        let assessment = assess_rows(&scorer, &rows, AssessOptions::default())?;
        told.extend(assessment.unscored.iter().map(|lesion| lesion.reason.clone()));
        for row in provenance.rows(&assessment) {
            let texts = row.texts();
            let cells = ScoreRow::header().into_iter().zip(texts);
            let cells: Vec<_> = cells.filter(|(name, _)| *name != "model_hash").collect();
            values += &format!("{cells:?}\n");
        }
    }
    Ok(Seen { values, told })
}

fn table_file(format: Format) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("table");
    let mut writer = FeatureWriter::create(&path, format, &plan()?, &[])?;
    for row in rows()? {
        writer.write(&row, &[])?;
    }
    writer.finish()?;
    Ok(std::fs::read(path)?)
}

/// The names in a table's header that a table may go without and the model does not ask for.
fn optional(header: &[u8]) -> Vec<Range<usize>> {
    let mut at = 0;
    let mut ranges = Vec::new();
    for name in header.split(|byte| *byte == b',') {
        let needed: [&[u8]; 4] =
            [b"patient", b"lesion", b"plan_hash", b"tumour_original_stat_mean"];
        if !needed.contains(&name) {
            // With the comma behind it.
            ranges.push(at..at + name.len() + 1);
        }
        at += name.len() + 1;
    }
    ranges
}

fn table(format: Format) -> Result<Subject> {
    let mut file = File::new("table", table_file(format)?);
    if format == Format::Csv {
        let header = file.bytes.iter().position(|byte| *byte == b'\n').ok_or("no header")?;
        let length = file.bytes.len();
        let names = optional(&file.bytes[..header]);
        file = file
            .apart("rows of a text table", [header..length])
            .apart("names of a text table's optional columns", names);
        file.text = true;
    }
    let model = Model::parse(&one_feature_model(&plan()?))?;
    let read = move |folder: &Path| {
        let table = Table::read(&folder.join("table"))?;
        let mut seen = scored(&model, &table)?;
        if format == Format::Parquet {
            seen.values += &table.rows().map(described).collect::<String>();
            seen.values += &format!("{:?}", table.text_columns);
        }
        Ok(seen)
    };
    Ok(Subject::new(vec![file], read))
}

/// What stands behind the equals signs of a TOML text.
fn toml_file(name: &str, text: &str, of_values: &'static str, of_lines: &'static str) -> File {
    let mut at = 0;
    let mut ranges = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some(equals) = line.find('=') {
            ranges.push(at + equals + 1..at + line.len());
        }
        at += line.len();
    }
    let file = File::new(name, text.as_bytes().to_vec()).apart(of_values, ranges);
    File { text: true, lines: Some(of_lines), ..file }
}

fn model() -> Result<Subject> {
    let file =
        toml_file("model", &one_feature_model(&plan()?), "values of a model", "lines of a model");
    let table = File::new("table", table_file(Format::Csv)?).sound();
    let read = |folder: &Path| {
        scored(&Model::read(&folder.join("model"))?, &Table::read(&folder.join("table"))?)
    };
    Ok(Subject::new(vec![file, table], read))
}

fn settings() -> Result<Subject> {
    let text = plan()?.to_toml();
    let file = toml_file("settings", &text, "values of settings", "lines of settings");
    let read = |folder: &Path| {
        let plan = Plan::resolve(&Settings::read(&folder.join("settings"))?)?;
        Ok(Seen { values: plan.to_toml(), told: BTreeSet::new() })
    };
    Ok(Subject::new(vec![file], read))
}

const MANIFEST: &str = "patient,image,mask,site,kvp,labels,age\n\
    A,image.nii,mask.nii,liver,120,1,61\nB,image.nii,mask.nii,lung,100,1;2,47\n";

fn manifest() -> Result<Subject> {
    let header = MANIFEST.find('\n').ok_or("no header")?;
    let optional = MANIFEST.find(",site").ok_or("no site")?;
    let file = File::new("manifest.csv", MANIFEST.as_bytes().to_vec())
        .apart("rows of a text table", [header..MANIFEST.len()])
        .apart("names of a manifest's optional columns", [optional..header]);
    let file = File { text: true, ..file };
    let read = |folder: &Path| {
        let manifest = Manifest::read(&folder.join("manifest.csv"))?;
        let described = |case: &CaseRequest| {
            format!("{} {} {} {:?}\n", case.canonical(), case.image, case.mask, case.carried)
        };
        let sound = manifest.cases.iter().filter(|case| case.problem.is_none());
        Ok(Seen {
            values: sound.map(described).collect(),
            told: manifest.cases.iter().filter_map(|case| case.problem.clone()).collect(),
        })
    };
    Ok(Subject::new(vec![file], read))
}

/// The tables and reports of an output folder.
fn results(output: &Path) -> Result<String> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(output.join("reports"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    paths.sort();
    for name in ["features.csv", "scores.csv", "cases.csv", "warnings.csv", "failures.csv"] {
        paths.push(output.join(name));
    }
    let mut all = String::new();
    for path in paths {
        let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
        all += &format!("{:?}\n{text}", path.file_name());
    }
    Ok(all)
}

fn journal(folder: &Path) -> Result<Subject> {
    let manifest = folder.join("manifest.csv");
    std::fs::write(&manifest, MANIFEST)?;
    std::fs::write(folder.join("image.nii"), image_file())?;
    std::fs::write(folder.join("mask.nii"), mask_file())?;
    let options = Options {
        plan: plan()?,
        model: Some(Model::parse(&one_feature_model(&plan()?))?),
        perturbations: 0,
        format: Format::Csv,
        memory: 1 << 30,
        shard: Shard::WHOLE,
        regrid_mask: false,
        uneven_slices: SlicePolicy::Refuse,
        site_table: None,
        pseudonyms: None,
    };
    let read = move |folder: &Path| {
        let told = Mutex::new(BTreeSet::new());
        let listener = |event: &Event<'_>| {
            let text = match event {
                Event::Damaged { problem, .. } => problem.statement(),
                Event::Failed(failure) => failure.problem.clone(),
                _ => return,
            };
            told.lock().expect("no panic").insert(text);
        };
        let manifest = Manifest::read(&folder.join("manifest.csv"))?;
        batch::run(&manifest, &folder.join("out"), &options, &listener)?;
        let told = told.into_inner()?;
        Ok(Seen { values: results(&folder.join("out"))?, told })
    };
    read(folder)?;
    let output = folder.join("out");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(output.join("cases"))? {
        files.push(format!("out/cases/{}", entry?.file_name().to_string_lossy()));
    }
    files.extend(["out/inputs.jsonl", "out/run.json"].map(str::to_owned));
    files.sort();
    let file = |name: String| -> Result<File> {
        let bytes = std::fs::read(folder.join(&name))?;
        Ok(File::new(name, bytes))
    };
    let files = files.into_iter().map(file).collect::<Result<Vec<_>>>()?;
    Ok(Subject { output: Some(output), ..Subject::new(files, read) })
}
