"""Makes glm.json: pooled fits of the demo's tables with statsmodels and numpy, beside the Rust code and without it.

    pip install statsmodels==0.15.0 scipy==1.17.1 && python glm.py > glm.json

Coefficients and model errors are statsmodels' GLM. Log-likelihoods follow R's logLik, robust errors R's
sandwich::vcovHC, the spline R's splines::ns; they are written out here and compared with statsmodels where it has them.
"""
import csv, json, pathlib, sys
import numpy as np
import scipy, statsmodels, statsmodels.api as sm
from scipy.interpolate import BSpline
from scipy.special import gammaln, xlogy

DEMO = pathlib.Path(__file__).resolve().parents[4] / "cli/demo"

def table(data, sites):
    rows = []
    for site in sites:
        with open(DEMO / data / f"{site}.csv") as file:
            rows += [dict(row, site=site) for row in csv.DictReader(file)]
    return rows

def heart():
    keep = []
    for row in table("heart", ["cleveland", "hungarian", "switzerland", "va"]):
        names = ["age", "sex", "trestbps", "chol", "fbs", "thalach", "exang", "oldpeak", "cp", "restecg"]
        if all(row[name] for name in names):
            v = {name: float(row[name]) for name in names}
            v.update({f"cp_{l}": float(v["cp"] == l) for l in (2, 3, 4)}, restecg_1=float(v["restecg"] == 1),
                     restecg_2=float(v["restecg"] == 2), y=float(float(row["num"]) > 0))
            keep.append(v)
    return {k: np.array([v[k] for v in keep]) for k in keep[0]}

STROKE = ["BELG", "CZEC", "ITAL", "NETH", "NORW", "POLA", "PORT", "SPAI", "SWED", "SWIT"]

def stroke():
    rows = table("stroke", STROKE)
    d = {k: np.array([float(row[k]) for row in rows]) for k in rows[0] if k not in ("country", "site")}
    d.update({f"country_{c}": np.array([float(row["country"] == c) for row in rows]) for c in STROKE[1:]})
    return d

H, S = heart(), stroke()
WEIGHT = 1.0 + S["heparin"] + 0.5 * S["aspirin"]
DATA = {
    "heart": dict(H, offset=0.002 * H["chol"], weight=1.0 + H["sex"] + 0.25 * H["fbs"]),
    "stroke": dict(S, offset=0.01 * S["delay_h"], weight=WEIGHT, share=S["n_deficits"] / 8.0),
}
FAMILY = {
    "linear": sm.families.Gaussian(), "poisson": sm.families.Poisson(), "gamma": sm.families.Gamma(sm.families.links.Log()),
    "logistic": sm.families.Binomial(), "quasipoisson": sm.families.Poisson(), "quasibinomial": sm.families.Binomial(),
}

def mean_of(family, eta):
    return eta if family == "linear" else 1 / (1 + np.exp(-eta)) if "bin" in family or family == "logistic" else np.exp(eta)

def variance(family, mu):
    return {"linear": np.ones_like(mu), "gamma": mu**2, "logistic": mu * (1 - mu), "quasibinomial": mu * (1 - mu)}.get(family, mu)

def deviance(family, y, mu, w):
    if family == "linear":
        return float(np.sum(w * (y - mu) ** 2))
    if family == "gamma":
        return float(2 * np.sum(w * (-np.log(y / mu) + (y - mu) / mu)))
    if "poisson" in family:
        return float(2 * np.sum(w * (xlogy(y, y / mu) - (y - mu))))
    return float(2 * np.sum(w * (xlogy(y, y / mu) + xlogy(1 - y, (1 - y) / (1 - mu)))))

def loglik(family, y, mu, w):
    n = len(y)
    if family.startswith("quasi"):
        return None
    if family == "linear":
        return float(0.5 * (np.sum(np.log(w)) - n * (np.log(2 * np.pi) + 1 - np.log(n) + np.log(np.sum(w * (y - mu) ** 2)))))
    if family == "gamma":
        a = np.sum(w) / deviance(family, y, mu, w)
        return float(np.sum(w * (a * np.log(a / mu) - gammaln(a) + (a - 1) * np.log(y) - a * y / mu)))
    if family == "poisson":
        return float(np.sum(w * (xlogy(y, mu) - mu - gammaln(y + 1))))
    return float(np.sum(w * (xlogy(y, mu) + xlogy(1 - y, 1 - mu))))

