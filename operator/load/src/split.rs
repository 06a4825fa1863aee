//! Splitting a topic's traffic over its partitions, where brokers count by topic only.

use crate::Counters;

/// Each partition's part of what was added to a topic's counters: by how many records its log grew,
/// or alike where none grew (consumers may read what was written before).
pub fn split(added: &Counters, grown: &[f64]) -> Vec<Counters> {
    let total: f64 = grown.iter().sum();
    let alike = 1.0 / grown.len().max(1) as f64;
    let share = |grown: &f64| if total > 0.0 { grown / total } else { alike };
    grown
        .iter()
        .map(|grown| added.share(share(grown)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_split_by_growth_and_alike_where_nothing_grew() {
        let added = Counters::from_values([100.0; 6]);
        let by_growth = split(&added, &[3.0, 1.0]);
        let bytes_in: Vec<f64> = by_growth.iter().map(|part| part.bytes_in).collect();
        assert_eq!(bytes_in, [75.0, 25.0]);
        let alike = split(&added, &[0.0, 0.0]);
        let bytes_out: Vec<f64> = alike.iter().map(|part| part.bytes_out).collect();
        assert_eq!(bytes_out, [50.0, 50.0]);
    }
}
