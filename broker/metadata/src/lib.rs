//! Cluster metadata: records, image, delta, placement, election, fencing, failure detection.
