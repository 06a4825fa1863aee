//! From untrusted input to a [`Model`].

use std::collections::{BTreeMap, BTreeSet};

use crate::checker::Tally;
use crate::dims::{self, ZERO};
use crate::error::InputError;
use crate::input::{BrokerInput, ClusterInput, PartitionInput, TopicInput};
use crate::load::{Load, Resource};

use super::{
    Broker, Line, MAX_BROKERS, MAX_LOAD, MAX_PARTITIONS, MAX_REPLICATION_FACTOR,
    MAX_TOPIC_BROKER_PAIRS, Model, NO_LEADER, Row, Seat, Topic,
};

impl Model {
    /// Checks a cluster and lays it out.
    ///
    /// # Errors
    /// The first thing that cannot be, with the path of its field.
    pub fn build<P>(input: ClusterInput<P>) -> Result<Model, InputError>
    where
        P: IntoIterator<Item = PartitionInput>,
    {
        let (brokers, index_of) = check_brokers(input.brokers)?;
        let topics = check_topics(input.topics, brokers.len())?;
        let mut model = Model {
            members: vec![Vec::new(); brokers.len()],
            sums: vec![ZERO; brokers.len()],
            topic_replicas: vec![0; topics.len() * brokers.len()],
            tally: Tally::new(&brokers, &topics),
            rows: Vec::new(),
            rack_conflicts: BTreeSet::new(),
            brokers,
            topics,
            index_of,
        };
        for (place, partition) in input.partitions.into_iter().enumerate() {
            limit("partitions", place + 1, MAX_PARTITIONS)?;
            let row = model.check_partition(place, &partition)?;
            model.rows.push(Line(row));
        }
        model.rows.shrink_to_fit();
        model.check_numbers()?;
        model.count();
        Ok(model)
    }

    fn check_partition(&self, place: usize, input: &PartitionInput) -> Result<Row, InputError> {
        let path = |field: &str| format!("partitions[{place}].{field}");
        if input.topic as usize >= self.topics.len() {
            let (topic, topics) = (input.topic, self.topics.len());
            return Err(InputError::UnknownTopic {
                field: path("topic"),
                topic,
                topics,
            });
        }
        Ok(Row {
            leader_load: check_load(&input.leader_load, || path("leader_load"))?,
            follower_load: check_load(&input.follower_load, || path("follower_load"))?,
            topic: input.topic,
            number: input.number,
            seat: self.check_seat(&input.replicas, input.leader, &path)?,
        })
    }

    /// Checks where a partition is.
    pub(crate) fn check_seat(
        &self,
        replicas: &[i32],
        leader: Option<i32>,
        path: &dyn Fn(&str) -> String,
    ) -> Result<Seat, InputError> {
        if replicas.is_empty() {
            let advice = "a partition has a replica";
            return Err(InputError::Empty {
                field: path("replicas"),
                advice,
            });
        }
        if replicas.len() > MAX_REPLICATION_FACTOR {
            limit(&path("replicas"), replicas.len(), MAX_REPLICATION_FACTOR)?;
        }
        let mut seat = Seat {
            brokers: [0; MAX_REPLICATION_FACTOR],
            count: 0,
            leader: NO_LEADER,
        };
        for (at, id) in replicas.iter().enumerate() {
            let field = || path(&format!("replicas[{at}]"));
            let Some(broker) = self.index_of.get(id).copied() else {
                return Err(InputError::UnknownBroker {
                    field: field(),
                    id: *id,
                });
            };
            if seat.place_of(broker).is_some() {
                let value = format!("broker {id}");
                return Err(InputError::Duplicate {
                    field: field(),
                    value,
                });
            }
            seat.brokers[at] = broker;
            seat.count += 1;
        }
        if let Some(id) = leader {
            let place = self
                .index_of
                .get(&id)
                .and_then(|broker| seat.place_of(*broker));
            let place = place.and_then(|place| u8::try_from(place).ok());
            seat.leader = place.ok_or_else(|| InputError::LeaderWithoutReplica {
                field: path("leader"),
                id,
            })?;
        }
        Ok(seat)
    }

    /// No topic has a partition number twice.
    fn check_numbers(&self) -> Result<(), InputError> {
        let mut order: Vec<u32> = (0..self.rows.len() as u32).collect();
        let key = |partition: &u32| {
            let row = self.row(*partition);
            (row.topic, row.number)
        };
        if order.is_sorted_by_key(key) && order.windows(2).all(|two| key(&two[0]) != key(&two[1])) {
            return Ok(());
        }
        order.sort_unstable_by_key(|partition| (key(partition), *partition));
        match order.windows(2).find(|two| key(&two[0]) == key(&two[1])) {
            Some(two) => Err(InputError::Duplicate {
                field: format!("partitions[{}].number", two[1]),
                value: self.row(two[1]).number.to_string(),
            }),
            None => Ok(()),
        }
    }

