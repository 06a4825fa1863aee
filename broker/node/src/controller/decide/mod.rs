//! From a request to records, and to the answer that its commit allows.

mod configs;
mod elections;
mod partitions;
mod reassignments;
mod topics;

use std::collections::BTreeSet;

use kintsugi_metadata::decision::generation::{self, GrantRefused};
use kintsugi_metadata::decision::registration::{Registration, register};
use kintsugi_metadata::decision::{
    alter_partition, fencing, preferred, producer_ids, unclean_recovery,
};
use kintsugi_metadata::decision::{stopping, unfencing};
use kintsugi_metadata::{Image, MetadataRecord};
use kintsugi_types::bug::{Bug, is_on};
use kintsugi_types::{BrokerEpoch, BrokerId, ErrorCode, Incarnation, MetadataOffset, PartitionId};

pub(in crate::controller) use elections::partition_of;

use crate::controller::config::ControllerConfig;
use crate::controller::request::{Request, Requester};
use crate::message::controller::LinkId;
use crate::message::link::{
    AdminAnswer, AdminRequest, AlterPartitionRequest, GenerationRefused, ProducerIdBlock, ToBroker,
};

/// What to say once the records of a decision are committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::controller) enum Answer {
    /// This incarnation is registered; entries after `applied` follow on its link.
    Registered {
        link: LinkId,
        incarnation: Incarnation,
        applied: MetadataOffset,
    },
    /// Send this on the link, and close it if told.
    Send {
        link: LinkId,
        message: ToBroker,
        close: bool,
    },
    /// Answer an admin request.
    Admin {
        requester: Requester,
        answer: AdminAnswer,
    },
}

/// One decided request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::controller) struct Decision {
    pub(in crate::controller) records: Vec<MetadataRecord>,
    pub(in crate::controller) answer: Option<Answer>,
}

impl Decision {
    fn of(records: Vec<MetadataRecord>) -> Self {
        Self {
            records,
            answer: None,
        }
    }
}

/// Decides one request against the image, which holds everything decided before.
pub(in crate::controller) fn decide(
    config: &ControllerConfig,
    image: &Image,
    rng: &mut fastrand::Rng,
    request: &Request,
) -> Decision {
    let settings = &config.settings;
    match request {
        Request::FormCluster if image.cluster.is_some() => Decision::default(),
        Request::FormCluster => {
            let cluster = config.cluster.clone();
            Decision::of(vec![MetadataRecord::ClusterFormed { cluster }])
        }
        Request::Fence { broker, epoch } => {
            Decision::of(fencing::fence(image, settings, *broker, *epoch))
        }
        Request::Unfence { broker, epoch } => {
            Decision::of(unfencing::unfence(image, settings, *broker, *epoch))
        }
        Request::Stop { broker, epoch } => {
            Decision::of(stopping::stop(image, settings, *broker, *epoch))
        }
        Request::Recover(evidence) => Decision::of(unclean_recovery::elect_by_log_ends(
            image, settings, evidence,
        )),
        Request::Rebalance => Decision::of(preferred::rebalance(image, settings)),
        Request::Register {
            link,
            registration,
            applied,
        } => {
            let incarnation = registration.incarnation;
            let registered = Answer::Registered {
                link: *link,
                incarnation,
                applied: *applied,
            };
            match register(image, settings, registration) {
                Ok(Registration::Known(_)) => Decision {
                    records: Vec::new(),
                    answer: Some(registered),
                },
                Ok(Registration::New(records)) => Decision {
                    records,
                    answer: Some(registered),
                },
                Err(refused) => {
                    let (reason, fatal) = (refused.to_string(), refused.is_fatal());
                    let answer = Answer::Send {
                        link: *link,
                        message: ToBroker::Refused { reason, fatal },
                        close: true,
                    };
                    Decision {
                        records: Vec::new(),
                        answer: Some(answer),
                    }
                }
            }
        }
        Request::AlterPartition {
            link,
            broker,
            request,
        } => alter(config, image, *link, *broker, request),
        Request::Admin { requester, request } => admin(config, image, rng, *requester, request),
    }
}

