"""Which of the processes of one fit this is: each runs the whole program, and one of them tells and writes."""

import os


def is_first_process() -> bool:
    """Whether it is the first, or the only one, by what Lightning, torchrun or SLURM has put into the environment."""
    environment = os.environ
    if "RANK" in environment:
        return environment["RANK"] == "0"
    if "LOCAL_RANK" in environment:
        return environment["LOCAL_RANK"] == environment.get("NODE_RANK", "0") == "0"
    return environment.get("SLURM_PROCID", "0") == "0"
