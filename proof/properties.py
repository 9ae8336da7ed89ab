"""The property tests once more, on examples that `make test` does not draw.

There each property is tried on the same examples every time, so that no reader meets a failure by
chance. Here they are drawn from other seeds, a round of tests each.
"""

import random
import re
import subprocess
import sys
from collections.abc import Iterator

from proof.table import Row
from recorder.layout import ROOT

ROUNDS = 10
COUNT = re.compile(r"(\d+) (passed|failed|error)")


def prove(tests: str = "tests", rounds: int = ROUNDS) -> Iterator[Row]:
    """A row of all properties in all rounds; prints what failed, and how to have it again."""
    tried = failed = 0
    for seed in random.SystemRandom().sample(range(10**6), rounds):
        command = ["-m", "pytest", "-m", "hypothesis", "--hypothesis-profile=random"]
        command += [f"--hypothesis-seed={seed}", "-p", "no:cacheprovider", tests]
        print(f"properties: examples from seed {seed}", flush=True)
        done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
        counts = {what: int(number) for number, what in COUNT.findall(done.stdout)}
        wrong = counts.get("failed", 0) + counts.get("error", 0)
        tried += counts.get("passed", 0) + wrong
        failed += wrong
        if done.returncode:
            failed += not wrong
            print(done.stdout, done.stderr, sep="\n")
            print(f"Have it again with `.venv/bin/python {' '.join(command)}`.", flush=True)
    yield Row("properties", f"tests, on examples from {rounds} seeds", tried, failed)
