//! The journal's thread: writes in order, answers each when it is durable.

use kintsugi_node::controller::ControllerStore;
use kintsugi_node::message::controller::Event;
use kintsugi_quorum::Persist;
use kintsugi_storage::RealFileSystem;

use super::Input;
use crate::exit::{Ending, Exit};
use crate::mailbox::{Letter, Letters, Mailbox};
use crate::thread::IDLE_MAX;

/// Runs until every sender is gone.
pub fn run(
    mut store: ControllerStore<RealFileSystem>,
    writes: &Letters<Persist>,
    events: &Mailbox<Input>,
    exit: &Exit,
) {
    loop {
        match writes.wait(IDLE_MAX) {
            Letter::Event(persist) => {
                let token = persist.token;
                if let Err(cause) = store.write(&persist) {
                    // What is on disk now is not known, so nothing may be promised any more.
                    let reason = crate::thread::chain(&cause);
                    exit.fatal(Ending::Storage, &reason);
                }
                events.post(Input::Event(Event::Persisted { token }));
            }
            Letter::Nothing => {}
            Letter::Closed => return,
        }
    }
}
