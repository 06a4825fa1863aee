//! OffsetForLeaderEpoch: where an epoch ends, by which a consumer finds out after a change of
//! leader whether its position was cut off (KIP-320).

use kintsugi_storage::FileSystem;
use kintsugi_types::{ErrorCode, LeaderEpoch, Offset, Time};

use super::Shard;
use super::partition::epoch_end;
use crate::message::shard::{Command, EpochEndAnswer, EpochQuery, Token};

impl<F: FileSystem> Shard<F> {
    pub(super) fn epoch_ends(
        &self,
        now: Time,
        token: Token,
        queries: &[EpochQuery],
        out: &mut Vec<Command>,
    ) {
        let answer = |query: &EpochQuery| {
            let found = self.find_epoch_end(now, query);
            let (epoch, end) = found.unwrap_or((LeaderEpoch::UNKNOWN, Offset(-1)));
            EpochEndAnswer {
                partition: query.partition,
                error: found.err().unwrap_or(ErrorCode::None),
                epoch,
                end,
            }
        };
        let results = queries.iter().map(answer).collect();
        out.push(Command::AnswerEpochEnds { token, results });
    }

    /// The largest epoch that is not above the asked one, and its end. The leader's own epoch
    /// ends at the log's end, even if nothing was appended in it yet; one above it is unknown,
    /// and one before all others ends where the log begins.
    fn find_epoch_end(
        &self,
        now: Time,
        query: &EpochQuery,
    ) -> Result<(LeaderEpoch, Offset), ErrorCode> {
        let partition = self.led(now, query.partition, query.leader_epoch)?;
        let present = partition.replica.leader_epoch();
        let asked = query.epoch;
        if asked == LeaderEpoch::UNKNOWN || asked > present {
            return Ok((LeaderEpoch::UNKNOWN, Offset(-1)));
        }
        if asked == present {
            return Ok((present, partition.log.log_end()));
        }
        let found = epoch_end(&partition.log, asked);
        Ok(found.map_or((asked, partition.log.log_start()), |found| {
            (found.epoch, found.end)
        }))
    }
}
