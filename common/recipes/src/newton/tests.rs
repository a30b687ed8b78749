//! Tests of the module above.

use super::*;

const LIMITS: Limits = Limits {
    ridge: 0.0,
    lasso: 0.0,
    tolerance: 1e-9,
    max_rounds: 40,
    unit: 1.0,
    rows: 1,
    separable: true,
    intercepts: 0,
    near: Near::Refused,
};

/// -sqrt(1 + (b - 2)^2) at the point asked for, with its slope and curvature: from zero Newton
/// jumps ever farther. From `end` on it cannot be told.
fn round(newton: &Newton, round: u32, end: f64, limits: Limits) -> Climb {
    let distance = newton.point()[0] - 2.0;
    let root = (1.0 + distance * distance).sqrt();
    let told = Told {
        round,
        loglik: (distance < end).then_some(-root),
        gradient: &[-distance / root],
        information: &[1.0 / (root * root * root)],
    };
    newton.climb(&told, limits)
}

/// The points that are asked for and the end of the climb.
fn points(mut newton: Newton, end: f64, limits: Limits) -> (Vec<f64>, Newton) {
    let mut asked = Vec::new();
    for number in 1.. {
        asked.push((newton.point()[0] * 1e9).round() / 1e9);
        match round(&newton, number, end, limits) {
            Climb::On(next) => newton = next,
            Climb::End(last) => return (asked, last),
            Climb::Stuck(why) => panic!("{why:?}"),
        }
    }
    unreachable!()
}

#[test]
fn a_step_that_lowers_the_likelihood_is_halved_until_it_does_not() {
    // The whole first step is 10 long (to 8 beyond the maximum), its half too; a quarter is
    // taken.
    let linear = Limits {
        separable: false,
        intercepts: 1,
        near: Near::Turned,
        ..LIMITS
    };
    let (asked, end) = points(Newton::new(0), f64::INFINITY, linear);
    assert_eq!(asked[..4], [0.0, 10.0, 5.0, 2.5]);
    assert!(end.converged && (end.beta[0] - 2.0).abs() < 1e-9);
    assert_eq!(end.history.len(), asked.len());
    assert_eq!(end.history[1].step, 10.0);

    // Out of rounds in the middle of halving: the best point so far stands.
    let short = Limits {
        max_rounds: 2,
        ..linear
    };
    let (asked, end) = points(Newton::new(0), f64::INFINITY, short);
    assert!(asked.len() == 2 && !end.converged && end.beta == [0.0]);
}

#[test]
fn a_point_out_of_range_is_left_as_one_that_lowers_the_likelihood() {
    let (asked, end) = points(Newton::begin(vec![0.0]), 7.0, LIMITS);
    assert_eq!(asked[..4], [0.0, 10.0, 5.0, 2.5]);
    assert!(end.converged && (end.beta[0] - 2.0).abs() < 1e-9);
    assert_eq!(
        end.history.len() + 1,
        asked.len(),
        "the point out of range has no likelihood"
    );
}

/// Columns 1 and 2 of three, the first being the intercept where there is one, with 1 - r^2 =
/// 1e-6: turned in one fit, refused in the other.
#[test]
fn columns_that_are_almost_alike_are_turned_or_refused() {
    let r = (1.0 - 1e-6_f64).sqrt();
    let told = Told {
        round: 1,
        loglik: Some(-1.0),
        gradient: &[0.5, 0.5, 0.25],
        information: &[1.0, 0.0, 0.0, 1.0, r, 1.0],
    };
    let start = Newton::new(2);
    let turned = Limits {
        intercepts: 1,
        near: Near::Turned,
        ..LIMITS
    };
    match start.climb(&told, turned) {
        Climb::On(next) => {
            assert!(!next.basis.is_plain());
            assert_eq!(next.information, [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
        }
        _ => panic!("the next point is asked for in turned columns"),
    }
    let refused = start.climb(&told, LIMITS);
    assert!(matches!(refused, Climb::Stuck(NoMaximum::Dependent(2))));
    let ridge = Limits {
        ridge: 0.1,
        ..LIMITS
    };
    assert!(matches!(start.climb(&told, ridge), Climb::On(next) if next.basis.is_plain()));
}

#[test]
fn the_columns_that_grow_are_named_by_their_part_of_the_step() {
    let mut newton = Newton::new(5);
    newton.direction = vec![9.0, 0.3, -2.0, 0.001, 0.0, 0.5];
    assert_eq!(
        newton.growing(1),
        [1, 4, 0],
        "not the intercept, not what merely follows"
    );
    assert_eq!(newton.growing(3), [2], "nor any of several intercepts");
    assert!(Newton::new(0).growing(1).is_empty() && Newton::new(3).growing(1).is_empty());
}

#[test]
fn only_a_likelihood_that_can_rise_without_end_is_said_to() {
    // Far along a climb, and the step is as long as the last.
    let far = Newton {
        taken: 3,
        objective: -1.0,
        stride: 1e-3,
        direction: vec![1e-3],
        ..Newton::begin(vec![0.0])
    };
    let linear = Limits {
        separable: false,
        ..LIMITS
    };
    let climb = |information: f64, limits| {
        let told = Told {
            round: 4,
            loglik: Some(-1.0),
            gradient: &[1e-8],
            information: &[information],
        };
        far.climb(&told, limits)
    };
    let endless = |climb| matches!(climb, Climb::Stuck(NoMaximum::Endless(_)));
    assert!(endless(climb(1e-5, LIMITS)));
    assert!(matches!(climb(1e-5, linear), Climb::On(_)));
    // Nothing is known along the column any more, or it never told anything.
    assert!(endless(climb(0.0, LIMITS)));
    let dependent = climb(0.0, linear);
    assert!(matches!(dependent, Climb::Stuck(NoMaximum::Dependent(0))));
}

/// Two intercepts that share much, as those of a narrow level do, and a column: a common shift of both
/// is what moves the rows.
#[test]
fn several_intercepts_move_the_rows_together_and_are_no_columns_that_depend_on_each_other() {
    // Of 100 rows; the second intercept leaves 4e-7 of itself beside the first.
    let [own, shared] = [1e8, 50.0 - 1e8];
    let told = Told {
        round: 1,
        loglik: Some(-70.0),
        gradient: &[450.0, 450.0, 0.0],
        information: &[own, shared, 0.0, own, 0.0, 25.0],
    };
    let limits = Limits {
        intercepts: 2,
        ..LIMITS
    };
    let start = Newton::begin(vec![-1.0, -1.0 + 1e-6, 0.0]);
    match start.climb(&told, limits) {
        Climb::On(next) => {
            // The whole step is 9 long in the linear predictor of all rows: 2 are tried.
            assert!(
                (next.direction[0] - 9.0).abs() < 1e-6,
                "{:?}",
                next.direction
            );
            assert!((next.shrink * 9.0 - 2.0).abs() < 1e-6, "{}", next.shrink);
        }
        _ => panic!("the climb goes on"),
    }
    let columns = Limits {
        intercepts: 0,
        ..LIMITS
    };
    let refused = start.climb(&told, columns);
    assert!(matches!(refused, Climb::Stuck(NoMaximum::Dependent(1))));
}
