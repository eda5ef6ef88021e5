//! Just enough of gzip (RFC 1951, 1952) and NIfTI-1 to read the IBSI's images with the standard
//! library alone.

use std::path::Path;

use super::Image;

/// An image or a mask.
pub fn read(path: &Path) -> Image {
    let file = std::fs::read(path).expect("the fixture is there");
    let bytes = gunzip(&file);
    let short = |at: usize| i16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let float =
        |at: usize| f32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let axis = |axis: usize| short(40 + 2 * axis) as usize;
    let size = [axis(3), axis(2), axis(1)];
    let spacing = [3, 2, 1].map(|axis| f64::from(float(76 + 4 * axis)));
    let start = float(108) as usize;
    let mut values = Vec::new();
    for index in 0..size.iter().product() {
        values.push(match short(70) {
            2 => f64::from(bytes[start + index]),
            4 => f64::from(short(start + 2 * index)),
            16 => f64::from(float(start + 4 * index)),
            other => panic!("data type {other}"),
        });
    }
    Image { size, spacing, values }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> usize {
        let bit = (self.bytes[self.at / 8] >> (self.at % 8)) & 1;
        self.at += 1;
        usize::from(bit)
    }

    /// A number, lowest bit first.
    fn number(&mut self, bits: usize) -> usize {
        (0..bits).map(|place| self.bit() << place).sum()
    }
}

/// A prefix code: the symbols in the order of their codes, and how many have each length.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[usize]) -> Self {
        let mut counts = [0; 16];
        let mut symbols = Vec::new();
        for length in 1..16 {
            for (symbol, _) in lengths.iter().enumerate().filter(|&(_, &l)| l == length) {
                counts[length] += 1;
                symbols.push(symbol);
            }
        }
        Code { counts, symbols }
    }

    fn symbol(&self, bits: &mut Bits) -> usize {
        // Codes of a length are consecutive; the first is twice the end of the length before.
        let (mut code, mut first, mut before) = (0, 0, 0);
        for length in 1..16 {
            code = 2 * code + bits.bit();
            let count = self.counts[length];
            if code < first + count {
                return self.symbols[before + code - first];
            }
            before += count;
            first = 2 * (first + count);
        }
        panic!("no such code")
    }
}

fn gunzip(file: &[u8]) -> Vec<u8> {
    assert_eq!(file[..3], [0x1f, 0x8b, 8], "gzip with deflate");
    let flags = file[3];
    let mut at = 10;
    if flags & 4 != 0 {
        at += 2 + usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
    }
    // A name and a comment end with 0.
    for flag in [8, 16] {
        if flags & flag != 0 {
            while file[at] != 0 {
                at += 1;
            }
            at += 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    inflate(&file[at..])
}

fn inflate(bytes: &[u8]) -> Vec<u8> {
    let mut bits = Bits { bytes, at: 0 };
    let mut out = Vec::new();
    loop {
        let last = bits.bit() == 1;
        match bits.number(2) {
            0 => {
                let start = bits.at.div_ceil(8);
                let length = usize::from(u16::from_le_bytes([bytes[start], bytes[start + 1]]));
                out.extend_from_slice(&bytes[start + 4..start + 4 + length]);
                bits.at = 8 * (start + 4 + length);
            }
            1 => {
                let mut lengths = [8; 288];
                lengths[144..256].fill(9);
                lengths[256..280].fill(7);
                block(&mut bits, &mut out, &Code::new(&lengths), &Code::new(&[5; 30]));
            }
            2 => {
                let (symbols, distances) = codes(&mut bits);
                block(&mut bits, &mut out, &symbols, &distances);
            }
            _ => panic!("no such block"),
        }
        if last {
            return out;
        }
    }
}

/// The codes of a block that brings its own: their lengths, in a code themselves.
fn codes(bits: &mut Bits) -> (Code, Code) {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let symbols = bits.number(5) + 257;
    let distances = bits.number(5) + 1;
    let given = bits.number(4) + 4;
    let mut lengths = [0; 19];
    for &place in &ORDER[..given] {
        lengths[place] = bits.number(3);
    }
    let code = Code::new(&lengths);
    let mut all: Vec<usize> = Vec::new();
    while all.len() < symbols + distances {
        let (value, times) = match code.symbol(bits) {
            16 => (all[all.len() - 1], 3 + bits.number(2)),
            17 => (0, 3 + bits.number(3)),
            18 => (0, 11 + bits.number(7)),
            length => (length, 1),
        };
        all.extend(std::iter::repeat_n(value, times));
    }
    (Code::new(&all[..symbols]), Code::new(&all[symbols..]))
}

/// Bytes, and copies of what came before, up to the mark of the end.
fn block(bits: &mut Bits, out: &mut Vec<u8>, symbols: &Code, distances: &Code) {
    loop {
        let symbol = symbols.symbol(bits);
        if symbol < 256 {
            out.push(symbol as u8);
            continue;
        }
        if symbol == 256 {
            return;
        }
        // Lengths from 3: eight codes of one each, then four each with one more bit; 285 is 258.
        let length = match symbol - 257 {
            28 => 258,
            code if code < 8 => 3 + code,
            code => {
                let extra = code / 4 - 1;
                3 + ((4 + code % 4) << extra) + bits.number(extra)
            }
        };
        // Distances from 1: four codes of one each, then two each with one more bit.
        let distance = match distances.symbol(bits) {
            code if code < 4 => 1 + code,
            code => {
                let extra = code / 2 - 1;
                1 + ((2 + code % 2) << extra) + bits.number(extra)
            }
        };
        for _ in 0..length {
            out.push(out[out.len() - distance]);
        }
    }
}
