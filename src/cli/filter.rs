//! `abscope filter`: response maps as NIfTI.

use std::path::PathBuf;
use std::process::ExitCode;

use abscope::filters;
use abscope::geometry::IndexBox;
use abscope::ingest::{LoadOptions, load_image};
use abscope::output::OutputFolder;
use abscope::output::nifti;
use abscope::paths::shown;
use abscope::preprocess::intensities;
use abscope::preprocess::resample::WorkingGrid;
use anyhow::{Context, ensure};

use super::case;
use super::console::tell;

/// Write the response maps of the settings' filters, over the whole image, resampled as the
/// settings say.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The CT: a NIfTI file, or a DICOM file, folder or zip archive.
    image: PathBuf,

    /// The CT series to take (SeriesInstanceUID), where a folder holds several; `abscope inspect` lists
    /// them.
    #[arg(long, value_name = "UID")]
    series: Option<String>,

    /// What to do with missing or unevenly spaced slices and with gantry tilt.
    #[arg(long, value_name = "POLICY", default_value = "refuse")]
    uneven_slices: case::UnevenSlices,

    /// Settings (TOML) with at least one filter.
    #[arg(long, value_name = "FILE")]
    settings: PathBuf,

    /// Folder for the maps, one `NAME.nii.gz` each.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// Replace the folder if it is there already.
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let plan = case::plan(Some(&args.settings))?;
    ensure!(
        !plan.processing().filters.is_empty(),
        "{}: has no filter; add one, such as\n\n[[filter]]\nname = \"log-3mm\"\nkind = \"log\"\n\
         sigma_mm = 3.0",
        shown(&args.settings)
    );
    let folder = OutputFolder::create(&args.output, args.force)?;
    let options =
        LoadOptions::default().series(args.series).uneven_slices(args.uneven_slices.into());
    let (volume, warnings) = load_image(&args.image, &options)?;
    for warning in &warnings {
        tell!("warning: {warning}");
    }
    let spacing = plan.processing().resampling.spacing_mm.resolve(volume.geometry().spacing);
    let grid = WorkingGrid::new(volume.geometry(), spacing);
    let whole = IndexBox::whole(grid.geometry.size);
    let voxels = intensities(&volume, &grid, &whole, &plan.processing().resampling);
    // One filter after the other: the maps of a whole image are large.
    for filter in &plan.processing().filters {
        for (name, map) in filters::respond(filter, voxels.view(), grid.geometry.spacing)? {
            nifti::write(&folder.file(&format!("{name}.nii.gz")), &grid.geometry, map.view())
                .with_context(|| format!("response map {name}"))?;
            tell!("{name}");
        }
    }
    folder.finish()?;
    Ok(ExitCode::SUCCESS)
}
