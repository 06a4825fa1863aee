//! Record batches for tests.

/// What a test batch holds.
#[derive(Clone, Debug)]
pub struct TestBatch<'v> {
    /// The offset of its first record.
    pub base_offset: i64,
    /// The leader epoch that it carries.
    pub leader_epoch: i32,
    /// The timestamp of its first record; each later record's is one more.
    pub timestamp_ms: i64,
    /// The records' values. Keys are null.
    pub values: Vec<&'v [u8]>,
}

fn put_varint(target: &mut Vec<u8>, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while zigzag >= 0x80 {
        target.push((zigzag & 0x7f) as u8 | 0x80);
        zigzag >>= 7;
    }
    target.push(zigzag as u8);
}

/// An uncompressed batch of format 2 with a right CRC, which Apache Kafka reads too.
///
/// # Panics
/// When there is no value, or there are more than a batch can hold.
#[must_use]
pub fn build_batch(batch: &TestBatch<'_>) -> Vec<u8> {
    let count = i32::try_from(batch.values.len()).expect("a test batch is small");
    assert!(count > 0, "a batch has at least one record");
    let mut records = Vec::new();
    for (index, value) in (0_i64..).zip(&batch.values) {
        let mut record = vec![0];
        put_varint(&mut record, index);
        put_varint(&mut record, index);
        put_varint(&mut record, -1);
        put_varint(&mut record, value.len() as i64);
        record.extend_from_slice(value);
        put_varint(&mut record, 0);
        put_varint(&mut records, record.len() as i64);
        records.extend_from_slice(&record);
    }
    let mut tail = Vec::new();
    tail.extend_from_slice(&0_i16.to_be_bytes());
    tail.extend_from_slice(&(count - 1).to_be_bytes());
    tail.extend_from_slice(&batch.timestamp_ms.to_be_bytes());
    tail.extend_from_slice(&(batch.timestamp_ms + i64::from(count) - 1).to_be_bytes());
    tail.extend_from_slice(&(-1_i64).to_be_bytes());
    tail.extend_from_slice(&(-1_i16).to_be_bytes());
    tail.extend_from_slice(&(-1_i32).to_be_bytes());
    tail.extend_from_slice(&count.to_be_bytes());
    tail.extend_from_slice(&records);
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&batch.base_offset.to_be_bytes());
    let length = i32::try_from(tail.len() + 9).expect("a test batch is small");
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&batch.leader_epoch.to_be_bytes());
    bytes.push(2);
    bytes.extend_from_slice(&crc32c::crc32c(&tail).to_be_bytes());
    bytes.extend_from_slice(&tail);
    bytes
}
