//! What holds of every growth, whatever the load does.

use proptest::prelude::*;

use super::lag::behind;
use super::*;

/// What is measured at a look; None: nothing is.
fn measured() -> impl Strategy<Value = Option<(f64, f64, usize)>> {
    let load = (0.0..20_000_000.0, 0.0..200.0, 0..40_usize);
    prop::option::weighted(0.97, load)
}

proptest! {
    #[test]
    fn a_step_is_upwards_at_most_twice_below_the_maximum_and_after_hold_time_and_cooldown(
        looks_measured in prop::collection::vec(measured(), 1..200),
        restarts in prop::collection::btree_set(0..200_usize, 0..3),
        wipes in prop::collection::btree_set(0..200_usize, 0..3),
    ) {
        let mut looks = Looks::of(asks(&json!({})));
        let (mut present, mut settled, mut last) = (6, 0, None);
        for (number, one) in looks_measured.into_iter().enumerate() {
            if restarts.contains(&number) {
                looks.state = State::default();
                settled = looks.now;
            }
            if wipes.contains(&number) {
                looks.written = None;
            }
            if one.is_none() {
                settled = looks.now + 15;
            }
            let one = one.ok_or_else(|| "nothing is known".to_owned());
            let sample = one.map(|(bytes_per_second, seconds, members)| Sample {
                bytes_per_second,
                lags: vec![behind(members, seconds, 1_000.0)],
            });
            let Some(to) = grown(&looks.look(sample)) else {
                continue;
            };
            prop_assert!(present < to && to <= 2 * present && to <= 20, "{present} to {to}");
            // The first look after what begins it anew counts as its begin.
            prop_assert!(looks.now - settled >= 60, "{} s after {settled}", looks.now);
            let both_lost = !restarts.is_empty() && !wipes.is_empty();
            if let Some(last) = last && !both_lost {
                prop_assert!(looks.now - last >= 300, "{} s after {last}", looks.now);
            }
            (present, settled, last) = (to, looks.now, Some(looks.now));
        }
    }
}
