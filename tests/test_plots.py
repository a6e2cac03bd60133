"""What figures show: positions that equal the tables' numbers, units, n, and reproducible files."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from randstudy import plots
from randstudy.analysis import cells as cell_tables
from randstudy.analysis import compare as compare_tables
from randstudy.analysis.layout import Layout, layout_of
from randstudy.analysis.pairs import pair
from randstudy.analysis.power import power_curve
from randstudy.analysis.rank import rank, rank_stability
from randstudy.analysis.superiority import superiority
from randstudy.errors import RandstudyError
from randstudy.plots.comparisons import VERDICTS
from randstudy.plots.heat import DIVERGING
from randstudy.plots.labels import apart, counted, shorten, signed, without_names
from randstudy.plots.marks import jitter, thinned
from randstudy.plots.style import BLUE, INK, PALETTE, VERMILLION, contrast, look, text_on

METRIC = "test_accuracy"
NAN = float("nan")


@pytest.fixture
def frame() -> pd.DataFrame:
    """Two factors, 2 x 3 cells, 8 shared replicates."""
    random = np.random.default_rng(0)
    luck = random.normal(0, 0.004, 8)
    rows = [
        {
            "batch_size": size,
            "init": init,
            "replicate.init": seed,
            METRIC: 0.95 - size / 2000 + 0.01 * number + luck[seed] + random.normal(0, 0.003),
        }
        for size in (16, 64)
        for number, init in enumerate(("zeros", "small", "large"))
        for seed in range(8)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def layout(frame: pd.DataFrame) -> Layout:
    return layout_of(frame, METRIC, factors=["batch_size", "init"])


def lines(ax: Axes, label: str) -> np.ndarray[Any, Any]:
    """Return the (points, 2) of all lines of a label."""
    found = [line.get_xydata() for line in ax.lines if line.get_label() == label]
    return np.concatenate(found)


def segments(ax: Axes, label: str) -> np.ndarray[Any, Any]:
    """Return the (bars, 2, 2) ends of all bars of a label."""
    found = [one for one in ax.collections if one.get_label() == label]
    assert all(isinstance(one, LineCollection) for one in found)
    return np.concatenate([np.asarray(one.get_segments()) for one in found])


def texts(ax: Axes) -> str:
    """Return all that is written in a figure's axes."""
    ticks = [tick.get_text() for axis in (ax.xaxis, ax.yaxis) for tick in axis.get_ticklabels()]
    said = [text.get_text() for text in ax.texts]
    return "\n".join([ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel(), *said, *ticks])


def test_cells_are_drawn_where_the_table_says_in_percent_beside_n(layout: Layout) -> None:
    table = cell_tables.cells(layout)
    ax = plots.cells(table, metric=METRIC, points=layout)
    drawn = lines(ax, "_estimate")
    assert drawn[:, 0] == pytest.approx(100 * table["mean"])
    assert drawn[:, 1].tolist() == [0, 1, 2, 3, 4, 5]
    bars = segments(ax, "_interval")
    assert bars[:, 0, 0] == pytest.approx(100 * table["low"])
    assert bars[:, 1, 0] == pytest.approx(100 * table["high"])
    assert bars[:, :, 1].T.tolist() == [[0, 1, 2, 3, 4, 5]] * 2
    points = lines(ax, "_points")
    assert np.sort(points[:, 0]) == pytest.approx(np.sort(100 * layout.values))
    assert (np.abs(points[:, 1] - np.repeat(np.arange(6), 8)) <= 0.25).all()
    assert ax.get_xlabel() == "test accuracy (%)"
    assert "n = 8 seeds in each cell" in texts(ax)
    assert "batch_size · init" in texts(ax)
    assert "16 · zeros" in texts(ax)
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first row of the table stands on top"


def test_points_are_the_same_every_time_and_extremes_survive_thinning(layout: Layout) -> None:
    table = cell_tables.cells(layout)
    first, second = (lines(plots.cells(table, points=layout), "_points") for _ in range(2))
    assert (first == second).all()
    values = np.random.default_rng(1).normal(size=5000)
    kept = thinned(values, 100)
    assert (len(kept), kept.min(), kept.max()) == (100, values.min(), values.max())
    assert abs(np.median(kept) - np.median(values)) < 0.05
    assert np.abs(jitter(100, 0.5)).max() <= 0.25


