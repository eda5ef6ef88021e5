//! From files to a [`Case`]: one image and the lesions on its grid.

pub mod bytes;
pub mod case;
pub mod dicom;
mod load;
pub mod nifti;
pub mod pair;
pub mod sites;

pub use bytes::sha256;
pub use case::{Case, InputFile, Lesion};
pub use load::{LoadOptions, load};
