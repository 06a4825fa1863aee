//! Somebody moves partitions to other brokers, and now and then cancels a move.

use kintsugi_node::message::link::AdminRequest;
use kintsugi_node::message::reassignment::PartitionMove;
use kintsugi_types::{PartitionIndex, TopicName};

use crate::place::broker_id;

/// How long a mover rests between two requests, in milliseconds.
pub(crate) const REST_MS: std::ops::Range<u64> = 300..4_000;

/// Draws what is asked of one partition: other replicas, one to four of them, or to cancel.
pub(crate) fn draw_move(
    rng: &mut fastrand::Rng,
    brokers: usize,
    topic: &TopicName,
    partitions: i32,
) -> AdminRequest {
    let mut order: Vec<usize> = (0..brokers).collect();
    rng.shuffle(&mut order);
    order.truncate([1, 2, 3, 3, 3, 3, 4][rng.usize(..7)]);
    let is_cancel = rng.u8(..5) == 0;
    let wanted = PartitionMove {
        topic: topic.clone(),
        partition: PartitionIndex(rng.i32(0..partitions)),
        target: (!is_cancel).then(|| order.into_iter().map(broker_id).collect()),
    };
    AdminRequest::AlterReassignments {
        moves: vec![wanted],
        may_change_factor: true,
    }
}