def test_a_loss_has_no_unit_and_is_not_scaled(layout: Layout) -> None:
    table = cell_tables.cells(layout)
    ax = plots.cells(table, metric="test_loss")
    assert ax.get_xlabel() == "test loss"
    assert lines(ax, "_estimate")[:, 0] == pytest.approx(table["mean"])


def test_cells_tell_of_divergence_missing_intervals_and_what_is_left_out(layout: Layout) -> None:
    table = pd.concat([cell_tables.cells(layout)] * 2084, ignore_index=True).head(12500)
    table.loc[1, ["n", "finished", "diverged"]] = [5, 5, 3]
    table.loc[2, ["low", "high", "note", "n"]] = [NAN, NAN, "one training", 1]
    ax = plots.cells(table, metric=METRIC)
    assert len(lines(ax, "_estimate")) == 40
    assert len(segments(ax, "_interval")) == 39
    said = texts(ax)
    assert "… and 12,460 more" in said
    assert "n = 5; 3 of 8 diverged (38 %)" in said
    assert "n = 1; no interval: one training" in said


def test_comparisons_show_both_intervals_the_margin_and_the_verdict(layout: Layout) -> None:
    table = compare_tables.compare(layout, factor="init", smallest_difference=0.004)
    ax = plots.comparisons(table, metric=METRIC)
    assert lines(ax, "_estimate")[:, 0] == pytest.approx(100 * table["estimate"])
    for label, low, high in (
        ("_interval", "low", "high"),
        ("_decisive", "decisive_low", "decisive_high"),
    ):
        bars = segments(ax, label)
        assert bars[:, 0, 0] == pytest.approx(100 * table[low])
        assert bars[:, 1, 0] == pytest.approx(100 * table[high])
    thick, thin = (
        next(one for one in ax.collections if one.get_label() == label).get_linewidth()[0]
        for label in ("_interval", "_decisive")
    )
    assert thick > 3 * thin
    shades = [(bar.get_x(), bar.get_width()) for bar in ax.patches]
    assert np.allclose(shades, [(-0.4, 0.8)] * 2)
    assert ax.get_xlabel() == "level \N{MINUS SIGN} reference, test accuracy (points)"
    for word in (*table["verdict"], "8 paired seeds", "below 0.4 points", "init: small"):
        assert word in texts(ax)


def test_verdicts_are_told_by_shape_and_word_not_by_colour() -> None:
    words = ["real", "real but negligible", "luck", "not enough seeds", "withheld", "exploratory"]
    shapes = {VERDICTS[word] for word in words}
    assert len(shapes) == len(words)


def test_what_nobody_declared_is_not_decided(layout: Layout) -> None:
    table = compare_tables.explore(layout)
    said = texts(plots.comparisons(table, metric=METRIC))
    assert said.count("exploratory\n8 paired seeds") == len(table) == 3
    assert "nothing is decided" in said
    assert "shaded" not in said


def test_a_comparison_without_an_interval_says_why() -> None:
    table = compare_tables.compare(
        pd.DataFrame({"init": ["a", "b"], METRIC: [0.9, 0.91]}),
        METRIC,
        factor="init",
        factors=["init"],
        replicates=[],
    )
    ax = plots.comparisons(table, metric=METRIC)
    assert lines(ax, "_estimate")[:, 0] == pytest.approx([1.0])
    assert not [one for one in ax.collections if one.get_label() == "_interval"]
    assert "not enough seeds\n1 and 1 seeds\nno interval: " in texts(ax)


def curve_table() -> pd.DataFrame:
    steps = np.arange(1, 6)
    parts = []
    for shift, cell in enumerate(("init=a", "init=b")):
        mean = 0.5 + 0.08 * steps - 0.01 * shift
        rows = {"cell": cell, "step": 10 * steps, "epoch": steps, "n": 4, "mean": mean}
        parts.append(pd.DataFrame(rows | {"low": mean - 0.02, "high": mean + 0.02, "note": ""}))
    return pd.concat(parts, ignore_index=True)


