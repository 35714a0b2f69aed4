use super::*;
use crate::platform::mail_catcher::{Catcher, Caught, Script};
use std::time::Instant;

fn envelope() -> Envelope {
    Envelope {
        to: "client@example.com".to_owned(),
        to_name: Some("Łukasz Øster-Ñuñez & Fils".to_owned()),
        message_id: "invoice.0197f3a2@umbel.example".to_owned(),
        subject: "Facture 2026-0412 : 1\u{a0}210,00\u{a0}€ à payer".to_owned(),
        text: "Bonjour,\n\n.un point en tête de ligne\n..deux\n.\nfin é".to_owned(),
        html: "<p>Bonjour</p>".to_owned(),
        attachments: vec![(
            "Facture 2026-0412 é.pdf".to_owned(),
            "application/pdf".to_owned(),
            (*b"%PDF-1.7 \x00\xff").into(),
        )],
        auto_submitted: true,
        language: Language::Fr,
        sent_at: "2026-04-15T09:14:03Z".parse().unwrap(),
    }
}

fn mailer(url: &str) -> Mailer {
    let from = "Ombelle coop <bureau@ombelle.example>".to_owned();
    Mailer::new(&MailConfig { smtp_url: Some(url.to_owned()), from, folder: PathBuf::new() }).unwrap()
}

fn text_of(caught: &Caught) -> String {
    String::from_utf8(caught.raw.clone()).unwrap()
}

fn headers_of(message: &str) -> Vec<String> {
    let head = message.split_once("\r\n\r\n").unwrap().0.replace("\r\n ", " ");
    head.lines().map(str::to_owned).collect()
}

#[test]
fn a_mail_arrives_with_the_id_and_the_date_it_was_given() {
    let catcher = Catcher::start(0, None).unwrap();
    let mailer = mailer(&catcher.url());
    mailer.send(&envelope()).unwrap();
    let receipt = mailer.send(&envelope()).unwrap().receipt;
    assert!(receipt.starts_with("250 "), "{receipt}");
    let caught = catcher.messages();
    assert_eq!(caught.len(), 2);
    assert_eq!(caught[0], caught[1], "the same mail is the same bytes");
    assert_eq!(
        (caught[0].from.as_str(), caught[0].to.as_slice()),
        ("bureau@ombelle.example", &["client@example.com".to_owned()][..])
    );
    let headers = headers_of(&text_of(&caught[0]));
    for expected in [
        "Message-ID: <invoice.0197f3a2@umbel.example>",
        "Date: Wed, 15 Apr 2026 09:14:03 +0000",
        "Auto-Submitted: auto-generated",
        "Content-Language: fr",
        "From: \"Ombelle coop\" <bureau@ombelle.example>",
    ] {
        assert!(headers.iter().any(|header| header == expected), "{expected} in {headers:#?}");
    }
}

#[test]
fn dots_and_accents_survive_the_way() {
    let catcher = Catcher::start(0, None).unwrap();
    let plain = Envelope { text: ".début\n..\n.".to_owned(), attachments: Vec::new(), ..envelope() };
    mailer(&catcher.url()).send(&plain).unwrap();
    let message = text_of(&catcher.messages()[0]);
    assert!(message.contains("\r\n.d=C3=A9but\r\n..\r\n.\r\n"), "{message}");
}

#[test]
fn a_refused_address_is_permanent_and_carries_the_servers_words() {
    let catcher = Catcher::start(0, None).unwrap();
    catcher.set_script(Script { reject: Some("client@".to_owned()), ..Script::default() });
    let mailer = mailer(&catcher.url());
    let error = mailer.send(&envelope()).unwrap_err();
    assert_eq!(error, MailError::Permanent { code: Some(550), text: "5.1.1 no such mailbox".to_owned() });
    mailer.send(&Envelope { to: "other@example.com".to_owned(), ..envelope() }).unwrap();
    assert_eq!(catcher.messages().len(), 1);
}

#[test]
fn a_greylisted_mail_is_transient_and_passes_the_second_time() {
    let catcher = Catcher::start(0, None).unwrap();
    catcher.set_script(Script { greylist: true, ..Script::default() });
    let mailer = mailer(&catcher.url());
    let error = mailer.send(&envelope()).unwrap_err();
    assert_eq!(error, MailError::Transient { code: Some(451), text: "4.7.1 try again later".to_owned() });
    mailer.send(&envelope()).unwrap();
    assert_eq!(catcher.messages().len(), 1);
}

#[test]
fn a_line_that_drops_before_the_reply_is_transient_and_the_repeat_has_the_same_id() {
    let catcher = Catcher::start(0, None).unwrap();
    catcher.set_script(Script { drop_after_data: 1, ..Script::default() });
    let mailer = mailer(&catcher.url());
    let error = mailer.send(&envelope()).unwrap_err();
    assert!(matches!(error, MailError::Transient { code: None, .. }), "{error}");
    mailer.send(&envelope()).unwrap();
    let caught = catcher.messages();
    assert_eq!((caught.len(), &caught[0]), (2, &caught[1]));
}

#[test]
fn no_server_is_transient_and_a_slow_one_is_waited_for() {
    let catcher = Catcher::start(0, None).unwrap();
    catcher.set_script(Script { stall: Some(Duration::from_millis(60)), ..Script::default() });
    let started = Instant::now();
    let mailer = mailer(&catcher.url());
    mailer.send(&envelope()).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(300));
    drop(catcher);
    let error = mailer.send(&envelope()).unwrap_err();
    assert!(matches!(error, MailError::Transient { .. }), "{error}");
}

