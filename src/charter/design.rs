//! How the documents of an entity look: its logo, its colours, where the window of its envelopes is.

use std::sync::Arc;

use super::store;
pub use super::store::DesignRow;
use crate::archive::{self, FileInfo, Kind, NewFile};
use crate::formats::invoice_pdf::design::{Design, Window};
use crate::formats::pdf::canvas::Colour;
use crate::formats::pdf::picture::Picture;
use crate::kernel::ids::{DesignId, EntityId, FileId};
use crate::kernel::refusal::Checks;
use crate::named;
use crate::platform::db::Tx;
use crate::platform::error::{Error, Result};

named! {
    /// Where the window of an envelope is.
    AddressWindow {
        /// Germany (DIN 5008), the Netherlands.
        Left = "left",
        /// Belgium, France.
        Right = "right",
    }
}

/// What an entity wants its documents to look like.
#[derive(Debug, Clone)]
pub struct NewDesign {
    /// Made by the sender.
    pub id: DesignId,
    /// Whose documents.
    pub entity: EntityId,
    /// For titles and bars, `#175e54`.
    pub main_colour: String,
    /// For backgrounds, made light.
    pub second_colour: Option<String>,
    /// Where the address stands.
    pub window: AddressWindow,
    /// A picture that was kept by [`keep_logo`].
    pub logo: Option<FileId>,
}

/// Keeps a picture that documents may carry: a PNG or JPEG.
///
/// # Errors
/// 404; 415 `upload_type_unsupported`; 422 for a picture that is damaged, too large, or in colours for print.
pub fn keep_logo(tx: &mut Tx<'_>, entity: EntityId, bytes: &[u8]) -> Result<FileInfo> {
    let entity = store::find_entity(tx, entity)?;
    if bytes.is_empty() {
        return Err(Error::field("/", "required"));
    }
    let media = archive::recognise(bytes).filter(|media| *media != archive::MediaType::Pdf);
    let unsupported = || Error::new(actix_web::http::StatusCode::UNSUPPORTED_MEDIA_TYPE, "upload_type_unsupported");
    let media = media.ok_or_else(unsupported)?;
    Picture::read(bytes).map_err(|error| Error::value("logo_not_usable").with("reason", error))?;
    let name = format!("logo.{}", media.ending());
    let new =
        NewFile { kind: Kind::Logo, subject: entity.id.0, owner: None, name: &name, media_type: media.name(), bytes };
    let id = archive::keep(tx, &new)?;
    archive::list_of(tx, entity.id.0)?.into_iter().find(|file| file.id == id).ok_or_else(Error::not_found)
}

/// Sets how the documents of an entity look from now on.
///
/// # Errors
/// 404; 422 for colours that are none and for a logo that is not one of this entity.
pub fn set_design(tx: &mut Tx<'_>, new: &NewDesign) -> Result<DesignRow> {
    let entity = store::find_entity(tx, new.entity)?;
    let mut checks = Checks::default();
    checks.require(colour(&new.main_colour).is_some(), "/main_colour", "invalid");
    let second = new.second_colour.as_deref();
    checks.require(second.is_none_or(|text| colour(text).is_some()), "/second_colour", "invalid");
    if let Some(logo) = new.logo {
        let kept = archive::list_of(tx, entity.id.0)?;
        let is_logo = kept.iter().any(|file| file.id == logo && file.kind == Kind::Logo.name());
        checks.require(is_logo, "/logo_id", "invalid");
    }
    checks.done()?;
    store::insert_design(tx, new)
}

/// How the documents of an entity looked and look, newest first.
///
/// # Errors
/// 404.
pub fn designs(tx: &mut Tx<'_>, entity: EntityId) -> Result<Vec<DesignRow>> {
    store::find_entity(tx, entity)?;
    store::list_designs(tx, entity)
}

/// How a document that is made now looks.
///
/// # Errors
/// Fails with the database.
pub fn design(tx: &mut Tx<'_>, entity: EntityId) -> Result<Design> {
    let Some(row) = store::find_design(tx, entity)? else { return Ok(Design::default()) };
    let logo = match row.logo_id {
        Some(id) => Picture::read(&archive::find(tx, id)?.bytes).ok().map(Arc::new),
        None => None,
    };
    Ok(Design {
        logo,
        main: colour(&row.main_colour),
        second: row.second_colour.as_deref().and_then(colour),
        window: match row.address_window {
            AddressWindow::Left => Window::Left,
            AddressWindow::Right => Window::Right,
        },
        second_language: None,
    })
}

/// `#175e54` as red, green and blue.
fn colour(text: &str) -> Option<Colour> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let is_lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if !digits.bytes().all(is_lower) {
        return None;
    }
    let channel = |at: usize| u8::from_str_radix(digits.get(at..at.saturating_add(2))?, 16).ok();
    Some(Colour(channel(0)?, channel(2)?, channel(4)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_six_digits_in_small_letters() {
        assert_eq!(colour("#175e54"), Some(Colour(0x17, 0x5e, 0x54)));
        for wrong in ["", "175e54", "#175e5", "#175e544", "#175E54", "#17g e54", "#+1+1+1", "#éé1"] {
            assert_eq!(colour(wrong), None, "{wrong}");
        }
    }
}
