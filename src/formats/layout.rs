//! The template engine as every letter and page uses it: embedded files, strict names, HTML escaped.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, UndefinedBehavior};
use serde::Serialize;

/// Embedded templates, checked once. A file named `.html` escapes every value that is put into it.
pub(super) struct Layouts(Result<Environment<'static>, Error>);

impl Layouts {
    /// Compiles `(name, source)` templates.
    pub(super) fn new(templates: &[(&'static str, &'static str)]) -> Self {
        let build = || {
            let mut environment = Environment::new();
            environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
            // A name that the facts do not have is an error, not an empty place in a letter.
            environment.set_undefined_behavior(UndefinedBehavior::Strict);
            for (name, source) in templates {
                environment.add_template(name, source)?;
            }
            Ok(environment)
        };
        Self(build())
    }

    /// Renders a template with serialisable facts.
    pub(super) fn render(&self, name: &str, facts: &impl Serialize) -> Result<String, Error> {
        let environment = self.0.as_ref().map_err(|error| Error::new(error.kind(), error.to_string()))?;
        environment.get_template(name)?.render(Serde(facts))
    }
}