def test_curves_show_mean_band_and_name_at_the_end() -> None:
    table = curve_table()
    ax = plots.curves(table, METRIC)
    drawn = lines(ax, "_line")
    assert drawn[:, 1] == pytest.approx(100 * table["mean"])
    assert drawn[:, 0] == pytest.approx(table["epoch"])
    edges = np.concatenate([one.get_paths()[0].vertices for one in ax.collections])
    for end in ("low", "high"):
        for step, value in zip(table["epoch"], 100 * table[end], strict=True):
            assert np.isclose(edges, (step, value)).all(1).any()
    assert {text.get_text() for text in ax.texts} >= {"a", "b"}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "test accuracy (%)")
    styles = {(line.get_linestyle(), line.get_marker()) for line in ax.lines}
    assert len(styles) == 2, "lines differ in more than colour"
    by_step = plots.curves(table, METRIC, by="step")
    assert lines(by_step, "_line")[:, 0] == pytest.approx(table["step"])


def test_curves_of_one_training_have_no_band_and_say_so() -> None:
    table = curve_table().assign(low=NAN, high=NAN, n=1, note="one training")
    ax = plots.curves(table, METRIC)
    assert not ax.collections
    assert "no interval: one training" in texts(ax)
    assert "n = 1 seed in each cell" in texts(ax)


def test_labels_at_the_ends_of_lines_do_not_overlap() -> None:
    table = curve_table()
    table = pd.concat([table.assign(cell=f"init={n}", mean=0.7) for n in "abcdef"])
    ax = plots.curves(table, METRIC)
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    names = [text for text in ax.texts if text.get_text() in set("abcdef")]
    # An annotation's own extent has its leader in it; the text's has not.
    boxes = [Text.get_window_extent(text) for text in names]
    boxes.sort(key=lambda box: box.y0)
    assert len(boxes) == 6
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))


def variance_table() -> pd.DataFrame:
    rows: dict[str, Any] = {
        "source": ["init", "order", "init × order", "cell"],
        "share": [-0.02, 0.7, 0.32, NAN],
        "low": [-0.1, 0.4, 0.2, NAN],
        "high": [0.2, 0.9, 0.5, NAN],
        "total": [0.3, 1.02, 0.32, NAN],
        "total_low": [0.1, 0.8, 0.2, NAN],
        "total_high": [0.6, 1.1, 0.5, NAN],
        "sd": [0.0, 0.0066, 0.0042, 0.05],
        "n": 64,
        "note": "",
    }
    return pd.DataFrame(rows)


def test_variance_shows_first_order_and_total_shares_negative_ones_too() -> None:
    table = variance_table().head(3)
    ax = plots.variance(variance_table(), metric=METRIC)
    assert lines(ax, "_share")[:, 0] == pytest.approx(100 * table["share"])
    assert lines(ax, "_total")[:, 0] == pytest.approx(100 * table["total"])
    bars = segments(ax, "_interval")[:, :, 0]
    expected = np.concatenate([table[["low", "high"]], table[["total_low", "total_high"]]])
    assert bars == pytest.approx(100 * expected)
    assert ax.get_xlim()[0] < -10
    for words in ("init × order", "sd 0.66 points", "n = 64 trainings", "(%)", "an sd of 5 points"):
        assert words in texts(ax)


def interaction_table() -> pd.DataFrame:
    rows = [
        {"factor_a": "lr", "level_a": a, "factor_b": "init", "level_b": b, "n": 8, "mean": 0.9}
        | {"interaction": x, "interaction_low": x - 0.002, "interaction_high": x + 0.002}
        for a, b, x in [(0.1, "a", 0.004), (1.0, "a", -0.001), (0.1, "b", -0.004)]
    ]
    return pd.DataFrame(rows).assign(note="")


def test_interactions_are_centred_on_zero_with_their_numbers_printed() -> None:
    ax = plots.interactions(interaction_table(), metric=METRIC)
    image = ax.images[0]
    shown = np.ma.filled(image.get_array(), NAN)
    assert shown == pytest.approx(np.array([[0.4, -0.4], [-0.1, NAN]]), nan_ok=True)
    assert image.norm.vmin == pytest.approx(-0.4)
    assert image.norm.vmax == pytest.approx(0.4)
    printed = {text.get_position(): text.get_text() for text in ax.texts}
    assert printed[(0, 0)] == "+0.400*\n(90.000)"
    assert printed[(1, 0)] == "\N{MINUS SIGN}0.400*\n(90.000)"
    assert printed[(0, 1)] == "\N{MINUS SIGN}0.100\n(90.000)"
    assert "test accuracy (points)" in texts(ax)
    assert "n = 8 seeds" in texts(ax)


