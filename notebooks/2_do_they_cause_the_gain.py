# %% [markdown]
# # Do these tokens cause the gain?
#
# The base decodes. At chosen positions another token is written in its place, and the base goes on from there. If a few
# replaced tokens give the base RL's accuracy, the gain is in those tokens
# ([arXiv 2605.06241](https://arxiv.org/abs/2605.06241), §3.2 and 3.3).
#
# | arm | where | what is written |
# |---|---|---|
# | oracle | wherever the two differ | RL's choice |
# | entropy | wherever the base's entropy is above a threshold | RL's choice, differing or not |
# | inverse | wherever it is *not* above that threshold | RL's choice |
# | random | wherever the two differ | one of the base's top 20, never its own choice or RL's token |
# | resample | wherever the two differ | drawn from the base's own probabilities, never its own choice or RL's token |

# %%
import rlprobe as rp

arms = ["oracle", "first:1", "entropy:0.6,1.2", "inverse:0.6,1.2", "random", "resample", "mix:0.5"]
found = rp.intervene(modes=arms, seeds=2, limit=40, out="../runs/notebooks")
shown = ["arm", "accuracy", "gated", "edited", "recovery", "p against RL"]
found.tables["interventions"][shown]

# %% [markdown]
# Read it with three cautions.
#
# 1. **The oracle is an identity.** Writing RL's choice wherever the two differ *is* RL's own greedy text. What it tells
#    is how few edits that takes: the `edited` column.
# 2. **Gated is not edited.** A gate that fires where both models would say the same does nothing. Compare arms at
#    edits, not at gates.
# 3. **A control must be able to act, and must not be the treatment.** `random` and `resample` write a *different* token
#    at the same kind of place, and never RL's: a draw of the base's at a disagreement is RL's token most of the time
#    (`allow_donor` lets it be, and the table says how often it was).
#
# Recovery is (arm − base) / (RL − base); with forty problems its interval is wide, and it is not given at all where
# RL's own gain is not resolved.

# %%
found.figures["interventions"]

# %% [markdown]
# ## Dose
#
# The same arms by what they really changed. The axis is edited tokens, so that arms that fire often and change little
# can be compared with arms that fire rarely.

# %%
found.figures["dose"]

# %% [markdown]
# ## Which single tokens matter
#
# One flip: RL's token is written once, at one disagreement, and the base goes on alone. For a problem that only RL
# solves, that tells which token the answer hangs on; and a search finds the fewest edits that are enough.

# %%
single = rp.flips(limit=40, out="../runs/notebooks")
single.tables["needed_sizes"]

# %%
single.tables["flip_tokens"].head(8)
