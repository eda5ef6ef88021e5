//! Text in the character sets of PS3.5, 6.1.2, also several by code extensions (ISO 2022).
//!
//! The parser knows the first value of SpecificCharacterSet only, takes the second byte of a character
//! for a backslash, and forgets the set around an item with its own. So the sets are hidden from it where
//! that matters: then every byte of a text is a character of its own, and comes back as it was.

use std::borrow::Cow;
use std::ops::Range;

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use encoding_rs::{
    EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5,
    ISO_8859_6, ISO_8859_7, ISO_8859_8, ISO_8859_15, SHIFT_JIS, UTF_8, WINDOWS_874, WINDOWS_1254,
};

use super::object::DicomObject;

const ESCAPE: u8 = 0x1B;
/// Sets that the parser decodes as they should be, if there is no other in the file.
const PLAIN: [&str; 4] = ["", "ISO_IR 6", "ISO_IR 100", "ISO_IR 192"];

/// Where a SpecificCharacterSet lies in a data set.
pub(super) struct Place {
    pub(super) value: Range<usize>,
    /// It is no element of a sequence's item.
    pub(super) outermost: bool,
}

/// Hides the character sets at these places from the parser. Returns whether it had to, so that the
/// parsed object's text is to be [`decoded`](decode).
pub(super) fn hide(data: &mut Cow<'_, [u8]>, places: &[Place]) -> bool {
    if let [Place { value, outermost: true }] = places {
        let set = String::from_utf8_lossy(&data[value.clone()]);
        if PLAIN.contains(&set.trim_matches([' ', '\0'])) {
            return false;
        }
    }
    for place in places.iter().filter(|p| !p.value.is_empty()) {
        data.to_mut()[place.value.start].make_ascii_lowercase();
    }
    !places.is_empty()
}

/// Decodes the text of an object whose character sets were hidden, and shows them again.
pub(super) fn decode(object: &mut DicomObject) {
    decode_in(object, &Sets::Codes(None));
}

fn decode_in(object: &mut DicomObject, around: &Sets) {
    let own = shown(object);
    let sets = own.as_ref().unwrap_or(around);
    let tags: Vec<Tag> = object.tags().collect();
    for tag in tags {
        if let Some(value) =
            object.get(tag).and_then(|e| text(e.vr(), e.value().primitive()?, sets))
        {
            let vr = object.get(tag).map_or(VR::LO, |e| e.vr());
            object.put(DataElement::new(tag, vr, value));
            continue;
        }
        object.update_value(tag, |value| {
            for item in value.items_mut().into_iter().flatten() {
                decode_in(item, sets);
            }
        });
    }
}

/// The object's own sets, as they were before they were hidden.
fn shown(object: &mut DicomObject) -> Option<Sets> {
    let tag = tags::SPECIFIC_CHARACTER_SET;
    let mut terms = object.get(tag)?.value().to_raw_str().ok()?.into_owned();
    terms.get_mut(..1)?.make_ascii_uppercase();
    let sets = Sets::of(&terms);
    let terms: Vec<String> = terms.split('\\').map(str::to_owned).collect();
    object.put(DataElement::new(tag, VR::CS, PrimitiveValue::Strs(terms.into())));
    Some(sets)
}

/// A text whose characters are its bytes, decoded. `None` where that changes nothing.
fn text(vr: VR, value: &PrimitiveValue, sets: &Sets) -> Option<PrimitiveValue> {
    let delimiters: &[u8] = match vr {
        VR::PN => b"\\^=",
        VR::LO | VR::SH | VR::UC => b"\\",
        VR::LT | VR::ST | VR::UT => b"",
        _ => return None,
    };
    let (PrimitiveValue::Str(_) | PrimitiveValue::Strs(_)) = value else { return None };
    let text = value.to_raw_str();
    if text.bytes().all(|b| b.is_ascii() && b != ESCAPE) {
        return None;
    }
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
    let text = sets.decoded(&bytes, delimiters);
    Some(if delimiters.is_empty() {
        PrimitiveValue::Str(text)
    } else {
        PrimitiveValue::Strs(text.split('\\').map(str::to_owned).collect())
    })
}