#[test]
fn nothing_that_was_typed_can_add_a_header_or_a_recipient() {
    let catcher = Catcher::start(0, None).unwrap();
    let mailer = mailer(&catcher.url());
    for bad in
        ["x\r\nBcc: all@example.com", "x\nX: 1", "x\ry", "x\0y", "x\u{7f}y", "x\u{202e}y", "x\u{2028}y", "x\u{85}y"]
    {
        let pdf = |name: &str, media: &str| vec![(name.to_owned(), media.to_owned(), (*b"x").into())];
        let attempts = [
            Envelope { subject: bad.to_owned(), ..envelope() },
            Envelope { to_name: Some(bad.to_owned()), ..envelope() },
            Envelope { to: format!("{bad}@example.com"), ..envelope() },
            Envelope { to: format!("a@example.com{bad}"), ..envelope() },
            Envelope { message_id: format!("{bad}@example.com"), ..envelope() },
            Envelope { attachments: pdf(bad, "application/pdf"), ..envelope() },
            Envelope { attachments: pdf("a.pdf", bad), ..envelope() },
        ];
        for attempt in attempts {
            let error = mailer.send(&attempt).unwrap_err();
            assert!(matches!(error, MailError::Permanent { code: None, .. }), "{attempt:?}: {error}");
        }
    }
    for to in ["", "a", "a@", "@b", "a@b, c@d", "a@b>\u{20}SIZE=1", "<a@b>", "a b@example.com", "é@example.com"] {
        let error = mailer.send(&Envelope { to: to.to_owned(), ..envelope() }).unwrap_err();
        assert!(matches!(error, MailError::Permanent { code: None, .. }), "{to}: {error}");
    }
    assert_eq!(catcher.messages(), []);
    // Odd names are quoted, not refused, and the number of headers never changes.
    let usual = headers_of(
        &String::from_utf8(compose(&envelope(), &"a@b.example".parse().unwrap()).unwrap().formatted()).unwrap(),
    );
    for name in ["\"quoted\" <a@b.c>", "a, b@c.d", "=?utf-8?q?x?=", "(comment)", "; x=y"] {
        let odd = Envelope { to_name: Some(name.to_owned()), subject: name.to_owned(), ..envelope() };
        mailer.send(&odd).unwrap();
        let caught = catcher.messages().pop().unwrap();
        assert_eq!(caught.to, ["client@example.com"], "{name}");
        assert_eq!(headers_of(&text_of(&caught)).len(), usual.len(), "{name}");
    }
}

#[test]
fn without_a_server_the_mail_is_a_whole_file_and_a_repeat_is_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("mail");
    let config = MailConfig { smtp_url: None, from: "a@ombelle.example".to_owned(), folder: place.clone() };
    let mailer = Mailer::new(&config).unwrap();
    let first = mailer.send(&envelope()).unwrap();
    assert_eq!(mailer.send(&envelope()).unwrap(), first);
    let names: Vec<String> =
        fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(
        names,
        [format!("1776244443000-facture-2026-0412-1-210-00-payer-{}.eml", digest(&envelope().message_id, 8))]
    );
    let message = fs::read_to_string(&first.receipt).unwrap();
    assert!(message.contains("filename*") || message.contains("filename="), "{message}");
    insta::assert_snapshot!("mail_with_attachment", message.replace('\r', ""));
}

#[test]
fn wrong_settings_are_said_at_once_and_never_repeat_the_password() {
    let open = |url: &str, from: &str| {
        let config = MailConfig { smtp_url: Some(url.to_owned()), from: from.to_owned(), folder: PathBuf::new() };
        Mailer::new(&config).map(|_| ()).map_err(|error| error.to_string())
    };
    let from = "a@b.example";
    for url in [
        "smtp://me:hunter2@mail.example:25",
        "http://me:hunter2@mail.example",
        "mail.example",
        "smtp://me:hunter2@mail.example?tls=opportunistic",
    ] {
        let error = open(url, from).unwrap_err();
        assert!(error.starts_with("mail settings: ") && !error.contains("hunter2"), "{error}");
    }
    for url in [
        "smtp://127.0.0.1:2525",
        "smtp://me:x@localhost:25",
        "smtp://me:x@[::1]:25",
        "smtp://mail:1025",
        "smtps://me:x@mail.example",
        "smtp://me:x@mail.example?tls=required",
    ] {
        open(url, from).unwrap();
    }
    assert!(open("smtps://mail.example", "Umbel").unwrap_err().contains("`Umbel`"));
}

#[test]
fn a_catcher_writes_files_refuses_what_is_out_of_order_and_stops_when_dropped() {
    use std::io::Read;
    use std::net::TcpStream;
    let folder = tempfile::tempdir().unwrap();
    let catcher = Catcher::start(0, Some(folder.path().to_owned())).unwrap();
    mailer(&catcher.url()).send(&envelope()).unwrap();
    assert_eq!(fs::read(folder.path().join("00001.eml")).unwrap(), catcher.messages()[0].raw);
    let address = catcher.url().trim_start_matches("smtp://").to_owned();
    let mut line = TcpStream::connect(&address).unwrap();
    line.write_all(b"HELO x\r\nDATA\r\nRCPT TO:<a@b>\r\nMAIL FROM:a@b\r\nVRFY x\r\nMAIL FROM:<>\r\nQUIT\r\n").unwrap();
    let mut replies = String::new();
    line.read_to_string(&mut replies).unwrap();
    let codes: Vec<&str> = replies.lines().map(|reply| &reply[..3]).collect();
    assert_eq!(codes, ["220", "250", "503", "503", "501", "502", "250", "221"]);
    drop(catcher);
    assert!(TcpStream::connect(&address).is_err());
}