def test_numbers_in_fields_can_be_read_on_every_colour() -> None:
    fields = DIVERGING(np.linspace(0, 1, 101))
    assert min(contrast(field, text_on(field)) for field in fields) >= 4.5


def test_power_shows_chances_range_present_n_and_the_difference() -> None:
    curve = power_curve(0.008, 7, 0.005, paired=True)
    ax = plots.power(curve, n_now=8, wanted=0.005, metric=METRIC)
    for label, name in (("_power", "power"), ("_settled", "settled")):
        drawn = lines(ax, label)
        assert drawn[:, 0].tolist() == curve["n"].tolist()
        assert drawn[:, 1] == pytest.approx(100 * curve[name], nan_ok=True)
    edges = ax.collections[0].get_paths()[0].vertices
    middle = curve.iloc[10]
    for end in ("power_low", "power_high"):
        assert np.isclose(edges, (middle["n"], 100 * middle[end])).all(1).any()
    assert lines(ax, "_now")[:, 0].tolist() == [8, 8]
    assert ax.get_ylabel() == "chance (%)"
    for words in ("now: 8", "a difference of 0.5 points", "detects it", "settles it", "n, seeds"):
        assert words in texts(ax)


def test_superiority_prints_shares_around_one_half(layout: Layout) -> None:
    matrix = superiority(layout)
    ax = plots.superiority(matrix, n=8)
    shown = np.ma.filled(ax.images[0].get_array(), NAN)
    assert shown == pytest.approx(matrix.to_numpy(), nan_ok=True)
    assert (ax.images[0].norm.vmin, ax.images[0].norm.vmax) == (0, 1)
    printed = {text.get_position(): text.get_text() for text in ax.texts}
    assert printed[(5, 0)] == f"{matrix.iloc[0, 5]:.2f}"
    assert "n = 8 seeds" in texts(ax)
    assert "16 · zeros  (A)" in texts(ax)
    many = plots.superiority(pd.DataFrame(np.full((30, 30), 0.5)))
    assert ax.images[0].get_array().shape == (6, 6)
    assert many.images[0].get_array().shape == (12, 12)
    assert "18 more are left out" in texts(many)


def test_a_seed_that_is_lucky_everywhere_is_a_column() -> None:
    luck = np.array([0.01, 0.0, -0.01])
    ax = plots.seeds(np.array([[0.9], [0.5]]) + luck, metric=METRIC, names=["lr=1", "lr=2"])
    shown = np.ma.filled(ax.images[0].get_array(), NAN)
    assert shown == pytest.approx(100 * np.stack([luck, luck]))
    assert "2 cells × 3 seeds" in texts(ax)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["1", "2"]
    bar = ax.get_figure(root=True).axes[1]  # type: ignore[union-attr]
    assert bar.get_ylabel() == "test accuracy (points)"


def test_crossed_streams_of_one_cell_are_drawn_as_their_table() -> None:
    rows = [
        {
            "replicate.init": i,
            "replicate.order": j,
            METRIC: 0.9 + 0.01 * i - 0.02 * j + 0.001 * i * j,
        }
        for i in range(3)
        for j in range(4)
    ]
    frame = pd.DataFrame(rows)
    ax = plots.seeds(layout_of(frame, METRIC))
    table = 100 * frame[METRIC].to_numpy().reshape(3, 4)
    assert np.asarray(ax.images[0].get_array()) == pytest.approx(table - table.mean())
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("replicate (init)", "replicate (order)")


def test_slopes_draw_a_line_a_replicate(layout: Layout) -> None:
    found = pair(layout, "init", "large", "zeros")
    ax = plots.slopes(found, metric=METRIC)
    drawn = lines(ax, "_pair").reshape(-1, 2, 2)
    assert len(drawn) == 8
    ends = drawn[np.lexsort((drawn[:, 1, 1], drawn[:, 0, 1]))][:, :, 1]
    expected = 100 * np.stack([found.b, found.a], 1)
    assert ends == pytest.approx(expected[np.lexsort((expected[:, 1], expected[:, 0]))])
    assert lines(ax, "_mean")[::2, 1] == pytest.approx([100 * found.b.mean(), 100 * found.a.mean()])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["zeros", "large"]
    assert "8 paired seeds: 8 rise, 0 fall, 0 stay" in texts(ax)
    assert ax.get_ylabel() == "test accuracy (%)"


