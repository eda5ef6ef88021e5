//! JPEG-LS streams give the samples that were coded, and damaged ones an error.
//!
//! Oracle: CharLS, which coded the streams of fixtures/jpeg_ls from the formula repeated here, and
//! decoded those with loss; the example of ITU-T T.87, H.3.

use abscope::ingest::jpeg_ls::{DecodeError, decode, near};

/// The stream of T.87, H.3: 4 x 4 samples of 8 bits, lossless.
const EXAMPLE: [u8; 57] = [
    0xFF, 0xD8, 0xFF, 0xF7, 0x00, 0x0B, 0x08, 0x00, 0x04, 0x00, 0x04, 0x01, 0x01, 0x11, 0x00, 0xFF,
    0xDA, 0x00, 0x08, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0xC0, 0x00, 0x00, 0x6C, 0x80, 0x20, 0x8E,
    0x01, 0xC0, 0x00, 0x00, 0x57, 0x40, 0x00, 0x00, 0x6E, 0xE6, 0x00, 0x00, 0x01, 0xBC, 0x18, 0x00,
    0x00, 0x05, 0xD8, 0x00, 0x00, 0x91, 0x60, 0xFF, 0xD9,
];
/// Where its frame and its scan start.
const FRAME: usize = 2;
const SCAN: usize = 15;

/// A stream of the fixtures, and what its name says.
struct Made {
    name: String,
    columns: usize,
    rows: usize,
    bits: u16,
    near: u16,
    bytes: Vec<u8>,
}

fn streams() -> Vec<Made> {
    let entries = std::fs::read_dir("fixtures/jpeg_ls").expect("a folder");
    let paths = entries.map(|e| e.expect("an entry").path());
    let mut streams: Vec<Made> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "jls"))
        .map(|path| {
            let name = path.file_stem().and_then(|n| n.to_str()).expect("a name").to_owned();
            let numbers: Vec<usize> =
                name.split(['x', '-']).map_while(|part| part.parse().ok()).collect();
            let &[columns, rows, bits, near] = &numbers[..] else { panic!("{name}") };
            let bytes = std::fs::read(&path).expect("reads");
            Made { name, columns, rows, bits: bits as u16, near: near as u16, bytes }
        })
        .collect();
    streams.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(streams.len(), 30);
    streams
}

/// The formula of fixtures/jpeg_ls/make.cpp.
fn sample(x: usize, y: usize, bits: u16) -> u16 {
    let maximum = (1usize << bits) - 1;
    let noise = if x > 5 { x * y * 31 % 17 * (maximum / 16 + 1) } else { 0 };
    let value = match (y % 4, x) {
        (3, 0..9) => maximum / 2,
        (3, _) => maximum / 3,
        _ => 7 * x + 13 * y + noise,
    };
    (value % (maximum + 1)) as u16
}

#[test]
fn every_stream_gives_the_samples_that_were_coded() {
    for made in streams() {
        let Made { name, columns, rows, bits, .. } = &made;
        let image = decode(&made.bytes, *columns, *rows).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((image.precision, image.near), (*bits, made.near), "{name}");
        assert_eq!(near(&made.bytes), Ok(made.near), "{name}");
        let coded: Vec<u16> =
            (0..columns * rows).map(|i| sample(i % columns, i / columns, *bits)).collect();
        if made.near == 0 {
            assert_eq!(image.samples, coded, "{name}");
            continue;
        }
        let raw = std::fs::read(format!("fixtures/jpeg_ls/{name}.raw")).expect("reads");
        let decoded: Vec<u16> =
            raw.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
        assert_eq!(image.samples, decoded, "{name}");
        let close = |(a, b): (&u16, &u16)| a.abs_diff(*b) <= made.near;
        assert!(image.samples.iter().zip(&coded).all(close), "{name}");
    }
}