def polish(family, X, y, o, w, b):
    """Fisher steps in the columns' own units until nothing moves: statsmodels stops by the deviance."""
    scale = np.sqrt(np.mean(X**2, axis=0))
    Z = X / scale
    b = b * scale
    for _ in range(50):
        mu = mean_of(family, Z @ b + o)
        slope = {"linear": 1.0, "gamma": mu}.get(family, mu if "poisson" in family else mu * (1 - mu))
        v = variance(family, mu)
        A = (Z * (w * slope**2 / v)[:, None]).T @ Z
        step = np.linalg.solve(A, Z.T @ (w * (y - mu) * slope / v))
        b = b + step
        if np.max(np.abs(step)) < 1e-14 * (1 + np.max(np.abs(b))):
            break
    return b / scale

def fit(name, data, family, outcome, columns, offset=False, weight=False, X=None, names=None, contrasts=None):
    d = DATA[data]
    y = d[outcome]
    n = len(y)
    o = d["offset"] if offset else np.zeros(n)
    w = d["weight"] if weight else np.ones(n)
    if X is None:
        X = np.column_stack([np.ones(n)] + [d[c] for c in columns])
    p = X.shape[1]
    model = sm.GLM(y, X, family=FAMILY[family], offset=o, var_weights=w)
    sm_fit = model.fit(tol=1e-14, tol_criterion="params", maxiter=200, scale=None if not family.startswith("quasi") else "X2")
    b = polish(family, X, y, o, w, sm_fit.params)
    assert np.max(np.abs(b - sm_fit.params) / (1 + np.abs(b))) < 1e-9, (name, b - sm_fit.params)
    mu = mean_of(family, X @ b + o)
    v = variance(family, mu)
    slope = {"linear": np.ones(n), "gamma": mu}.get(family, mu if "poisson" in family else mu * (1 - mu))
    A = np.linalg.inv((X * (w * slope**2 / v)[:, None]).T @ X)
    pearson = float(np.sum(w * (y - mu) ** 2 / v))
    dispersion = 1.0 if family in ("poisson", "logistic") else pearson / (n - p)
    se = np.sqrt(np.diag(A) * dispersion)
    assert np.max(np.abs(se / sm_fit.bse - 1)) < 1e-8, (name, se / sm_fit.bse)
    score = w * (y - mu) * slope / v
    V = A @ ((X * (score**2)[:, None]).T @ X) @ A
    if family != "gamma":  # statsmodels' bread is the observed information there
        white = model.fit(tol=1e-14, tol_criterion="params", maxiter=200, cov_type="HC0").bse
        assert np.max(np.abs(np.sqrt(np.diag(V)) / white - 1)) < 1e-7, name
    b0 = polish(family, np.ones((n, 1)), y, o, w, np.array([
        np.average(y - o, weights=w) if family == "linear" else 0.1 if "bin" in family or family == "logistic"
        else np.log(np.average(y, weights=w)) - np.average(o)]))
    mu0 = mean_of(family, b0[0] + o)
    assert abs(np.sum(w * (y - mu0) * (1 if family != "gamma" else 1 / mu0))) < 1e-7 * n, name
    out = {
        "data": data, "family": family, "outcome": outcome, "columns": columns, "offset": offset, "weight": weight,
        "n": n, "coef": b.tolist(), "se": se.tolist(),
        "hc0": np.sqrt(np.diag(V)).tolist(), "hc1": np.sqrt(np.diag(V) * n / (n - p)).tolist(),
        "p": sm_fit.pvalues.tolist() if family in ("poisson", "logistic") else (2 * scipy.stats.t.sf(np.abs(b / se), n - p)).tolist(),
        "t95": float(scipy.stats.t.ppf(0.975, n - p)),
        "loglik": loglik(family, y, mu, w), "null_loglik": loglik(family, y, mu0, w),
        "deviance": deviance(family, y, mu, w), "null_deviance": deviance(family, y, mu0, w),
        "pearson": pearson, "dispersion": dispersion,
    }
    if family == "linear":
        m = np.average(y - o, weights=w)
        out["r_squared"] = float(1 - np.sum(w * (y - mu) ** 2) / np.sum(w * (y - o - m) ** 2))
    if names is not None:
        C = np.array(contrasts)
        out["names"], out["coef"] = names, (C @ b).tolist()
        out["se"] = np.sqrt(np.diag(C @ (A * dispersion) @ C.T)).tolist()
        out["hc0"] = np.sqrt(np.diag(C @ V @ C.T)).tolist()
        del out["hc1"], out["p"]
    return name, out

