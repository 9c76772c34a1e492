"""Controls on a few tokens: what they may write, how often, and what stands where nothing is left."""

import pytest
import torch
from scipy import stats

from rlprobe.decoding import arms
from rlprobe.decoding.arms import Arm, Facts, Sampling, View, opinions
from rlprobe.decoding.engine import NO_HISTORY
from rlprobe.decoding.noise import Noise, response_key

N = 4000
HOST = torch.tensor([3.0, 2.5, 2.0, 1.0, 0.5, -1.0])  # ranks as the ids go
DONOR = torch.tensor([1.0, 3.0, 0.0, 2.0, 0.5, -1.0])  # its best token is 1, the host's second
GREEDY = [None, Sampling(1.0), Sampling(0.7, 0.9)]
MAKERS = {
    "host_second": arms.host_second,
    "host_random": lambda **allow: arms.host_random(4, **allow),
    "host_sample": arms.host_sample,
    "rank_matched": lambda **allow: arms.rank_matched(4, 2, 1, **allow),
}


def written(writer, sampling=None, host=HOST, donor=DONOR, n=N):
    """(the view, what is emitted at n positions where the gate always fires)."""
    arm = Arm(arms.always(), writer, sampling=sampling)
    noise = Noise(torch.full((n,), response_key(0, "p", 0)), torch.arange(n))
    view = View(host.expand(n, -1), donor.expand(n, -1), noise, [Facts()] * n, sampling, arm.donor_stream)
    gated, emitted = opinions(arm, view).settle(arm, NO_HISTORY)
    assert bool(gated.all())
    return view, emitted


@pytest.mark.parametrize("sampling", GREEDY)
@pytest.mark.parametrize("name", MAKERS)
def test_a_control_writes_neither_the_hosts_choice_nor_what_the_donor_says_or_finds_best(name, sampling):
    view, emitted = written(MAKERS[name](), sampling)
    edited = emitted != view.host_ids
    assert edited.sum() > N / 10
    for ids in (view.donor_ids, view.donor_argmax):
        assert not bool((emitted == ids)[edited].any())


@pytest.mark.parametrize("name", MAKERS)
def test_a_control_that_may_write_the_donors_token_does_so(name):
    view, emitted = written(MAKERS[name](allow_donor=True))
    assert (emitted == view.donor_ids).float().mean() > 0.2


def test_the_best_token_but_the_hosts_own_and_the_donors_is_the_third_where_the_donors_is_the_second():
    assert set(written(arms.host_second())[1].tolist()) == {2}
    assert set(written(arms.host_second(), donor=HOST.flip(0))[1].tolist()) == {1}
    assert set(written(arms.host_second(allow_donor=True))[1].tolist()) == {1}


FREQUENCIES = {
    "host_random": {2: 1, 3: 1},  # of 0, 1, 2, 3
    "host_sample": {i: float(HOST[i].exp()) for i in (2, 3, 4, 5)},
    "rank_matched": {2: 2, 3: 1},  # ranks 2, 3, 4 are tokens 1, 2, 3
}


@pytest.mark.parametrize("name", FREQUENCIES)
def test_what_is_left_comes_as_often_as_it_would_among_itself(name):
    _, emitted = written(MAKERS[name]())
    counts, total = torch.bincount(emitted, minlength=6), sum(FREQUENCIES[name].values())
    assert set(emitted.tolist()) == set(FREQUENCIES[name])
    expected = [N * often / total for often in FREQUENCIES[name].values()]
    assert stats.chisquare([int(counts[i]) for i in FREQUENCIES[name]], expected).pvalue > 1e-3


TWO = torch.tensor([1.0, 0.5]), torch.tensor([0.5, 1.0])  # the host's choice and the donor's are all there is


@pytest.mark.parametrize(
    ("writer", "logits"),
    [
        (arms.host_second(), TWO),
        (arms.host_random(2), (HOST, DONOR)),
        (arms.host_sample(), TWO),
        (arms.rank_matched(7), (HOST, DONOR)),
        (arms.rank_matched(7, 0, 0), (HOST, DONOR)),
    ],
)
def test_where_nothing_is_left_the_hosts_own_token_stands(writer, logits):
    view, emitted = written(writer, None, *logits, n=50)
    assert bool((emitted == view.host_ids).all())


def test_a_sample_without_the_donors_token_stays_in_the_cut_that_the_host_is_sampled_from():
    sampling = Sampling(1.0, 0.75)  # of the host: tokens 0, 1 and 2
    donor = torch.tensor([2.5, 3.0, 0.0, 0.0, 0.0, -1.0])  # tokens 0 and 1
    view, emitted = written(arms.host_sample(), sampling, donor=donor)
    assert set(emitted.tolist()) == {0, 2}  # token 1 is what the donor finds best
    taken = torch.stack([view.host_ids, view.donor_ids, view.donor_argmax])  # (3, positions)
    nothing = torch.tensor([set(column) >= {0, 1, 2} for column in taken.T.tolist()])
    assert 0 < nothing.sum() < N
    assert torch.equal(emitted == view.host_ids, nothing)
