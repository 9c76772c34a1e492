# %% [markdown]
# # Where do they disagree?
#
# Two models are compared. A pair shows itself before any weights are loaded: what the two are, and over which tokens
# they can be compared.

# %%
import rlprobe as rp

pair = rp.pair("bundled")
pair

# %% [markdown]
# A base model and the RL model made from it read the same tokens. At every position of a response each of them has a
# favourite next token. Mostly it is the same one: the position is **unchanged**. Where it is not, RL's favourite either
# is among the base's five best, and the position is **reranked**, or it is not, and the position is **shifted**.
# Sparse Policy Selection ([arXiv 2605.06241](https://arxiv.org/abs/2605.06241), §3.1) reports that RL reranks 1–4 % of
# the tokens and shifts next to none.
#
# Here both models of the bundled pair answer forty word problems, and both read both answers. The pair is an organism
# of 1.7 million parameters: it shows how to read the instrument, not what large models do. Everything below works on
# `rp.pair("simplerl-7b")` and `dataset="math-500"` in the same way.

# %%
found = rp.disagree(pair=pair, limit=40, out="../runs/notebooks")
found

# %% [markdown]
# ## What RL gained
#
# Both models are graded on the same problems, so the comparison is paired: what counts is which problems change sides.
# Intervals resample problems, because tokens of one problem are not independent.

# %%
found.tables["accuracy"]

# %% [markdown]
# ## How many positions differ
#
# Two texts, two rates: along the base's own answers, and along RL's. The published range is printed below ours. A rate
# of zero has an interval too (Clopper–Pearson, over problems). The noise floor is the share of positions where a model,
# reading its own greedy answer, does not choose the token that it chose; a disagreement rate means nothing below it.

# %%
found.tables["classes"].T

# %% [markdown]
# ## What stands at these positions
#
# Where the two differ the base is unsure: its entropy there is many times that of the unchanged positions.

# %%
found.tables["entropy"]

# %% [markdown]
# RL's favourite is nearly always the base's second choice. These are the most frequent exchanges.

# %%
found.tables["swaps"].head(8)

# %% [markdown]
# Left: entropy by class. Right: where in the response the disagreements fall.

# %%
found.figures["disagreement"]

# %% [markdown]
# ## The tokens themselves
#
# The token table has a row for each position of each response, with log-probabilities in nats, exact ranks over the
# whole vocabulary, and divergences. It is a DataFrame; ask it what you like. The ten positions where the two
# distributions are farthest apart:

# %%
columns = ["problem_id", "arm", "position", "token", "class", "entropy_base", "rank_base_of_rl", "kl_rl_base"]
found.tokens.nlargest(10, "kl_rl_base")[columns].round(3)

# %% [markdown]
# Does the base's entropy tell where RL differs? This is the area under the ROC curve (0.5 is chance, 1 is perfect) and
# what the published threshold of 1.2 nats would catch.

# %%
found.tables["detector"].T
