//! Reading an image and a mask into a case, whatever their formats: the content decides.

use std::path::Path;
use std::sync::Arc;

use super::case::{Case, Lesion, Scan};
use super::dicom::catalogue::Catalogue;
use super::dicom::lesions::Take;
use super::dicom::select::{Pairs, Selection};
use super::open_file::OpenFile;
use super::options::LoadOptions;
use super::read::{self, Image, Named, Regions};
use super::source::Source;
use super::wanted::Wanted;
use super::{pair, sites, twice};
use crate::error::{Error, Message, Result};
use crate::volume::Volume;

/// Reads an image and the lesions of a mask: a NIfTI file, or a DICOM file, folder or zip archive.
///
/// # Errors
/// Options that make no sense; what the readers report; paths that leave a choice of series or structure sets; masks of another
/// geometry (unless `regrid_mask`), masks without a lesion, and labels, names or site names that are
/// not there.
pub fn load(image: &Path, mask: &Path, options: &LoadOptions) -> Result<Case> {
    options.check()?;
    let wanted = Wanted::of(options);
    let found = Found::at(image, mask, &wanted, options)?;
    let mut warnings = found.chosen.warnings.clone();
    let partial = found.chosen.delineation.is_some();
    let (image, labels, named) = found.read(&wanted, options)?;
    warnings.extend(image.warnings.into_iter().chain(labels.warnings).map(Message::from));
    let mut lesions = Vec::new();
    for region in wanted.among(labels.regions, &labels.there, mask)? {
        match pair::fit(&region.mask, image.volume.geometry(), options.regrid_mask, partial)
            .map_err(|problem| problem.in_file(mask))?
        {
            Some(fitted) => {
                let (all, within) = (region.mask.voxel_count(), fitted.voxel_count());
                // A mask that is put on another grid has other voxels.
                if !options.regrid_mask && within < all {
                    let text = format!(
                        "{}: {} of the {all} voxels of {} lie outside the image",
                        labels.input.name,
                        all - within,
                        region.called()
                    );
                    warnings.push(text.into());
                }
                lesions.push(Lesion {
                    site: sites::site_of(&region, options),
                    id: region.id,
                    name: region.name,
                    mask: fitted,
                });
            }
            None => {
                let (from, called) = (&labels.input.name, region.called());
                let text = format!("{from}: {called} lies outside the image and was left out");
                warnings.push(text.into());
            }
        }
    }
    if lesions.is_empty() {
        return Err(Error::bad_data(mask, "has no lesion within the image"));
    }
    if partial {
        warnings.extend(twice::warnings(&lesions).into_iter().map(Message::from));
    }
    sites::check_given(options, &lesions)?;
    if options.site_table.is_some() {
        for lesion in lesions.iter().filter(|l| l.site.is_none()) {
            let name = lesion.name.as_deref().unwrap_or(&lesion.id);
            warnings.push(format!("no row of the table of sites matches \"{name}\"").into());
        }
    }
    if options.identify {
        warnings = warnings.into_iter().map(Message::opened).collect();
    }
    let scan = Scan { study: named.study, series: named.series, ..image.scan };
    Ok(Case {
        patient: named.patient,
        volume: image.volume,
        lesions,
        kvp: options.kvp.or(image.kvp),
        scan: options.scan.clone().or(scan),
        inputs: vec![image.input, labels.input],
        warnings,
    })
}

/// Reads an image alone: a NIfTI file, or the CT series of a DICOM file, folder or zip archive. With it
/// comes what was noticed.
///
/// # Errors
/// What the readers report; paths that leave a choice of series.
pub fn load_image(image: &Path, options: &LoadOptions) -> Result<(Volume, Vec<Message>)> {
    options.check()?;
    let (image, mut warnings) = match Source::open(image)? {
        Source::File(file) => (read::image_file(file, options)?, Vec::new()),
        Source::Dicom(path) => {
            let name = options.series.as_deref();
            let chosen = Selection::find(Some(&path), None, name, &Take::All)?;
            chosen.check()?;
            let series = chosen.series.as_ref().expect("an image was asked for");
            (read::ct_series(series, options)?, chosen.warnings)
        }
    };
    warnings.extend(image.warnings.into_iter().map(Message::from));
    Ok((image.volume, warnings))
}

