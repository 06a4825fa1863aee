//! What happens by itself.

use kintsugi_types::{ErrorCode, Time};

use super::{Group, GroupState};
use crate::coordinator::Context;
use crate::id::MemberId;

impl Group {
    /// The next moment at which [`Self::tick`] has something to do.
    pub(crate) fn next_deadline(&self) -> Time {
        let sessions = self.members.values().filter(|member| !member.is_waiting());
        let deadlines = sessions
            .map(|member| member.session_until)
            .chain(self.pending_members.values().copied())
            .chain(self.join_phase.map(|phase| phase.until))
            .chain(self.sync_until);
        deadlines.min().unwrap_or(Time::NEVER)
    }

    /// Acts on every deadline that has come.
    pub(crate) fn tick(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        let pending_before = self.pending_members.len();
        self.pending_members.retain(|_, until| *until > now);
        let has_lost_pending = self.pending_members.len() < pending_before;

        let expired = self.members.iter().filter(|(_, member)| {
            let has_missed_sync =
                self.sync_until.is_some_and(|until| until <= now) && !member.has_synced;
            !member.is_waiting() && (member.session_until <= now || has_missed_sync)
        });
        let expired: Vec<MemberId> = expired.map(|(id, _)| id.clone()).collect();
        for id in &expired {
            self.remove_member(context, id, ErrorCode::UnknownMemberId);
        }
        if !expired.is_empty() {
            self.after_removal(context);
        } else if has_lost_pending {
            self.try_complete_join(context);
        }
        // Whoever has not synced is gone; what is still awaited is the assignment's commit.
        self.sync_until = self.sync_until.filter(|until| *until > now);
        let is_join_over = self.join_phase.is_some_and(|phase| phase.until <= now);
        if self.state == GroupState::PreparingRebalance && is_join_over {
            self.on_join_timeout(context);
        }
    }
}