def test_slopes_take_arrays_and_tell_falls_from_rises_by_the_line() -> None:
    ax = plots.slopes(([1.0, 2.0, 3.0, NAN], [2.0, 1.0, 3.0, 5.0]))
    styles = {
        line.get_ydata()[0]: line.get_linestyle()
        for line in ax.lines
        if line.get_label() == "_pair"
    }
    assert styles[1.0] != styles[2.0]
    assert "3 paired seeds: 1 rise, 1 fall, 1 stay" in texts(ax)
    with pytest.raises(RandstudyError, match="2 and 3"):
        plots.slopes(([1.0, 2.0], [1.0, 2.0, 3.0]))


def test_slopes_without_pairs_have_no_lines(frame: pd.DataFrame) -> None:
    alone = layout_of(frame, METRIC, factors=["init"], replicates=[])
    ax = plots.slopes(pair(alone, "init", "large", "zeros"), metric=METRIC)
    assert not [line for line in ax.lines if line.get_label() == "_pair"]
    assert len(lines(ax, "_points")) == 32
    assert "16 and 16 seeds; no lines" in texts(ax)


def test_churn_shows_disagreement_and_gain() -> None:
    rows = {"cell": ["a", "b"], "n": 8, "examples": 360, "disagreement": [0.1, NAN]}
    table = pd.DataFrame(rows | {"ensemble_gain": [0.018, 1e-17], "note": ["", "one training"]})
    ax = plots.churn(table)
    assert lines(ax, "_disagreement").tolist() == [[10.0, 0.0]]
    assert lines(ax, "_gain")[0] == pytest.approx([1.8, 0.0])
    alone = plots.churn(table.tail(1))
    assert [text.get_text() for text in alone.texts] == [
        "No two seeds can be compared: one training."
    ]
    for words in ("360 test examples", "n = 8 seeds", "no number: one training", "%"):
        assert words in texts(ax)


def test_winners_show_both_halves_and_what_is_kept() -> None:
    rows = {"k": [2, 5], "chosen_half": [0.95, 0.97], "other_half": [0.94, 0.945], "n": 16}
    more = {"kept_share": [0.4, 0.3], "low": [0.1, NAN], "high": [0.7, NAN], "mean": 0.93}
    table = pd.DataFrame(rows | more | {"cell": "a", "note": ""})
    ax = plots.winners(table)
    assert lines(ax, "_chosen_half")[:, 1] == pytest.approx([95, 97])
    assert lines(ax, "_other_half")[:, 1] == pytest.approx([94, 94.5])
    assert lines(ax, "_mean")[:, 1] == pytest.approx([93, 93])
    assert "at k = 2 it keeps 40 % of its lead (+10 to +70 %)" in texts(ax)
    assert "n = 16 seeds" in texts(ax)
    both = pd.concat([table, table.assign(cell="b", chosen_half=0.9)])
    averaged = plots.winners(both)
    assert lines(averaged, "_chosen_half")[:, 1] == pytest.approx([92.5, 93.5])
    assert "mean over 2 cells" in texts(averaged)
    assert lines(plots.winners(both, cell="b"), "_chosen_half")[:, 1] == pytest.approx([90, 90])


def test_best_of_shows_the_expected_best(layout: Layout) -> None:
    table = cell_tables.best_of(layout.select([0, 1]))
    ax = plots.best_of(table, metric=METRIC)
    assert lines(ax, "_line")[:, 0].tolist() == table["k"].tolist()
    assert lines(ax, "_line")[:, 1] == pytest.approx(100 * table["expected"])
    assert ax.get_xticks().tolist() == sorted(set(table["k"]))
    assert "n = 8 seeds" in texts(ax)
    assert ax.get_ylabel() == "test accuracy (%)"


def test_ranks_stand_with_their_intervals_and_chances(layout: Layout) -> None:
    table = rank(layout)
    ax = plots.rank(table)
    assert lines(ax, "_estimate")[:, 0].tolist() == table["rank"].tolist()
    bars = segments(ax, "_interval")[:, :, 0]
    assert bars.tolist() == table[["rank_low", "rank_high"]].astype(float).to_numpy().tolist()
    assert f"best in {100 * table['p_best'].iloc[0]:.0f} %" in texts(ax)
    assert "1 is the best of 6 cells" in texts(ax)


