//! LeaveGroup.

use kintsugi_types::ErrorCode;

use super::Group;
use crate::coordinator::Context;
use crate::id::{InstanceId, MemberId};

impl Group {
    /// Takes several members out, each with its own result, then goes on without them.
    pub(crate) fn leave_all(
        &mut self,
        context: &mut Context<'_>,
        leaving: &[(MemberId, Option<InstanceId>)],
    ) -> Vec<ErrorCode> {
        let before = self.members.len();
        let results = leaving.iter().map(|(id, instance)| {
            let result = self.leave(context, id, instance.as_ref());
            result.err().unwrap_or(ErrorCode::None)
        });
        let results = results.collect();
        if self.members.len() < before {
            self.after_removal(context);
        } else {
            // An id that was given out and is given back may have been the last one awaited.
            self.try_complete_join(context);
        }
        results
    }

    /// A static member may be named by its instance alone, as admin tools do.
    fn leave(
        &mut self,
        context: &mut Context<'_>,
        id: &MemberId,
        instance: Option<&InstanceId>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            let holder = self.static_members.get(instance).cloned();
            let holder = holder.ok_or(ErrorCode::UnknownMemberId)?;
            if !id.0.is_empty() && *id != holder {
                return Err(ErrorCode::FencedInstanceId);
            }
            self.remove_member(context, &holder, ErrorCode::UnknownMemberId);
            return Ok(());
        }
        if self.pending_members.remove(id).is_some() {
            return Ok(());
        }
        self.check_member(id, None)?;
        self.remove_member(context, id, ErrorCode::UnknownMemberId);
        Ok(())
    }
}
