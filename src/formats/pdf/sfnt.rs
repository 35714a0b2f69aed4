//! Reads from a TrueType file what layout and a PDF need to know of it: glyphs of characters, widths, heights.

/// What a face says of itself, lengths in thousandths of the size.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    /// Character and glyph, in the order of the characters.
    pub(super) glyphs: Vec<(u32, u16)>,
    /// Advance by glyph.
    pub(super) advances: Vec<u16>,
    /// Left, bottom, right, top of all glyphs together.
    pub(super) bounds: [i32; 4],
    /// Above the baseline.
    pub(super) ascent: i32,
    /// Below the baseline, negative.
    pub(super) descent: i32,
    /// Height of a capital.
    pub(super) cap_height: i32,
}

/// A file of big-endian numbers; what is not there reads as nothing.
#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn from(self, offset: usize) -> Option<Bytes<'a>> {
        self.0.get(offset..).map(Bytes)
    }

    fn u16(self, offset: usize) -> Option<u16> {
        let bytes: [u8; 2] = self.0.get(offset..offset.checked_add(2)?)?.try_into().ok()?;
        Some(u16::from_be_bytes(bytes))
    }

    fn i16(self, offset: usize) -> Option<i32> {
        let bytes: [u8; 2] = self.0.get(offset..offset.checked_add(2)?)?.try_into().ok()?;
        Some(i32::from(i16::from_be_bytes(bytes)))
    }

    fn u32(self, offset: usize) -> Option<u32> {
        let bytes: [u8; 4] = self.0.get(offset..offset.checked_add(4)?)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    }

    fn offset(self, offset: usize) -> Option<usize> {
        usize::try_from(self.u32(offset)?).ok()
    }

    /// A table of the file.
    fn table(self, tag: [u8; 4]) -> Option<Bytes<'a>> {
        let count = usize::from(self.u16(4)?);
        let record = (0..count).map(|index| 12 + index * 16).find(|at| self.0.get(*at..at + 4) == Some(&tag))?;
        self.from(self.offset(record + 8)?)
    }
}

/// Reads a face. Nothing when a table is missing or cut off.
pub(super) fn read(file: &[u8]) -> Option<Metrics> {
    let file = Bytes(file);
    let head = file.table(*b"head")?;
    let per_em = i32::from(head.u16(18)?).max(1);
    let thousandths = |units: i32| (units * 1_000 + if units < 0 { -per_em / 2 } else { per_em / 2 }) / per_em;
    let hhea = file.table(*b"hhea")?;
    let hmtx = file.table(*b"hmtx")?;
    let count = usize::from(file.table(*b"maxp")?.u16(4)?);
    let long = usize::from(hhea.u16(34)?).max(1);
    let mut advances = Vec::with_capacity(count);
    for glyph in 0..count {
        let units = hmtx.u16(glyph.min(long - 1) * 4)?;
        advances.push(u16::try_from(thousandths(i32::from(units))).ok()?);
    }
    let ascent = thousandths(hhea.i16(4)?);
    let cap_height = file.table(*b"OS/2").and_then(|os2| os2.i16(88)).map_or(ascent, thousandths);
    Some(Metrics {
        glyphs: characters(file.table(*b"cmap")?)?,
        advances,
        bounds: [head.i16(36)?, head.i16(38)?, head.i16(40)?, head.i16(42)?].map(thousandths),
        ascent,
        descent: thousandths(hhea.i16(6)?),
        cap_height,
    })
}

/// Every character of the first Unicode table that we can read, with its glyph.
fn characters(cmap: Bytes<'_>) -> Option<Vec<(u32, u16)>> {
    let count = usize::from(cmap.u16(2)?);
    let tables = (0..count).filter_map(|index| {
        let record = 4 + index * 8;
        let platform = cmap.u16(record)?;
        let table = cmap.from(cmap.offset(record + 4)?)?;
        (platform == 0 || platform == 3).then_some(table)
    });
    let mut found: Vec<(u32, u16)> = Vec::new();
    for table in tables {
        let characters = match table.u16(0) {
            Some(4) => segments(table),
            Some(12) => groups(table),
            _ => None,
        };
        // The table that knows most.
        found = characters.filter(|it| it.len() > found.len()).unwrap_or(found);
    }
    (!found.is_empty()).then_some(found)
}

/// A table of format 4: segments of the basic plane.
fn segments(table: Bytes<'_>) -> Option<Vec<(u32, u16)>> {
    let double = usize::from(table.u16(6)?);
    let mut found = Vec::new();
    for at in (0..double).step_by(2) {
        let (last, first) = (table.u16(14 + at)?, table.u16(16 + double + at)?);
        let delta = table.u16(16 + double * 2 + at)?;
        let place = 16 + double * 3 + at;
        let range = usize::from(table.u16(place)?);
        for code in first..=last {
            let glyph = match range {
                0 => code.wrapping_add(delta),
                _ => match table.u16(place + range + usize::from(code - first) * 2)? {
                    0 => 0,
                    glyph => glyph.wrapping_add(delta),
                },
            };
            if glyph != 0 && code != u16::MAX {
                found.push((u32::from(code), glyph));
            }
        }
    }
    Some(found)
}

/// A table of format 12: groups of all planes.
fn groups(table: Bytes<'_>) -> Option<Vec<(u32, u16)>> {
    let mut found = Vec::new();
    for index in 0..table.offset(12)? {
        let at = 16 + index * 12;
        let (first, last, glyph) = (table.u32(at)?, table.u32(at + 4)?, table.u32(at + 8)?);
        for code in first..=last.min(0x0010_FFFF) {
            found.push((code, u16::try_from(glyph.wrapping_add(code - first)).ok()?));
        }
    }
    Some(found)
}
