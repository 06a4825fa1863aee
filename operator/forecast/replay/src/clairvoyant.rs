//! What nobody can beat: the cheapest sizes of one who knows the load.
//!
//! It pays what the simulation charges: each broker's time, and for each that comes or goes the
//! delay twice (the time in which it is paid and does not serve, and the move of its share of the
//! data). By dynamic programming over all sizes, so that what it gives is the least there is.

use crate::simulate::{Outcome, need};

/// The cheapest sizes over `loads` where a step in violation is worth `price` broker-steps.
pub fn clairvoyant(loads: &[f64], delay_steps: usize, price: f64) -> Outcome {
    let largest = loads.iter().copied().map(need).max().unwrap_or(1) as usize;
    let moving = 2.0 * delay_steps as f64;
    let mut value = vec![0.0_f64; largest];
    let mut from: Vec<u16> = Vec::with_capacity(loads.len() * largest);
    for &load in loads {
        let mut best: Vec<u16> = (0..largest as u16).collect();
        for size in 1..largest {
            if value[size - 1] + moving < value[size] {
                value[size] = value[size - 1] + moving;
                best[size] = best[size - 1];
            }
        }
        for size in (0..largest - 1).rev() {
            if value[size + 1] + moving < value[size] {
                value[size] = value[size + 1] + moving;
                best[size] = best[size + 1];
            }
        }
        for (size, value) in (1..).zip(&mut value) {
            *value += f64::from(size) + price * f64::from(u8::from(load > f64::from(size)));
        }
        from.extend(best);
    }
    let mut size = (value.iter().enumerate())
        .min_by(|a, b| a.1.total_cmp(b.1))
        .map_or(0, |(size, _)| size);
    let (mut paid, mut oracle, mut violations) = (0.0, 0.0, 0.0);
    let mut outcome = Outcome::default();
    for (step, &load) in loads.iter().enumerate().rev() {
        paid += (size + 1) as f64;
        oracle += f64::from(need(load));
        violations += f64::from(u8::from(load > (size + 1) as f64));
        let before = usize::from(from[step * largest + size]);
        if step > 0 && before != size {
            outcome.actions += 1.0;
            outcome.moved_shares += before.abs_diff(size) as f64;
            size = before;
        }
    }
    outcome.cost = (paid + moving * outcome.moved_shares) / f64::max(oracle, 1.0);
    outcome.violation = violations / loads.len().max(1) as f64;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_carried_where_that_is_cheaper_than_its_violation() {
        let mut loads = vec![0.5; 100];
        loads[40..50].fill(1.5);
        // A broker more for ten steps, which comes and goes at 2 x 2 steps each: 18.
        let carried = clairvoyant(&loads, 2, 2.0);
        assert_eq!((carried.violation, carried.actions), (0.0, 2.0));
        assert!((carried.cost - 118.0 / 110.0).abs() < 1e-9, "{carried:?}");
        let suffered = clairvoyant(&loads, 2, 1.7);
        assert_eq!((suffered.violation, suffered.actions), (0.1, 0.0));
    }
}
