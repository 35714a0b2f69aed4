//! The colours of a document by measurement: an ICC profile of sRGB (IEC 61966-2-1), made here from its numbers.
//!
//! Version 4.2 with parametric curves: exact, and half a kilobyte. The matrix is that of sRGB adapted to D50 by the
//! Bradford transform, as the ICC prints it.

use std::sync::LazyLock;

/// A fixed-point number: units of 1/65536.
type Fixed = i32;

const D50: [Fixed; 3] = [63_190, 65_536, 54_061];
const RED: [Fixed; 3] = [28_579, 14_581, 912];
const GREEN: [Fixed; 3] = [25_241, 46_981, 6_362];
const BLUE: [Fixed; 3] = [9_376, 3_974, 46_799];
/// From D65 to D50 (Bradford).
const ADAPTATION: [Fixed; 9] = [68_674, 1_502, -3_291, 1_939, 64_912, -1_119, -606, 988, 49_262];
/// Exponent 2.4, 1/1.055, 0.055/1.055, 1/12.92, 0.04045.
const CURVE: [Fixed; 5] = [157_286, 62_119, 3_417, 5_072, 2_651];

/// The profile.
pub(super) static SRGB: LazyLock<Vec<u8>> = LazyLock::new(build);

fn fixed(kind: [u8; 4], numbers: &[Fixed]) -> Vec<u8> {
    let mut out = kind.to_vec();
    out.extend([0; 4]);
    out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
    out
}

/// One text, in English.
fn text(text: &str) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let mut out = b"mluc\0\0\0\0\0\0\0\x01\0\0\0\x0CenUS".to_vec();
    out.extend(u32::try_from(units.len()).unwrap_or_default().to_be_bytes());
    out.extend(28_u32.to_be_bytes());
    out.extend(units);
    out
}

fn build() -> Vec<u8> {
    // Type 3: a function code and two bytes of nothing before the numbers.
    let mut curve = b"para\0\0\0\0\0\x03\0\0".to_vec();
    curve.extend(CURVE.iter().flat_map(|number| number.to_be_bytes()));
    let tags: [(&[u8; 4], Vec<u8>); 10] = [
        (b"desc", text("sRGB IEC61966-2.1")),
        (b"cprt", text("No copyright, use freely")),
        (b"wtpt", fixed(*b"XYZ ", &D50)),
        (b"chad", fixed(*b"sf32", &ADAPTATION)),
        (b"rXYZ", fixed(*b"XYZ ", &RED)),
        (b"gXYZ", fixed(*b"XYZ ", &GREEN)),
        (b"bXYZ", fixed(*b"XYZ ", &BLUE)),
        (b"rTRC", curve),
        (b"gTRC", Vec::new()),
        (b"bTRC", Vec::new()),
    ];
    let (mut table, mut data) = (Vec::new(), Vec::new());
    let start = 128 + 4 + tags.len() * 12;
    // The three curves are one.
    let mut last = (0, 0);
    for (tag, bytes) in &tags {
        if !bytes.is_empty() {
            last = (start + data.len(), bytes.len());
            data.extend_from_slice(bytes);
            data.resize(data.len().next_multiple_of(4), 0);
        }
        table.extend_from_slice(*tag);
        table.extend(u32::try_from(last.0).unwrap_or_default().to_be_bytes());
        table.extend(u32::try_from(last.1).unwrap_or_default().to_be_bytes());
    }
    let mut out = Vec::with_capacity(start + data.len());
    out.extend(u32::try_from(start + data.len()).unwrap_or_default().to_be_bytes());
    out.extend([0; 4]);
    out.extend([4, 0x20, 0, 0]);
    out.extend(b"mntrRGB XYZ ");
    // A date, for its own sake: 1 January 2026.
    for number in [2026_u16, 1, 1, 0, 0, 0] {
        out.extend(number.to_be_bytes());
    }
    out.extend(b"acsp");
    out.extend([0; 28]);
    out.extend(D50.iter().flat_map(|number| number.to_be_bytes()));
    out.resize(128, 0);
    out.extend(u32::try_from(tags.len()).unwrap_or_default().to_be_bytes());
    out.extend(table);
    out.extend(data);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_whole() {
        let profile = &*SRGB;
        assert_eq!(u32::from_be_bytes(profile[..4].try_into().unwrap()), u32::try_from(profile.len()).unwrap());
        assert_eq!(&profile[36..40], b"acsp");
        for place in 0..10 {
            let at = 132 + place * 12;
            let number = |at: usize| u32::from_be_bytes(profile[at..at + 4].try_into().unwrap());
            assert!(usize::try_from(number(at + 4) + number(at + 8)).unwrap() <= profile.len());
        }
        // White is the sum of the three: D50.
        for index in 0..3 {
            assert!((RED[index] + GREEN[index] + BLUE[index] - D50[index]).abs() <= 20, "{index}");
        }
    }
}
