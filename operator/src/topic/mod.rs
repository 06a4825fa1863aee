//! KafkaTopic: its own observe -> validate -> decide -> act.
//!
//! Guarantees: a look that is repeated does nothing twice, whatever point the one before reached.
//! A topic is deleted only with the resource that asks for it by `deletionPolicy: Delete`, only
//! while no other resource names it, and by the id that was observed. Wiping the status changes
//! nothing: what must outlive it stands in the resource's labels, annotation and finalizer.
//! Partitions are added by load only where spec asks for it ([`growth`]).
//! Assumes: KafkaTopics stand in the namespace of their KafkaCluster.
//! Never does: take partitions away, change how many brokers hold one, touch settings that no
//! KafkaTopic named.

pub mod act;
pub mod decide;
pub mod growth;
pub mod observe;
pub mod plan;
pub mod reconcile;
mod status;
pub mod validate;

#[cfg(test)]
mod tests;
