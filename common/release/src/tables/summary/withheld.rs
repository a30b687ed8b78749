//! Why a column of a table has no histogram or no quantiles, in the words of report and card. One
//! sentence for all reasons: which one it is would tell more.

/// Of a histogram.
pub(crate) fn bins(smallest: u64) -> String {
    format!(
        "no bin is told where one of them, or of those below and above, holds \
         fewer than {smallest} patients or patients of too few \
         hospitals, or where the number of missing \
         values is withheld: choose wider \
         bins, or leave rows without a value out by a `filter`"
    )
}

/// Of quantiles.
pub(crate) fn quantiles(smallest: u64) -> String {
    format!(
        "no quantile is told where fewer than {smallest} patients lie between \
         two of them or beyond the outer ones, or where the \
         number of missing values is \
         withheld: ask for fewer quantiles, or \
         leave rows without a value out by a `filter`"
    )
}
