//! Dynamic programming over sizes and stages.

use super::{
    MAX_CANDIDATES,
    stages::{Outlook, Places, STAGE_MINUTES},
};

/// What things are worth, in broker-minutes.
#[derive(Clone, Copy, Debug)]
pub struct Prices {
    /// A minute in which the load is above the capacity.
    pub violation: f64,
    /// Adding one broker: it is paid from the decision on, and its share of the data moves.
    pub grow: f64,
    /// Removing one: it is paid until it is drained, and its share moves.
    pub shrink: f64,
}

/// The size that was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// The size.
    pub size: u32,
    /// The expected cost of going there, less that of staying (0 or below), in broker-minutes.
    pub saving: f64,
}

/// Minutes between two looks at the time before the delay has passed: at first, where a load that
/// falls is still above what is let go, and at most.
const NEAR_MINUTES: (f64, f64) = (1.0, 5.0);
/// How unlikely a load is that the largest candidate still carries.
const CANDIDATE_TAIL: f64 = 1e-3;

/// Chooses among sizes within `min` and `max`, which hold `current`.
pub fn choose(
    outlook: &Outlook<'_>,
    prices: &Prices,
    current: u32,
    (min, max): (u32, u32),
) -> Choice {
    let sizes = Candidates::around(outlook, prices, current, min, max);
    let places = outlook.places(sizes.all());
    let mut value = [0.0; MAX_CANDIDATES];
    let mut exceedance = [0.0; MAX_CANDIDATES];
    let mut until: f64 = STAGE_MINUTES.iter().sum();
    for length in STAGE_MINUTES.into_iter().rev() {
        until -= length;
        relax(&mut value[..sizes.count], &sizes, prices);
        outlook.after_delay(
            until + length / 2.0,
            &places,
            &mut exceedance[..sizes.count],
        );
        for ((value, &size), exceedance) in value.iter_mut().zip(sizes.all()).zip(&exceedance) {
            *value += length * (f64::from(size) + prices.violation * exceedance);
        }
    }
    let near = near_violations(outlook, &sizes, &places);
    let cost = |index: usize| {
        let size = sizes.at(index);
        // Growing does not help before the delay has passed, and shrinking hurts at once.
        let early = (near[index] - near[sizes.current]).max(0.0);
        value[index] + prices.moves(current, size) + prices.violation * early
    };
    let stay = cost(sizes.current);
    let mut best = (sizes.current, stay);
    for index in 0..sizes.count {
        let total = cost(index);
        // Strictly below, so that of equals the size that is in force stays.
        if total < best.1 - 1e-9 * stay.abs() {
            best = (index, total);
        }
    }
    Choice {
        size: sizes.at(best.0),
        saving: best.1 - stay,
    }
}

impl Prices {
    fn moves(&self, from: u32, to: u32) -> f64 {
        if to > from {
            self.grow * f64::from(to - from)
        } else {
            self.shrink * f64::from(from - to)
        }
    }
}

/// The expected minutes of violation before the delay has passed, for each candidate.
fn near_violations(
    outlook: &Outlook<'_>,
    sizes: &Candidates,
    places: &Places,
) -> [f64; MAX_CANDIDATES] {
    let mut violations = [0.0; MAX_CANDIDATES];
    let mut exceedance = [0.0; MAX_CANDIDATES];
    let mut at = 0.0;
    while at < outlook.delay_minutes {
        let length = (at / 2.0).clamp(NEAR_MINUTES.0, NEAR_MINUTES.1);
        let length = length.min(outlook.delay_minutes - at);
        outlook.ahead(
            at + length / 2.0,
            places,
            &mut exceedance[..sizes.current + 1],
        );
        for (violations, exceedance) in violations.iter_mut().zip(&exceedance) {
            *violations += length * exceedance;
        }
        at += length;
    }
    // Candidates above the current size are alike until the delay has passed.
    let stay = violations[sizes.current];
    violations[sizes.current + 1..].fill(stay);
    violations
}

/// Lets each candidate's value be that of the best candidate reachable from it, moves paid.
fn relax(value: &mut [f64], sizes: &Candidates, prices: &Prices) {
    for index in (0..value.len().saturating_sub(1)).rev() {
        let step = f64::from(sizes.at(index + 1) - sizes.at(index));
        value[index] = value[index].min(value[index + 1] + prices.grow * step);
    }
    for index in 1..value.len() {
        let step = f64::from(sizes.at(index) - sizes.at(index - 1));
        value[index] = value[index].min(value[index - 1] + prices.shrink * step);
    }
}

/// The sizes that are compared: evenly spaced, the current one among them.
#[derive(Debug)]
struct Candidates {
    sizes: [u32; MAX_CANDIDATES],
    count: usize,
    current: usize,
}

impl Candidates {
    fn around(outlook: &Outlook<'_>, prices: &Prices, current: u32, min: u32, max: u32) -> Self {
        let tail = CANDIDATE_TAIL.min(0.1 / prices.violation);
        let begins = STAGE_MINUTES
            .iter()
            .scan(outlook.delay_minutes, |begin, length| {
                let this = *begin;
                *begin += length;
                Some(this)
            });
        let (lowest, highest) = outlook.brokers_over(begins, tail);
        // `as` saturates, and NaN becomes 0.
        let from = ((lowest.floor() as u32).clamp(min, max)).min(current);
        let to = ((highest.ceil() as u32).saturating_add(1).clamp(min, max)).max(current);
        let stride = ((to - from) / (MAX_CANDIDATES as u32 - 1) + 1).max(1);
        let below = ((current - from) / stride).min(MAX_CANDIDATES as u32 - 1);
        let mut sizes = [current; MAX_CANDIDATES];
        let mut count = 0;
        let mut size = current - below * stride;
        while size <= to && count < MAX_CANDIDATES {
            sizes[count] = size;
            count += 1;
            let Some(next) = size.checked_add(stride) else {
                break;
            };
            size = next;
        }
        Candidates {
            sizes,
            count,
            current: below as usize,
        }
    }

    fn at(&self, index: usize) -> u32 {
        self.sizes[index]
    }

    fn all(&self) -> &[u32] {
        &self.sizes[..self.count]
    }
}