    fn count(&mut self) {
        let mut counts = vec![0usize; self.brokers.len()];
        for row in &self.rows {
            for broker in row.seat.replicas() {
                counts[usize::from(*broker)] += 1;
            }
        }
        self.members = counts
            .iter()
            .map(|count| Vec::with_capacity(*count))
            .collect();
        for partition in 0..self.rows.len() as u32 {
            let row = &self.rows[partition as usize];
            for (place, broker) in row.seat.replicas().iter().enumerate() {
                let at = usize::from(*broker);
                self.members[at].push(partition);
                let leads = place == usize::from(row.seat.leader);
                dims::add(&mut self.sums[at], &row.replica(leads), 1.0);
                self.topic_replicas[row.topic as usize * self.brokers.len() + at] += 1;
            }
            if self.has_rack_conflict(&row.seat) {
                self.rack_conflicts.insert(partition);
            }
            let topic = &mut self.topics[row.topic as usize];
            topic.partitions += 1;
            topic.replicas += u32::from(row.seat.count);
            let row = &self.rows[partition as usize];
            self.tally.add_partition(row);
        }
    }
}

type Brokers = (Vec<Broker>, BTreeMap<i32, u16>);

fn check_brokers(inputs: Vec<BrokerInput>) -> Result<Brokers, InputError> {
    limit("brokers", inputs.len(), MAX_BROKERS)?;
    let mut index_of = BTreeMap::new();
    let mut racks: BTreeMap<String, u16> = BTreeMap::new();
    let mut rack_count = 0u16;
    let mut brokers = Vec::with_capacity(inputs.len());
    for (place, input) in inputs.into_iter().enumerate() {
        let path = |field: &str| format!("brokers[{place}].{field}");
        if input.id < 0 {
            return Err(InputError::NegativeBroker {
                field: path("id"),
                id: input.id,
            });
        }
        if index_of.insert(input.id, place as u16).is_some() {
            let value = format!("broker {}", input.id);
            return Err(InputError::Duplicate {
                field: path("id"),
                value,
            });
        }
        let mut new_rack = || {
            rack_count += 1;
            rack_count - 1
        };
        let rack = match input.rack {
            Some(name) if name.is_empty() => {
                let advice =
                    "name the rack, or leave it out for a broker that is a rack of its own";
                return Err(InputError::Empty {
                    field: path("rack"),
                    advice,
                });
            }
            Some(name) => *racks.entry(name).or_insert_with(&mut new_rack),
            None => new_rack(),
        };
        let capacity = check_load(&input.capacity, || path("capacity"))?.map(f64::from);
        for resource in Resource::ALL {
            if capacity[resource.index()] == 0.0 {
                let field = path(&format!("capacity.{}", resource.field()));
                return Err(InputError::NoCapacity { field });
            }
        }
        brokers.push(Broker {
            id: input.id,
            rack,
            state: input.state,
            capacity,
        });
    }
    if brokers.is_empty() {
        let advice = "a cluster has a broker";
        return Err(InputError::Empty {
            field: "brokers".to_owned(),
            advice,
        });
    }
    Ok((brokers, index_of))
}

fn check_topics(inputs: Vec<TopicInput>, brokers: usize) -> Result<Vec<Topic>, InputError> {
    limit(
        "topics times brokers",
        inputs.len() * brokers,
        MAX_TOPIC_BROKER_PAIRS,
    )?;
    let mut names = BTreeSet::new();
    let mut topics = Vec::with_capacity(inputs.len());
    for (place, input) in inputs.into_iter().enumerate() {
        let field = format!("topics[{place}].name");
        if input.name.is_empty() {
            return Err(InputError::Empty {
                field,
                advice: "a topic has a name",
            });
        }
        if !names.insert(input.name.clone()) {
            return Err(InputError::Duplicate {
                field,
                value: input.name,
            });
        }
        topics.push(Topic {
            name: input.name,
            min_leaders: input.min_leaders_per_broker,
            excluded: input.excluded_from_moves,
            partitions: 0,
            replicas: 0,
        });
    }
    Ok(topics)
}

/// Checks the four numbers of a load.
pub(crate) fn check_load(load: &Load, path: impl Fn() -> String) -> Result<[f32; 4], InputError> {
    for resource in Resource::ALL {
        let value = load.of(resource);
        if !(0.0..=MAX_LOAD).contains(&value) {
            let field = format!("{}.{}", path(), resource.field());
            return Err(InputError::NotALoad { field, value });
        }
    }
    Ok(row_load(load))
}

/// A load that was checked, as rows have it.
pub(crate) fn row_load(load: &Load) -> [f32; 4] {
    Resource::ALL.map(|resource| load.of(resource) as f32)
}

fn limit(field: &str, count: usize, limit: usize) -> Result<(), InputError> {
    if count <= limit {
        return Ok(());
    }
    Err(InputError::TooMany {
        field: field.to_owned(),
        count,
        limit,
    })
}
