"""What responses from elsewhere are worth as proposals: the counted table, and what docs/models.md says of it."""

import pandas as pd

from experiments.benchmarks.proposals import files_of
from experiments.kept import FIGURES, ROOT


def test_the_rounds_that_the_page_names_are_those_of_the_table():
    table = pd.read_csv(FIGURES / "proposals.csv").set_index(["arm", "file"])["rounds"]
    alone = [table["rl alone", file] for file in ("none", "right", "nearly right", "shuffled", "wrong")]
    page = " ".join((ROOT / "docs" / "models.md").read_text(encoding="utf-8").split())
    assert (
        "one model alone takes {} rounds with nothing proposed, {} with its own text, {} when every tenth token of it "
        "is another, {} with another problem's text, {} with noise".format(*alone)
    ) in page
    oracle = [table["oracle", file] for file in ("none", "right", "nearly right")]
    assert (
        "takes {} rounds with no file, {} with the right one, and {} with the nearly right one".format(*oracle) in page
    )


def test_a_nearly_right_text_has_every_tenth_token_redrawn_and_a_shuffled_one_is_another_problems():
    right = {"a": [1] * 20, "b": [2] * 20}
    files = files_of(right, [7])
    assert files["none"] is None
    assert files["right"] == right
    assert files["nearly right"]["a"] == [7 if t % 10 == 9 else 1 for t in range(20)]
    assert files["shuffled"] == {"a": right["b"], "b": right["a"]}
    assert files["wrong"] == {"a": [7] * 20, "b": [7] * 20}
