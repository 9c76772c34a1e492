"""Statistics of numbers in stretches, against numpy on all of them at once; and memory does not feel how many."""

import tracemalloc

import numpy as np
import pytest
from held import held
from synthetic_texts import token_table

from rlprobe.analysis import sharpening, streams, texts
from rlprobe.analysis.authorship import detection
from rlprobe.analysis.concentration import divergence_share, entropy_overlap
from rlprobe.analysis.direction import summarise_texts
from rlprobe.analysis.perplexity import perplexity
from rlprobe.analysis.sparks import promoted
from rlprobe.analysis.statistics import Clusters, auroc, streamed_auroc
from rlprobe.analysis.texts import Text, cuts_of, texts_of
from rlprobe.analysis.words import words_behind
from rlprobe.columns import Stored
from rlprobe.settings import Reading, Resampling

READING = Reading(resamples=100)


def on_disk(text):
    """The same text where no memory holds it."""
    stored = Stored({name: text.rows[name].dtype for name in text.rows}, len(text))
    for name in text.rows:
        stored.put(name, 0, text.rows[name])
    sizes = np.bincount(text.clusters.codes, minlength=text.n)
    return Text(text.arm, stored.whole(), text.n, text.class_k, cuts_of(sizes))


@pytest.fixture(params=[(), (1, 20_000), (7_000, 7_001, 19_999)], ids=["one", "three", "uneven"])
def numbers(request):
    """Numbers of every size and sign with many equal ones, and where they are cut."""
    rng = np.random.default_rng(3)
    found = rng.lognormal(0, 4, 30_000) * rng.choice([-1, 1], 30_000)
    found[::7], found[::11] = 0.0, -0.5
    return found, lambda: np.split(found, request.param)


def test_a_sum_has_the_bits_of_numpys(numbers):
    everything, parts = numbers
    with held(900):
        assert streams.total(parts(), len(everything)) == everything.sum()
        with pytest.raises(ValueError, match="more than"):
            streams.total(parts(), len(everything) - 1)


def test_medians_and_quantiles_are_numpys(numbers):
    everything, parts = numbers
    both = streams.medians(lambda: ((some, np.abs(some)[1:], some[:0]) for some in parts()), [30_000, 0, 0])
    assert both == [np.median(everything), None, None]
    assert streams.quantile(parts, 30_000, 0.99) == np.quantile(everything, 0.99)
    ranks = list(range(0, 30_000, 777))
    (found,) = streams.at_ranks(lambda: ((some,) for some in parts()), [ranks])
    assert found.tolist() == np.sort(everything)[ranks].tolist()


def test_an_auroc_has_the_same_bits_from_buckets_on_disk(numbers):
    scores, parts = numbers
    rng = np.random.default_rng(4)
    codes, positive = np.sort(rng.integers(0, 40, len(scores))), rng.random(len(scores)) < 0.1
    whole = auroc(scores, positive, Clusters(codes, 40), Resampling())
    cuts = np.cumsum([len(part) for part in parts()])[:-1]

    def stretches():
        for some, labels, those in zip(parts(), np.split(positive, cuts), np.split(codes, cuts), strict=True):
            yield some, labels, Clusters(those, 40)

    with held(900):  # the equal numbers alone are more than a bucket
        assert streamed_auroc(stretches, 40, Resampling()) == whole


@pytest.mark.parametrize("draws", [1, 2])
def test_a_summary_of_texts_on_disk_is_the_summary_of_the_table(draws):
    there = texts_of(token_table(draws=draws, seed=4), READING)
    expected = summarise_texts(there, READING)
    with held(600):
        apart = {arm: on_disk(text) for arm, text in there.items()}
        assert len(list(apart["rl"].stretches())) > 3
        assert summarise_texts(apart, READING) == expected


def peak_of(rows):
    """The most memory (bytes) that the statistics of a text of so many rows hold at once."""
    rng, n = np.random.default_rng(0), 20
    kept = {"problem": np.repeat(np.arange(n, dtype=np.int32), rows // n), "draw": np.zeros(rows, np.int32)}
    kept |= {"position": np.tile(np.arange(rows // n, dtype=np.int32), n)}
    kept |= {name: rng.integers(0, 50, rows).astype(np.int32) for name in ("token_id", "argmax_base")}
    kept |= {"argmax_rl": kept["argmax_base"] + (rng.random(rows) < 0.1), "rank_base_of_rl": np.ones(rows, np.int32)}
    columns = [name for name in (*texts.COLUMNS, *sharpening.COLUMNS) if name not in (*kept, "arm", "problem_id")]
    kept |= {name: rng.random(rows, np.float32) for name in columns}
    text = on_disk(Text("rl", Stored.held(kept).whole(), n, 5, cuts_of(np.full(n, rows // n))))
    del kept
    tracemalloc.start()
    try:
        for statistic in (divergence_share, entropy_overlap, promoted, detection, perplexity, sharpening.sharpening):
            statistic(text, READING.resampling)
        words_behind(text, 0.5, str, READING.resampling)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_rows():
    with held(6_000):
        few, many = peak_of(20_000), peak_of(80_000)
    assert many < 1.2 * few
    with held(10**6):
        assert peak_of(80_000) > 1.5 * many  # held, the rows are seen