def test_rank_stability_is_a_share_by_number_of_seeds(layout: Layout) -> None:
    table = rank_stability(layout)
    ax = plots.rank_stability(table)
    assert lines(ax, "_same")[:, 0].tolist() == table["n"].tolist()
    assert lines(ax, "_same")[:, 1] == pytest.approx(100 * table["same_winner"].astype(float))
    assert "(%)" in ax.get_ylabel()
    assert "8 seeds at hand" in texts(ax)


def batch_table() -> pd.DataFrame:
    rows = {"batch_size": [16, 32, 64], "steps": [400.0, 200.0, 180.0], "n": 8, "note": ""}
    ends = {"low": [380.0, 190.0, NAN], "high": [420.0, 220.0, NAN]}
    regime = ["perfect scaling", "diminishing returns", "maximum useful batch"]
    return pd.DataFrame(rows | ends | {"regime": regime, "cell": "a"})


def test_batch_sizes_are_log_log_with_regimes_and_perfect_scaling() -> None:
    ax = plots.batch_sizes(batch_table())
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert lines(ax, "_steps").tolist() == [[16, 400], [32, 200], [64, 180]]
    assert lines(ax, "_ideal")[:, 1].tolist() == [400, 200, 100]
    assert segments(ax, "_interval")[:, :, 1].tolist() == [[380, 420], [190, 220]]
    marks = [line for line in ax.lines if line.get_label() == "_regime"]
    faces = [(line.get_marker(), line.get_markerfacecolor() == BLUE) for line in marks]
    assert faces == [("o", True), ("o", False), ("x", True)]
    assert "n = 8 seeds" in texts(ax)
    assert ax.get_ylabel() == "median steps to the target"


def test_difficulty_counts_the_examples() -> None:
    table = pd.DataFrame({"example": range(5), "share_right": [1, 1, 0.52, 0, 1], "n": 8})
    ax = plots.difficulty(table)
    heights = [bar.get_height() for bar in ax.patches]
    assert sum(heights) == 5
    assert (heights[0], heights[10], heights[-1]) == (1, 1, 3)
    assert "5 test examples, n = 8 trainings: 3 always right, 1 never" in texts(ax)


EMPTY: list[Callable[[], Axes]] = [
    lambda: plots.cells(pd.DataFrame()),
    lambda: plots.comparisons(pd.DataFrame()),
    lambda: plots.curves(pd.DataFrame(), METRIC),
    lambda: plots.variance(variance_table().head(0)),
    lambda: plots.interactions(pd.DataFrame()),
    lambda: plots.power(power_curve(0.01, 7, 0.01, paired=True).head(0)),
    lambda: plots.superiority(pd.DataFrame()),
    lambda: plots.seeds(np.empty((0, 0))),
    lambda: plots.seeds(np.full((2, 3), NAN)),
    lambda: plots.slopes(([], [])),
    lambda: plots.churn(pd.DataFrame()),
    lambda: plots.winners(pd.DataFrame()),
    lambda: plots.best_of(pd.DataFrame()),
    lambda: plots.rank(pd.DataFrame()),
    lambda: plots.rank_stability(pd.DataFrame()),
    lambda: plots.batch_sizes(batch_table().head(0)),
    lambda: plots.difficulty(pd.DataFrame({"share_right": []})),
]


@pytest.mark.parametrize("draw", EMPTY)
def test_an_empty_table_is_a_sentence(draw: Callable[[], Axes]) -> None:
    ax = draw()
    assert len(ax.texts) == 1
    assert ax.texts[0].get_text().endswith(".")
    assert "<svg" in plots.svg(ax)


def one_of_each(layout: Layout) -> list[Axes]:
    """Return each figure of a table whose numbers are all missing, or of one row."""
    one = layout.select([0])
    cells = cell_tables.cells(one).assign(mean=NAN, low=NAN, high=NAN, note="all diverged")
    empty = variance_table().head(1).assign(share=NAN, low=NAN, high=NAN, sd=NAN)
    flat = interaction_table().assign(interaction=NAN, mean=NAN, note="one training")
    return [
        plots.cells(cells, metric=METRIC, points={}),
        plots.rank(rank(one)),
        plots.variance(empty, metric=METRIC),
        plots.interactions(flat, metric=METRIC),
        plots.curves(curve_table().head(1).assign(low=NAN, high=NAN), METRIC),
        plots.best_of(cell_tables.best_of(one).head(1), metric=METRIC),
        plots.seeds(one),
        plots.seeds(np.full((2, 3), 0.5)),
        plots.slopes(([0.5], [0.5])),
        plots.batch_sizes(batch_table().head(1)),
        plots.power(power_curve(0.01, 7, 0.01, paired=True, sizes=[8])),
    ]


