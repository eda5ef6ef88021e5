//! From an image and a mask to a region ready for features.

pub mod roi;
