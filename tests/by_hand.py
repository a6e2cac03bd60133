"""Every number of the report on studies/digits.yaml, worked out from the frame in the plain way.

Nothing of randstudy is used: pandas, scipy, and loops over all choices where there is a formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import integrate, optimize, stats

Array = NDArray[np.float64]
Numbers = dict[str, float]

FACTORS = ("batch_size", "init", "pruning.rate")
MARGIN = 0.005
ALPHA = 0.8 * 0.05


@dataclass
class ByHand:
    """What the page says, by id: table, row, column.

    `curves` has a row an evaluation, `predictions` a row a trial, `targets` the true classes;
    `minutes` is what one more replicate of everything takes.
    """

    frame: pd.DataFrame
    curves: pd.DataFrame
    predictions: pd.DataFrame
    targets: NDArray[np.int64]
    minutes: float

    def numbers(self) -> Numbers:
        """Return all numbers of the page by their ids."""
        tables: list[Callable[[], Numbers]] = [
            *(self.accounts, self.compare, self.explored, self.variance, self.cells),
            *(self.rank_stability, self.best_of, self.effects, self.power, self.stability),
            *(self.winners, self.batch_sizes, self.gap, self.looks),
        ]
        found: Numbers = {}
        for table in tables:
            told = table()
            assert not found.keys() & told.keys()
            found |= told
        return {name: float(value) for name, value in found.items() if math.isfinite(value)}

    @cached_property
    def labels(self) -> list[str]:
        return list(self.frame["cell"].unique())

    @cached_property
    def table(self) -> Array:
        """Accuracies (27 cells, 8 replicates)."""
        return self._pivot("test_accuracy")

    def _pivot(self, metric: str) -> Array:
        wide = self.frame.pivot_table(index="cell", columns="replicate.order", values=metric)
        return wide.loc[self.labels].to_numpy()

    @cached_property
    def cube(self) -> Array:
        """Accuracies (batch sizes, inits, rates, replicates)."""
        assert list(
            self.frame[[*FACTORS]].drop_duplicates().itertuples(index=False, name=None)
        ) == [*product(*(self.frame[name].unique() for name in FACTORS))]
        return self.table.reshape(3, 3, 3, 8)

    def accounts(self) -> Numbers:
        return {"accounts-0-planned": 216, "accounts-0-finished": len(self.frame)}

    def looks(self) -> Numbers:
        return {"looks-0-number": 1, "looks-0-alpha": ALPHA}

    def _levels(self, factor: str) -> pd.DataFrame:
        """Return means over the nine cells of each level, by replicate."""
        found = self.frame.pivot_table(
            index="replicate.order", columns=factor, values="test_accuracy", sort=False
        )
        return found.sort_index()

    def _pairs(self, factor: str) -> Iterator[tuple[str, Array, Array]]:
        means = self._levels(factor)
        first = self.frame[factor].iloc[0]
        for level in [one for one in self.frame[factor].unique() if one != first]:
            yield level, means[level].to_numpy(), means[first].to_numpy()

    def _difference(self, a: Array, b: Array) -> Numbers:
        test = stats.ttest_1samp(a - b, 0)
        interval = test.confidence_interval(0.95)
        wins = float((a > b).sum() + (a == b).sum() / 2)
        low, high = clopper_pearson(wins, 8)
        return {
            "estimate": a.mean() - b.mean(),
            "low": interval.low,
            "high": interval.high,
            "mean_level": a.mean(),
            "mean_reference": b.mean(),
            "superiority": wins / 8,
            "superiority_low": low,
            "superiority_high": high,
        }

    @cached_property
    def _holm(self) -> list[tuple[float, float, float]]:
        """Return p, Holm's p and the level of the deciding interval of both comparisons."""
        p = [float(stats.ttest_rel(a, b).pvalue) for _, a, b in self._pairs("init")]
        small, large = sorted(p)
        adjusted = {small: min(1.0, 2 * small), large: max(min(1.0, 2 * small), large)}
        rejected = small <= ALPHA / 2
        levels = {small: ALPHA / 2, large: ALPHA if rejected else ALPHA / 2}
        return [(one, adjusted[one], levels[one]) for one in p]

    def compare(self) -> Numbers:
        found: Numbers = {}
        for row, (level, a, b) in enumerate(self._pairs("init")):
            p, holm, alpha = self._holm[row]
            d = a - b
            decisive = stats.ttest_1samp(d, 0).confidence_interval(1 - alpha)
            flips = [abs((d * signs).sum()) for signs in product((1, -1), repeat=8)]
            arm = math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
            told = self._difference(a, b)
            told |= {"p": p, "p_holm": holm, "missing_pairs": 0, "r": stats.pearsonr(a, b)[0]}
            told |= {"decisive_low": decisive.low, "decisive_high": decisive.high}
            told["sign_flip_p"] = np.mean(np.array(flips) >= abs(d.sum()) * (1 - 1e-12))
            told["g"] = (a - b).mean() / arm * (1 - 3 / (4 * 7 - 1))
            told["new_data_low"], told["new_data_high"] = self._new_data(level)
            found |= named("compare", row, told)
            card = {name: told[name] for name in ("estimate", "low", "high", "p_holm")}
            found |= named("card", row, card)
        return found

    def _new_data(self, level: str) -> tuple[float, float]:
        """Return the interval for new seeds on new examples: two-way random effects."""
        right = self._right.reshape(3, 3, 3, 8, 360).mean(axis=(0, 2))
        inits = list(self.frame["init"].unique())
        grid = right[inits.index(level)] - right[0]
        n, m = grid.shape
        rows, columns = grid.mean(1), grid.mean(0)
        rest = grid - rows[:, None] - columns + grid.mean()
        seeds = m * rows.var(ddof=1)
        examples = n * columns.var(ddof=1)
        both = (rest**2).sum() / ((n - 1) * (m - 1))
        whole = seeds + examples - both
        df = whole**2 / (seeds**2 / (n - 1) + examples**2 / (m - 1) + both**2 / ((n - 1) * (m - 1)))
        if whole <= max(seeds, examples):
            whole = max(seeds, examples)
            df = n - 1 if seeds >= examples else m - 1
        reach = stats.t.ppf(0.975, df) * math.sqrt(whole / (n * m))
        return grid.mean() - reach, grid.mean() + reach

    def explored(self) -> Numbers:
        found: Numbers = {}
        sides = [*self._pairs("batch_size"), *self._pairs("pruning.rate")]
        for row, (_, a, b) in enumerate(sides):
            found |= named("explored", row, self._difference(a, b))
        return found

    def variance(self) -> Numbers:
        c, r = self.table.shape
        cells, replicates = self.table.mean(1), self.table.mean(0)
        rest = self.table - cells[:, None] - replicates + self.table.mean()
        ms_cell = r * cells.var(ddof=1)
        ms_replicate = c * replicates.var(ddof=1)
        ms_rest = (rest**2).sum() / ((c - 1) * (r - 1))
        df = (r - 1, c - 1, (c - 1) * (r - 1) * sphericity(rest, c - 1, r - 1))
        v = ((ms_replicate - ms_rest) / c, (ms_cell - ms_rest) / r, ms_rest)
        luck = v[0] + v[2]
        random = np.random.default_rng(1)
        drawn = [random.chisquare(one, 2_000_000) / one for one in (df[0], df[2])]
        replicate, inner = ms_replicate / drawn[0], ms_rest / drawn[1]
        alone = (replicate - inner) / c
        share = alone / (alone + inner)
        ends = np.quantile(share, [0.025, 0.975])
        found: Numbers = {}
        for row, levels in enumerate((r, c, c * r)):
            told = {"sd": math.sqrt(max(v[row], 0)), "n": 216, "levels": levels, "df": df[row]}
            if row == 0:
                told |= {"share": v[0] / luck, "low": ends[0], "high": ends[1]}
                told |= dict.fromkeys(("total", "total_low", "total_high"), 1.0)
            elif row == 2:
                told |= {"share": v[2] / luck, "low": 1 - ends[1], "high": 1 - ends[0]}
                told |= {f"total_{end}": told[end] for end in ("low", "high")}
                told["total"] = told["share"]
            found |= named("variance", row, told)
        return found

    @cached_property
    def by_rank(self) -> list[int]:
        """Cells, best first; equal ones in the frame's order."""
        return list(np.argsort(-self.table.mean(1), kind="stable"))

    def _resampled(self, n: int) -> Array:
        """Return ranks of the cells in 2,000 studies of n replicates drawn anew."""
        random = np.random.default_rng(0)
        weights = random.multinomial(n, np.full(8, 1 / 8), size=2000).astype(float)
        # Right answers of 360 are whole numbers: equal ones are ties, however they were summed.
        means = np.round(weights @ self.table.T / n, 11)
        return 1.0 + (means[:, :, None] < means[:, None, :]).sum(2)

    def cells(self) -> Numbers:
        found: Numbers = {}
        ranks = self._resampled(8)
        ends = np.quantile(ranks, [0.025, 0.975], axis=0, method="nearest")
        first = (ranks == 1) / (ranks == 1).sum(1, keepdims=True)
        for row, values in enumerate(self.table):
            interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
            told = {"mean": values.mean(), "low": interval.low, "high": interval.high, "n": 8}
            told |= {"sd": values.std(ddof=1), "least": values.min(), "most": values.max()}
            told |= {"diverged": 0, "failed": 0}
            better = int((self.table.sum(1) > values.sum() + 1e-9).sum())
            told |= {"rank": 1 + better, "p_best": first[:, row].mean()}
            told |= {"rank_low": ends[0, row], "rank_high": ends[1, row]}
            found |= named("cells", row, told)
        return found

    def rank_stability(self) -> Numbers:
        found: Numbers = {}
        for row, n in enumerate((1, 2, 3, 5, 8)):
            ranks = self._resampled(n)
            first = (ranks == 1) / (ranks == 1).sum(1, keepdims=True)
            share = first[:, self.by_rank[0]].mean()
            low, high = clopper_pearson(share * 2000, 2000)
            told = {"n": n, "same_winner": share, "low": low, "high": high}
            found |= named("rank_stability", row, told)
        return found

    def best_of(self) -> Numbers:
        found: Numbers = {}
        sizes = (1, 2, 3, 5)
        for cell in self.by_rank[:4]:
            values = self.table[cell]
            for place, k in enumerate(sizes):
                told = {"k": k, "expected": best_of(values, k), "n": 8}
                if 2 * k <= 8:
                    without = [best_of(np.delete(values, one), k) for one in range(8)]
                    told["low"], told["high"] = jackknifed(told["expected"], without)
                found |= named("best_of", len(sizes) * cell + place, told)
        return found

    def effects(self) -> Numbers:
        found: Numbers = {}
        terms = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
        for row, term in enumerate(terms):
            df = 2 ** len(term)
            effect, inner = self._effect(term), self._effect((*term, 3))
            square = (effect**2).sum() * self.cube.size / effect.size / df
            error = (inner**2).sum() * self.cube.size / inner.size / (7 * df)
            f = square / error
            epsilon = sphericity(inner.reshape(-1, 8), df, 7, cautious=True)
            gain = df * (f - 1)
            told = {"df": df, "df_error": 7 * df, "f": f, "n": 216}
            told |= {"p": stats.f.sf(f, df, 7 * df), "omega_squared": gain / (gain + 216)}
            told["p_corrected"] = stats.f.sf(f, df * epsilon, 7 * df * epsilon)
            found |= named("effects", row, told)
        return found

    def _effect(self, term: tuple[int, ...]) -> Array:
        """Return a term's effects: its means less all that smaller terms explain."""
        others = tuple(axis for axis in range(4) if axis not in term)
        found = self.cube.mean(axis=others)
        for axis in range(len(term)):
            found = found - found.mean(axis=axis, keepdims=True)
        return found

    def power(self) -> Numbers:
        found: Numbers = {}
        row = 0
        for place, (_, a, b) in enumerate(self._pairs("init")):
            alpha = self._holm[place][2]
            for paired in (True, False):
                arm = math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
                sd = (a - b).std(ddof=1) if paired else arm
                found |= named("power", row, self._sizes(sd, paired, alpha))
                row += 1
        return found

    def _sizes(self, sd: float, paired: bool, alpha: float) -> Numbers:
        df = 7 if paired else 14
        ratio = optimize.brentq(lambda one: t_power(8, one, paired, alpha) - 0.8, 0.1, 3)
        low, high = (sd * math.sqrt(df / stats.chi2.ppf(tail, df)) for tail in (0.95, 0.05))
        upper = sd * math.sqrt(df / stats.chi2.ppf(0.2, df))
        # More seeds are judged at the second look, which spends an eighth of the first.
        following = alpha / 8

        def settled(spread: float) -> int:
            return fewest(lambda n: settling(n, MARGIN / spread, paired, following))

        needed = settled(sd)
        return {
            "wanted": MARGIN,
            "n": 8,
            "sd": sd,
            "detectable": ratio * sd,
            "to_detect": fewest(lambda n: t_power(n, MARGIN / sd, paired, following)),
            "needed": needed,
            "needed_low": settled(low),
            "needed_high": settled(high),
            "planned": settled(upper),
            "minutes": max(0, needed - 8) * self.minutes,
        }

    @cached_property
    def _predicted(self) -> NDArray[np.int64]:
        """Predicted classes (27 cells, 8 replicates, 360 examples)."""
        trial = self.frame.pivot(index="cell", columns="replicate.order", values="trial")
        order = trial.loc[self.labels].to_numpy().ravel()
        return self.predictions.loc[order].to_numpy().astype(np.int64).reshape(27, 8, 360)

    @cached_property
    def _right(self) -> Array:
        return (self._predicted == self.targets).astype(float)

    def stability(self) -> Numbers:
        found: Numbers = {}
        for cell in self.by_rank[:12]:
            found |= named("stability", cell, self._stable(cell))
        return found

    def _stable(self, cell: int) -> Numbers:
        predicted, wrong = self._predicted[cell], 1 - self._right[cell]
        n, m = wrong.shape
        total = wrong.mean(1).var(ddof=1)
        share = wrong.mean(0)
        independent = (share * (1 - share)).sum() / m**2 * n / (n - 1)
        pairs = [(predicted[i] != predicted[j]).mean() for i, j in combinations(range(n), 2)]
        ends = [total * (n - 1) / stats.chi2.ppf(tail, n - 1) for tail in (0.975, 0.025)]
        scale = m / (m - 1)
        voted = []
        for example in range(m):
            counts = np.bincount(predicted[:, example], minlength=10)
            most = counts == counts.max()
            voted.append(1 - most[self.targets[example]] / most.sum())
        return {
            "n": n,
            "examples": m,
            "mean_error": wrong.mean(),
            "disagreement": np.mean(pairs),
            "ensemble_gain": wrong.mean() - np.mean(voted),
            "sd": math.sqrt(total),
            "sd_independent": math.sqrt(independent),
            "sd_distribution": math.sqrt(max(0, scale * (total - independent))),
            "distribution_low": math.sqrt(max(0, scale * (ends[0] - independent))),
            "distribution_high": math.sqrt(max(0, scale * (ends[1] - independent))),
        }

    def winners(self) -> Numbers:
        random = np.random.default_rng(0)
        masks = random.random((200, 360)).argsort(1) < 180
        found: Numbers = {}
        sizes = (2, 3, 5, 8)
        for cell in range(27):
            ties = random.random((200, 8))
            if cell not in self.by_rank[:4]:
                continue
            right = self._right[cell]
            chosen, other = masks @ right.T / 180, (~masks) @ right.T / 180
            for place, k in enumerate(sizes):
                one, two = picked(chosen, other, ties, k)
                kept = (two - other.mean()) / (one - chosen.mean())
                told = {"k": k, "chosen_half": one, "other_half": two, "n": 8}
                told |= {"mean": right.mean(), "kept_share": kept}
                if 4 * k <= 8:
                    told["low"], told["high"] = jackknifed(
                        kept, [kept_without(chosen, other, ties, k, one) for one in range(8)]
                    )
                found |= named("winners", len(sizes) * cell + place, told)
        return found

    def batch_sizes(self) -> Numbers:
        name = "test_accuracy" if "test_accuracy" in self.curves.columns else "validation_accuracy"
        long = self.curves.merge(self.frame[["trial", "cell"]], on="trial")
        last = long.groupby(["cell", "step"])[name].mean().groupby("cell").last()
        target = last.min()
        first = long[long[name] >= target].groupby("trial")["step"].min()
        found: Numbers = {}
        row = 0
        for init, rate in product(*(self.frame[one].unique() for one in FACTORS[1:])):
            line = self.frame[(self.frame["init"] == init) & (self.frame["pruning.rate"] == rate)]
            ends = [
                reached(first.reindex(some["trial"]).fillna(np.inf).to_numpy())
                for _, some in line.groupby("batch_size")
            ]
            known = [place for place in range(3) if ends[place]["steps"] > 0]
            for place, told in enumerate(ends):
                if place in known:
                    at = known.index(place)
                    near = known[max(0, at - 1) : at + 2]
                    told |= slope([16 * 2**one for one in near], [ends[one] for one in near])
                if row < 12:
                    found |= named("batch_sizes", row, told)
                row += 1
        return found

    def gap(self) -> Numbers:
        train, test = self._pivot("train_loss"), self._pivot("test_loss")
        found: Numbers = {}
        for cell in self.by_rank[:12]:
            d = test[cell] - train[cell]
            interval = stats.ttest_1samp(d, 0).confidence_interval(0.95)
            told = {"train": train[cell].mean(), "test": test[cell].mean(), "gap": d.mean()}
            told |= {"low": interval.low, "high": interval.high, "n": 8}
            found |= named("gap", cell, told)
        return found