fn alter(
    config: &ControllerConfig,
    image: &Image,
    link: LinkId,
    broker: BrokerId,
    request: &AlterPartitionRequest,
) -> Decision {
    let answer = |error, results| {
        let request_id = request.request_id;
        Some(Answer::Send {
            link,
            message: ToBroker::AlterPartitionAnswer {
                request_id,
                error,
                results,
            },
            close: false,
        })
    };
    let refused = |error| Decision {
        records: Vec::new(),
        answer: answer(error, Vec::new()),
    };
    if !is_in_force(image, broker, request.broker_epoch) {
        return refused(ErrorCode::StaleBrokerEpoch);
    }
    if request.changes.len() > alter_partition::CHANGES_MAX {
        return refused(ErrorCode::InvalidRequest);
    }
    let (mut records, mut results) = (Vec::new(), Vec::with_capacity(request.changes.len()));
    let mut seen: BTreeSet<PartitionId> = BTreeSet::new();
    for change in &request.changes {
        let proposal = alter_partition::IsrProposal {
            partition: change.partition,
            leader_epoch: change.leader_epoch,
            partition_epoch: change.partition_epoch,
            isr: &change.isr,
        };
        let outcome = if seen.insert(change.partition) {
            alter_partition::alter(image, &config.settings, broker, &proposal)
        } else {
            Err(ErrorCode::InvalidRequest)
        };
        let error = match outcome {
            Ok(record) => {
                records.extend(record);
                ErrorCode::None
            }
            Err(error) => error,
        };
        results.push((change.partition, error));
    }
    Decision {
        records,
        answer: answer(ErrorCode::None, results),
    }
}

fn is_in_force(image: &Image, broker: BrokerId, epoch: BrokerEpoch) -> bool {
    let known = image.brokers.get(&broker);
    known.is_some_and(|known| known.epoch == epoch || is_on(Bug::OldIncarnationInIsr))
}

fn admin(
    config: &ControllerConfig,
    image: &Image,
    rng: &mut fastrand::Rng,
    requester: Requester,
    request: &AdminRequest,
) -> Decision {
    let (records, answer) = match request {
        AdminRequest::CreateTopics {
            topics,
            validate_only,
        } => {
            let (records, results) = topics::create_topics(config, image, rng, topics);
            let records = if *validate_only { Vec::new() } else { records };
            (records, AdminAnswer::Topics(results))
        }
        AdminRequest::DeleteTopics { topics } => {
            let (records, results) = topics::delete_topics(image, topics);
            (records, AdminAnswer::Topics(results))
        }
        AdminRequest::AllocateProducerIds => producer_id_block(image),
        AdminRequest::AlterReassignments {
            moves,
            may_change_factor,
        } => {
            let settings = &config.settings;
            let (records, results) =
                reassignments::decide_moves(image, settings, moves, *may_change_factor);
            (records, AdminAnswer::Results(results))
        }
        AdminRequest::AlterConfigs {
            alterations,
            validate_only,
        } => {
            let (records, results) = configs::alter_configs(config, image, alterations);
            let records = if *validate_only { Vec::new() } else { records };
            (records, AdminAnswer::Results(results))
        }
        AdminRequest::CreatePartitions {
            topics,
            validate_only,
        } => {
            let (records, results) = partitions::create_partitions(image, rng, topics);
            let records = if *validate_only { Vec::new() } else { records };
            (records, AdminAnswer::Results(results))
        }
        AdminRequest::ElectLeaders { kind, partitions } => {
            let asked = partitions.as_deref();
            let (records, results) = elections::elect_leaders(config, image, *kind, asked);
            (records, AdminAnswer::Elected(results))
        }
        AdminRequest::UnregisterBroker { broker } => {
            let (records, result) = elections::unregister(image, *broker);
            (records, AdminAnswer::Results(vec![result]))
        }
        // The controller answers that without a decision.
        AdminRequest::DescribeQuorum => {
            let error = ErrorCode::UnknownServerError;
            (Vec::new(), AdminAnswer::NotDecided(error))
        }
        AdminRequest::GrantGeneration { broker, generation } => {
            match generation::grant(image, &config.settings, *broker, *generation) {
                Ok(records) => (records, AdminAnswer::Generation(Ok(*generation))),
                Err(refused) => {
                    let refused = grant_refused(*broker, refused);
                    (Vec::new(), AdminAnswer::Generation(Err(refused)))
                }
            }
        }
    };
    Decision {
        records,
        answer: Some(Answer::Admin { requester, answer }),
    }
}

fn producer_id_block(image: &Image) -> (Vec<MetadataRecord>, AdminAnswer) {
    match producer_ids::allocate(image) {
        Some((first, record)) => {
            let count = producer_ids::BLOCK_SIZE;
            let block = ProducerIdBlock { first, count };
            (vec![record], AdminAnswer::ProducerIds(block))
        }
        None => {
            let error = ErrorCode::UnknownServerError;
            (Vec::new(), AdminAnswer::NotDecided(error))
        }
    }
}

fn grant_refused(broker: BrokerId, refused: GrantRefused) -> GenerationRefused {
    match refused {
        GrantRefused::BrokerIsLive => GenerationRefused::BrokerIsLive(broker),
        GrantRefused::WrongGeneration(highest) => GenerationRefused::WrongGeneration(highest),
        GrantRefused::LastCopy {
            partitions,
            example,
        } => GenerationRefused::LastCopy {
            broker,
            partitions,
            example,
        },
    }
}
