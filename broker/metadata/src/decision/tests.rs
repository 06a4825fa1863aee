mod cases;
mod fixture;
mod invariants;
mod reassignment;
mod unclean_recovery;
