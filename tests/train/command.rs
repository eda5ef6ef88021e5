//! The command: what it writes is a model that the scorer takes; what it cannot train on is refused
//! by name.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use abscope::signature::{Model, Origin, SignatureFile};
use abscope::table::Table;
use assert_cmd::prelude::*;
use predicates::str::contains;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::common::abscope;

/// A table of another engine with outcomes and a configuration in a folder of its own.
struct Bench {
    folder: tempfile::TempDir,
}

const MODEL: &str = "[model]\nid = \"test\"\ntitle = \"Test\"\nhigher_means = \"more\"\n\
                     cohort = \"simulated\"\nsimulated = true\n";
const QUICK: &str = "[elastic_net]\nl1_ratio = [0.5]\nn_lambdas = 20\n[validation]\nouter_folds = 3\n\
                     inner_folds = 3\nrepeats = 1\nbootstrap = 5\ninterval_draws = 100\n\
                     permutations = 5\n";
const FOREIGN: &str = "[features]\nengine = \"PyRadiomics\"\n";

impl Bench {
    fn new() -> Self {
        Self::of(40)
    }

    fn of(patients: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut normal = move || rng.sample::<f64, _>(StandardNormal);
        let mut features =
            "patient,lesion,site,kvp,volume_ml,scanner,diagnostics_Version".to_owned();
        (0..12).for_each(|j| write!(features, ",original_f{j}").expect("text"));
        let mut outcomes = "patient,lesion,cd8,response,months,event\n".to_owned();
        for patient in 0..patients {
            let own = normal();
            for lesion in 0..1 + patient % 3 {
                let x: Vec<f64> = (0..12).map(|_| normal()).collect();
                let scanner = if patient % 2 == 0 { "a" } else { "b" };
                let site = ["liver", "lung", "node"][(patient + lesion) % 3];
                let kvp = if patient % 4 == 0 { 100 } else { 120 };
                write!(
                    features,
                    "\np{patient},{lesion},{site},{kvp},{},{scanner},3.1",
                    (normal()).exp()
                )
                .expect("text");
                x.iter().for_each(|v| write!(features, ",{}", 5.0 + 2.0 * v).expect("text"));
                let y = x[0] - x[5] + 0.4 * own + 0.5 * normal();
                let (class, event) = (u8::from(y > 0.0), u8::from(patient % 4 != 1));
                let months = (-0.8 * y).exp() * 6.0;
                writeln!(outcomes, "p{patient},{lesion},{y},{class},{months},{event}")
                    .expect("text");
            }
        }
        let bench = Self { folder: tempfile::tempdir().expect("a folder") };
        bench.write("features.csv", &features);
        bench.write("outcomes.csv", &outcomes);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file");
    }

    fn edit(&self, name: &str, change: impl Fn(Vec<String>) -> Vec<String>) {
        let text = std::fs::read_to_string(self.path(name)).expect("a file");
        let lines = change(text.lines().map(str::to_owned).collect());
        self.write(name, &lines.join("\n"));
    }

    fn run(&self, config: &str) -> assert_cmd::assert::Assert {
        self.run_on("features.csv", config)
    }

    fn run_on(&self, features: &str, config: &str) -> assert_cmd::assert::Assert {
        self.write("train.toml", config);
        abscope()
            .arg("train")
            .args([self.path(features), self.path("outcomes.csv")])
            .arg("--config")
            .arg(self.path("train.toml"))
            .arg("-o")
            .arg(self.path("model.toml"))
            .arg("--report")
            .arg(self.path("report"))
            .arg("--force")
            .assert()
    }

    fn refused(&self, config: &str, problem: &str) {
        self.run(config).code(2).stderr(contains(problem));
        assert!(!self.path("model.toml").exists());
        assert!(!self.path("report").exists());
    }
}

fn outcome(kind: &str) -> String {
    let keys = match kind {
        "gaussian" => "column = \"cd8\"",
        "binomial" => "column = \"response\"\npositive = \"1\"",
        _ => "time = \"months\"\nevent = \"event\"",
    };
    format!("[outcome]\nkind = \"{kind}\"\n{keys}\n")
}

/// The file of a model that passes its check.
fn written(model: &Path) -> SignatureFile {
    Model::read(model).expect("a model that passes its check").file().clone()
}

