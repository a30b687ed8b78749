# Proportional odds by R's polr, for ordinal.py: `Rscript ordinal.R > polr.txt` in this folder. The optimiser goes on until
# the printed digits stand still; with R's usual `reltol` the fifth digit of some does not.
library(MASS)
countries <- c("BELG", "CZEC", "ITAL", "NETH", "NORW", "POLA", "PORT", "SPAI", "SWED", "SWIT")
stroke <- do.call(rbind, lapply(countries, function(c) read.csv(sprintf("../../../../cli/demo/stroke/%s.csv", c))))
outcome <- read.csv("../data/stroke_outcome.csv")
stopifnot(identical(stroke$country, outcome$country))
stroke$y <- factor(outcome$occode, levels = 1:4, ordered = TRUE) # 0 and 9 are missing
f <- y ~ age + male + delay_h + sbp + drowsy + unconscious + infarct_ct + n_deficits + tacs + lacs + pocs + aspirin + heparin
tight <- function(name, fit) {
  again <- update(fit, control = list(reltol = 1e-16, maxit = 1000), start = c(coef(fit), fit$zeta))
  cat("FIT", name, "\n")
  print(summary(again))
}
tight("stroke", polr(f, data = stroke, Hess = TRUE))
tight("housing", polr(Sat ~ Infl + Type + Cont, weights = Freq, data = housing, Hess = TRUE))
