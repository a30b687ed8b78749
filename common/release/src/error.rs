//! Why a release folder could not be made.

/// Why a release folder could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The numbers do not fit together.
    #[error("the outcome of run `{run}` cannot be released: {what}; keep the ledger and report it")]
    Outcome {
        /// The run.
        run: String,
        /// What was wrong.
        what: String,
    },
    /// The run has no result.
    #[error("run `{run}` has no result that could be released: {what}")]
    Recipe {
        /// The run.
        run: String,
        /// Why.
        what: String,
    },
    /// The report could not be written as JSON.
    #[error("report.json could not be written")]
    Report(#[from] serde_json::Error),
    /// The weights could not be written.
    #[error("model.safetensors could not be written")]
    Weights(#[source] serde_json::Error),
}
