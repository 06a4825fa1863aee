//! An error with everything that led to it, for logs and conditions.

use std::error::Error;

/// The error's text and those of its causes, but for a cause that the text before ends with already.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let next = cause.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        source = cause.source();
    }
    text
}
