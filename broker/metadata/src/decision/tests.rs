mod cases;
mod fixture;
mod invariants;