fn score_spread(model: &Path, features: &Path) -> (SignatureFile, Vec<f64>) {
    let model = Model::read(model).expect("a model that passes its check");
    let table = Table::read(features).expect("a table");
    let scorer =
        model.scorer(Origin::of_table(&table).expect("one plan")).expect("a complete model");
    let scores =
        table.rows().map(|row| scorer.score(row).expect("a score").linear_predictor).collect();
    (model.file().clone(), scores)
}

#[test]
fn models_of_all_kinds_are_written_and_scored() {
    // With 40 patients the one-standard-error rule often leaves a binary outcome no feature, in
    // scikit-learn as here, and the report rightly does not claim more than volume.
    let bench = Bench::of(120);
    for kind in ["gaussian", "binomial", "cox"] {
        let config =
            format!("{MODEL}{}{FOREIGN}covariates = [\"site\", \"kvp\"]\n{QUICK}", outcome(kind));
        bench.run(&config).success();
        let (model, scores) = score_spread(&bench.path("model.toml"), &bench.path("features.csv"));
        assert_eq!(model.kind.name(), kind);
        let names: Vec<String> = model.terms.iter().map(|t| t.column_name()).collect();
        assert!(names.contains(&"original_f0".into()) && names.contains(&"original_f5".into()));
        // The reference distribution in the file is that of the scores the scorer gives.
        let reference = model.reference.as_ref().expect("a reference");
        let (low, high) =
            scores.iter().fold((f64::MAX, f64::MIN), |(l, h), s| (l.min(*s), h.max(*s)));
        assert!((reference.quantiles.at(0.0) - low).abs() < 1e-9, "{kind}");
        assert!((reference.quantiles.at(1.0) - high).abs() < 1e-9, "{kind}");
        let draws = &model.bootstrap.as_ref().expect("draws").draws;
        assert_eq!(draws[0].len(), model.coefficients().len());
        assert!(model.evaluation[0].value > 0.2);
        let report = std::fs::read_to_string(bench.path("report/report.html")).expect("a report");
        let claim = "It predicts more than volume alone";
        assert!(
            report.contains("<svg") && report.contains(claim),
            "{kind}: {:?}",
            model.evaluation
        );
        assert!(!report.contains("NaN") && !report.contains("<script"));
        let checklist =
            std::fs::read_to_string(bench.path("report/checklist.md")).expect("a checklist");
        assert!(checklist.contains("authors must state") && checklist.contains("TRIPOD+AI 23a"));
    }
}

/// The same cells as Parquet, written by the parquet crate itself, give the same model but for the
/// hash of the file.
#[cfg(feature = "parquet")]
#[test]
fn parquet_gives_the_model_of_the_csv() {
    use std::sync::Arc;

    use parquet::basic::{LogicalType, Repetition, Type as Physical};
    use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::types::Type;

    let bench = Bench::new();
    let mut reader = csv::Reader::from_path(bench.path("features.csv")).expect("a table");
    let header: Vec<String> = reader.headers().expect("a header").iter().map(Into::into).collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(|r| r.expect("a row")).collect();
    let is_text = |name: &String| {
        ["patient", "lesion", "site", "scanner", "diagnostics_Version"].contains(&name.as_str())
    };
    let columns = header.iter().map(|name| {
        let (physical, logical) = match is_text(name) {
            true => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            false => (Physical::DOUBLE, None),
        };
        let column = Type::primitive_type_builder(name, physical).with_logical_type(logical);
        column.with_repetition(Repetition::REQUIRED).build().expect("a type").into()
    });
    let schema = Type::group_type_builder("table").with_fields(columns.collect());
    let schema = schema.build().expect("a schema").into();
    let file = std::fs::File::create(bench.path("features.parquet")).expect("a file");
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).expect("a writer");
    let mut group = writer.next_row_group().expect("a group");
    for (at, name) in header.iter().enumerate() {
        let cells = rows.iter().map(|row| row.get(at).expect("a cell"));
        let mut column = group.next_column().expect("it").expect("a column");
        let written = if is_text(name) {
            let texts: Vec<_> = cells.map(ByteArray::from).collect();
            column.typed::<ByteArrayType>().write_batch(&texts, None, None)
        } else {
            let numbers: Vec<f64> = cells.map(|c| c.parse().expect("a number")).collect();
            column.typed::<DoubleType>().write_batch(&numbers, None, None)
        };
        assert_eq!(written.expect("cells"), rows.len());
        column.close().expect("a whole column");
    }
    group.close().expect("a whole group");
    writer.close().expect("a whole file");

    let config = format!("{MODEL}{}{FOREIGN}{QUICK}", outcome("gaussian"));
    let model = |features: &str| {
        bench.run_on(features, &config).success();
        let mut model = written(&bench.path("model.toml"));
        assert_eq!(model.training.data_sha256.take().map(|h| h.len()), Some(64));
        model
    };
    assert_eq!(model("features.parquet"), model("features.csv"));
}

