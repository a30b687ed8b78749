"""Makes ordinal.json: proportional odds fits of one pooled table, and the score test of parallel slopes.

    python ordinal.py POLR > ordinal.json

POLR is what `Rscript ordinal.R` printed. The fits: Newton's steps with the score in forty digits (mpmath), errors from the
observed information; every row is taken through the derivative of its cumulative probabilities and the inverse of their
covariance, and not through the formulas of the recipe.
"""
import csv, json, os, sys
import mpmath as mp
import numpy as np
import pandas as pd
from statsmodels.miscmodels.ordinal_model import OrderedModel

mp.mp.dps = 40
HERE = os.path.dirname(os.path.abspath(__file__))
COUNTRIES = "BELG CZEC ITAL NETH NORW POLA PORT SPAI SWED SWIT".split()
COLUMNS = "age male delay_h sbp drowsy unconscious infarct_ct n_deficits tacs lacs pocs aspirin heparin".split()


def stroke():
    outcome = list(csv.DictReader(open(f"{HERE}/../data/stroke_outcome.csv")))
    rows = [row for c in COUNTRIES for row in csv.DictReader(open(f"{HERE}/../../../../cli/demo/stroke/{c}.csv"))]
    assert [row["country"] for row in rows] == [row["country"] for row in outcome]
    kept = [(row, int(of["occode"]) - 1) for row, of in zip(rows, outcome) if of["occode"] in "1234"]
    return np.array([[float(row[c]) for c in COLUMNS] for row, _ in kept]), np.array([y for _, y in kept])


def counted(table):
    """A table of counts, one line a row of columns and its counts at each level, written out."""
    x, y = [], []
    for columns, counts in table:
        for level, count in enumerate(counts):
            x += [columns] * count
            y += [level] * count
    return np.array(x, float), np.array(y)


def cheese():
    counts = [[0, 0, 1, 7, 8, 8, 19, 8, 1], [6, 9, 12, 11, 7, 6, 1, 0, 0], [1, 1, 6, 8, 23, 7, 5, 1, 0], [0, 0, 0, 1, 3, 7, 14, 16, 11]]
    return counted([([float(a == additive) for a in range(3)], counts[additive]) for additive in range(4)])


HOUSING = """21 21 28 34 22 36 10 11 36 61 23 17 43 35 40 26 18 54 13 9 10 8 8 12 6 7 9 18 6 7 15 13 13 7 5 11
14 19 37 17 23 40 3 5 23 78 46 43 48 45 86 15 25 62 20 23 20 10 22 24 7 10 21 57 23 13 31 21 13 5 6 13"""


def housing():
    counts = [int(n) for n in HOUSING.split()]
    lines = []
    for contact in range(2):
        for kind in range(4):
            for influence in range(3):
                at = ((contact * 4 + kind) * 3 + influence) * 3
                columns = [influence == 1, influence == 2, kind == 1, kind == 2, kind == 3, contact == 1]
                lines.append(([float(c) for c in columns], counts[at : at + 3]))
    return counted(lines)


def logistic(t):
    return 1 / (1 + mp.exp(-t))


def precise(x, y, b, m):
    """Log-likelihood and score in forty digits."""
    loglik, score = mp.mpf(0), [mp.mpf(0)] * len(b)
    theta, beta = b[:m], b[m:]
    for row, level in zip(x, y):
        row = [mp.mpf(float(v)) for v in row]
        shift = mp.fsum(v * w for v, w in zip(row, beta))
        high = logistic(theta[level] - shift) if level < m else mp.mpf(1)
        low = logistic(theta[level - 1] - shift) if level > 0 else mp.mpf(0)
        p = high - low
        loglik += mp.log(p)
        up, down = high * (1 - high) / p, low * (1 - low) / p
        if level < m:
            score[level] += up
        if level > 0:
            score[level - 1] -= down
        for j, v in enumerate(row):
            score[m + j] -= (up - down) * v
    return loglik, score


def hessian(x, y, b, m):
    """The observed information, from first and second differences of the cumulative probabilities."""
    theta, beta = b[:m], b[m:]
    f = lambda t: 1 / (1 + np.exp(-t))
    eta = theta[None, :] - (x @ beta)[:, None]
    g = f(eta)
    n, p = x.shape
    pad = lambda a, first, last: np.hstack([np.full((n, 1), first), a, np.full((n, 1), last)])
    at = np.arange(n)
    F, d1, d2 = pad(g, 0.0, 1.0), pad(g * (1 - g), 0.0, 0.0), pad(g * (1 - g) * (1 - 2 * g), 0.0, 0.0)
    U = np.zeros((m + 2, n, m + p))
    for j in range(m):
        U[j + 1, :, j] = 1
        U[j + 1, :, m:] = -x
    hi, lo = U[y + 1, at], U[y, at]
    P = F[at, y + 1] - F[at, y]
    grad = (d1[at, y + 1] / P)[:, None] * hi - (d1[at, y] / P)[:, None] * lo
    second = np.einsum("i,ij,ik->jk", d2[at, y + 1] / P, hi, hi) - np.einsum("i,ij,ik->jk", d2[at, y] / P, lo, lo)
    return grad.T @ grad - second


