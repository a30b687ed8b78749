#!/usr/bin/env python3
"""edges.py: writes edges.json from ../data/edges, the figures of one table with fifty digits (mpmath 1.3).

Fits are Newton's method on one table; errors are the model's (Pearson's dispersion where there is one) or HC0. A ridge binds
columns standardised by the standard deviation of the table (ddof 1). Cox: Efron's ties."""
import csv, json, pathlib
from mpmath import mp, mpf, matrix, exp, log, sqrt, betainc, lu_solve, inverse

mp.dps = 50
HERE = pathlib.Path(__file__).parent


def read(name):
    rows = list(csv.DictReader(open(HERE / "../data/edges" / f"{name}.csv")))
    return {key: [row[key] for row in rows] for key in rows[0]}


def numbers(column):
    # The double that every reader of the file takes, exactly.
    return [mpf(float(text)) for text in column]


def fit(x, y, family, ridge=0, robust=False):
    n, names = len(y), ["(intercept)", *x]
    mean = {name: sum(column) / n for name, column in x.items()}
    sd = {name: sqrt(sum((v - mean[name]) ** 2 for v in column) / (n - 1)) for name, column in x.items()}
    rows = [[mpf(1), *((x[name][at] - mean[name]) / sd[name] for name in x)] for at in range(n)]
    size = len(names)
    beta = [mpf(0)] * size
    middle = sum(y) / n
    beta[0] = {"linear": middle, "logistic": log(middle / (1 - middle))}.get(family, log(middle) if middle > 0 else mpf(0))
    for _ in range(60):
        gradient, information, meat, pearson = [mpf(0)] * size, matrix(size, size), matrix(size, size), mpf(0)
        for z, value in zip(rows, y):
            e = sum(a * b for a, b in zip(z, beta))
            if family == "linear":
                mu, weight, variance = e, mpf(1), mpf(1)
            elif family == "logistic":
                mu = 1 / (1 + exp(-e))
                weight = variance = mu * (1 - mu)
            else:
                mu = exp(e)
                weight = variance = mu
            rest = value - mu
            pearson += rest**2 / variance
            for j in range(size):
                gradient[j] += rest * z[j]
                for k in range(j + 1):
                    information[j, k] += weight * z[j] * z[k]
                    meat[j, k] += rest**2 * z[j] * z[k]
        for j in range(size):
            for k in range(j):
                information[k, j], meat[k, j] = information[j, k], meat[j, k]
            if j:
                gradient[j] -= ridge * beta[j]
                information[j, j] += ridge
        step = lu_solve(information, matrix(gradient))
        beta = [b + s for b, s in zip(beta, step)]
        if max(abs(s) for s in step) < mpf(10) ** -35:
            break
    covariance = inverse(information)
    if robust:
        covariance = covariance * meat * covariance
    elif family in ("linear", "quasipoisson"):
        covariance = covariance * (pearson / (n - size))
    found = {}
    for at, name in enumerate(names):
        t = [mpf(0)] * size
        if at == 0:
            t = [mpf(1), *(-mean[c] / sd[c] for c in x)]
        else:
            t[at] = 1 / sd[name]
        t = matrix(t)
        found[name] = {"estimate": float(sum(a * b for a, b in zip(t, beta))), "se": float(sqrt((t.T * covariance * t)[0]))}
    return found


def cox(x, time, event):
    beta = mpf(0)
    rows = sorted(zip(time, event, x))
    for _ in range(60):
        gradient = information = mpf(0)
        for at in sorted({t for t, e, _ in rows if e}):
            risk = [(v, exp(beta * v)) for t, _, v in rows if t >= at]
            dead = [(v, exp(beta * v)) for t, e, v in rows if t == at and e]
            s = [sum(r * v**k for v, r in risk) for k in range(3)]
            d = [sum(r * v**k for v, r in dead) for k in range(3)]
            gradient += sum(v for v, _ in dead)
            for l in range(len(dead)):
                f = mpf(l) / len(dead)
                a, b, c = (p - f * q for p, q in zip(s, d))
                gradient -= b / a
                information += c / a - (b / a) ** 2
        step = gradient / information
        beta += step
        if abs(step) < mpf(10) ** -35:
            break
    return {"estimate": float(beta), "se": float(1 / sqrt(information))}


def described(values, arm):
    n = len(values)
    mean = sum(values) / n
    square = lambda part, centre: sum((v - centre) ** 2 for v in part)
    groups = [[v for v, a in zip(values, arm) if a == level] for level in sorted(set(arm))]
    within = sum(square(group, sum(group) / len(group)) for group in groups)
    between = square(values, mean) - within
    df, rest = len(groups) - 1, n - len(groups)
    f = (between / df) / (within / rest)
    p = betainc(mpf(rest) / 2, mpf(df) / 2, 0, rest / (rest + df * f), regularized=True)
    return {"mean": float(mean), "variance": float(square(values, mean) / (n - 1)), "f": float(f), "p": float(p)}


def table(name, columns, outcome):
    data = read(name)
    return {column: numbers(data[column]) for column in columns}, numbers(data[outcome])


found = {}
for name, columns, outcome, family, more in [
    ("near_linear_40", ["a", "b40"], "lin", "linear", {}),
    ("near_linear_30", ["a", "b30"], "lin", "linear", {}),
    ("near_logistic_40", ["a", "b40"], "y", "logistic", {}),
    ("near_duplicates", ["x", "z"], "y", "linear", {}),
    ("ridge_small", ["a"], "y", "logistic", {"ridge": 20}),
    ("red_cells", ["rbc_per_litre"], "y", "logistic", {}),
    ("quasi_small", ["a"], "y8", "quasipoisson", {}),
]:
    found[name] = fit(*table(name, columns, outcome), family, **more)
for family in ("poisson", "linear"):
    found[f"yes_no_{family}"] = fit(*table("yes_no", ["a"], "y"), family, robust=True)
data = read("cox_outlier")
found["cox_outlier"] = {"x": cox(numbers(data["x"]), numbers(data["time"]), [e == "1" for e in data["ev"]])}
data = read("hormones")
found["hormones"] = {c: described(numbers(data[c]), data["arm"]) for c in data if c.endswith("mol_l")}
(HERE / "edges.json").write_text(json.dumps(found, indent=1) + "\n")