#[test]
fn the_example_of_the_standard_is_decoded() {
    let image = decode(&EXAMPLE, 4, 4).expect("sound");
    let samples = [0, 0, 90, 74, 68, 50, 43, 205, 64, 145, 145, 145, 100, 145, 145, 145];
    assert_eq!(image.samples, samples);
}

/// A scan of one sample of 8 bits, MAXVAL 100: a run of length 0, then -11 modulo 101, which is 90.
/// By hand from T.87, A.7: k is 1, EMErrval 20, its code 10 zeros, a one and a zero.
#[test]
fn the_greatest_sample_is_the_one_that_is_preset() {
    let presets = [0xFF, 0xF8, 0, 13, 1, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut stream = EXAMPLE[..FRAME].to_vec();
    stream.extend(presets);
    stream.extend([0xFF, 0xF7, 0, 11, 8, 0, 1, 0, 1, 1, 1, 0x11, 0]);
    stream.extend(&EXAMPLE[SCAN..SCAN + 10]);
    stream.extend([0b0000_0000, 0b0001_0000, 0xFF, 0xD9]);
    assert_eq!(decode(&stream, 1, 1).expect("sound").samples, [90]);
    // A MAXVAL beyond the frame's bits.
    stream[7..9].copy_from_slice(&256u16.to_be_bytes());
    let refused = decode(&stream, 1, 1);
    assert_eq!(refused, Err(DecodeError::Parameter { name: "MAXVAL", value: 256 }));
}

#[test]
fn what_the_header_must_not_say_is_refused() {
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut stream = EXAMPLE.to_vec();
        change(&mut stream);
        decode(&stream, 4, 4).expect_err("refused")
    };
    let set = |at: usize, value: u8| refused(&|stream: &mut Vec<u8>| stream[at] = value);
    let parameter = |name, value| DecodeError::Parameter { name, value };
    assert_eq!(set(1, 0xD9), DecodeError::NoImage);
    assert_eq!(set(FRAME + 4, 1), parameter("precision", 1));
    assert_eq!(set(FRAME + 4, 17), parameter("precision", 17));
    let size = |columns, rows| DecodeError::Size { columns, rows, expected: (4, 4) };
    assert_eq!(set(FRAME + 6, 5), size(4, 5));
    assert_eq!(set(FRAME + 8, 3), size(3, 4));
    assert_eq!(set(FRAME + 8, 0), parameter("number of columns", 0));
    assert_eq!(set(FRAME + 9, 2), DecodeError::Segment { marker: 0xF7, length: 9 });
    assert_eq!(set(FRAME + 3, 0xFF), DecodeError::Cut);
    // A baseline JPEG, and a restart marker where none can be.
    assert_eq!(set(FRAME + 1, 0xC0), DecodeError::Marker { code: 0xC0, at: FRAME });
    assert_eq!(set(FRAME + 1, 0xD0), DecodeError::Marker { code: 0xD0, at: FRAME });
    assert_eq!(set(SCAN, 0), DecodeError::NoMarker { at: SCAN });
    assert_eq!(set(SCAN + 5, 2), parameter("scan's component", 2));
    assert_eq!(set(SCAN + 6, 1), DecodeError::MappingTable);
    assert_eq!(set(SCAN + 7, 128), parameter("NEAR", 128));
    assert_eq!(set(SCAN + 8, 3), parameter("interleave mode", 3));
    assert_eq!(set(SCAN + 9, 2), DecodeError::PointTransform(2));
    let frame = EXAMPLE[FRAME..SCAN].to_vec();
    let twice = |stream: &mut Vec<u8>| drop(stream.splice(FRAME..FRAME, frame.clone()));
    assert_eq!(refused(&twice), DecodeError::Marker { code: 0xF7, at: SCAN });
    let color = |stream: &mut Vec<u8>| {
        let frame = [0xFF, 0xF7, 0, 17, 8, 0, 4, 0, 4, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0];
        stream.splice(FRAME..SCAN, frame);
    };
    assert_eq!(refused(&color), DecodeError::Components);
    let presets = |value: &'static [u8]| {
        refused(&|stream: &mut Vec<u8>| {
            let length = value.len() as u8 + 2;
            let segment = [&[0xFF, 0xF8, 0, length][..], value].concat();
            stream.splice(SCAN..SCAN, segment);
        })
    };
    assert_eq!(presets(&[1, 0, 0, 0, 9, 0, 7, 0, 21, 0, 0]), parameter("T2", 7));
    assert_eq!(presets(&[1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]), parameter("T3", 256));
    assert_eq!(presets(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]), parameter("RESET", 2));
    assert_eq!(presets(&[1, 0, 0]), DecodeError::Segment { marker: 0xF8, length: 3 });
    assert_eq!(presets(&[4, 2, 0, 4, 0, 4]), DecodeError::Oversize);
}

