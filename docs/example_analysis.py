# ruff: noqa: T201
"""What an edition says, asked from Python.

Run it whole, ``python docs/example_analysis.py results/methods``, or cell by cell in an editor that knows ``# %%``.
docs/python.md lists every frame and column. Nothing is written.
"""

# %%
import sys

import pandas as pd

import qdcbench

paths = [path for path in sys.argv[1:] if not path.startswith("-")] or ["results/methods"]
found = qdcbench.load_results(*paths)
print(found)
print(*found.notes, sep="\n")

# %% [markdown]
# ## Is the edition sound?
# Controls have a known order. Where one is out of order no other number is worth reading. Failed runs are counted,
# never filled in.

# %%
checks = found.controls
print(f"{checks.holds.sum()} of {checks.checked.sum()} checks of controls hold")
print(f"{(~checks.checked).sum()} could not be made")
print(found.runs.groupby(["edition", "status"]).size().to_string())

# %% [markdown]
# ## Who leads, and by how much?
# Methods that share a letter in `tie_group` cannot be told apart. A place is worth what its interval says.

# %%
ood = found.rankings.query("score.str.startswith('ood:') and place > 0")
for group, board in ood.groupby("group"):
    print(f"\n{group}")
    print(
        board[["place", "arm", "value", "value_low", "value_high", "tie_group"]].head(5).round(3).to_string(index=False)
    )

# %% [markdown]
# ## What would settle it?
# Neighbours in a ranking: the probability that a new data set of the better one scores higher, and how many repetitions
# would tell the observed difference from zero.

# %%
if len(found.separations):
    columns = ["score", "better", "worse", "difference", "improvement", "repetitions", "repetitions_needed"]
    print(found.separations[columns].head(6).round(3).to_string(index=False))

# %% [markdown]
# ## What goes with what?
# The effect of each axis' primary measure on ID and OOD, the other axes and the length held fixed. The interval is of
# the level that Holm leaves it, and `detectable` says how small an effect this edition could have seen.

# %%
primary = found.relations.query("primary and scope in ['simulated', 'real']")
columns = ["axis", "score", "effect", "effect_adjusted_low", "effect_adjusted_high", "p_adjusted", "detectable"]
print(primary[["scope", *columns, "n_datasets", "n_clusters"]].round(3).to_string(index=False))

# %% [markdown]
# ## Pooled or within settings?
# A statistic of our own from the data sets. Pooled over settings, a correlation also holds what differs between them,
# such as the teacher; within them it does not. The two may even have opposite signs.

# %%
runs = found.runs.query("role == 'method' and status == 'complete'")
measures = list(dict.fromkeys(found.relations.query("primary").measure))
score = found.relations.query("primary").score.iloc[0]
known = runs[["group", *measures, score]].dropna()
within = known[[*measures, score]] - known.groupby("group")[[*measures, score]].transform("mean")
pooled = known[measures].corrwith(known[score])
print(f"correlation with {score}, {len(known)} data sets")
print(pd.DataFrame({"pooled": pooled, "within groups": within[measures].corrwith(within[score])}).round(2).to_string())

# %% [markdown]
# ## What does a point of score cost?

# %%
arms = found.arms.query("role == 'method'")[["group", "arm", "row_tokens"]]
value = found.arm_scores[found.arm_scores.score == score][["group", "arm", "value"]]
cost = arms.merge(value, on=["group", "arm"]).dropna()
for group, arms_there in cost.groupby("group"):
    board = arms_there.sort_values(["value", "row_tokens"], ascending=[False, True])
    cheapest_above = board.row_tokens.cummin().shift(fill_value=float("inf"))
    print(f"\n{group}: nothing is both better and cheaper than")
    print(board[board.row_tokens < cheapest_above].drop(columns="group").round(3).to_string(index=False))

# %% [markdown]
# ## What was claimed, and what came out
# Observational and interventional answers stand side by side; `declared` says whether the rule was fixed before the
# runs.

# %%
for row in found.verdicts.itertuples():
    print(f"{row.claim} ({row.design}, {row.scope}, declared {row.declared}): {row.answer}")
    print(f"    {row.evidence}")
