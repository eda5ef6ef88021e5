//! From files to a [`Case`]: one image and the lesions on its grid.

mod bytes;
pub mod case;
pub mod dicom;
mod expected;
pub mod jpeg_ls;
mod load;
mod names;
pub mod nifti;
mod open_file;
mod options;
pub mod pair;
pub mod pseudonyms;
mod read;
pub mod sites;
mod source;
pub mod subject;
mod twice;
mod wanted;

pub use case::{Case, InputFile, Lesion, Scan};
pub use expected::Expected;
pub use load::{choose, load, load_image, pairs};
pub use options::LoadOptions;
pub use source::sha256;
