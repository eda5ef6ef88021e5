//! Bits of a scan: the highest of a byte first, and after a byte FF only seven (T.87, A.1).

use super::error::Stop;

/// Reads the bits up to the next marker.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The first byte that is not in the cache.
    at: usize,
    /// The next bits, from the highest. Below those that are valid there may be bits that come next.
    cache: u64,
    valid: u32,
    /// The byte before `at` is FF.
    stuffed: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, cache: 0, valid: 0, stuffed: false }
    }

    /// Makes 57 bits or more valid, or all that are left.
    #[inline]
    fn refill(&mut self) {
        if let Some(next) = self.bytes.get(self.at..self.at + 8).filter(|_| !self.stuffed) {
            let word = u64::from_be_bytes(next.try_into().expect("8 bytes"));
            let zero_where_ff = !word;
            let has_ff =
                zero_where_ff.wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080;
            if has_ff == 0 {
                self.cache |= word >> self.valid;
                let count = (64 - self.valid) / 8;
                self.at += count as usize;
                self.valid += 8 * count;
                return;
            }
        }
        self.refill_bytewise();
    }

    #[cold]
    fn refill_bytewise(&mut self) {
        // What lies below the valid bits would mix with a stuffed byte's.
        self.cache &= u64::MAX.checked_shl(64 - self.valid).unwrap_or(0);
        while self.valid <= 56 {
            let Some(&byte) = self.bytes.get(self.at) else { return };
            let is_marker = byte == 0xFF && self.bytes.get(self.at + 1).is_none_or(|b| *b >= 0x80);
            if is_marker {
                return;
            }
            let width = if self.stuffed { 7 } else { 8 };
            self.cache |= u64::from(byte) << (64 - width) >> self.valid;
            self.valid += width;
            self.stuffed = byte == 0xFF;
            self.at += 1;
        }
    }

    #[inline]
    fn need(&mut self, count: u32) -> Result<(), Stop> {
        if self.valid < count {
            self.refill();
            if self.valid < count {
                return Err(Stop::Short);
            }
        }
        Ok(())
    }

    /// The next bits as a number, at most 32.
    #[inline]
    pub(super) fn number(&mut self, count: u32) -> Result<u32, Stop> {
        if count == 0 {
            return Ok(0);
        }
        self.need(count)?;
        let number = (self.cache >> (64 - count)) as u32;
        self.cache <<= count;
        self.valid -= count;
        Ok(number)
    }

    /// A number in a Golomb code of parameter `k`, at most 32, of limited length (T.87, A.5.3): after
    /// `most` zeros it stands in `escaped` bits, less one.
    #[inline]
    pub(super) fn golomb(&mut self, k: u32, most: u32, escaped: u32) -> Result<u64, Stop> {
        if self.valid < 40 {
            self.refill();
        }
        let zeros = self.cache.leading_zeros();
        let used = zeros + 1 + k;
        if zeros < most && used <= self.valid {
            // Two steps, as a shift by 64 bits is none.
            let rest = self.cache << zeros << 1;
            let low = rest >> 1 >> (63 - k);
            self.cache = rest << k;
            self.valid -= used;
            return Ok(u64::from(zeros) << k | low);
        }
        self.long_golomb(k, most, escaped)
    }

    #[cold]
    fn long_golomb(&mut self, k: u32, most: u32, escaped: u32) -> Result<u64, Stop> {
        let mut zeros = 0;
        while self.number(1)? == 0 {
            zeros += 1;
            if zeros > most {
                return Err(Stop::TooLong);
            }
        }
        if zeros == most {
            return Ok(u64::from(self.number(escaped)?) + 1);
        }
        Ok(u64::from(zeros) << k | u64::from(self.number(k)?))
    }

    /// Where the marker lies that follows, if zeros that fill the last byte are all that is left; else
    /// `None`.
    pub(super) fn end(mut self) -> Option<usize> {
        if self.valid <= 56 {
            self.refill();
        }
        let rest = self.cache >> 1 >> (63 - self.valid.min(63));
        (self.valid < 8 && rest == 0).then_some(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_of_ones_is_followed_by_seven_bits_and_a_marker_ends_them() {
        let bytes = [0xA5, 0xFF, 0x7F, 0x10, 0xFF, 0x80];
        let mut bits = Bits::new(&bytes, 0);
        assert_eq!(bits.number(4), Ok(0xA));
        assert_eq!(bits.number(12), Ok(0x5FF));
        assert_eq!(bits.number(7), Ok(0x7F));
        assert_eq!(bits.number(5), Ok(0b00010));
        assert_eq!(bits.number(4), Err(Stop::Short));
        assert_eq!(bits.number(1), Ok(0));
        assert_eq!(bits.end(), Some(4));
        let ones = Bits::new(&[0x01, 0xFF, 0xD9], 0);
        assert_eq!(ones.end(), None, "a bit that is no padding");
        let whole = Bits::new(&[0x00, 0xFF, 0xD9], 0);
        assert_eq!(whole.end(), None, "a byte that is no padding");
    }

    #[test]
    fn words_and_single_bytes_give_the_same_bits() {
        let bytes: Vec<u8> = (0..600u32).map(|i| ((i * i * 37 + i * 11) % 255) as u8).collect();
        let mut bits = Bits::new(&bytes, 0);
        let mut at = 0usize;
        let mut width = 1;
        while at + 32 < 8 * bytes.len() {
            let expected = (at..at + width).fold(0u32, |number, bit| {
                number << 1 | u32::from(bytes[bit / 8] >> (7 - bit % 8) & 1)
            });
            assert_eq!(bits.number(width as u32), Ok(expected), "bit {at}");
            at += width;
            width = width % 32 + 1;
        }
    }

    #[test]
    fn a_golomb_code_has_its_longest_length() {
        // 3 zeros, a one and 2 bits; 4 zeros, which are the most, a one and 8 bits; 5 zeros.
        let bytes = [0b0001_1000, 0b0010_0000, 0b1110_0000, 0, 0, 0, 0, 0, 0];
        let mut bits = Bits::new(&bytes, 0);
        assert_eq!(bits.golomb(2, 4, 8), Ok(3 << 2 | 0b10));
        assert_eq!(bits.golomb(2, 4, 8), Ok(0b0000_0111 + 1));
        assert_eq!(bits.golomb(2, 4, 8), Err(Stop::TooLong));
    }
}
