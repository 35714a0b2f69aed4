//! The letters that every bank of the single euro payments area must take, and the way there from European names.
//!
//! The set and the habit of one basic letter for an accented one are those of the European Payments Council
//! (EPC217-08, conversion of characters). The text sent is not the text given: [`to_sepa`] says whether it changed, so
//! that the caller can record both. A name for the payee check should be stored as the holder writes it.

/// A text in the SEPA set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SepaText {
    /// Only characters of [`is_sepa`], no blank at either end.
    pub text: String,
    /// Whether the text differs from the one given, by letters, blanks or length.
    pub changed: bool,
}

/// Whether every bank takes the character: `a-z A-Z 0-9 / - ? : ( ) . , ' +` and the space.
#[must_use]
pub const fn is_sepa(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '?' | ':' | '(' | ')' | '.' | ',' | '\'' | '+' | ' ')
}

/// Writes `text` in the SEPA set, in at most `length_max` characters.
///
/// Letters lose their accents, Greek and Cyrillic are transliterated, `&` becomes `+`; what has no likeness becomes a
/// full stop; invisible characters go. Text beyond the length is cut.
#[must_use]
pub fn to_sepa(text: &str, length_max: usize) -> SepaText {
    let mut sepa = String::with_capacity(text.len());
    for c in text.chars() {
        if is_sepa(c) {
            sepa.push(c);
        } else {
            sepa.push_str(likeness(c));
        }
    }
    let words: Vec<&str> = sepa.split(' ').filter(|word| !word.is_empty()).collect();
    let cut: String = words.join(" ").chars().take(length_max).collect();
    let written = cut.trim_end().to_owned();
    SepaText { changed: written != text, text: written }
}

/// What a bank gets for a character outside the set.
fn likeness(c: char) -> &'static str {
    sign(c).or_else(|| latin(c)).or_else(|| greek(c)).or_else(|| cyrillic(c)).unwrap_or(".")
}

fn sign(c: char) -> Option<&'static str> {
    Some(match c {
        '&' => "+",
        '@' => "(at)",
        '_' | '~' | '\u{2010}'..='\u{2015}' | '\u{2212}' => "-",
        '"' | '`' | '\u{B4}' | '\u{2018}'..='\u{201F}' | '«' | '»' => "'",
        ';' => ",",
        '[' | '{' | '<' => "(",
        ']' | '}' | '>' => ")",
        '\\' | '|' => "/",
        '€' => "EUR",
        '£' => "GBP",
        '…' => "...",
        '№' => "No",
        'º' | '°' => "o",
        'ª' => "a",
        // Accents that follow their letter, and what nobody sees: joiners, direction marks, soft hyphens.
        '\u{300}'..='\u{36F}'
        | '\u{AD}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' => "",
        _ if c.is_whitespace() || c.is_control() => " ",
        _ => return None,
    })
}

fn latin(c: char) -> Option<&'static str> {
    latin_capital(c).or_else(|| latin_small(c))
}