/// Tables with the headers that PyRadiomics, MIRP and LIFEx write. What describes the run is no
/// feature, even where it would predict; the model says that its extraction is foreign, and scores
/// only tables with its columns.
#[test]
fn tables_of_other_engines_give_foreign_models() {
    let engines = [
        ("PyRadiomics", "diagnostics_Image-original_Mean", "original_glcm_JointEntropy", ""),
        ("MIRP", "image_voxel_size_x", "cm_joint_entr_d1_3d_avg_fbs_w25.0", "nan"),
        ("LIFEx", "PARAMS_BinSize", "GLCM_JointEntropyLog2(IBSI:TU9B)", "NaN"),
    ];
    for (engine, about_the_run, feature, missing) in engines {
        let bench = Bench::new();
        bench.edit("features.csv", |mut lines| {
            lines[0] = lines[0].replace("original_f0", feature);
            lines[0].push_str(&format!(",{about_the_run}"));
            for line in &mut lines[1..] {
                // A copy of the strongest feature.
                let strongest = line.split(',').nth(7).expect("a cell").to_owned();
                *line = format!("{line},{strongest}");
            }
            let hole: Vec<&str> = lines[6].split(',').collect();
            let last = hole.len() - 2;
            lines[6] = [&hole[..last], &[missing], &hole[last + 1..]].concat().join(",");
            lines
        });
        let features = format!("[features]\nengine = \"{engine}\"\n");
        bench.run(&format!("{MODEL}{}{features}{QUICK}", outcome("gaussian"))).success();
        let model = written(&bench.path("model.toml"));
        assert_eq!(model.extraction.foreign.as_ref().expect("foreign").engine, engine);
        assert!(model.extraction.hash.is_none() && model.extraction.settings.is_none());
        let names: Vec<String> = model.terms.iter().map(|t| t.column_name()).collect();
        assert!(names.contains(&feature.to_owned()), "{engine}: {names:?}");
        assert!(!names.contains(&about_the_run.to_owned()), "{engine}: {names:?}");

        let score = |features: &str| {
            abscope()
                .arg("score")
                .arg(bench.path(features))
                .arg("--model")
                .arg(bench.path("model.toml"))
                .arg("--output")
                .arg(bench.path("scores.csv"))
                .assert()
        };
        score("features.csv").success();
        let text = std::fs::read_to_string(bench.path("features.csv")).expect("a table");
        bench.write("renamed.csv", &text.replacen(feature, "another_name", 1));
        // Without the column no lesion has a score, and the column is named.
        score("renamed.csv").code(1).stderr(contains(format!("{feature} has no value")));
    }
}

/// Comparators that cannot be fitted are missing with a reason, in the report, the checklist and on
/// standard error; the signature is measured all the same.
#[test]
fn comparators_that_cannot_be_fitted_are_named_with_a_reason() {
    let bench = Bench::new();
    bench.edit("features.csv", |mut lines| {
        let mut cells: Vec<&str> = lines[3].split(',').collect();
        cells[4] = "";
        lines[3] = cells.join(",");
        lines
            .iter()
            .enumerate()
            .map(|(i, line)| {
                let mut cells: Vec<&str> = line.split(',').collect();
                if i > 0 {
                    cells[3] = "120";
                }
                cells.join(",")
            })
            .collect()
    });
    let features = format!("{FOREIGN}covariates = [\"kvp\"]\n");
    let run = bench.run(&format!("{MODEL}{}{features}{QUICK}", outcome("gaussian"))).success();
    let printed = String::from_utf8(run.get_output().stderr.clone()).expect("text");
    let read = |name: &str| std::fs::read_to_string(bench.path(name)).expect("a file");
    for text in [printed, read("report/report.html"), read("report/checklist.md")] {
        assert!(text.to_lowercase().contains("comparison with volume alone"), "{text}");
        assert!(text.contains("the volume of 1 of 79 rows is not known"), "{text}");
        assert!(text.to_lowercase().contains("comparison with kvp alone"), "{text}");
        assert!(text.contains("no feature is left to train on"), "{text}");
    }
    assert!(read("report/report.html").contains("It could not be compared with volume alone."));
    let model = written(&bench.path("model.toml"));
    assert!(model.evaluation[0].value > 0.2);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let bench = Bench::new();
    let config = format!("{MODEL}{}{FOREIGN}{QUICK}", outcome("gaussian"));
    let bytes = || {
        bench.run(&config).success();
        let read = |name: &str| std::fs::read(bench.path(name)).expect("a file");
        (read("model.toml"), read("report/report.html"))
    };
    assert_eq!(bytes(), bytes());
}

