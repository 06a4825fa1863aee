mod asked;
mod cases;
mod configs;
mod fixture;
mod invariants;
mod reassignment;
mod unclean_recovery;