def test_degenerate_tables_draw_without_a_warning(layout: Layout, tmp_path: Path) -> None:
    for number, ax in enumerate(one_of_each(layout)):
        assert plots.save(ax, tmp_path / f"{number}.png").stat().st_size > 2000


def test_a_table_of_another_kind_is_refused(layout: Layout) -> None:
    with pytest.raises(RandstudyError, match="the table has no column 'disagreement'"):
        plots.churn(cell_tables.cells(layout))


@pytest.fixture
def drawn(layout: Layout) -> Axes:
    return plots.cells(cell_tables.cells(layout), metric=METRIC, points=layout)


def test_inline_svg_is_xml_with_text_as_text_and_the_pages_colours(drawn: Axes) -> None:
    found = plots.svg(drawn, title="Means & intervals")
    root = ElementTree.fromstring(found)
    names = {"svg": "http://www.w3.org/2000/svg"}
    assert found.startswith("<svg ")
    assert (root.get("role"), root.get("width"), root.get("height")) == ("img", "100%", None)
    title = root.find("svg:title", names)
    assert title is not None
    assert title.text == "Means & intervals"
    assert root.get("aria-labelledby") == title.get("id")
    written = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"test accuracy (%)", "16 · zeros"} <= written
    assert "currentColor" in found
    assert INK not in found
    assert "<style" not in found, "a style element would reach the whole page"
    assert "metadata" not in found
    assert len(found) < 60_000


def test_inline_svgs_refer_to_their_own_ids_only(drawn: Axes, layout: Layout) -> None:
    pictures = [
        plots.svg(drawn),
        plots.svg(plots.rank(rank(layout))),
        plots.svg(plots.seeds(layout)),
    ]
    ids = [re.findall(r' id="([^"]+)"', picture) for picture in pictures]
    for own, picture in zip(ids, pictures, strict=True):
        used = set(re.findall(r'(?:href="|url\()#([^")]+)', picture))
        assert used
        assert used <= set(own)
        assert len(own) == len(set(own))
    assert not set(ids[0]) & set(ids[1])


def test_inline_svg_of_a_large_study_stays_small() -> None:
    values = {f"lr={n}": np.random.default_rng(n).normal(0.9, 0.01, 1000) for n in range(100)}
    rows = {"cell": [*values], "n": 1000, "mean": 0.9, "low": 0.89, "high": 0.91, "note": ""}
    table = pd.DataFrame(rows | {"finished": 1000, "diverged": 0, "no_value": 0})
    ax = plots.cells(table, metric=METRIC, points=values)
    assert len(lines(ax, "_points")) == 1000
    assert len(plots.svg(ax)) < 100_000
    table = np.stack([*values.values()])
    ax = plots.seeds(table)
    shown = np.asarray(ax.images[0].get_array())
    centred = table - table.mean(1, keepdims=True)
    assert shown[[0, -1]][:, [0, -1]] == pytest.approx(centred[[0, -1]][:, [0, -1]])
    assert ax.images[0].get_extent() == [-0.5, 999.5, 99.5, -0.5]
    assert "100 × 150 of them" in texts(ax)
    assert len(plots.svg(ax)) < 100_000


SCRIPT = """
import hashlib, sys
import pandas as pd
from pathlib import Path
from randstudy import plots
table = pd.DataFrame({"n": [2, 5], "same_winner": [.3, .6], "low": [.2, .5], "high": [.4, .7]})
for name in ("a.png", "a.svg", "a.pdf"):
    path = plots.save(plots.rank_stability(table), Path(sys.argv[1]) / name)
    print(hashlib.sha256(path.read_bytes()).hexdigest())
print(hashlib.sha256(plots.svg(plots.rank_stability(table)).encode()).hexdigest())
print("matplotlib.pyplot" in sys.modules)
"""


def test_files_have_the_same_bytes_in_every_process_without_pyplot(tmp_path: Path) -> None:
    said = []
    for seed in ("1", "2"):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
        environment = {"PYTHONHASHSEED": seed, "PATH": "", "HOME": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.split())
    assert said[0] == said[1]
    assert len(set(said[0])) == 5
    assert said[0][-1] == "False"


