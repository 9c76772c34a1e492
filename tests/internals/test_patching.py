import hooks
import pytest
import torch
from opened import opened, random_points

from rlprobe.internals.patching import Cell, donate, patched_residuals, span

SITES = ("residual", "attention", "mlp")


def grid(inside, start, stop):
    """Every site and head of every layer."""
    cells = [Cell(site, layer, start, stop) for site in SITES for layer in range(inside.depth)]
    return cells + [Cell("head", layer, start, stop, h) for layer in range(inside.depth) for h in range(inside.heads)]


def first_of(cells):
    return min(cell.start for cell in cells)


def spans_of(point):
    n = len(point.ids)
    return [(n - 1, n), (n - 3, n - 2), (0, n - 1), (0, 2)]


@pytest.mark.parametrize("which", range(4))
def test_nnsight_and_raw_hooks_agree_exactly_at_every_site_and_head(tiny_pair, inside, points, which):
    host, donor = inside["base"], inside["rl"]
    for point in points[:2]:
        cells = grid(host, *spans_of(point)[which])
        first = first_of(cells)
        found = patched_residuals(host, point, cells, donate(donor, point, first), rows=len(cells) + 1)
        networks = tiny_pair.base.network, tiny_pair.rl.network
        expected = hooks.patched(*networks, list(point.ids), [None, *cells], first, host.head_width)
        with torch.no_grad():
            logits = tiny_pair.base.network.lm_head(tiny_pair.base.network.model.norm(found))
        assert torch.equal(logits, expected)


@pytest.mark.parametrize("kind", ["qwen2", "qwen3", "mixed"])
def test_a_grid_in_one_pass_is_cell_by_cell_and_what_hooks_find_without_a_cache(tmp_path, kind):
    pair, inside = opened(tmp_path, kind)
    host, donor = inside["base"], inside["rl"]
    for point in random_points(pair)[:2]:
        for start, stop in spans_of(point):
            cells = grid(host, start, stop)
            donation = donate(donor, point, start)
            together = patched_residuals(host, point, cells, donation)
            sliced = patched_residuals(host, point, cells, donation, rows=3)
            assert torch.allclose(together, sliced, atol=1e-4)
            for row, cell in enumerate(cells, start=1):
                alone = patched_residuals(host, point, [cell], donation)[1]
                assert torch.allclose(together[row], alone, atol=1e-4)
                plain = hooks.patched(
                    pair.base.network, pair.rl.network, list(point.ids), [cell], head_width=host.head_width
                )
                assert torch.allclose(host.logits(alone[None]), plain[:, : host.head.vocab], atol=1e-4)


@pytest.mark.parametrize("member", ["base", "rl"])
def test_a_model_patched_with_itself_changes_nothing(inside, points, member):
    own = inside[member]
    for point in points:
        for start, stop in spans_of(point):
            cells = grid(own, start, stop)
            found = patched_residuals(own, point, cells, donate(own, point, start))
            assert torch.allclose(found, found[:1].expand_as(found), atol=1e-5)


def test_the_last_residual_with_the_donors_norm_and_head_gives_the_donors_logits(tiny_pair, inside, points):
    host, donor = inside["base"], inside["rl"]
    for point in points:
        n = len(point.ids)
        cell = Cell("residual", host.depth - 1, n - 1, n)
        found = patched_residuals(host, point, [cell], donate(donor, point, n - 1))
        with torch.no_grad():
            logits = tiny_pair.rl.network(input_ids=torch.tensor([point.ids])).logits[0, -1]
        assert torch.allclose(donor.logits(found[1:])[0], logits[: donor.head.vocab], atol=1e-5)


def test_a_foreign_activation_is_what_is_put_in(inside, points):
    host, donor = inside["base"], inside["rl"]
    point, other = points[0], points[1]
    n = len(point.ids)
    m = len(other.ids)
    foreign = donate(donor, other, m - 1).moved((m - 1, m), (n - 1, n))
    found = patched_residuals(host, point, [Cell("residual", host.depth - 1, n - 1, n)], foreign)
    assert torch.allclose(found[1:], donate(donor, other, 0).last_residual, atol=1e-5)


def test_a_foreign_part_is_aligned_at_its_end_and_repeated_where_it_is_shorter(inside, points):
    donation = donate(inside["rl"], max(points, key=lambda point: len(point.ids)), 0)
    held = donation.sites["mlp"]
    shorter, longer = donation.moved((1, 6), (2, 4)), donation.moved((1, 4), (0, 8))
    assert torch.equal(shorter.sites["mlp"], held[:, [4, 5]])
    assert torch.equal(longer.sites["mlp"], held[:, [2, 3, 1, 2, 3, 1, 2, 3]])
    assert torch.equal(longer.of(Cell("mlp", 1, 5, 8)), held[1, [1, 2, 3]])


def test_nothing_moves_what_was_said_before_the_place_patched(inside, points):
    """A patch at the last index is all there is to a pass of one index: its own unpatched row is the host's own."""
    host, donor, point = inside["base"], inside["rl"], points[2]
    n = len(point.ids)
    cells = [Cell("residual", 0, 0, n - 1)]
    whole = patched_residuals(host, point, cells, donate(donor, point, 0))[0]
    last = patched_residuals(host, point, [Cell("mlp", 0, n - 1, n)], donate(donor, point, n - 1))[0]
    assert torch.allclose(whole, last, atol=1e-5)


def test_places_in_a_text_are_named_from_the_decision_point(points):
    point = points[0]
    n = len(point.ids)
    assert span("0", point) == (n - 1, n)
    assert span("-2", point) == (n - 3, n - 2)
    assert span("earlier", point) == (0, n - 1)
    assert span("prompt", point) == (0, 1)
    assert span(f"-{n}", point) is None
