//! Text of strangers, made safe to draw; measured; broken into lines.

use unicode_normalization::UnicodeNormalization;

use super::Length;
use super::PdfError;
use super::fonts::{Face, Faces, REPLACEMENT, Weight};

/// Text in which every character can be drawn: composed (NFC), one line, no control or direction characters.
///
/// What a face lacks is written otherwise where plain characters say the same, and else as U+FFFD, which shows that
/// something is missing. Line breaks become spaces; [`paragraphs`] keeps them.
///
/// # Errors
/// Only when the embedded faces are broken.
pub fn clean(text: &str) -> Result<String, PdfError> {
    let face = Faces::get()?.face(Weight::Regular);
    let mut out = String::with_capacity(text.len());
    for character in text.nfc() {
        match character {
            _ if character.is_whitespace() && !face.draws(character) => out.push(' '),
            _ if character.is_control() || is_invisible(character) => {}
            _ if face.draws(character) => out.push(character),
            '−' => out.push('-'),
            '→' | '⇒' => out.push_str("->"),
            '←' => out.push_str("<-"),
            '≤' => out.push_str("<="),
            '≥' => out.push_str(">="),
            _ => out.push(REPLACEMENT),
        }
    }
    Ok(out)
}

/// The lines somebody typed, each [`clean`].
///
/// # Errors
/// Only when the embedded faces are broken.
pub fn paragraphs(text: &str) -> Result<Vec<String>, PdfError> {
    text.lines().map(clean).collect()
}

/// Characters that draw nothing but change what is around them: direction overrides and isolates, joiners, variation
/// selectors, soft hyphens, tags. In a legal document they could only make it read other than it prints.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Breaks clean `text` into lines no wider than `room`, at spaces, and inside a word that is wider than a line.
///
/// Every character but the spaces at the breaks is kept. A no-break space does not break. Always at least one line.
#[must_use]
pub fn wrap(face: &Face, size: Length, room: Length, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    let space = face.width(" ", size);
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let width = face.width(word, size);
        if !line.is_empty() && used + space + width <= room {
            line.push(' ');
            line.push_str(word);
            used += space + width;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        (line, used) = (word.to_owned(), width);
        if width > room {
            let mut pieces = break_word(face, size, room, word);
            line = pieces.pop().unwrap_or_default();
            used = face.width(&line, size);
            lines.append(&mut pieces);
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// A word in pieces no wider than `room`, each of at least one character.
fn break_word(face: &Face, size: Length, room: Length, word: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut used = 0;
    for character in word.chars() {
        let width = face.width(character.encode_utf8(&mut [0; 4]), size);
        if !piece.is_empty() && used + width > room {
            pieces.push(std::mem::take(&mut piece));
            used = 0;
        }
        piece.push(character);
        used += width;
    }
    pieces.push(piece);
    pieces
}

/// The largest size, from `size` down to a third of it, at which clean `text` fits `room`.
#[must_use]
pub fn fit(face: &Face, size: Length, room: Length, text: &str) -> Length {
    let width = face.width(text, size);
    if width <= room { size } else { (size * room / width).max(size / 3) }
}

/// At most `count` of `lines`; where some are left out, the last one shown ends in an ellipsis.
#[must_use]
pub fn at_most(mut lines: Vec<String>, count: usize) -> Vec<String> {
    if lines.len() > count {
        lines.truncate(count);
        if let Some(last) = lines.last_mut() {
            last.push('…');
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn regular() -> &'static Face {
        Faces::get().unwrap().face(Weight::Regular)
    }

    #[test]
    fn control_and_direction_characters_are_dropped_and_unknown_ones_show() {
        let cases = [
            ("A\u{202E}FDP.exe\u{0}\u{7}B", "AFDP.exeB"),
            ("a\tb\r\nc\u{2028}d", "a b  c d"),
            ("e\u{301}\u{200B}t\u{FE0F}\u{AD}é", "été"),
            ("日 🎉", "\u{FFFD} \u{FFFD}"),
            ("5 − 3 → 2", "5 - 3 -> 2"),
            ("10\u{a0}€", "10\u{a0}€"),
        ];
        for (input, expected) in cases {
            assert_eq!(clean(input).unwrap(), expected, "{input:?}");
        }
    }

    #[test]
    fn lines_break_at_spaces_and_long_words_break_anywhere() {
        let room = regular().width("mmmmm", 10_000);
        assert_eq!(wrap(regular(), 10_000, room, "mm mm mm"), ["mm mm", "mm"]);
        assert_eq!(wrap(regular(), 10_000, room, "mm mmmmmmmm mm"), ["mm", "mmmmm", "mmm", "mm"]);
        assert_eq!(wrap(regular(), 10_000, room, "mm\u{a0}mm mm"), ["mm\u{a0}mm", "mm"]);
        assert_eq!(wrap(regular(), 10_000, room, ""), [""]);
        assert_eq!(wrap(regular(), 10_000, 1, "ab"), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn wrapping_loses_nothing_and_stays_within_the_room(text in "\\PC{0,200}", room in 20_000_i64..200_000) {
            let text = clean(&text).unwrap();
            let lines = wrap(regular(), 9_000, room, &text);
            let joined: String = lines.concat().chars().filter(|character| *character != ' ').collect();
            let expected: String = text.chars().filter(|character| *character != ' ').collect();
            prop_assert_eq!(joined, expected);
            for line in lines {
                prop_assert!(regular().width(&line, 9_000) <= room, "{:?}", line);
            }
        }

        #[test]
        fn clean_text_can_always_be_drawn(text in any::<String>()) {
            let face = Faces::get().unwrap();
            for character in clean(&text).unwrap().chars() {
                prop_assert!(face.face(Weight::Regular).draws(character) && face.face(Weight::Bold).draws(character));
                prop_assert!(!character.is_control());
            }
        }
    }
}
