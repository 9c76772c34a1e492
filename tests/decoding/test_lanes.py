"""Ragged rows against each text read alone."""

import torch
from conftest import save_pair

from rlprobe.decoding.lanes import Lanes
from rlprobe.pairs.loading import load, locate
from rlprobe.settings import PairChoice


def alone(model, ids: list[int]) -> torch.Tensor:
    """Hidden states by plain transformers: one text, no cache, its own masks."""
    return model.network.base_model(input_ids=torch.tensor([ids])).last_hidden_state[0]


@torch.no_grad()
def check_rows(model, texts: list[list[int]], reads: list[list[int]], rewinds: list[int]):
    """Read `texts` in pieces of given lengths with a rewind after the first; compare with each text alone."""
    lanes = Lanes(model, len(texts))
    starts = [0] * len(texts)
    hidden = [torch.empty(0, model.head_weight.shape[1])] * len(texts)
    for number, lengths in enumerate(reads):
        pieces = [text[s : s + n] for text, s, n in zip(texts, starts, lengths, strict=True)]
        counts = torch.tensor([len(p) for p in pieces])
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(p, dtype=torch.long) for p in pieces], batch_first=True)
        out = lanes.read(ids, counts)
        hidden = [torch.cat([h[:s], o[:n]]) for h, s, o, n in zip(hidden, starts, out, counts.tolist(), strict=True)]
        starts = [s + n for s, n in zip(starts, counts.tolist(), strict=True)]
        if number == 0:
            back = torch.tensor(rewinds)
            lanes.lengths -= back
            starts = [s - b for s, b in zip(starts, rewinds, strict=True)]
    for text, read, h in zip(texts, starts, hidden, strict=True):
        torch.testing.assert_close(h[:read], alone(model, text[:read]), atol=1e-4, rtol=1e-4)


def test_rows_of_different_length_with_a_rewind_equal_each_text_alone(tmp_path):
    generator = torch.Generator().manual_seed(1)
    texts = [torch.randint(0, 290, (n,), generator=generator).tolist() for n in (70, 33, 50)]
    for kind in ("llama", "qwen2", "mistral", "mixed"):
        base, rl = map(str, save_pair(tmp_path / kind, kind))
        pair = load(locate(PairChoice(base=base, rl=rl, device="cpu")))
        check_rows(pair.base, texts, [[30, 20, 11], [1, 5, 3], [39, 8, 36]], [4, 0, 10])


@torch.no_grad()
def test_a_row_that_was_moved_or_read_by_index_goes_on_as_before(tiny_pair):
    a, b = [3, 4, 5, 6, 7, 8], [9, 10, 11, 12]
    lanes = Lanes(tiny_pair.base, 4)
    lanes.read(torch.tensor([a[:3], b[:3]]), torch.tensor([3, 3]), torch.tensor([3, 1]))
    lanes.move(3, 0)
    out = lanes.read(torch.tensor([a[3:6], [b[3], 0, 0]]), torch.tensor([3, 1]))
    torch.testing.assert_close(out[0], alone(tiny_pair.base, a)[3:], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(out[1, :1], alone(tiny_pair.base, b)[3:], atol=1e-5, rtol=1e-4)
    assert lanes.lengths.tolist()[:2] == [6, 4]


@torch.no_grad()
def test_growing_the_slots_keeps_what_was_read(tiny_pair):
    text = torch.randint(0, 290, (200,), generator=torch.Generator().manual_seed(2)).tolist()
    lanes = Lanes(tiny_pair.base, 1)
    parts = [lanes.read(torch.tensor([text[s : s + 50]]), torch.tensor([50]))[0] for s in range(0, 200, 50)]
    torch.testing.assert_close(torch.cat(parts), alone(tiny_pair.base, text), atol=1e-4, rtol=1e-4)