/// What [`load`] would choose for an image of which the catalogue is known, and a mask.
///
/// # Errors
/// As [`load`], but for what reading the chosen files shows.
pub fn choose(
    image: &Path,
    catalogue: &Catalogue,
    mask: &Path,
    options: &LoadOptions,
) -> Result<Selection> {
    let wanted = Wanted::of(options);
    let take = wanted.take();
    let name = options.series.as_deref();
    let images = Some((image, catalogue));
    if mask == image {
        return Selection::among(images, images, name, &take);
    }
    let of_mask = Source::open(mask)?;
    let masks = of_mask.to_search().map(Catalogue::scan).transpose()?;
    Selection::among(images, masks.as_ref().map(|masks| (mask, masks)), name, &take)
}

/// The CT series of a catalogue with their structure sets and segmentations, as [`load`] would choose
/// them.
pub fn pairs(catalogue: &Catalogue, options: &LoadOptions) -> Pairs {
    let wanted = Wanted::of(options);
    Selection::all(catalogue, options.series.as_deref(), &wanted.take())
}

/// What is to be read, opened where it is a file of its own.
struct Found<'a> {
    chosen: Arc<Selection>,
    image: (&'a Path, Option<Source>),
    mask: (&'a Path, Option<Source>),
}

impl<'a> Found<'a> {
    fn at(
        image: &'a Path,
        mask: &'a Path,
        wanted: &Wanted<'_>,
        options: &LoadOptions,
    ) -> Result<Self> {
        if let Some(chosen) = &options.selection {
            chosen.check()?;
            return Ok(Self { chosen: chosen.clone(), image: (image, None), mask: (mask, None) });
        }
        let (of_image, of_mask) = (Source::open(image)?, Source::open(mask)?);
        let uid = options.series.as_deref();
        let take = wanted.take();
        let chosen = Selection::find(of_image.to_search(), of_mask.to_search(), uid, &take)?;
        chosen.check()?;
        Ok(Self {
            chosen: Arc::new(chosen),
            image: (image, Some(of_image)),
            mask: (mask, Some(of_mask)),
        })
    }

    /// The image, the lesions, and what patient and scan are called.
    fn read(self, wanted: &Wanted<'_>, options: &LoadOptions) -> Result<(Image, Regions, Named)> {
        match (&self.chosen.series, &self.chosen.delineation) {
            (Some(series), delineation) => {
                let (image, named) =
                    rayon::join(|| read::ct_series(series, options), || Named::of(series, options));
                let image = image?;
                let regions = match delineation {
                    Some(found) => {
                        read::check_frame(image.frame.as_deref(), found, options)?;
                        read::delineation(found, &image.volume, wanted, options)?
                    }
                    None => read::label_map(file(self.mask)?, options)?,
                };
                Ok((image, regions, named?))
            }
            (None, Some(found)) => {
                let named = Named::of_file(self.image.0, options)?;
                let image = read::image_file(file(self.image)?, options)?;
                let regions = read::delineation(found, &image.volume, wanted, options)?;
                Ok((image, regions, named))
            }
            (None, None) => {
                let named = Named::of_file(self.image.0, options)?;
                let (image, mask) = (file(self.image)?, file(self.mask)?);
                let (image, regions) = rayon::join(
                    || read::image_file(image, options),
                    || read::label_map(mask, options),
                );
                Ok((image?, regions?, named))
            }
        }
    }
}

fn file((path, source): (&Path, Option<Source>)) -> Result<OpenFile> {
    match source {
        Some(Source::File(file)) => Ok(file),
        Some(Source::Dicom(_)) | None => OpenFile::open(path),
    }
}
