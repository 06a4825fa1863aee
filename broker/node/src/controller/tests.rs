mod active_controller;
mod harness;
mod store;