def penalised(name, data, family, outcome, columns, ridge, lasso):
    """Coordinate descent on the quadratic model inside Newton steps, until the slopes agree to 1e-12 of n."""
    d = DATA[data]
    y, X = d[outcome], np.column_stack([d[c] for c in columns])
    mean, sd = X.mean(0), X.std(0, ddof=1)
    n = len(y)
    Z = np.column_stack([np.ones(n), (X - mean) / sd])
    my, sy = (y.mean(), y.std(ddof=1)) if family == "linear" else (0.0, 1.0)
    t = (y - my) / sy
    b = np.zeros(Z.shape[1])
    if family != "linear":
        b[0] = np.log(t.mean()) if family == "poisson" else np.log(t.mean() / (1 - t.mean()))
    lam = np.r_[0.0, np.full(len(columns), lasso)]
    rho = np.r_[0.0, np.full(len(columns), ridge)]
    for _ in range(100):
        mu = mean_of(family, Z @ b)
        v = variance(family, mu)
        Hm, g = (Z * v[:, None]).T @ Z, Z.T @ (t - mu)
        old, new = b.copy(), b.copy()
        for _ in range(100000):
            before = new.copy()
            for j in range(len(b)):
                r = g[j] - Hm[j] @ (new - old) + Hm[j, j] * new[j]
                new[j] = np.sign(r) * max(abs(r) - lam[j], 0) / (Hm[j, j] + rho[j])
            if np.max(np.abs(new - before)) < 1e-15:
                break
        b = new
        if np.max(np.abs(new - old)) < 1e-13:
            break
    mu = mean_of(family, Z @ b)
    pull = Z.T @ (t - mu) - rho * b
    for j in range(len(b)):
        assert abs(pull[j]) <= lam[j] + 1e-9 if b[j] == 0 else abs(pull[j] - lam[j] * np.sign(b[j])) < 1e-9, (name, j)
    own = sy * np.r_[b[0] - np.sum(b[1:] * mean / sd), b[1:] / sd]
    own[0] += my
    mu = mean_of(family, np.column_stack([np.ones(n), X]) @ own)
    return name, {"data": data, "family": family, "outcome": outcome, "columns": columns, "ridge": ridge, "lasso": lasso,
                  "coef": own.tolist(), "zeros": int(np.sum(b == 0)), "loglik": loglik(family, y, mu, np.ones(n))}

def r_ns(x, inner, outer):
    """splines::ns of R 4: B-splines of order 4 without second derivatives at the boundary, straight beyond it."""
    knots = np.r_[[outer[0]] * 4, inner, [outer[1]] * 4]
    size = len(inner) + 4
    def basis(at, nu):
        return np.column_stack([BSpline(knots, np.eye(size)[k], 3).derivative(nu)(at) if nu else BSpline(knots, np.eye(size)[k], 3)(at)
                                for k in range(size)])
    inside = np.clip(x, *outer)
    B = basis(inside, 0)
    B += (x - inside)[:, None] * np.where((x < outer[0])[:, None], basis(np.array([outer[0]]), 1), basis(np.array([outer[1]]), 1))
    const = basis(np.array(outer), 2)[:, 1:]
    q, _ = np.linalg.qr(const.T, mode="complete")
    return B[:, 1:] @ q[:, 2:]

