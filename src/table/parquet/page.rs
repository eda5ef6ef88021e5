//! Pages with their CRC-32, which the crate checks and does not write.
//!
//! A page's header is a struct of Thrift's compact protocol (`PageHeader` of `parquet.thrift`): type and
//! two sizes as fields 1 to 3, the checksum of the page's bytes as they lie in the file as field 4, which
//! is left out, and a struct that depends on the type. A field begins with a byte of its distance from
//! the field before and of its type.

use bytes::Bytes;
use parquet::column::page::{CompressedPage, PageWriteSpec, PageWriter};
use parquet::errors::{ParquetError, Result};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};

/// An integer of 32 bits that is the field after the one before.
const NEXT_I32: u8 = 0x15;
/// The fields that precede the checksum.
const BEFORE: usize = 3;

/// The pages of a column's chunk, one after the other.
#[derive(Debug, Default)]
pub(super) struct Pages(Vec<u8>);

impl From<Pages> for Bytes {
    fn from(pages: Pages) -> Self {
        pages.0.into()
    }
}

/// Writes pages with their checksum.
pub(super) struct CheckedPages<'a> {
    pages: &'a mut Pages,
}

impl<'a> CheckedPages<'a> {
    pub(super) fn new(pages: &'a mut Pages) -> Self {
        Self { pages }
    }
}

impl PageWriter for CheckedPages<'_> {
    fn write_page(&mut self, page: CompressedPage) -> Result<PageWriteSpec> {
        let checksum = crc32fast::hash(page.data());
        let length = page.data().len();
        let mut plain = TrackedWrite::new(Vec::new());
        let mut written = SerializedPageWriter::new(&mut plain).write_page(page)?;
        let mut bytes = plain.into_inner()?;
        let header = bytes.len() - length;
        let added = insert(&mut bytes, header, checksum).ok_or_else(|| {
            ParquetError::General("a page's header has no room for its checksum".to_owned())
        })?;
        written.offset = self.pages.0.len() as u64;
        written.bytes_written += added as u64;
        written.compressed_size += added;
        written.uncompressed_size += added;
        self.pages.0.append(&mut bytes);
        Ok(written)
    }

    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Puts the checksum into a page whose header has a length; the number of bytes that it takes. `None`
/// for a header that is not of the expected form.
fn insert(page: &mut Vec<u8>, header: usize, checksum: u32) -> Option<usize> {
    let mut at = 0;
    for _ in 0..BEFORE {
        let (&field, value) = page.get(at..header)?.split_first()?;
        let last = value.iter().position(|byte| byte & 0x80 == 0)?;
        if field != NEXT_I32 {
            return None;
        }
        at += 2 + last;
    }
    let after = page.get_mut(at..header)?.first_mut()?;
    let distance = (*after >> 4).checked_sub(1)?;
    if distance == 0 {
        return None;
    }
    *after = (distance << 4) | (*after & 0x0f);
    let mut field = vec![NEXT_I32];
    let signed = checksum.cast_signed();
    let mut zigzag = ((signed << 1) ^ (signed >> 31)).cast_unsigned();
    while zigzag >= 0x80 {
        field.push((zigzag & 0x7f) as u8 | 0x80);
        zigzag >>= 7;
    }
    field.push(zigzag as u8);
    let added = field.len();
    page.splice(at..at, field);
    Some(added)
}