fn latin_capital(c: char) -> Option<&'static str> {
    Some(match c {
        'À'..='Å' | 'Ā' | 'Ă' | 'Ą' | 'Ǎ' | 'Ạ' => "A",
        'Æ' => "AE",
        'Ç' | 'Ć' | 'Ĉ' | 'Ċ' | 'Č' => "C",
        'Ð' | 'Ď' | 'Đ' => "D",
        'È'..='Ë' | 'Ē' | 'Ĕ' | 'Ė' | 'Ę' | 'Ě' | 'Ẽ' => "E",
        'Ĝ' | 'Ğ' | 'Ġ' | 'Ģ' | 'Ǧ' => "G",
        'Ĥ' | 'Ħ' => "H",
        'Ì'..='Ï' | 'Ĩ' | 'Ī' | 'Ĭ' | 'Į' | 'İ' | 'Ǐ' => "I",
        '\u{132}' => "IJ",
        'Ĵ' => "J",
        'Ķ' | 'Ǩ' => "K",
        'Ĺ' | 'Ļ' | 'Ľ' | 'Ŀ' | 'Ł' => "L",
        'Ñ' | 'Ń' | 'Ņ' | 'Ň' | 'Ŋ' => "N",
        'Ò'..='Ö' | 'Ø' | 'Ō' | 'Ŏ' | 'Ő' | 'Ơ' | 'Ǒ' => "O",
        'Œ' => "OE",
        'Ŕ' | 'Ŗ' | 'Ř' => "R",
        'Ś' | 'Ŝ' | 'Ş' | 'Š' | 'Ș' => "S",
        'ẞ' => "SS",
        'Ţ' | 'Ť' | 'Ŧ' | 'Ț' => "T",
        'Þ' => "TH",
        'Ù'..='Ü' | 'Ũ' | 'Ū' | 'Ŭ' | 'Ů' | 'Ű' | 'Ų' | 'Ư' | 'Ǔ' => "U",
        'Ŵ' | 'Ẁ' | 'Ẃ' | 'Ẅ' => "W",
        'Ý' | 'Ŷ' | 'Ÿ' | 'Ỳ' => "Y",
        'Ź' | 'Ż' | 'Ž' => "Z",
        _ => return None,
    })
}

fn latin_small(c: char) -> Option<&'static str> {
    Some(match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' | 'ǎ' | 'ạ' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ð' | 'ď' | 'đ' => "d",
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' | 'ẽ' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' | 'ǧ' => "g",
        'ĥ' | 'ħ' => "h",
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' | 'ǐ' => "i",
        '\u{133}' => "ij",
        'ĵ' => "j",
        'ķ' | 'ĸ' | 'ǩ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ŀ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' | '\u{149}' | 'ŋ' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' | 'ơ' | 'ǒ' => "o",
        'œ' => "oe",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' | 'ſ' => "s",
        'ß' => "ss",
        'ţ' | 'ť' | 'ŧ' | 'ț' => "t",
        'þ' => "th",
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' | 'ư' | 'ǔ' => "u",
        'ŵ' | 'ẁ' | 'ẃ' | 'ẅ' => "w",
        'ý' | 'ÿ' | 'ŷ' | 'ỳ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    })
}

/// Greek, letter by letter: two letters that make one sound are not looked for.
fn greek(c: char) -> Option<&'static str> {
    Some(match c {
        'Α' | 'Ά' => "A",
        'Β' => "V",
        'Γ' => "G",
        'Δ' => "D",
        'Ε' | 'Έ' => "E",
        'Ζ' => "Z",
        'Η' | 'Ή' | 'Ι' | 'Ί' | 'Ϊ' => "I",
        'Θ' => "TH",
        'Κ' => "K",
        'Λ' => "L",
        'Μ' => "M",
        'Ν' => "N",
        'Ξ' => "X",
        'Ο' | 'Ό' | 'Ω' | 'Ώ' => "O",
        'Π' => "P",
        'Ρ' => "R",
        'Σ' => "S",
        'Τ' => "T",
        'Υ' | 'Ύ' | 'Ϋ' => "Y",
        'Φ' => "F",
        'Χ' => "CH",
        'Ψ' => "PS",
        'α' | 'ά' => "a",
        'β' => "v",
        'γ' => "g",
        'δ' => "d",
        'ε' | 'έ' => "e",
        'ζ' => "z",
        'η' | 'ή' | 'ι' | 'ί' | 'ϊ' | 'ΐ' => "i",
        'θ' => "th",
        'κ' => "k",
        'λ' => "l",
        'μ' | 'µ' => "m",
        'ν' => "n",
        'ξ' => "x",
        'ο' | 'ό' | 'ω' | 'ώ' => "o",
        'π' => "p",
        'ρ' => "r",
        'σ' | 'ς' => "s",
        'τ' => "t",
        'υ' | 'ύ' | 'ϋ' | 'ΰ' => "y",
        'φ' => "f",
        'χ' => "ch",
        'ψ' => "ps",
        _ => return None,
    })
}

