//! Taking over metadata from the controller.

use std::sync::Arc;

use kintsugi_metadata::{Delta, Image, MetadataRecord};
use kintsugi_types::{MetadataOffset, Time};

use super::Broker;
use crate::message::broker::Command;

impl Broker {
    /// Replaces the image, unless the snapshot is older than what is known.
    pub(super) fn snapshot(
        &mut self,
        now: Time,
        offset: MetadataOffset,
        records: &[MetadataRecord],
        out: &mut Vec<Command>,
    ) {
        if offset < self.image.offset {
            return;
        }
        let mut image = Image::default();
        image.apply(offset, records, &mut Delta::default());
        self.publish(now, image, None, out);
    }

    /// Applies entries that follow the image; those that it has already are left out. A link
    /// begins where the image ended when it was opened and loses nothing, so none is missing.
    pub(super) fn delta(
        &mut self,
        now: Time,
        entries: &[(MetadataOffset, Vec<MetadataRecord>)],
        out: &mut Vec<Command>,
    ) {
        let mut image = Image::clone(&self.image);
        let mut delta = Delta::default();
        for (offset, records) in entries
            .iter()
            .filter(|(offset, _)| *offset > self.image.offset)
        {
            image.apply(*offset, records, &mut delta);
        }
        if image.offset > self.image.offset {
            self.publish(now, image, Some(Arc::new(delta)), out);
        }
    }

    fn publish(
        &mut self,
        now: Time,
        image: Image,
        delta: Option<Arc<Delta>>,
        out: &mut Vec<Command>,
    ) {
        self.doubt.image_changed(&image);
        self.life_signs.image_changed(&image);
        self.listed.image_changed(now, &image);
        let was_unfenced = self.is_unfenced();
        self.image = Arc::new(image);
        if self.is_unfenced() && !was_unfenced {
            // Only the answer to another heartbeat gives a lease.
            self.heartbeats.hurry(now);
        }
        self.view_changed = true;
        out.push(Command::Publish {
            image: Arc::clone(&self.image),
            delta,
            broker_epoch: self.broker_epoch,
        });
    }
}
