//! Reading mail as its recipient does: the text part, and the link in it.

use base64::Engine;

/// The text part of a raw mail, decoded.
#[must_use]
pub fn text_of(raw: &[u8]) -> String {
    let raw = String::from_utf8_lossy(raw).replace("\r\n", "\n");
    let Some(start) = raw.find("Content-Type: text/plain") else { return raw };
    // Headers of the part may stand before or after its type, up to the blank line; the part ends at a boundary.
    let head_start = raw.get(..start).and_then(|before| before.rfind("\n--"));
    let part = raw.get(head_start.unwrap_or(start)..).unwrap_or_default();
    let Some((head, rest)) = part.split_once("\n\n") else { return String::new() };
    // The whole boundary, not only its dashes: a token broken over two lines may go on with dashes too.
    let boundary = head_start.and_then(|_| part.trim_start_matches('\n').lines().next());
    let body = boundary.and_then(|line| rest.split(&format!("\n{line}")).next()).unwrap_or(rest);
    let head = head.to_ascii_lowercase();
    if head.contains("base64") {
        let compact: String = body.split_whitespace().collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(compact).unwrap_or_default();
        return String::from_utf8_lossy(&bytes).into_owned();
    }
    if head.contains("quoted-printable") {
        return decode_quoted_printable(body);
    }
    body.to_owned()
}

fn decode_quoted_printable(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut bytes = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let pair = if *first == b'=' { tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok()) } else { None };
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The first link in a text.
#[must_use]
pub fn link_in(text: &str) -> Option<String> {
    let start = text.find("http://").or_else(|| text.find("https://"))?;
    let link: String = text.get(start..)?.chars().take_while(|c| !c.is_whitespace() && *c != '>').collect();
    Some(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_survives_the_encodings_of_mail() {
        let mail = |encoding: &str, body: &str| {
            format!(
                "Subject: x\r\nContent-Type: multipart/alternative; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n--b--\r\n"
            )
        };
        let cases = [
            ("7bit", "See http://h/o/abc now"),
            ("quoted-printable", "caf=C3=A9: http://h/o/=\r\nabc=20now"),
            ("base64", "aHR0cDovL2gvby9hYmM="),
        ];
        for (encoding, body) in cases {
            let text = text_of(mail(encoding, body).as_bytes());
            assert_eq!(link_in(&text).as_deref(), Some("http://h/o/abc"), "{encoding}: {text}");
        }
        let broken = text_of(mail("quoted-printable", "http://h/o/=\r\n--abc now").as_bytes());
        assert_eq!(link_in(&broken).as_deref(), Some("http://h/o/--abc"), "a line may begin with dashes");
    }
}