def named(table: str, row: int, told: Numbers) -> Numbers:
    return {f"{table}-{row}-{name}": value for name, value in told.items()}


def clopper_pearson(hits: float, n: int) -> tuple[float, float]:
    low = 0.0 if hits == 0 else stats.beta.ppf(0.025, hits, n - hits + 1)
    high = 1.0 if hits == n else stats.beta.ppf(0.975, hits + 1, n - hits)
    return low, high


def jackknifed(value: float, without: list[float]) -> tuple[float, float]:
    n = len(without)
    error = math.sqrt((n - 1) / n * sum((one - np.mean(without)) ** 2 for one in without))
    reach = stats.t.ppf(0.975, n - 1) * error
    return value - reach, value + reach


def best_of(values: Array, k: int) -> float:
    """Return the mean of the largest over all choices of k."""
    return float(np.mean([max(some) for some in combinations(values, k)]))


def picked(chosen: Array, other: Array, ties: Array, k: int) -> tuple[float, float]:
    """Return both scores of the best of k on the chosen half, over halvings and choices."""
    order = np.lexsort((ties, chosen), axis=1)
    best = [max(some) for some in combinations(range(chosen.shape[1]), k)]
    return tuple(
        float(np.take_along_axis(side, order, 1)[:, best].mean()) for side in (chosen, other)
    )


