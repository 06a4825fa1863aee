//! The metadata as everybody in the process reads it.

use std::sync::Arc;

use kintsugi_metadata::Image;

/// The last metadata that every shard was given.
#[derive(Clone, Debug)]
pub struct Published {
    /// The metadata.
    pub image: Arc<Image>,
}