#[test]
fn transformations_harmonisation_and_patients_as_units() {
    let bench = Bench::new();
    let config = format!(
        "{MODEL}{}{FOREIGN}batch = \"scanner\"\n[pipeline]\ncombat = true\ntransform = \"yeo_johnson\"\n{QUICK}",
        outcome("gaussian")
    );
    bench.run(&config).success();
    let (model, _) = {
        let model = written(&bench.path("model.toml"));
        let batches: Vec<String> =
            model.batch.as_ref().expect("harmonisation").batches.keys().cloned().collect();
        assert_eq!(batches, ["a", "b"]);
        (model, ())
    };
    assert!(model.terms.iter().all(|t| !t.transform.is_none()));

    // One outcome per patient: rows become patients, and the model still scores lesions.
    bench.edit("outcomes.csv", |lines| {
        let mut seen = std::collections::BTreeSet::new();
        lines
            .into_iter()
            .filter_map(|line| {
                let cells: Vec<&str> = line.split(',').collect();
                let kept = seen.insert(cells[0].to_owned());
                kept.then(|| [&cells[..1], &cells[2..]].concat().join(","))
            })
            .collect()
    });
    bench.run(&format!("{MODEL}{}{FOREIGN}{QUICK}", outcome("gaussian"))).success();
    let (model, scores) = score_spread(&bench.path("model.toml"), &bench.path("features.csv"));
    assert_eq!(model.training.n_patients, Some(40));
    assert_eq!(model.training.n_lesions, Some(scores.len()));
}

#[test]
fn features_that_do_not_repeat_are_left_out() {
    let bench = Bench::new();
    let table = Table::read(&bench.path("features.csv")).expect("a table");
    let mut repeats = "patient,lesion,volume_ml,repeat".to_owned();
    let names: Vec<&String> =
        table.columns.names().iter().filter(|c| c.starts_with("original")).collect();
    names.iter().for_each(|n| write!(repeats, ",{n}").expect("text"));
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for row in table.rows() {
        for repeat in 0..2 {
            write!(repeats, "\n{},{},1.5,{repeat}", row.patient, row.lesion).expect("text");
            for (j, name) in names.iter().enumerate() {
                let noise: f64 = rng.sample(StandardNormal);
                // The first feature carries the signal and does not repeat.
                let error = if j == 0 { 6.0 } else { 0.1 };
                write!(
                    repeats,
                    ",{}",
                    row.value(name).expect("a column").expect("a value") + error * noise
                )
                .expect("text");
            }
        }
    }
    bench.write("repeats.csv", &repeats);
    let config =
        format!("{MODEL}{}{FOREIGN}repeated = \"repeats.csv\"\n{QUICK}", outcome("gaussian"));
    bench.run(&config).success();
    let (model, _) = score_spread(&bench.path("model.toml"), &bench.path("features.csv"));
    assert!(model.terms.iter().all(|t| t.column_name() != "original_f0"));
    let report = std::fs::read_to_string(bench.path("report/report.html")).expect("a report");
    let folder = bench.folder.path().to_str().expect("a plain path");
    assert!(
        report.contains("repeats.csv") && !report.contains(folder),
        "{folder} is in the report"
    );
    let bands = &model.reliability.expect("reliability").score_sd;
    assert!(!bands.is_empty() && bands.iter().all(|b| b.sd > 0.0));
}