def kept_without(chosen: Array, other: Array, ties: Array, k: int, one: int) -> float:
    left = [np.delete(side, one, axis=1) for side in (chosen, other, ties)]
    here, there = picked(*left, k)
    return (there - left[1].mean()) / (here - left[0].mean())


def sphericity(effects: Array, p: int, n: int, *, cautious: bool = False) -> float:
    """Return epsilon by Huynh, Feldt & Lecoutre, or if cautious by Greenhouse & Geisser."""
    covariance = effects @ effects.T / n
    trace, square = np.trace(covariance), (covariance**2).sum()
    if cautious:
        return float(np.clip(trace**2 / (p * square), 1 / p, 1))
    found = ((n + 1) * trace**2 - 2 * square) / (p * (n * square - trace**2))
    return float(np.clip(found, 1 / p, 1))


def t_power(n: int, ratio: float, paired: bool, alpha: float) -> float:
    df, shift = (n - 1, ratio * math.sqrt(n)) if paired else (2 * n - 2, ratio * math.sqrt(n / 2))
    bound = stats.t.ppf(1 - alpha / 2, df)
    return float(stats.nct.sf(bound, df, shift) + stats.nct.cdf(-bound, df, shift))


def settling(n: int, margin: float, paired: bool, alpha: float) -> float:
    """Return the chance that the interval of a zero difference fits inside the margin."""
    df, scale = (n - 1, math.sqrt(n)) if paired else (2 * n - 2, math.sqrt(n / 2))
    bound = stats.t.ppf(1 - alpha / 2, df)

    def chance(square: float) -> float:
        room = margin * scale - bound * math.sqrt(square / df)
        inside = 2 * stats.norm.cdf(room) - 1 if room > 0 else 0.0
        return float(inside * stats.chi2.pdf(square, df))

    most = df * (margin * scale / bound) ** 2
    return float(integrate.quad(chance, 0, min(most, stats.chi2.ppf(1 - 1e-12, df)), limit=200)[0])


