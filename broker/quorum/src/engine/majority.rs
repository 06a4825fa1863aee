//! What a majority of voters holds, and whether one can still be won.

use kintsugi_types::MetadataOffset;

/// The last entry that so many voters' disks hold, of what each is known to hold; `None` while fewer
/// are known.
pub(super) fn held_by_majority(
    mut held: Vec<MetadataOffset>,
    majority: usize,
) -> Option<MetadataOffset> {
    held.sort_unstable_by(|a, b| b.cmp(a));
    held.get(majority.checked_sub(1)?).copied()
}

/// Whether so many refusals leave too few voters for a majority: of two voters, one refusal does.
pub(super) const fn is_lost(voters: usize, majority: usize, refused: usize) -> bool {
    voters.saturating_sub(refused) < majority
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `each` with every list of `length` numbers below `below`.
    fn all_lists(length: usize, below: u64, each: &mut impl FnMut(&[u64])) {
        let count = below.pow(u32::try_from(length).unwrap());
        for number in 0..count {
            let digit = |place: usize| number / below.pow(u32::try_from(place).unwrap()) % below;
            let list: Vec<u64> = (0..length).map(digit).collect();
            each(&list);
        }
    }

    #[test]
    fn committed_is_the_last_entry_that_a_majority_holds() {
        for voters in 1..=7 {
            let majority = voters / 2 + 1;
            all_lists(voters, 4, &mut |list| {
                let holds = |index: u64| list.iter().filter(|held| **held >= index).count();
                let expected = (0..4).rfind(|index| holds(*index) >= majority).unwrap();
                let held = list.iter().copied().map(MetadataOffset).collect();
                assert_eq!(
                    held_by_majority(held, majority),
                    Some(MetadataOffset(expected)),
                    "{list:?}"
                );
            });
        }
        // Of five voters two are known: nothing can be said.
        assert_eq!(held_by_majority(vec![MetadataOffset(9); 2], 3), None);
    }

    #[test]
    fn a_vote_is_lost_once_those_that_did_not_refuse_are_no_majority() {
        for voters in 1..=7_usize {
            let majority = voters / 2 + 1;
            for refused in 0..=voters {
                let can_be_won = voters - refused >= majority;
                assert_eq!(is_lost(voters, majority, refused), !can_be_won);
            }
        }
        assert!(is_lost(2, 2, 1) && is_lost(4, 3, 2) && !is_lost(3, 2, 1));
    }
}
