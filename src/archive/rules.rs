//! What may be uploaded, told by the first bytes and not by its name.

/// A type of file that we keep for members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// PDF.
    Pdf,
}

impl MediaType {
    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Pdf => "application/pdf",
        }
    }

    /// The ending of its name.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Pdf => "pdf",
        }
    }
}

/// Tells a file by its magic bytes, and by an end that fits: a truncated upload is not accepted.
#[must_use]
pub fn recognise(bytes: &[u8]) -> Option<MediaType> {
    let tail = bytes.get(bytes.len().saturating_sub(1024)..)?;
    if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) && tail.windows(2).any(|pair| pair == [0xFF, 0xD9]) {
        Some(MediaType::Jpeg)
    } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") && tail.windows(4).any(|name| name == b"IEND") {
        Some(MediaType::Png)
    } else if bytes.starts_with(b"%PDF-1.") && tail.windows(5).any(|mark| mark == b"%%EOF") {
        Some(MediaType::Pdf)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_bytes_say() {
        let cases: [(&[u8], Option<MediaType>); 7] = [
            (b"%PDF-1.7\n...\n%%EOF\n", Some(MediaType::Pdf)),
            (b"\x89PNG\r\n\x1a\n....IEND\xAEB`\x82", Some(MediaType::Png)),
            (b"\xFF\xD8\xFF\xE0....\xFF\xD9", Some(MediaType::Jpeg)),
            (b"%PDF-1.7\ncut off", None),
            (b"<html><script>alert(1)</script></html>", None),
            (b"GIF89a", None),
            (b"", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(recognise(bytes), expected, "{bytes:?}");
        }
    }
}