#[test]
fn lines_may_be_told_behind_the_scan() {
    let mut stream = EXAMPLE.to_vec();
    stream[FRAME + 6] = 0;
    assert_eq!(decode(&stream, 4, 4), Err(DecodeError::NoLines));
    let end = stream.len() - 2;
    stream.splice(end..end, [0xFF, 0xDC, 0, 4, 0, 4]);
    assert_eq!(decode(&stream, 4, 4), decode(&EXAMPLE, 4, 4));
    stream[end + 5] = 5;
    let told = DecodeError::Size { columns: 4, rows: 5, expected: (4, 4) };
    assert_eq!(decode(&stream, 4, 4), Err(told));
}

#[test]
fn a_stream_that_ends_early_or_goes_on_is_an_error() {
    for made in streams() {
        let Made { name, columns, rows, bytes, .. } = &made;
        let refused = |bytes: &[u8]| decode(bytes, *columns, *rows).is_err();
        for length in 0..bytes.len() {
            assert!(refused(&bytes[..length]), "{name} cut to {length} bytes");
        }
        let end = bytes.len() - 2;
        // Padding to an even length, bytes FF before a marker, and nothing else.
        assert!(!refused(&[&bytes[..], &[0]].concat()), "{name}");
        assert!(!refused(&[&bytes[..end], &[0xFF; 3], &bytes[end..]].concat()), "{name}");
        assert!(refused(&[&bytes[..], &[1]].concat()), "{name}: a byte behind its end");
        assert!(refused(&[&bytes[..], bytes].concat()), "{name}: twice");
        for surplus in [&[0][..], &[0x55], &[0, 0, 0, 0], &[0xFF, 0x00]] {
            let longer = [&bytes[..end], surplus, &bytes[end..]].concat();
            assert!(refused(&longer), "{name}: {surplus:?} behind its scan");
        }
        assert!(decode(bytes, *columns, rows + 1).is_err(), "{name}");
        assert!(decode(bytes, columns + 1, *rows).is_err(), "{name}");
    }
}

#[test]
fn damage_never_panics_and_leaves_all_samples_in_range() {
    let mut found = [0; 2];
    for made in streams() {
        for at in 0..made.bytes.len() {
            for bit in 0..8 {
                let mut damaged = made.bytes.clone();
                damaged[at] ^= 1 << bit;
                let read = decode(&damaged, made.columns, made.rows);
                found[usize::from(read.is_err())] += 1;
                let Ok(image) = read else { continue };
                assert_eq!(image.samples.len(), made.columns * made.rows);
                assert!(image.samples.iter().all(|s| u32::from(*s) < 1 << image.precision));
            }
        }
    }
    assert!(found[1] > 5 * found[0], "{found:?}: most damage is found");
}

#[test]
fn a_few_bytes_cannot_claim_many_lines() {
    let mut stream = EXAMPLE.to_vec();
    stream[FRAME + 5..FRAME + 9].fill(0xFF);
    let refused = decode(&stream, 65_535, 65_535).expect_err("cut");
    assert!(matches!(refused, DecodeError::Samples { .. }), "{refused}");
}