/// What SpecificCharacterSet says.
#[derive(Debug, PartialEq)]
enum Sets {
    /// One encoding without code extensions.
    Whole(&'static Encoding),
    /// ASCII and code extensions; a set for the codes from 128 on, by its registration, at the start of
    /// each value.
    Codes(Option<u16>),
}

/// What the codes below 128 are.
#[derive(Clone, Copy)]
enum Lower {
    /// ISO 646, or JIS X 0201, whose yen sign is DICOM's backslash.
    Ascii,
    /// JIS X 0208, two bytes each.
    Kanji,
    /// JIS X 0212, two bytes each.
    SupplementaryKanji,
}

#[derive(Clone, Copy)]
enum Designated {
    Lower(Lower),
    /// The set of this registration for the codes from 128 on.
    Upper(u16),
}

/// Escape sequences of PS3.3, C.12.1.1.2, and of the first edition of JIS X 0208.
const ESCAPES: [(&[u8], Designated); 19] = [
    (b"(B", Designated::Lower(Lower::Ascii)),
    (b"(J", Designated::Lower(Lower::Ascii)),
    (b"$B", Designated::Lower(Lower::Kanji)),
    (b"$@", Designated::Lower(Lower::Kanji)),
    (b"$(D", Designated::Lower(Lower::SupplementaryKanji)),
    (b")I", Designated::Upper(13)),
    (b"-A", Designated::Upper(100)),
    (b"-B", Designated::Upper(101)),
    (b"-C", Designated::Upper(109)),
    (b"-D", Designated::Upper(110)),
    (b"-F", Designated::Upper(126)),
    (b"-G", Designated::Upper(127)),
    (b"-H", Designated::Upper(138)),
    (b"-L", Designated::Upper(144)),
    (b"-M", Designated::Upper(148)),
    (b"-T", Designated::Upper(166)),
    (b"-b", Designated::Upper(203)),
    (b"$)A", Designated::Upper(58)),
    (b"$)C", Designated::Upper(149)),
];

impl Sets {
    fn of(terms: &str) -> Self {
        let first = terms.split('\\').next().unwrap_or_default().trim_matches([' ', '\0']);
        match first {
            "ISO_IR 192" => Self::Whole(UTF_8),
            "GB18030" => Self::Whole(GB18030),
            "GBK" | "GB2312" => Self::Whole(GBK),
            _ => {
                let registration = first.rsplit([' ', '_']).next().and_then(|n| n.parse().ok());
                Self::Codes(registration.filter(|n| *n == 100 || upper(*n).is_some()))
            }
        }
    }

