//! gzip (RFC 1952): one member or several, each with the checksum and the length of what it holds.
//!
//! Zeros may follow the last member, as block devices and tapes leave them. gzip(1) takes the same,
//! and calls anything else "trailing garbage".

use std::io::{self, BufRead, Read};
use std::ptr::NonNull;

use flate2::bufread::GzDecoder;
use libdeflate_sys as c;

/// Whether a file starts like a gzip member.
pub(super) fn is_gzip(file: &[u8]) -> bool {
    file.starts_with(&[0x1f, 0x8b])
}

/// What a gzip file holds, as a stream. At its end all checksums and lengths were compared.
pub(super) struct Members<R> {
    /// `None` once the last one has ended.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    /// Of a file whose buffer holds two bytes wherever there are as many.
    pub(super) fn new(file: R) -> Self {
        Self { member: Some(GzDecoder::new(file)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = self.member.as_mut().filter(|_| !into.is_empty()) {
            let read = member.read(into)?;
            if read > 0 {
                return Ok(read);
            }
            let goes_on = is_followed(member.get_mut())?;
            self.member =
                self.member.take().filter(|_| goes_on).map(|m| GzDecoder::new(m.into_inner()));
        }
        Ok(0)
    }
}

/// Whether another member follows the last one, or nothing but padding.
///
/// # Errors
/// Neither does.
fn is_followed(rest: &mut impl BufRead) -> io::Result<bool> {
    if is_gzip(rest.fill_buf()?) {
        return Ok(true);
    }
    let (mut count, mut padding) = (0, true);
    loop {
        let part = rest.fill_buf()?;
        if part.is_empty() {
            break;
        }
        padding &= part.iter().all(|byte| *byte == 0);
        let len = part.len();
        count += len;
        rest.consume(len);
    }
    if padding {
        return Ok(false);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{count} bytes that are no gzip data follow its end"),
    ))
}

/// Decodes a whole file into `out` and says how much of it was filled: faster than a stream. `None`
/// where the file is damaged, goes on after its end, or holds more than `out`.
pub(super) fn decode(file: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut decompressor = Decompressor::new()?;
    let (mut rest, mut filled) = (file, 0);
    loop {
        let (read, written) = decompressor.member(rest, &mut out[filled..])?;
        filled += written;
        rest = &rest[read..];
        if !is_followed(&mut rest).ok()? {
            return Some(filled);
        }
    }
}

/// A decoder of libdeflate. Its safe wrapper does not tell where a member ends.
struct Decompressor(NonNull<c::libdeflate_decompressor>);

impl Decompressor {
    fn new() -> Option<Self> {
        // SAFETY: takes nothing; a null pointer means that there is no memory.
        #[allow(unsafe_code, reason = "the decoder is a library in C")]
        let decoder = unsafe { c::libdeflate_alloc_decompressor() };
        NonNull::new(decoder).map(Self)
    }

    /// Decodes the member that `file` starts with: bytes read, and bytes written to `out`. `None`
    /// where it is damaged or holds more than `out`.
    fn member(&mut self, file: &[u8], out: &mut [u8]) -> Option<(usize, usize)> {
        let (mut read, mut written) = (0, 0);
        // SAFETY: the decoder is alive and borrowed mutably; it reads and writes within the two
        // slices, whose lengths it is given.
        #[allow(unsafe_code, reason = "the decoder is a library in C")]
        let result = unsafe {
            c::libdeflate_gzip_decompress_ex(
                self.0.as_ptr(),
                file.as_ptr().cast(),
                file.len(),
                out.as_mut_ptr().cast(),
                out.len(),
                &mut read,
                &mut written,
            )
        };
        (result == c::libdeflate_result_LIBDEFLATE_SUCCESS).then_some((read, written))
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        // SAFETY: allocated by `new`, and freed once.
        #[allow(unsafe_code, reason = "the decoder is a library in C")]
        unsafe {
            c::libdeflate_free_decompressor(self.0.as_ptr());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn member(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).expect("memory");
        encoder.finish().expect("memory")
    }

    /// What the stream and the decoder of whole files say, which must be the same.
    fn decoded(file: &[u8]) -> Option<Vec<u8>> {
        let mut stream = Vec::new();
        let stream = Members::new(file).read_to_end(&mut stream).ok().map(|_| stream);
        let mut whole = vec![0; 64];
        let whole = decode(file, &mut whole).map(|filled| whole[..filled].to_vec());
        assert_eq!(stream, whole);
        stream
    }

    /// Oracle: gzip(1), "gzip -t" on the same files.
    #[test]
    fn members_may_follow_one_another_and_zeros_the_last() {
        let (a, b) = (member(b"radio"), member(b"mics"));
        assert_eq!(decoded(&a).expect("sound"), b"radio");
        assert_eq!(decoded(&[&a[..], &b].concat()).expect("sound"), b"radiomics");
        assert_eq!(decoded(&[&a[..], &member(b""), &b].concat()).expect("sound"), b"radiomics");
        assert_eq!(decoded(&[&a[..], &b, &[0; 700]].concat()).expect("sound"), b"radiomics");
        assert_eq!(decoded(&[&a[..], &[0; 7], &b].concat()), None, "a member after zeros");
        assert_eq!(decoded(&[&a[..], b"x"].concat()), None, "text after the end");
        assert_eq!(decoded(&[&a[..], &b[..b.len() - 1]].concat()), None, "a second member cut off");
    }

    #[test]
    fn every_flipped_bit_is_an_error_or_changes_nothing() {
        let sound = [member(b"radio"), member(&[7; 40])].concat();
        let content = decoded(&sound).expect("sound");
        for bit in 0..8 * sound.len() {
            let mut flipped = sound.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decoded(&flipped).is_none_or(|it| it == content), "bit {bit}");
        }
    }
}
