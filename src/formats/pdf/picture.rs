//! Logos: PNG and JPEG of strangers, made safe and small.
//!
//! A PNG is decoded under limits, laid on white and made small enough for print; only its colours go into the document.
//! A JPEG goes in as it is but for what it says of itself (camera, place, thumbnails, comments), after its structure was
//! read to the end of its headers: the reader of the document decodes it.

use std::collections::BTreeMap;
use std::io::Cursor;

use printpdf::{DictItem, ExternalStream, ExternalXObject, XObject};

use super::PdfError;
use super::document::deflate;

/// The largest file that is read.
pub const LARGEST_FILE: usize = 2 * 1024 * 1024;
/// A JPEG stays as large as it is, in every document.
pub const LARGEST_JPEG: usize = 256 * 1024;
/// The most pixels that are decoded.
pub const MOST_PIXELS: u64 = 16_000_000;
/// Wider or higher pictures are made smaller: 50 millimetres at 300 dots an inch.
const SIDE: usize = 600;

/// Why a picture is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Neither PNG nor JPEG.
    #[error("the picture is neither a PNG nor a JPEG file")]
    Kind,
    /// Too many bytes.
    #[error("the file of the picture is too large")]
    Large,
    /// Too many pixels, or none.
    #[error("the picture has too many pixels, or none")]
    Pixels,
    /// Cut off or damaged.
    #[error("the picture is damaged")]
    Damaged,
    /// Colours for print (CMYK), or more than eight bits of a JPEG.
    #[error("the colours of the picture are not RGB or grey")]
    Colours,
}

/// A picture ready for documents; made once, shared by all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    is_grey: bool,
    filter: &'static str,
    data: Vec<u8>,
}

impl Picture {
    /// Reads a PNG or JPEG file.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(file: &[u8]) -> Result<Self, PictureError> {
        if file.len() > LARGEST_FILE {
            return Err(PictureError::Large);
        }
        if file.starts_with(b"\x89PNG\r\n\x1A\n") {
            png(file)
        } else if file.starts_with(b"\xFF\xD8\xFF") {
            jpeg(file)
        } else {
            Err(PictureError::Kind)
        }
    }

    /// Width and height in pixels.
    #[must_use]
    pub const fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// The picture as a document has it: made small once, not in each of them.
    pub(super) fn resource(&self) -> XObject {
        let name = |name: &str| DictItem::Name(name.as_bytes().to_vec());
        let count = |count: usize| DictItem::Int(i64::try_from(count).unwrap_or(i64::MAX));
        let dict = BTreeMap::from([
            ("Type", name("XObject")),
            ("Subtype", name("Image")),
            ("Width", count(self.width)),
            ("Height", count(self.height)),
            ("ColorSpace", name(if self.is_grey { "DeviceGray" } else { "DeviceRGB" })),
            ("BitsPerComponent", count(8)),
            ("Filter", name(self.filter)),
        ]);
        let dict = dict.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let stream = ExternalStream { dict, content: self.data.clone(), compress: false };
        XObject::External(ExternalXObject { stream, width: None, height: None, dpi: None })
    }
}

fn counted(width: u64, height: u64) -> Result<(), PictureError> {
    let pixels = width.saturating_mul(height);
    if pixels == 0 || pixels > MOST_PIXELS { Err(PictureError::Pixels) } else { Ok(()) }
}