    /// The text of `bytes`. Each part of it starts with the first set: after a delimiter, and after a
    /// control character (PS3.5, 6.1.2.5.3).
    fn decoded(&self, bytes: &[u8], delimiters: &[u8]) -> String {
        let first = match *self {
            Self::Whole(encoding) => {
                return encoding.decode_without_bom_handling(bytes).0.into_owned();
            }
            Self::Codes(first) => first,
        };
        let mut text = String::new();
        let (mut lower, mut higher) = (Lower::Ascii, first);
        let mut rest = bytes;
        while let &[byte, ref after @ ..] = rest {
            let escape = ESCAPES.iter().find(|(code, _)| byte == ESCAPE && after.starts_with(code));
            if let Some((code, designated)) = escape {
                match *designated {
                    Designated::Lower(set) => lower = set,
                    Designated::Upper(set) => higher = Some(set),
                }
                rest = &after[code.len()..];
                continue;
            }
            let next = after.first().copied().unwrap_or_default();
            let used = match (byte, lower, higher.and_then(upper)) {
                (0x21..=0x7E, Lower::Kanji | Lower::SupplementaryKanji, _) => {
                    // EUC marks the supplement.
                    let marked = [0x8F, byte | 0x80, next | 0x80];
                    let code = if matches!(lower, Lower::Kanji) { &marked[1..] } else { &marked };
                    let whole = (0x21..=0x7E).contains(&next);
                    put(&mut text, EUC_JP, if whole { code } else { &marked[..1] });
                    1 + usize::from(whole)
                }
                (0x80.., _, Some((encoding, 2))) if next >= 0x80 => {
                    put(&mut text, encoding, &[byte, next]);
                    2
                }
                (0xA0.., _, Some((encoding, _))) => {
                    put(&mut text, encoding, &[byte]);
                    1
                }
                _ => {
                    text.push(char::from(byte));
                    if byte < 0x20 || delimiters.contains(&byte) {
                        (lower, higher) = (Lower::Ascii, first);
                    }
                    1
                }
            };
            rest = &rest[used.min(rest.len())..];
        }
        text
    }
}

fn put(text: &mut String, encoding: &'static Encoding, code: &[u8]) {
    text.push_str(&encoding.decode_without_bom_handling(code).0);
}

/// An encoding whose codes from 128 on are the set of this registration, and bytes of a code. `None` for
/// Latin 1, whose codes are Unicode's, and for sets that are none of DICOM's.
fn upper(registration: u16) -> Option<(&'static Encoding, usize)> {
    Some(match registration {
        13 => (SHIFT_JIS, 1),
        58 => (GBK, 2),
        101 => (ISO_8859_2, 1),
        109 => (ISO_8859_3, 1),
        110 => (ISO_8859_4, 1),
        126 => (ISO_8859_7, 1),
        127 => (ISO_8859_6, 1),
        138 => (ISO_8859_8, 1),
        144 => (ISO_8859_5, 1),
        148 => (WINDOWS_1254, 1),
        149 => (EUC_KR, 2),
        166 => (WINDOWS_874, 1),
        203 => (ISO_8859_15, 1),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(terms: &str, vr: VR, bytes: &[u8]) -> String {
        let characters: String = bytes.iter().copied().map(char::from).collect();
        let values = characters.split('\\').map(str::to_owned).collect();
        let value = PrimitiveValue::Strs(values);
        text(vr, &value, &Sets::of(terms)).unwrap_or(value).to_raw_str().into_owned()
    }

    #[test]
    fn names_of_the_standard_are_read() {
        // PS3.5, H.3.1, H.3.2, I.2, J.1, J.3, K.2.
        for (terms, bytes, name) in [
            (
                "\\ISO 2022 IR 87",
                &b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"
                    [..],
                "Yamada^Tarou=山田^太郎=やまだ^たろう",
            ),
            (
                "ISO 2022 IR 13\\ISO 2022 IR 87",
                b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
                "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
            ),
            (
                "\\ISO 2022 IR 149",
                b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
                "Hong^Gildong=洪^吉洞=홍^길동",
            ),
            (
                "ISO_IR 192",
                b"Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1=",
                "Wang^XiaoDong=王^小東=",
            ),
            ("GB18030", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东="),
            (
                "\\ISO 2022 IR 58",
                b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
                "Zhang^XiaoDong=张^小东=",
            ),
        ] {
            assert_eq!(decoded(terms, VR::PN, bytes), name, "{terms}");
        }
    }

    #[test]
    fn the_first_set_is_back_after_a_delimiter_and_a_control_character() {
        // Latin 1 first; 0xE9 is é there and ι in Greek, 0xC4 Ä and Δ.
        let terms = "ISO 2022 IR 100\\ISO 2022 IR 126";
        let of = |vr, bytes| decoded(terms, vr, bytes);
        assert_eq!(of(VR::PN, b"\x1b-F\xe9^\xe9=\xe9"), "ι^é=é");
        assert_eq!(of(VR::LO, b"\xc4 \x1b-F\xc4\xe9^\xe9\\\xe9"), "Ä Δι^ι\\é");
        assert_eq!(of(VR::LT, b"\x1b-F\xe9\\^\xe9\r\n\xe9"), "ι\\^ι\r\né");
    }

    #[test]
    fn bytes_of_a_character_are_no_delimiters() {
        let bytes = b"\x1b$B0\\0^\x1b(B\\b";
        assert_eq!(decoded("\\ISO 2022 IR 87", VR::PN, bytes), "移緯\\b");
        assert_eq!(decoded("GB18030", VR::LO, b"\x81\x5c\\b"), "乗\\b");
    }

    #[test]
    fn supplementary_kanji_are_read() {
        // 0x3021 and 0x312A of JIS X 0212, as Python's iso2022_jp_2 writes them.
        let bytes = b"\x1b$(D0!1*\x1b(B";
        assert_eq!(decoded("\\ISO 2022 IR 87\\ISO 2022 IR 159", VR::LO, bytes), "丂侗");
    }

    #[test]
    fn damaged_text_keeps_what_can_be_read() {
        let japanese = |bytes| decoded("\\ISO 2022 IR 87\\ISO 2022 IR 159", VR::LO, bytes);
        assert_eq!(japanese(b"\x1b$B;3E"), "山\u{FFFD}");
        assert_eq!(japanese(b"\x1b$B~~\x1b(Bx"), "\u{FFFD}x");
        assert_eq!(japanese(b"a\x1b(Zb"), "a\x1b(Zb");
        let korean = |bytes| decoded("\\ISO 2022 IR 149", VR::PN, bytes);
        assert_eq!(korean(b"\x1b$)C\xfb^\x1b$)C\xd1\xce"), "\u{FFFD}^吉");
    }
}
