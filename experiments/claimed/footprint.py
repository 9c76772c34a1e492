"""What is asked of the footprint over training, and where `footprint` says it. Nothing of it is published.

Most is more than half; few is less than a tenth.
"""

from experiments.claims import Asked
from rlprobe.analysis.claims import Claim

CLAIMS = (
    Asked(
        Claim(statement="the first checkpoint has most of the final disagreements", source="ours", low=0.5, unit="%"),
        ("steps", 0, "followed", "of_final"),
    ),
    Asked(
        Claim(statement="… with the same token of RL", source="ours", low=0.5, unit="%"),
        ("steps", 0, "followed", "same_of_final"),
    ),
    Asked(
        Claim(statement="what the first checkpoint changes mostly lasts", source="ours", low=0.5, unit="%"),
        ("steps", 0, "followed", "lasting"),
    ),
    Asked(
        Claim(statement="few disagreements are lost in the last stretch", source="ours", high=0.1, unit="%"),
        ("steps", -1, "followed", "lost_share"),
    ),
)
