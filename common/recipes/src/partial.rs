//! Cox's partial likelihood of one stratum with Breslow's ties, and Harrell's pairs: what a site
//! works out on its own rows for time-to-event models. Every site is a stratum with a baseline
//! hazard of its own.
//!
//! ```text
//! log L = sum over events i of  f_i - log sum_{t_j >= t_i} exp(f_j)          (Breslow 1974)
//! C     = (concordant + tied / 2) / comparable                               (Harrell et al. 1982)
//! ```

use std::cmp::Ordering;

/// Pairs of rows of which one is known to have had its event first.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Pairs {
    /// All of them: an event, and a row with a later time or censored at the same time.
    pub(crate) comparable: f64,
    /// Those where the earlier event has the higher predictor.
    pub(crate) concordant: f64,
    /// Those with equal predictors.
    pub(crate) tied: f64,
}

/// One row: predictor, time, whether the event was seen, and its place in the table.
#[derive(Clone, Copy)]
struct Line {
    predictor: f64,
    time: f64,
    event: bool,
    place: usize,
}

impl Line {
    /// The risk beside that of the predictor `top`.
    fn risk(&self, top: f64) -> f64 {
        (self.predictor - top).exp()
    }

    /// How many of these predictors, in their order, are less.
    fn rank(&self, sorted: &[f64]) -> usize {
        sorted.partition_point(|value| value.partial_cmp(&self.predictor) == Some(Ordering::Less))
    }
}

fn lines(predictors: &[f64], time: &[f64], event: &[f64]) -> Vec<Line> {
    let rows = predictors.iter().zip(time).zip(event).enumerate();
    let mut lines: Vec<Line> = rows
        .map(|(place, ((predictor, time), event))| Line {
            predictor: *predictor,
            time: *time,
            event: *event == 1.0,
            place,
        })
        .collect();
    lines.sort_by(|a, b| b.time.total_cmp(&a.time));
    lines
}

/// Log partial likelihood, and the slope of minus it in every row's predictor.
pub(crate) fn likelihood(predictors: &[f64], time: &[f64], event: &[f64]) -> (f64, Vec<f64>) {
    let lines = lines(predictors, time, event);
    // Predictors count from their largest: nothing overflows, and the largest risk is 1.
    let top = predictors.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut loglik = 0.0;
    let mut at_risk = 0.0;
    let mut hazards = Vec::new();
    let groups: Vec<&[Line]> = lines.chunk_by(|a, b| a.time == b.time).collect();
    for group in &groups {
        at_risk += group.iter().map(|line| line.risk(top)).sum::<f64>();
        let events = group.iter().filter(|line| line.event);
        let (count, sum) = events.fold((0.0, 0.0), |(count, sum), line| {
            (count + 1.0, sum + line.predictor - top)
        });
        // Late rows may all be negligible beside the largest; never a division by zero.
        let at_risk: f64 = f64::max(at_risk, f64::MIN_POSITIVE);
        loglik += sum - count * at_risk.ln();
        hazards.push(count / at_risk);
    }
    let mut slopes = vec![0.0; predictors.len()];
    let mut hazard = 0.0;
    for (group, step) in groups.iter().zip(&hazards).rev() {
        hazard += step;
        for line in *group {
            if let Some(slope) = slopes.get_mut(line.place) {
                *slope = line.risk(top) * hazard - if line.event { 1.0 } else { 0.0 };
            }
        }
    }
    (loglik, slopes)
}

