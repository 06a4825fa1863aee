mod active_controller;
mod harness;
mod quorum_of_three;
mod random;
mod recovery;
mod reopen;
mod requests;
mod store;
