mod cases;
mod fixture;
mod invariants;
mod unclean_recovery;
