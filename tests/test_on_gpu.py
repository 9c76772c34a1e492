"""On a GPU: the bundled pair through the commands, against what a CPU says. Skipped, and said so, where there is none.

Devices differ in the last digits of a product, so classes and ids are compared up to near ties: positions where either
model's best two tokens are less than a thousandth of a nat apart.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from making import contents

from experiments import on_gpu
from experiments.on_gpu import Report, small
from rlprobe import runs

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="NOT TESTED on a GPU: torch finds none here"),
]
NEAR = 1e-3  # nats
SMALL = ("--limit", 8, "--max-new-tokens", 96, "--shard-size", 4, "--batch-size", 4, "--dtype", "float32")


@pytest.fixture
def bundled(rlprobe):
    """A command on the bundled pair with small settings, on a device, into a folder."""

    def command(name, device, out, *arguments) -> Path:
        given = ("--pair", "bundled", *SMALL, "--device", device, "--out", rlprobe.tmp_path / out, *arguments)
        code, _, err = rlprobe(name, *given)
        assert code == 0, err
        return rlprobe.tmp_path / out

    return command


def responses(run: Path) -> dict[tuple[str, str, int], list[int]]:
    return {
        (r["arm"], r["problem_id"], r["draw"]): r["response_ids"] for r in runs.read(run).table("rollouts").to_pylist()
    }


def tokens(run: Path):
    return runs.read(run).table("tokens").to_pandas().set_index(["arm", "problem_id", "draw", "position"])


def test_classes_are_those_of_a_cpu_but_at_near_ties(bundled):
    of_gpu, of_cpu = (tokens(bundled("disagree", device, device)) for device in ("cuda", "cpu"))
    both = of_gpu.join(of_cpu.add_suffix("_cpu"), how="inner")
    both = both[both.token_id == both.token_id_cpu]
    assert len(both) > 0.9 * len(of_cpu)
    near = both[["margin_base", "margin_rl"]].min(axis=1) < NEAR
    for name in ("argmax_base", "argmax_rl", "rank_base_of_rl"):
        assert (both[name] == both[f"{name}_cpu"])[~near].mean() > 0.995, name
    for name in ("logprob_base", "logprob_rl", "entropy_base", "kl_rl_base", "js"):
        assert (both[name] - both[f"{name}_cpu"]).abs().max() < 2e-4, name


def test_disagree_twice_writes_the_same_bytes(bundled):
    first, second = (contents(bundled("disagree", "cuda", out)) for out in ("one", "two"))
    tables = [name for name in first if name.endswith(".parquet")]
    assert tables
    assert all(first[name] == second[name] for name in tables)


def test_the_oracle_writes_rls_own_text(bundled):
    run = bundled("intervene", "cuda", "run", "--mode", "oracle", "--mode", "entropy", "--mode", "random")
    summary = json.loads((run / "interventions.json").read_text())
    assert {"base", "rl", "oracle", "random", "entropy 1.2"} <= set(summary["arms"])
    ids = responses(run)
    of_rl = {key[1]: said for key, said in ids.items() if key[0] == "rl"}
    oracle = {key[1]: said for key, said in ids.items() if key[0] == "disagree x donor_argmax x base"}
    assert oracle == of_rl


def test_sampling_is_reproducible_and_draws_differ(bundled):
    first, second = (
        responses(bundled("sample", "cuda", out, "--temperature", 0.9, "--n", 2)) for out in ("one", "two")
    )
    assert first == second
    draws = [{key[:2]: said for key, said in first.items() if key[2] == draw} for draw in (0, 1)]
    assert draws[0] != draws[1]


@pytest.mark.parametrize("part", ["identities-float32", "engine-float32"])
def test_identities_hold_and_the_engine_says_what_lockstep_says(part, tmp_path):
    """Arms of every kind of noise, among them a sampled one, and `generate`."""
    report = Report(tmp_path / "table.md", {})
    on_gpu.run(replace(small(torch.device("cuda", 0)), problems=8, tokens=64, rows=8), report, part)
    assert {row.measured.split()[0] for row in report.rows if row.what != "time"} == {"0", "0.0%"}


def test_memory_that_runs_out_halves_the_rows_and_leaves_the_ids(tmp_path):
    report = Report(tmp_path / "table.md", {})
    on_gpu.run(replace(small(torch.device("cuda", 0)), problems=32, tokens=128), report, "memory")
    halved = [row for row in report.rows if "rows [" in row.what and "differ" in row.measured]
    assert halved, [row.what for row in report.rows]
    assert {row.measured.split()[0] for row in halved} == {"0"}


def test_lens_patch_and_steer_run_on_a_gpu(bundled, rlprobe):
    run = bundled("disagree", "cuda", "run")
    for name, *arguments in (
        ("lens", "--points", 6),
        ("patch", "--points", 3, "--layers", "0,3", "--no-heads"),
        ("steer", "--layer", 2, "--coefficient", 1, "--limit", 4),
    ):
        code, _, err = rlprobe(name, run, "--device", "cuda", *arguments)
        assert code == 0, err