fn png(file: &[u8]) -> Result<Picture, PictureError> {
    let limits = png::Limits { bytes: 96 * 1024 * 1024 };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(file), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let head = decoder.read_header_info().map_err(|_why| PictureError::Damaged)?;
    counted(head.width.into(), head.height.into())?;
    let mut reader = decoder.read_info().map_err(|_why| PictureError::Damaged)?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or(PictureError::Pixels)?];
    let frame = reader.next_frame(&mut pixels).map_err(|_why| PictureError::Damaged)?;
    pixels.truncate(frame.buffer_size());
    let size = |side: u32| usize::try_from(side).map_err(|_why| PictureError::Pixels);
    let (width, height) = (size(frame.width)?, size(frame.height)?);
    let on_white = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        u8::try_from((value * alpha + 255 * (255 - alpha) + 127) / 255).unwrap_or(u8::MAX)
    };
    let rgb: Vec<[u8; 3]> = match frame.color_type {
        png::ColorType::Grayscale => pixels.iter().map(|grey| [*grey; 3]).collect(),
        png::ColorType::GrayscaleAlpha => {
            pixels.as_chunks::<2>().0.iter().map(|[grey, alpha]| [on_white(*grey, *alpha); 3]).collect()
        }
        png::ColorType::Rgb => pixels.as_chunks::<3>().0.to_vec(),
        png::ColorType::Rgba => {
            let lay = |[r, g, b, alpha]: &[u8; 4]| [r, g, b].map(|value| on_white(*value, *alpha));
            pixels.as_chunks::<4>().0.iter().map(lay).collect()
        }
        png::ColorType::Indexed => return Err(PictureError::Damaged),
    };
    let (rgb, width, height) = reduced(rgb, width, height);
    let data = deflate(rgb.as_flattened()).map_err(|_why| PictureError::Large)?;
    Ok(Picture { width, height, is_grey: false, filter: "FlateDecode", data })
}

/// The picture with no side longer than [`SIDE`]: each new pixel is the mean of a square of old ones.
fn reduced(rgb: Vec<[u8; 3]>, width: usize, height: usize) -> (Vec<[u8; 3]>, usize, usize) {
    let step = width.max(height).div_ceil(SIDE);
    if step <= 1 {
        return (rgb, width, height);
    }
    let (columns, rows) = ((width / step).max(1), (height / step).max(1));
    let mut out = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        for column in 0..columns {
            let (mut sums, mut count) = ([0_u64; 3], 0_u64);
            for y in row * step..((row + 1) * step).min(height) {
                let from = y * width + column * step;
                let line = rgb.get(from..(from + step).min((y + 1) * width)).unwrap_or_default();
                for pixel in line {
                    count += 1;
                    for (sum, value) in sums.iter_mut().zip(pixel) {
                        *sum += u64::from(*value);
                    }
                }
            }
            out.push(sums.map(|sum| u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX)));
        }
    }
    (out, columns, rows)
}

/// The headers of a JPEG, one by one; what only describes the picture is left out.
fn jpeg(file: &[u8]) -> Result<Picture, PictureError> {
    if file.len() > LARGEST_JPEG {
        return Err(PictureError::Large);
    }
    let pair = |at: usize| -> Result<[u8; 2], PictureError> {
        file.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).ok_or(PictureError::Damaged)
    };
    let number = |at: usize| pair(at).map(u16::from_be_bytes);
    let mut kept = vec![0xFF, 0xD8];
    let mut frame = None;
    let mut at = 2;
    loop {
        let [0xFF, kind] = pair(at)? else { return Err(PictureError::Damaged) };
        if kind == 0xFF {
            at += 1;
            continue;
        }
        let end = at + 2 + usize::from(number(at + 2)?);
        let segment = file.get(at..end).filter(|it| it.len() >= 4).ok_or(PictureError::Damaged)?;
        match kind {
            0xC0..=0xC2 => {
                let components = segment.get(9).copied().unwrap_or_default();
                if segment.get(4) != Some(&8) || !matches!(components, 1 | 3) {
                    return Err(PictureError::Colours);
                }
                let (height, width) = (number(at + 5)?, number(at + 7)?);
                counted(width.into(), height.into())?;
                if frame.replace((usize::from(width), usize::from(height), components == 1)).is_some() {
                    return Err(PictureError::Damaged);
                }
                kept.extend_from_slice(segment);
            }
            // Tables, restart interval, start of scan; and the segment that says how three colours are meant.
            0xC4 | 0xDB | 0xDD | 0xDA | 0xEE => kept.extend_from_slice(segment),
            0xE0..=0xEF | 0xFE => {}
            _ => return Err(PictureError::Damaged),
        }
        at = end;
        if kind == 0xDA {
            break;
        }
    }
    let data = file.get(at..).unwrap_or_default();
    // Nothing may hide behind the end of the picture.
    let last = data.windows(2).rposition(|two| two == [0xFF, 0xD9]).ok_or(PictureError::Damaged)?;
    kept.extend_from_slice(data.get(..last + 2).unwrap_or_default());
    let (width, height, is_grey) = frame.ok_or(PictureError::Damaged)?;
    Ok(Picture { width, height, is_grey, filter: "DCTDecode", data: kept })
}