def fit(x, y):
    m = int(y.max())
    mean, sd = x.mean(0), x.std(0, ddof=1)
    z = (x - mean) / sd
    shares = np.cumsum(np.bincount(y))[:-1] / len(y)
    b = np.concatenate([np.log(shares / (1 - shares)), np.zeros(x.shape[1])])
    null, _ = precise(np.zeros((len(y), 1)), y, [mp.mpf(float(t)) for t in b[:m]] + [mp.mpf(0)], m)
    b = [mp.mpf(float(v)) for v in b]
    for _ in range(12):
        loglik, score = precise(z, y, b, m)
        step = np.linalg.solve(hessian(z, y, np.array([float(v) for v in b]), m), np.array([float(s) for s in score]))
        b = [v + mp.mpf(float(s)) for v, s in zip(b, step)]
        if max(abs(step)) < 1e-18:
            break
    beta = [float(v / mp.mpf(float(s))) for v, s in zip(b[m:], sd)]
    theta = [float(t + mp.fsum(v * mp.mpf(float(a)) / mp.mpf(float(s)) for v, a, s in zip(b[m:], mean, sd))) for t in b[:m]]
    # Back to the units of the columns: standardised rows are those of columns moved and stretched.
    T = np.zeros((m + x.shape[1], m + x.shape[1]))
    T[:m, :m] = np.eye(m)
    T[:m, m:] = mean / sd
    T[m:, m:] = np.diag(1 / sd)
    covariance = T @ np.linalg.inv(hessian(z, y, np.array([float(v) for v in b]), m)) @ T.T
    se = np.sqrt(np.diag(covariance))
    out = {
        "rows": len(y),
        "levels": np.bincount(y).tolist(),
        "thresholds": theta,
        "thresholds_se": se[:m].tolist(),
        "coefficients": beta,
        "se": se[m:].tolist(),
        "loglik": float(loglik),
        "null_loglik": float(null),
    }
    if m > 1:
        out["parallel"] = parallel(z, y, np.array([float(v) for v in b]), m)
    return out


def parallel(z, y, b, m):
    """Score tests of slopes that differ from cut to cut, of all columns and of each alone."""
    n, p = z.shape
    eta = b[:m][None, :] - (z @ b[m:])[:, None]
    g = 1 / (1 + np.exp(-eta))
    one = np.hstack([np.ones((n, 1)), -z])
    size = m * (1 + p)
    score, information = np.zeros(size), np.zeros((size, size))
    for i in range(n):
        D = np.zeros((m, size))
        for j in range(m):
            D[j, j * (1 + p) : (j + 1) * (1 + p)] = g[i, j] * (1 - g[i, j]) * one[i]
        low = np.minimum.outer(g[i], g[i])
        high = np.maximum.outer(g[i], g[i])
        W = np.linalg.inv(low * (1 - high))
        rest = (y[i] <= np.arange(m)) - g[i]
        score += D.T @ W @ rest
        information += D.T @ W @ D
    statistic = lambda A: float((A.T @ score) @ np.linalg.solve(A.T @ information @ A, A.T @ score))
    columns = []
    for own in range(p):
        A = np.zeros((size, m + p + m - 1))
        for j in range(m):
            A[j * (1 + p), j] = 1
            for k in range(p):
                A[j * (1 + p) + 1 + k, m + k] = 1
            if j > 0:
                A[j * (1 + p) + 1 + own, m + p + j - 1] = 1
        columns.append(statistic(A))
    return {"df": p * (m - 1), "all": statistic(np.eye(size)), "columns": columns}


def by_statsmodels(x, y):
    model = OrderedModel(y, x, distr="logit")
    found = model.fit(method="bfgs", disp=False, maxiter=5000, gtol=1e-9)
    return {
        "coefficients": [round(float(v), 6) for v in found.params[: x.shape[1]]],
        "thresholds": [round(float(v), 6) for v in model.transform_threshold_params(found.params)[1:-1]],
        "loglik": round(float(found.llf), 6),
    }


def printed(path):
    """The tables of coefficients in R's output, by the name of the fit: each number as it was printed."""
    fits, name = {}, None
    for line in open(path):
        words = line.split()
        if line.startswith("FIT"):
            name = words[1]
            fits[name] = []
        elif name and len(words) == 4 and words[0] not in ("Value", "Call:"):
            try:
                [float(w) for w in words[1:]]
            except ValueError:
                continue
            fits[name].append(words)
    return fits


polr = printed(sys.argv[1])
out = {}
for name, (x, y), columns in [
    ("stroke", stroke(), COLUMNS),
    ("housing", housing(), "InflMedium InflHigh TypeApartment TypeAtrium TypeTerrace ContHigh".split()),
    ("cheese", cheese(), ["additive_1", "additive_2", "additive_3"]),
]:
    out[name] = {"columns": columns, **fit(x, y), "statsmodels": by_statsmodels(x, y), "polr": polr.get(name, [])}
print(json.dumps(out, indent=1))
