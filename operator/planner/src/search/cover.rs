//! Of some sizes those whose sum is least among all that reach an amount.

/// Into so many parts the amount is cut; sizes are rounded down to whole parts, so that each that
/// is chosen may be a thousandth of the amount larger than it seems.
const PARTS: usize = 1_000;
/// Sizes that are looked at, the largest first: with more, each is a small part of the amount.
const LOOKED_AT: usize = 5_000;

/// The places of the sizes that are chosen, the largest first. All of them where they do not reach
/// the amount together. Sizes and the amount are above 0.
pub(super) fn cover(sizes: &[f64], amount: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_unstable_by(|a, b| sizes[*b].total_cmp(&sizes[*a]).then(a.cmp(b)));
    let looked_at = &order[..order.len().min(LOOKED_AT)];
    cheapest(sizes, looked_at, amount).unwrap_or_else(|| greedy(sizes, &order, amount))
}

/// A knapsack from below: for each number of parts the least sum that reaches it. None where no sum
/// does in whole parts.
fn cheapest(sizes: &[f64], order: &[usize], amount: f64) -> Option<Vec<usize>> {
    let parts_of = |at: usize| ((sizes[at] * PARTS as f64 / amount) as usize).min(PARTS);
    let mut least = [f64::INFINITY; PARTS + 1];
    least[0] = 0.0;
    let mut takes = vec![false; order.len() * (PARTS + 1)];
    for (row, at) in order.iter().enumerate() {
        let parts = parts_of(*at);
        if parts == 0 {
            // So are all that follow: they are not larger.
            break;
        }
        for reached in (1..=PARTS).rev() {
            let sum = least[reached.saturating_sub(parts)] + sizes[*at];
            if sum < least[reached] {
                least[reached] = sum;
                takes[row * (PARTS + 1) + reached] = true;
            }
        }
    }
    if least[PARTS].is_infinite() {
        return None;
    }
    let (mut chosen, mut reached) = (Vec::new(), PARTS);
    for (row, at) in order.iter().enumerate().rev() {
        if takes[row * (PARTS + 1) + reached] {
            chosen.push(*at);
            reached = reached.saturating_sub(parts_of(*at));
        }
    }
    chosen.reverse();
    Some(chosen)
}

/// From the largest on until the amount is reached: what is too small to be counted in parts is
/// hardly too much.
fn greedy(sizes: &[f64], order: &[usize], amount: f64) -> Vec<usize> {
    let mut sum = 0.0;
    let chosen = order.iter().take_while(|at| {
        let is_missing = sum < amount;
        sum += sizes[**at];
        is_missing
    });
    chosen.copied().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(sizes: &[f64], chosen: &[usize]) -> f64 {
        chosen.iter().map(|at| sizes[*at]).sum()
    }

    /// The least sum by trying all.
    fn least(sizes: &[f64], amount: f64) -> f64 {
        let sums = (0..1_u32 << sizes.len()).map(|which| {
            let chosen = (0..sizes.len()).filter(|at| which & (1 << at) != 0);
            chosen.map(|at| sizes[at]).sum::<f64>()
        });
        sums.filter(|sum| *sum >= amount)
            .fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn the_sum_is_just_enough() {
        let sizes = [9.0, 60.0, 8.0, 30.0, 3.0];
        let mut chosen = cover(&sizes, 10.9);
        chosen.sort_unstable();
        assert_eq!(chosen, [2, 4]);
        assert_eq!(cover(&sizes, 95.0), [1, 3, 2]);
    }

    #[test]
    fn what_cannot_be_reached_takes_all_and_small_ones_add_up() {
        assert_eq!(cover(&[1.0, 2.0], 50.0), [1, 0]);
        assert_eq!(cover(&[], 50.0), [0_usize; 0]);
        let small = vec![1.0; 9_000];
        assert_eq!(cover(&small, 8_000.0).len(), 8_000);
    }

    proptest! {
        #[test]
        fn no_other_choice_is_less_by_more_than_the_rounding(
            sizes in prop::collection::vec(0.01..100.0_f64, 1..12), share in 0.01..1.0_f64
        ) {
            let amount = share * sizes.iter().sum::<f64>();
            let chosen = cover(&sizes, amount);
            let found = sum(&sizes, &chosen);
            prop_assert!(found >= amount * (1.0 - 1e-9), "{found} of {amount}");
            let rounding = amount / PARTS as f64 * sizes.len() as f64;
            let least = least(&sizes, amount + rounding);
            prop_assert!(least.is_infinite() || found <= least + 1e-9, "{found}, {least}");
        }
    }
}
