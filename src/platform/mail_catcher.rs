//! Catcher.
