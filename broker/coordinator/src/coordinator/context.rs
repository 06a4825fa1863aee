//! What a group needs of its coordinator while it acts.

use std::collections::BTreeMap;

use fastrand::Rng;
use kintsugi_types::{ErrorCode, Time, TimestampMs};
use kintsugi_wire::records::{Record, build};

use super::PendingAppend;
use crate::config::{CoordinatorConfig, NAME_MAX_BYTES};
use crate::event::Command;
use crate::id::MemberId;

/// Time, chance, settings and the way out.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) config: &'a CoordinatorConfig,
    pub(crate) rng: &'a mut Rng,
    pub(crate) now: Time,
    pub(crate) wall: TimestampMs,
    pub(crate) out: &'a mut Vec<Command>,
    pub(super) appends: &'a mut BTreeMap<u64, PendingAppend>,
    pub(super) next_append_token: &'a mut u64,
}

impl Context<'_> {
    /// Asks for an append, and keeps what depends on it until its commit.
    ///
    /// # Errors
    /// COORDINATOR_NOT_AVAILABLE while too many appends await their commit, and
    /// INVALID_COMMIT_OFFSET_SIZE if the records do not fit into a batch.
    pub(crate) fn append(
        &mut self,
        records: &[Record],
        pending: PendingAppend,
    ) -> Result<u64, ErrorCode> {
        if self.appends.len() >= self.config.appends_max {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        let batch = build(records).map_err(|_| ErrorCode::InvalidCommitOffsetSize)?;
        let append_token = *self.next_append_token;
        *self.next_append_token += 1;
        self.appends.insert(append_token, pending);
        self.out.push(Command::Append {
            append_token,
            batch,
        });
        Ok(append_token)
    }

    /// A new member id: a name to recognise its owner by, and a random UUID.
    pub(crate) fn draw_member_id(&mut self, prefix: &str) -> MemberId {
        let end = prefix.floor_char_boundary(NAME_MAX_BYTES / 2);
        let bits = self.rng.u128(..);
        // The bits of a random UUID that tell its version and variant (RFC 9562).
        let bits = bits & !(0xf_u128 << 76) | (0x4_u128 << 76);
        let bits = bits & !(0x3_u128 << 62) | (0x2_u128 << 62);
        let hex = format!("{bits:032x}");
        let groups = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        MemberId(format!("{}-{}", &prefix[..end], groups.join("-")))
    }
}
