//! The pictures of how well a model tells patients apart.

use super::calibration::calibration;
use super::roc::roc;
use super::scene::Scene;
use crate::kit::picture::Picture;
use motet_recipes::CalibrationBin;

/// `roc.svg` and `calibration.svg`.
pub(crate) fn pictures(
    scene: &Scene<'_>,
    curve: &[(f64, f64)],
    bins: &[CalibrationBin],
) -> Vec<Picture> {
    let curve = roc(scene, curve);
    let bins = calibration(scene, bins);
    curve.into_iter().chain(bins).collect()
}