/// Harrell's pairs in `n log n` steps.
pub(crate) fn pairs(predictors: &[f64], time: &[f64], event: &[f64]) -> Pairs {
    let mut sorted = predictors.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.dedup();
    let lines = lines(predictors, time, event);
    let mut later = Tally::new(sorted.len());
    let mut pairs = Pairs::default();
    let mut total = 0.0;
    for group in lines.chunk_by(|a, b| a.time == b.time) {
        let (events, censored): (Vec<&Line>, Vec<&Line>) =
            group.iter().partition(|line| line.event);
        for line in censored {
            later.add(line.rank(&sorted));
            total += 1.0;
        }
        for line in &events {
            let below = later.below(line.rank(&sorted));
            let up_to = later.below(line.rank(&sorted) + 1);
            pairs.comparable += total;
            pairs.concordant += below;
            pairs.tied += up_to - below;
        }
        for line in events {
            later.add(line.rank(&sorted));
            total += 1.0;
        }
    }
    pairs
}

/// Counts by rank with quick sums from the front (Fenwick 1994).
pub(crate) struct Tally {
    sums: Vec<f64>,
    all: f64,
}

impl Tally {
    pub(crate) fn new(ranks: usize) -> Self {
        Self {
            sums: vec![0.0; ranks + 1],
            all: 0.0,
        }
    }

    pub(crate) fn add(&mut self, rank: usize) {
        self.all += 1.0;
        let mut at = rank + 1;
        while let Some(sum) = self.sums.get_mut(at) {
            *sum += 1.0;
            at += at & at.wrapping_neg();
        }
    }

    /// How many have a rank below this one.
    fn below(&self, rank: usize) -> f64 {
        let mut at = rank;
        let mut total = 0.0;
        // The first place is nobody's: sums end there.
        while let Some(sum) = self.sums.get(at).filter(|_| at > 0) {
            total += sum;
            at &= at - 1;
        }
        total
    }

    /// How many have a lower rank, this one, and any.
    pub(crate) fn around(&self, rank: usize) -> (f64, f64, f64) {
        let less = self.below(rank);
        (less, self.below(rank + 1) - less, self.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const F: [f64; 6] = [0.4, -0.2, 0.4, 1.3, -0.9, 0.1];
    const TIME: [f64; 6] = [5.0, 2.0, 2.0, 7.0, 7.0, 1.0];
    const EVENT: [f64; 6] = [1.0, 1.0, 1.0, 0.0, 1.0, 0.0];

    #[test]
    fn the_slopes_are_those_of_the_likelihood_and_add_up_to_nothing() {
        let (_, slopes) = likelihood(&F, &TIME, &EVENT);
        for at in 0..F.len() {
            let value = |shift: f64| {
                let mut moved = F;
                moved[at] += shift;
                -likelihood(&moved, &TIME, &EVENT).0
            };
            let slope = (value(1e-5) - value(-1e-5)) / 2e-5;
            assert!(
                (slopes[at] - slope).abs() < 1e-9,
                "row {at}: {} and {slope}",
                slopes[at]
            );
        }
        assert!(slopes.iter().sum::<f64>().abs() < 1e-12);
        // At zero: events at 7 (2 at risk), 5 (3 at risk) and twice at 2 (5 at risk).
        let (loglik, _) = likelihood(&[0.0; 6], &TIME, &EVENT);
        assert!((loglik + (2.0_f64.ln() + 3.0_f64.ln() + 2.0 * 5.0_f64.ln())).abs() < 1e-12);
        let (far, slopes) = likelihood(&[900.0, -900.0, 0.0, -900.0, -900.0, 0.0], &TIME, &EVENT);
        assert!(far.is_finite() && slopes.iter().all(|slope| slope.is_finite()));
    }

    #[test]
    fn pairs_are_those_counted_one_by_one() {
        let mut want = Pairs::default();
        for i in 0..6 {
            for j in 0..6 {
                let first = TIME[i] < TIME[j] || (TIME[i] == TIME[j] && EVENT[j] == 0.0);
                if i != j && EVENT[i] == 1.0 && first {
                    want.comparable += 1.0;
                    want.concordant += f64::from(u8::from(F[i] > F[j]));
                    want.tied += f64::from(u8::from(F[i] == F[j]));
                }
            }
        }
        assert!(want.tied > 0.0);
        assert_eq!(pairs(&F, &TIME, &EVENT), want);
    }
}