def test_saved_svg_keeps_its_text_and_no_date(drawn: Axes, tmp_path: Path) -> None:
    found = plots.save(drawn, tmp_path / "cells.svg").read_text()
    assert ">test accuracy (%)</text>" in found
    assert "dc:date" not in found


def test_saved_png_has_200_dots_an_inch_on_white(drawn: Axes, tmp_path: Path) -> None:
    pixels = mpl.image.imread(plots.save(drawn, tmp_path / "cells.png"))
    assert 1300 < pixels.shape[1] < 1800, "7.5 inches"
    assert (pixels[0, 0] == 1).all()


@pytest.mark.parametrize("name", ["figure.jpeg", "figure", "figure.svg.gz"])
def test_other_endings_are_refused(drawn: Axes, tmp_path: Path, name: str) -> None:
    with pytest.raises(RandstudyError, match=r"\.png, \.svg or \.pdf"):
        plots.save(drawn, tmp_path / name)
    with pytest.raises(RandstudyError, match="no folder"):
        plots.save(drawn, tmp_path / "nowhere" / "a.png")


def test_drawing_leaves_matplotlib_as_it_was(layout: Layout, tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    plots.save(plots.rank(rank(layout)), tmp_path / "a.svg")
    with pytest.raises(RandstudyError):
        plots.churn(cell_tables.cells(layout))
    assert dict(mpl.rcParams) == before
    with plots.style():
        assert mpl.rcParams["text.color"] == INK
    assert dict(mpl.rcParams) == before


def test_a_given_axes_is_drawn_into_and_returned(layout: Layout) -> None:
    figure = Figure()
    ax = figure.subplots()
    assert plots.cells(cell_tables.cells(layout), ax) is ax
    assert len(figure.axes) == 1
    assert len(lines(ax, "_estimate")) == 6


def test_a_new_figure_shows_itself_in_a_notebook(drawn: Axes) -> None:
    figure: Any = drawn.get_figure()
    assert figure._repr_svg_() == plots.svg(drawn)


WHITE, DARK = "#ffffff", "#16181d"


def test_the_palette_can_be_told_apart_on_both_grounds_and_in_greyscale() -> None:
    for color in PALETTE:
        assert contrast(color, WHITE) > 2.1
        assert contrast(color, DARK) > 3
    for color in (BLUE, VERMILLION):
        assert min(contrast(color, WHITE), contrast(color, DARK)) > 3
    neighbours = pairwise(PALETTE[:5])
    assert min(contrast(one, other) for one, other in neighbours) > 1.4
    assert contrast(INK, WHITE) > 12
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_series_never_differ_by_colour_alone() -> None:
    looks = [look(number) for number in range(8)]
    assert len({(str(one["linestyle"]), one["marker"]) for one in looks}) == 8
    assert len({str(one.values()) for one in map(look, range(210))}) == 210


def test_words() -> None:
    assert counted([8.0, 8.0]) == "n = 8 seeds"
    assert counted([3, 8], "trainings") == "n = 3 to 8 trainings"
    assert counted([NAN]) == "n = 0 seeds"
    assert counted([1, 1], "seeds in each cell") == "n = 1 seed in each cell"
    assert (signed(0.5), signed(-0.5), signed(0.001)) == ("+0.50", "\N{MINUS SIGN}0.50", "0.00")
    assert shorten("a" * 50 + "b" * 50, 11) == "aaaaa…bbbbb"
    assert without_names(["a=1 b=2", "a=3 b=4"]) == ("a · b", ["1 · 2", "3 · 4"])
    assert without_names(["a=1", "c=1"]) == ("", ["a=1", "c=1"])
    assert without_names(["all"]) == ("", ["all"])


def test_places_move_only_as_far_as_needed() -> None:
    assert apart([0.1, 0.5, 0.9], 0.1) == pytest.approx([0.1, 0.5, 0.9])
    assert apart([0.5, 0.5], 0.1) == pytest.approx([0.5, 0.6])
    assert apart([1.0, 0.98], 0.1) == pytest.approx([1.0, 0.9])
    assert np.diff(np.sort(apart([1.0] * 50, 0.1))) == pytest.approx(np.full(49, 1 / 49))
