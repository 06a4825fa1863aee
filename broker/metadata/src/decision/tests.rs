mod asked;
mod cases;
mod configs;
mod fixture;
mod invariants;
mod unclean_recovery;
