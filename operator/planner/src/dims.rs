//! The eight sums of a broker that moves change, and what one replica adds to each.

use crate::load::Resource;

/// How many sums a broker has.
pub(crate) const DIMS: usize = 8;
/// Number of replicas.
pub(crate) const REPLICAS: usize = 4;
/// Number of leaders.
pub(crate) const LEADERS: usize = 5;
/// Bytes sent each second if the broker led all its partitions.
pub(crate) const POTENTIAL_OUT: usize = 6;
/// Bytes received each second as a leader.
pub(crate) const LEADER_IN: usize = 7;

/// One value for each sum: the four resources, then the constants above.
pub(crate) type Vector = [f64; DIMS];

pub(crate) const ZERO: Vector = [0.0; DIMS];

/// What a replica that leads, and one that follows, adds to its broker.
pub(crate) fn replica(leader: &[f32; 4], follower: &[f32; 4], leads: bool) -> Vector {
    let own = if leads { leader } else { follower };
    let mut vector = ZERO;
    for (sum, value) in vector.iter_mut().zip(own) {
        *sum = f64::from(*value);
    }
    vector[REPLICAS] = 1.0;
    vector[POTENTIAL_OUT] = f64::from(leader[Resource::NetworkOut.index()]);
    if leads {
        vector[LEADERS] = 1.0;
        vector[LEADER_IN] = f64::from(leader[Resource::NetworkIn.index()]);
    }
    vector
}

/// What a leadership adds to the broker that gets it, which has a replica already.
pub(crate) fn leadership(leader: &[f32; 4], follower: &[f32; 4]) -> Vector {
    let mut vector = ZERO;
    for (dim, sum) in vector.iter_mut().take(4).enumerate() {
        *sum = f64::from(leader[dim]) - f64::from(follower[dim]);
    }
    vector[LEADERS] = 1.0;
    vector[LEADER_IN] = f64::from(leader[Resource::NetworkIn.index()]);
    vector
}

pub(crate) fn add(to: &mut Vector, vector: &Vector, sign: f64) {
    for (sum, value) in to.iter_mut().zip(vector) {
        *sum += sign * value;
    }
}

pub(crate) fn minus(a: &Vector, b: &Vector) -> Vector {
    std::array::from_fn(|dim| a[dim] - b[dim])
}
