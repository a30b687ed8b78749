"""Images of handwritten digits to tables of embeddings, five invented hospitals; see PROVENANCE.md and RECIPES.md.

    embed.py make FOLDER                one CSV a hospital, and held_out.csv, which no hospital has
    embed.py score FOLDER RELEASE ..    how released models do on held_out.csv, beside a fit of each hospital alone

Needs numpy and scikit-learn, which brings the images along; reads no network. The encoder is frozen: its filters are
drawn once from SEED and never trained, so that every hospital makes the same columns of an image.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

SEED = 20261201
HOSPITALS = ["amsterdam", "bologna", "cracow", "dresden", "evora"]
FILTERS = 32  # times 2 x 2 fields of an image: 128 columns
# A hospital's scanner: how strong its contrast is, and the standard deviation of its noise; a pixel is 0 to 1.
SCANNERS = [(1.0, 0.05), (0.8, 0.10), (0.6, 0.05), (0.9, 0.20), (0.7, 0.15)]
OWN = 0.9  # part of the images of a hospital's two digits that lie there; the others lie anywhere


def encode(images):
    """32 filters of 3 x 3, drawn and not trained, what is below 0 cut off, and the mean of each quarter: n x 128."""
    filters = np.random.default_rng(SEED).standard_normal((FILTERS, 9)) / 3
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2)).reshape(-1, 8, 8, 9)
    answers = np.maximum(patches @ filters.T, 0)
    return answers.reshape(-1, 2, 4, 2, 4, FILTERS).mean(axis=(2, 4)).reshape(-1, 4 * FILTERS)


def spread(digits, rng):
    """Which hospital each image lies at: mostly the one that sees its digit, 0 and 1 at the first and so on."""
    anywhere = rng.integers(len(HOSPITALS), size=len(digits))
    return np.where(rng.random(len(digits)) < OWN, digits // 2, anywhere)


def make(folder):
    rng = np.random.default_rng(SEED + 1)
    images, digits = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8) / 16
    where = spread(digits, rng)
    owner = np.where(rng.random(len(digits)) < 0.2, len(HOSPITALS), where)  # a fifth is held out
    contrast, noise = np.array([SCANNERS[site] for site in where]).T[:, :, None, None]
    emb = encode(images * contrast + noise * rng.standard_normal(images.shape))
    for site, name in enumerate([*HOSPITALS, "held_out"]):
        rows = np.flatnonzero(owner == site)
        with open(folder / f"{name}.csv", "w", encoding="utf-8") as file:
            file.write(",".join(["image", "odd", *(f"emb{n}" for n in range(emb.shape[1]))]) + "\n")
            for row in rows:
                values = ",".join(f"{value:.5f}" for value in emb[row])
                file.write(f"{row},{digits[row] % 2},{values}\n")
        print(f"{name}: {len(rows)} images, of 0 to 9:", *np.bincount(digits[rows], minlength=10))


def table(path):
    rows = np.loadtxt(path, delimiter=",", skiprows=1)
    return rows[:, 2:], rows[:, 1]


def released(release):
    """The model of a release as it stands in model.safetensors: its tensors by their names."""
    raw = (release / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    head, body = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    head.pop("__metadata__", None)
    return {name: np.frombuffer(body[slice(*at["data_offsets"])], dtype="<f8") for name, at in head.items()}


def alone(tables):
    """A logistic regression with scikit-learn's usual penalty, of these tables."""
    x, y = (np.concatenate(side) for side in zip(*tables))
    scale = StandardScaler().fit(x)
    fit = LogisticRegression(max_iter=5000).fit(scale.transform(x), y)
    return lambda x: fit.decision_function(scale.transform(x))


def score(folder, releases):
    x, y = table(folder / "held_out.csv")

    def line(scores, who):
        print(f"{100 * np.mean((scores > 0) == (y == 1)):5.1f} %  {who}")

    tables = [table(folder / f"{name}.csv") for name in HOSPITALS]
    for name, rows in zip(HOSPITALS, tables):
        line(alone([rows])(x), f"{name} alone, {len(rows[1])} images")
    line(alone(tables)(x), "one pooled table")
    for release in releases:
        model = released(release)
        if "layers.0.weight" in model:  # an average
            scaled = (x - model["standardise.mean"]) / model["standardise.sd"]
            scores = scaled @ model["layers.0.weight"] + model["layers.0.bias"]
        else:  # a regression
            scores = x @ model["coefficients"][1:] + model["coefficients"][0]
        line(scores, f"released in {release}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", folder]:
            make(Path(folder))
        case ["score", folder, *releases]:
            score(Path(folder), [Path(release) for release in releases])
        case _:
            sys.exit(__doc__)