#[test]
fn tables_that_cannot_be_trained_on_are_refused_by_name() {
    let config = |kind: &str| format!("{MODEL}{}{FOREIGN}{QUICK}", outcome(kind));
    let with = |name: &str, change: &dyn Fn(Vec<String>) -> Vec<String>| {
        let bench = Bench::new();
        bench.edit(name, change);
        bench
    };
    let set = |line: &str, at: usize, cell: &str| {
        let mut cells: Vec<&str> = line.split(',').collect();
        cells[at] = cell;
        cells.join(",")
    };

    let one_class = with("outcomes.csv", &|lines| {
        lines
            .iter()
            .enumerate()
            .map(|(i, l)| if i == 0 { l.clone() } else { set(l, 3, "1") })
            .collect()
    });
    one_class.refused(&config("binomial"), "has one class");
    let constant = with("outcomes.csv", &|lines| {
        lines
            .iter()
            .enumerate()
            .map(|(i, l)| if i == 0 { l.clone() } else { set(l, 2, "3") })
            .collect()
    });
    constant.refused(&config("gaussian"), "does not vary");
    let one_patient = with("features.csv", &|lines| {
        let mut kept = vec![lines[0].clone()];
        kept.extend(lines.into_iter().filter(|l| l.starts_with("p5,")));
        kept
    });
    one_patient.refused(&config("gaussian"), "one patient");
    let twice = with("features.csv", &|mut lines| {
        lines.push(lines[3].clone());
        lines
    });
    twice.refused(&config("gaussian"), "are both lesion");
    let outcome_twice = with("outcomes.csv", &|mut lines| {
        lines.push(lines[3].clone());
        lines
    });
    outcome_twice.refused(&config("gaussian"), "is there twice");
    let text = with("features.csv", &|mut lines| {
        lines[4] = set(&lines[4], 9, "high");
        lines
    });
    text.refused(&config("gaussian"), "column original_f2: \"high\" is not a number");
    let text_outcome = with("outcomes.csv", &|mut lines| {
        lines[4] = set(&lines[4], 2, "1,5".split(',').next().map_or("x", |_| "1;5"));
        lines
    });
    text_outcome.refused(&config("gaussian"), "column cd8: \"1;5\" is not a number");
    let infinite = with("features.csv", &|mut lines| {
        lines[4] = set(&lines[4], 9, "inf");
        lines
    });
    infinite.refused(&config("gaussian"), "not finite");
    let few_events = with("outcomes.csv", &|lines| {
        lines
            .iter()
            .enumerate()
            .map(|(i, l)| if i == 0 || l.starts_with("p2,") { l.clone() } else { set(l, 5, "0") })
            .collect()
    });
    few_events.refused(&config("cox"), "1 patients with an event");
    let no_patient = with("features.csv", &|mut lines| {
        lines[0] = lines[0].replacen("patient", "case", 1);
        lines
    });
    no_patient.refused(&config("gaussian"), "no column \"patient\"");
    let third = with("outcomes.csv", &|mut lines| {
        lines[4] = set(&lines[4], 3, "maybe");
        lines
    });
    third.refused(&config("binomial"), "a third class");
    let mixed = with("features.csv", &|lines| {
        let plan = |i: usize| {
            if i == 0 {
                "plan_hash"
            } else if i < 9 {
                "aa"
            } else {
                "bb"
            }
        };
        lines.iter().enumerate().map(|(i, l)| format!("{l},{}", plan(i))).collect()
    });
    mixed.refused(&config("gaussian"), "mixes rows of different settings");
    let own = with("features.csv", &|lines| {
        let plan = |i: usize| if i == 0 { "plan_hash" } else { "aa" };
        lines.iter().enumerate().map(|(i, l)| format!("{l},{}", plan(i))).collect()
    });
    own.refused(&config("gaussian"), "features.settings");
    let whose = Bench::new();
    whose.refused(&format!("{MODEL}{}{QUICK}", outcome("gaussian")), "features.engine");
    let batch = format!(
        "{MODEL}{}{FOREIGN}batch = \"scanner\"\n[pipeline]\ncombat = true\n{QUICK}",
        outcome("gaussian")
    );
    let lonely = with("features.csv", &|mut lines| {
        for line in &mut lines {
            if line.starts_with("p7,") {
                *line = set(line, 5, "c");
            }
        }
        lines
    });
    lonely.refused(&batch, "is not among those that ComBat was fitted on");
    whose.refused(&format!("{MODEL}{}{FOREIGN}color = 1\n{QUICK}", outcome("gaussian")), "color");
}
