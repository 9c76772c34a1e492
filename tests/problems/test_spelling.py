"""Answers respelt, words told from products, lists from numbers, and golds that are prose."""

import time

import pytest

from rlprobe.problems.spelling import gold_in, is_list, respell, suspicion, words


@pytest.mark.parametrize(
    ("written", "respelt"),
    [
        (" 5. ", "5"),
        ("√3", r"\sqrt{3}"),
        ("2√(x+1)", r"2\sqrt{x+1}"),
        ("√{3}", r"\sqrt{3}"),
        ("90°", r"90^{\circ}"),
        (r"90\degree", r"90^{\circ}"),
        (r"12\,345\,678", "12345678"),
        (r"15,\,400", "15400"),
        ("1 234", "1234"),
        ("1{,}234", "1234"),
        ("1,234", "1234"),
        ("12,345, 67,890", "12345, 67890"),
        ("(1, 234)", "(1, 234)"),
        ("(1,234)", "(1,234)"),
        ("1,23,456", "1,23,456"),
        ("1 2345", "1 2345"),
        ("4.5e33", r"4.5 \times 10^{33}"),
        ("-1E-5", r"-1 \times 10^{-5}"),
        ("2 x 10^-3", r"2 \times 10^{-3}"),
        ("6.02e23 kg", r"6.02 \times 10^{23} \text{ kg}"),
        ("2e - 3", "2e - 3"),
        ("xe5", "xe5"),
        ("4 2/3", r"4\frac{2}{3}"),
        ("11 / 2", "11 / 2"),
        ("2½", r"2\frac{1}{2}"),
        ("x²", "x^{2}"),
        ("１２．５", "12.5"),
        ("12th", "12"),
        (r"12^{\text{th}}", "12"),
        (r"\approx 3.14", "3.14"),
        ("x≈3", "x= 3"),
        ("**5**", "5"),
        (r"\(5\)", "5"),
        (r"\(1\), \(2\)", r"\(1\), \(2\)"),
        (r"3+4\mathrm{i}", "3+4i"),
        ("18 eggs per day", r"18 \text{ eggs per day}"),
        ("2 pi", "2 pi"),
        ("y = 3x", "y = 3x"),
        ("3.5 million dollars", r"3.5 \times 10^{6} \text{ dollars}"),
        ("75 percent", r"75\%"),
    ],
)
def test_an_answer_is_respelt(written, respelt):
    assert respell(written) == respelt


HOSTILE = ["√(" * 100_000, "1" * 200_000, "^ " * 100_000, "1" + " " * 200_000 + "x", "1,000" * 50_000, "a " * 100_000]
HOSTILE += ["\\" * 200_000, "(" * 200_000, "1 eggs " * 30_000, "." * 200_000 + "1", "1st" * 60_000]


@pytest.mark.parametrize("hostile", HOSTILE, ids=[text[:6] for text in HOSTILE])
def test_time_is_linear_in_a_hostile_answer(hostile):
    start = time.perf_counter()
    respell(hostile)
    words(hostile)
    suspicion(hostile)
    is_list(hostile)
    assert time.perf_counter() - start < 4


@pytest.mark.parametrize("gold", ["1,-2", "1, 2", r"\{1, 2\}", "1 and 2", r"1 \text{ or } 2", "x=1, x=2", "100, 200"])
def test_a_gold_may_be_a_list(gold):
    assert is_list(gold)


@pytest.mark.parametrize("gold", ["1,234", "(1, 2)", "[1, 2]", "5", r"58,500 \, \text{cm}^2", "f(1, 2)", "yes"])
def test_a_pair_and_a_number_with_thousands_are_no_lists(gold):
    assert not is_list(gold)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (r"\text{East}", "east"),
        ("Evelyn", "evelyn"),
        (r"\text{no}\ \text{solution}", "no solution"),
        ("no", "no"),
        ("ab", None),
        (r"\text{B}", None),
        ("x", None),
        ("5 eggs", None),
        (r"\frac{a}{b}", None),
    ],
)
def test_words_are_told_from_products_of_letters(answer, said):
    assert words(answer) == said


@pytest.mark.parametrize(
    ("solution", "gold"),
    [
        ("9 * 2 = <<9*2=18>>18.\n#### 18", "18"),
        ("She has 2 then 5.\n#### 2,125\n", "2,125"),
        (r"We get $x = 3$, so \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        ("x + 1", "x + 1"),
    ],
)
def test_the_gold_of_a_solution_is_what_it_ends_in(solution, gold):
    assert gold_in(solution) == gold


@pytest.mark.parametrize("gold", ["The answer is 18", "He has 2+3=5 in all", "maybe 3 or more", "She\n5"])
def test_prose_is_a_suspicious_gold(gold):
    assert suspicion(gold)


@pytest.mark.parametrize(
    "gold",
    [
        *(
            "18",
            "18 dollars per hour",
            "x = 5",
            "area = 5",
            "no solution",
            r"\text{Navin}",
            "all real numbers",
            "sin 5",
        ),
        *(r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", "x=1 or x=2", "4.5e33 kg", r"6 \text{ and } 7", r"10\text{ inches}"),
    ],
)
def test_what_benchmarks_have_as_golds_is_not_suspicious(gold):
    assert suspicion(gold) is None