def fewest(chance: Callable[[int], float]) -> int:
    n = 2
    while chance(n) < 0.8:
        n += 1
    return n


def reached(steps: Array) -> Numbers:
    """Return the median of first steps with its interval by order statistics."""
    ordered = np.sort(steps)
    rank = int(stats.binom.ppf(0.025, len(steps), 0.5))
    told: Numbers = {"n": len(steps), "reached": int(np.isfinite(steps).sum())}
    told["steps"] = float(np.median(steps)) if np.isfinite(ordered[len(steps) // 2]) else math.nan
    if told["reached"] >= rank:
        told |= {"low": ordered[rank - 1], "high": ordered[len(steps) - rank]}
    return told


def slope(sizes: list[int], ends: list[Numbers]) -> Numbers:
    """Return the slope of log steps over log batch size, with the range its intervals allow.

    Sizes are doubled each time, so that of three the middle one has no part in the slope.
    """
    if len(sizes) < 2:
        return {}
    logs = np.log(sizes)
    found: Numbers = {"slope": np.polyfit(logs, np.log([one["steps"] for one in ends]), 1)[0]}
    outer = (ends[0], ends[-1])
    if all(math.isfinite(one.get("high", math.inf)) for one in outer):
        run = logs[-1] - logs[0]
        found["slope_low"] = math.log(outer[1]["low"] / outer[0]["high"]) / run
        found["slope_high"] = math.log(outer[1]["high"] / outer[0]["low"]) / run
    return found