/// Cyrillic as Bulgaria, the Cyrillic country of the euro, writes it (law on transliteration), with the letters that
/// its neighbours add.
fn cyrillic(c: char) -> Option<&'static str> {
    Some(match c {
        'А' | 'Ъ' => "A",
        'Б' => "B",
        'В' => "V",
        'Г' | 'Ґ' => "G",
        'Д' => "D",
        'Е' | 'Ё' | 'Є' | 'Э' => "E",
        'Ж' => "ZH",
        'З' => "Z",
        'И' | 'І' | 'Ї' => "I",
        'Й' | 'Ы' | 'Ь' => "Y",
        'Ј' => "J",
        'К' => "K",
        'Л' => "L",
        'М' => "M",
        'Н' => "N",
        'О' => "O",
        'П' => "P",
        'Р' => "R",
        'С' => "S",
        'Т' => "T",
        'У' => "U",
        'Ф' => "F",
        'Х' => "H",
        'Ц' => "TS",
        'Ч' => "CH",
        'Ш' => "SH",
        'Щ' => "SHT",
        'Ю' => "YU",
        'Я' => "YA",
        'а' | 'ъ' => "a",
        'б' => "b",
        'в' => "v",
        'г' | 'ґ' => "g",
        'д' => "d",
        'е' | 'ё' | 'є' | 'э' => "e",
        'ж' => "zh",
        'з' => "z",
        'и' | 'і' | 'ї' => "i",
        'й' | 'ы' | 'ь' => "y",
        'ј' => "j",
        'к' => "k",
        'л' => "l",
        'м' => "m",
        'н' => "n",
        'о' => "o",
        'п' => "p",
        'р' => "r",
        'с' => "s",
        'т' => "t",
        'у' => "u",
        'ф' => "f",
        'х' => "h",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "sht",
        'ю' => "yu",
        'я' => "ya",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn european_names_become_letters_that_every_bank_takes() {
        let cases = [
            ("Łukasz Øster-Ñuñez & Fils SPRL", "Lukasz Oster-Nunez + Fils SPRL"),
            ("Zoë Müller", "Zoe Muller"),
            ("Straße 5; Gebäude_2", "Strasse 5, Gebaude-2"),
            ("Ştefan Țepeş", "Stefan Tepes"),
            ("Þór Æsir", "THor AEsir"),
            ("Γιώργος Παπαδόπουλος", "Giorgos Papadopoylos"),
            ("Щерьо Жеков", "SHTeryo ZHekov"),
            ("Cafe\u{301} \u{200B}\u{202E}x", "Cafe x"),
            ("O’Brien “Design”", "O'Brien 'Design'"),
            ("two\nlines\tand  blanks ", "two lines and blanks"),
            ("名前", ".."),
            ("a@b.example", "a(at)b.example"),
        ];
        for (given, expected) in cases {
            let written = to_sepa(given, 140);
            assert_eq!((written.text.as_str(), written.changed), (expected, true), "{given}");
        }
    }

    #[test]
    fn a_text_of_the_set_is_left_alone_and_said_to_be_so() {
        let written = to_sepa("Payout 2026-0001 (A/B): 'x' +1, y?", 140);
        assert_eq!((written.text.as_str(), written.changed), ("Payout 2026-0001 (A/B): 'x' +1, y?", false));
    }

    #[test]
    fn a_text_beyond_the_length_is_cut_and_said_to_be_changed() {
        let written = to_sepa("abc defg", 4);
        assert_eq!((written.text.as_str(), written.changed), ("abc", true));
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_of_the_set_and_stays_when_written_again(text in ".{0,60}", length_max in 0_usize..80) {
            let once = to_sepa(&text, length_max);
            prop_assert!(once.text.chars().all(is_sepa));
            prop_assert!(once.text.chars().count() <= length_max);
            prop_assert_eq!(once.changed, once.text != text);
            let twice = to_sepa(&once.text, length_max);
            prop_assert_eq!((twice.text, twice.changed), (once.text, false));
        }
    }
}
