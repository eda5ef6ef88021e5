//! From what is written to what can score.
//!
//! Every problem of a file is found, not only the first. A file that agrees with itself is a
//! [`Model`], or lacks the centre or scale of a term and is [`Incomplete`].

mod features;
mod judgement;
mod linear;

use std::path::Path;

use super::file::{self, Kind, SCHEMA, SignatureFile};
use super::finding::Findings;
use super::incomplete::Incomplete;
use super::model::{Extraction, Model, Term, needs_table};
use crate::error::{Error, Result};
use crate::plan::Plan;
use features::Source;

/// What a signature file is.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolved {
    /// It can score.
    Complete(Model),
    /// Terms lack centre or scale: it cannot score.
    Incomplete(Incomplete),
}

impl Resolved {
    /// Reads and resolves a signature file.
    ///
    /// # Errors
    /// As [`SignatureFile::read`]; or every problem of the file, with its key.
    pub fn read(path: &Path) -> Result<Self> {
        let resolved = SignatureFile::read(path)?.resolve();
        resolved.map_err(|findings| Error::bad_data(path, findings.to_string()))
    }

    /// The file.
    pub fn file(&self) -> &SignatureFile {
        match self {
            Self::Complete(model) => model.file(),
            Self::Incomplete(incomplete) => incomplete.file(),
        }
    }

    /// How the features are extracted.
    pub fn extraction(&self) -> &Extraction {
        match self {
            Self::Complete(model) => model.extraction(),
            Self::Incomplete(incomplete) => incomplete.extraction(),
        }
    }

    /// The plan of training.
    ///
    /// # Errors
    /// [`Error::BadRequest`]: a model of another engine's features has no plan.
    pub fn trained(&self) -> Result<&Plan> {
        match self.extraction() {
            Extraction::Own { trained, .. } => Ok(trained),
            Extraction::Foreign(foreign) => Err(needs_table(&self.file().id, foreign)),
        }
    }

    /// The model.
    ///
    /// # Errors
    /// [`Error::BadRequest`] with the columns that lack centre or scale, where the file is incomplete.
    pub fn complete(self) -> Result<Model> {
        match self {
            Self::Complete(model) => Ok(model),
            Self::Incomplete(incomplete) => Err(incomplete.cannot_score()),
        }
    }

    /// What is to be completed.
    ///
    /// # Errors
    /// [`Error::BadRequest`] where nothing is.
    pub fn incomplete(self) -> Result<Incomplete> {
        match self {
            Self::Incomplete(incomplete) => Ok(incomplete),
            Self::Complete(model) => Err(Error::bad_request(format!(
                "model {} has a centre and a scale for every term; there is nothing to calibrate",
                model.id()
            ))),
        }
    }
}

impl SignatureFile {
    /// Checks that the file agrees with itself.
    ///
    /// # Errors
    /// Every problem there is, with its key.
    pub fn resolve(self) -> Result<Resolved, Findings> {
        let mut findings = Findings::default();
        head(&self, &mut findings);
        let source = features::source(&self.extraction, &mut findings);
        let columns = features::columns(&self, source.as_ref(), &mut findings);
        linear::terms(&self.terms, &mut findings);
        linear::covariates(&self.covariates, &mut findings);
        let cutoffs = judgement::cutoffs(&self, &mut findings);
        if let Some(reliability) = &self.reliability {
            judgement::reliability(reliability, &mut findings);
        }
        if let Some(reference) = &self.reference {
            judgement::reference(reference, self.terms.len(), &mut findings);
        }
        if let Some(batch) = &self.batch {
            linear::batch(batch, self.terms.len(), &mut findings);
        }
        evaluation(&self.evaluation, &mut findings);
        if let Some(bootstrap) = &self.bootstrap {
            judgement::bootstrap(bootstrap, self.coefficients().len(), &mut findings);
        }
        let extraction = match source {
            Some(Source::Own(plan)) if findings.is_empty() => Extraction::own(plan, &columns),
            Some(Source::Foreign(foreign)) if findings.is_empty() => Extraction::Foreign(foreign),
            _ => return Err(findings),
        };
        let terms: Option<Vec<Term>> = std::iter::zip(&self.terms, columns)
            .map(|(term, column)| {
                let (centre, scale) = term.standard()?;
                Some(Term::new(term, column, centre, scale))
            })
            .collect();
        Ok(match terms {
            Some(terms) => Resolved::Complete(Model::new(self, extraction, terms, cutoffs)),
            None => Resolved::Incomplete(Incomplete::new(self, extraction)),
        })
    }
}

fn head(file: &SignatureFile, findings: &mut Findings) {
    findings.unless(file.schema == SCHEMA, "schema", || {
        format!("is \"{}\"; this abscope reads \"{SCHEMA}\"", file.schema)
    });
    let texts =
        [("id", &file.id), ("version", &file.version), ("higher_means", &file.higher_means)];
    for (key, text) in texts {
        findings.unless(!text.trim().is_empty(), key, || "is empty".into());
    }
    let (kind, link) = (file.kind, file.kind.link());
    findings.unless(file.link == link, "link", || {
        format!("is {:?}; a {} model has the link {link:?}", file.link, kind.name())
    });
    findings.finite("intercept", file.intercept);
    if kind == Kind::Cox && file.intercept.is_finite() {
        findings.unless(file.intercept == 0.0, "intercept", || {
            format!("is {}; a cox model has none, write 0.0", file.intercept)
        });
    }
    let known = kind != Kind::Binomial || file.positive_class.is_some();
    findings.unless(known, "positive_class", || {
        "is missing; say which class the probability is of".into()
    });
}

fn evaluation(entries: &[file::Evaluation], findings: &mut Findings) {
    for (index, entry) in entries.iter().enumerate() {
        let key = format!("evaluation[{}]", index + 1);
        findings.finite(&format!("{key}.value"), entry.value);
        if let Some([low, high]) = entry.interval {
            findings.unless(low <= high, &format!("{key}.interval"), || {
                format!("of {} is [{low}, {high}]; give the lower bound first", entry.metric)
            });
        }
    }
}