/// A picture refused stops no document.
impl From<PictureError> for PdfError {
    fn from(error: PictureError) -> Self {
        Self::Picture(error)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A PNG of one colour with a clear stripe.
    pub(crate) fn logo(width: u32, height: u32) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        let pixels: Vec<u8> = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| if (x + y) % 40 < 8 { [0, 0, 0, 0] } else { [0x17, 0x5E, 0x54, 0xFF] })
            .collect();
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&pixels).unwrap();
        writer.finish().unwrap();
        file
    }

    #[test]
    fn a_png_is_laid_on_white_and_made_small() {
        let picture = Picture::read(&logo(1_300, 260)).unwrap();
        assert_eq!(picture.size(), (433, 86));
        assert_eq!(Picture::read(&logo(30, 10)).unwrap().size(), (30, 10));
        assert!(picture.data.len() < 40_000);
    }

    #[test]
    fn too_large_other_or_damaged_files_are_refused() {
        assert_eq!(Picture::read(b"<svg/>"), Err(PictureError::Kind));
        assert_eq!(Picture::read(&vec![0; LARGEST_FILE + 1]), Err(PictureError::Large));
        let mut bomb = logo(8, 8);
        bomb[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        assert!(matches!(Picture::read(&bomb), Err(PictureError::Pixels | PictureError::Damaged)));
        let whole = logo(64, 64);
        assert_eq!(Picture::read(&whole[..whole.len() / 2]), Err(PictureError::Damaged));
        assert_eq!(Picture::read(b"\xFF\xD8\xFF\xE0\x00\x04ab"), Err(PictureError::Damaged));
    }

    #[test]
    fn a_jpeg_loses_what_it_says_of_itself() {
        let mut file = b"\xFF\xD8\xFF\xE1\x00\x08Exif\0\0\xFF\xFE\x00\x04ab".to_vec();
        file.extend(b"\xFF\xC0\x00\x0B\x08\x00\x10\x00\x20\x01\x01\x11\x00\xFF\xDA\x00\x08\x01\x01\x00\x00\x3F\x00");
        file.extend(b"data\xFF\xD9<script>");
        let picture = Picture::read(&file).unwrap();
        assert_eq!((picture.size(), picture.is_grey), ((32, 16), true));
        assert!(!picture.data.windows(4).any(|it| it == b"Exif" || it == b"scri"));
        assert!(picture.data.ends_with(b"data\xFF\xD9"));
    }

    proptest! {
        #[test]
        fn damaged_pictures_are_refused_or_read_and_never_worse(at in 0_usize..600, value in any::<u8>(), cut in 0_usize..600) {
            let mut file = logo(40, 40);
            let length = file.len();
            file[at % length] = value;
            let _ = Picture::read(&file);
            let _ = Picture::read(&file[..cut.min(length)]);
            let mut photo = b"\xFF\xD8\xFF\xC0\x00\x0B\x08\x00\x10\x00\x20\x01\x01\x11\x00\xFF\xDA\x00\x08\x01\x01\x00\x00\x3F\x00xx\xFF\xD9".to_vec();
            let length = photo.len();
            photo[3 + at % (length - 3)] = value;
            let _ = Picture::read(&photo);
        }
    }
}