def spline():
    d = DATA["stroke"]
    knots, outer = [120.0, 140.0, 160.0], [80.0, 220.0]
    B = r_ns(d["sbp"], knots, outer)
    countries = [f"country_{c}" for c in STROKE[1:]]
    n = len(d["sbp"])
    X = np.column_stack([np.ones(n), d["age"], d["male"], B] + [d[c] for c in countries] + [d["age"] * d["male"]])
    p = X.shape[1]
    at = r_ns(np.array([outer[0]] + knots + [outer[1]]), knots, outer)
    rows = np.eye(p)
    rows[0, 3:7] = at[0]                      # the intercept of the cardinal basis holds the value at the first knot
    for k in range(4):
        rows[3 + k] = 0
        rows[3 + k, 3:7] = at[k + 1] - at[0]
    names = ["(intercept)", "age", "male"] + [f"ns(sbp)[{k}]" for k in (120, 140, 160, 220)] + countries + ["age:male"]
    return fit("stroke_spline_formula", "stroke", "logistic", "dead14", ["age", "male", "sbp"] + countries, X=X, names=names, contrasts=rows)

HC = ["age", "sex", "trestbps", "chol", "fbs", "exang", "oldpeak", "cp_2", "cp_3", "cp_4"]
HL = ["age", "sex", "trestbps", "chol", "fbs", "thalach", "exang", "oldpeak", "cp_2", "cp_3", "cp_4", "restecg_1", "restecg_2"]
SC = ["age", "male", "sbp", "drowsy", "unconscious", "infarct_ct", "tacs", "lacs", "pocs"]
SL = ["age", "male", "delay_h", "sbp", "drowsy", "unconscious", "infarct_ct", "n_deficits", "tacs", "lacs", "pocs", "aspirin", "heparin"]
SS = ["age", "male", "drowsy", "unconscious", "tacs", "lacs"]

fits = [
    fit("heart_linear", "heart", "linear", "thalach", HC),
    fit("heart_linear_offset_weight", "heart", "linear", "thalach", HC, True, True),
    fit("heart_gamma", "heart", "gamma", "thalach", HC),
    fit("heart_gamma_offset_weight", "heart", "gamma", "thalach", HC, True, True),
    fit("heart_logistic", "heart", "logistic", "y", HL),
    fit("heart_logistic_offset_weight", "heart", "logistic", "y", HL, True, True),
    fit("stroke_linear", "stroke", "linear", "sbp", SS),
    fit("stroke_linear_offset_weight", "stroke", "linear", "sbp", SS, True, True),
    fit("stroke_poisson", "stroke", "poisson", "n_deficits", SC),
    fit("stroke_poisson_offset", "stroke", "poisson", "n_deficits", SC, True, False),
    fit("stroke_poisson_offset_weight", "stroke", "poisson", "n_deficits", SC, True, True),
    fit("stroke_quasipoisson", "stroke", "quasipoisson", "n_deficits", SC),
    fit("stroke_quasibinomial", "stroke", "quasibinomial", "share", SS),
    fit("stroke_gamma", "stroke", "gamma", "sbp", SS),
    fit("stroke_logistic", "stroke", "logistic", "dead14", SL),
    fit("stroke_logistic_offset", "stroke", "logistic", "dead14", SL, True, False),
    fit("stroke_logistic_weight", "stroke", "logistic", "dead14", SL, False, True),
    spline(),
]
nets = [
    penalised("heart_logistic_lasso", "heart", "logistic", "y", HL, 0.0, 20.0),
    penalised("heart_logistic_net", "heart", "logistic", "y", HL, 3.0, 8.0),
    penalised("heart_linear_net", "heart", "linear", "thalach", HC, 2.0, 40.0),
    penalised("stroke_poisson_net", "stroke", "poisson", "n_deficits", SC, 1.0, 200.0),
]
print(json.dumps({
    "made_with": f"python {sys.version.split()[0]}, statsmodels {statsmodels.__version__}, numpy {np.__version__}, scipy {scipy.__version__}",
    "offset": "heart: 0.002 chol; stroke: 0.01 delay_h",
    "weight": "heart: 1 + sex + 0.25 fbs; stroke: 1 + heparin + 0.5 aspirin",
    "share": "n_deficits / 8", "fits": dict(fits), "nets": dict(nets),
}, indent=1))
