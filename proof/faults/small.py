"""The sources of a small book on which the faults are tried: two chapters, quick to run.

Nothing in it prints how long a run took, or when it was: so whatever befalls a build, the next one
must give the same bytes.
"""

ALPHA = '''"""The mean of some numbers is nearer to them than nought is."""
# === Imports ===
import random
from pathlib import Path

# === Settings ===
SEED = 1  # any will do
STEPS = 40  # lines of the curve
SCALE = 1.0

# === Data ===
DATA = Path(__file__).resolve().parent.parent / "data" / "numbers.txt"
numbers = [float(line) for line in DATA.read_text().split()]

# === Training ===
random.seed(SEED)
mean = 0.0
for step in range(STEPS):
    mean += 0.2 * SCALE * (sum(numbers) / len(numbers) - mean)
    print(f"step {step:3} | loss {sum((x - mean) ** 2 for x in numbers):.4f}")

# === Main ===
print(f"mean  | {mean:.3f}")
print(f"noise | {random.random():.3f}")
'''

BETA = '''"""Counting needs no gradient."""
# === Settings ===
SEED = 2  # any will do

# === Main ===
for size in range(1, 6):
    print(f"size {size} | sum {sum(range(size * SEED))}")
print("all   | 45")
'''

ALPHA_CHAPTER = r"""---
teaches: 'what a mean is'
added: 2026-11-22
paper: adam
terms: [mean]
headline: [mean]
facts:
  mean: 'mean +\| (\d+\.\d+)'
  loss: 'step +39 \| loss (\d+\.\d+)'
experiments:
  timid:
    set: {SCALE: 0.5}
    facts:
      timid_mean: 'mean +\| (\d+\.\d+)'
---
# The mean

Who begins at nought comes to {fact}`mean`, by {cite:t}`adam`. {claim}`mean > timid_mean` The
{term}`mean` $\bar x$ solves

$$ \sum_i (x_i - \bar x) = 0. $$ (eq-mean)

## The walk

The thesis:

```{listing} Docstring
```

What it needs:

```{listing} Imports
```

The settings:

```{listing} Settings
```

The data:

```{listing} Data
```

The steps:

```{listing} Training
```

And the end:

```{listing} Main
```

## The run

It ends so:

```{transcript}
:from: ^mean
:to: ^noise
```

Half the step is not enough.

```{transcript}
:experiment: timid
:from: ^step  39
:to: ^mean
```

```{drawn} loss
:alt: A line that falls.

The loss falls to {fact}`loss`.
```

:::{exercise} Double it
:label: ex-alpha-double
What if each number were doubled?
:::
"""

BETA_CHAPTER = r"""---
teaches: 'how to count'
added: 2026-11-22
paper: gpt
builds_on: [alpha]
facts:
  all: '^all +\| (\d+)'
---
# Counting

The sum is {fact}`all`, and no mean as in {eq}`eq-mean` of {doc}`alpha` {cite:p}`gpt`.

```{listing} Docstring
```

It has one setting.

```{listing} Settings
```

It counts.

```{listing} Main
```

It prints:

```{transcript}
:from: ^size
:to: ^size 3
```

```{drawn} sums
:alt: Bars that grow.

The sums grow.
```
"""

ALPHA_FIGURES = '''"""Figures of alpha."""

from matplotlib.figure import Figure


def loss(run):
    """The loss by the step."""
    figure = Figure(figsize=(4, 2), layout="constrained")
    rows = run.rows(r"^step +(\\d+) \\| loss (\\S+)")
    figure.subplots().plot(*zip(*rows))
    return figure
'''

BETA_FIGURES = '''"""Figures of beta."""

from matplotlib.figure import Figure


def sums(run):
    """The sums by the size."""
    figure = Figure(figsize=(4, 2), layout="constrained")
    figure.subplots().bar(*zip(*run.rows(r"^size (\\d+) \\| sum (\\d+)")))
    return figure
'''

INDEX = """# A small book

```{toctree}
:maxdepth: 2
:numbered:

01-first/index
```

```{toctree}
back/solutions
back/glossary
back/bibliography
genindex
```
"""

TIER = """---
planned: [more]
---
# First

```{toctree}
alpha
beta
```
"""

SOLUTIONS = """# Solutions

:::{solution} ex-alpha-double
The mean {fact}`alpha:mean` doubles too.
:::
"""

GLOSSARY = """# Glossary

```{glossary}
mean
  The sum of some numbers over their count.
```
"""

REFERENCES = """@article{adam,
  author = {Kingma, Diederik P. and Ba, Jimmy},
  title = {Adam},
  journal = {A},
  year = {2015},
}
@article{gpt,
  author = {Radford, Alec},
  title = {Letters},
  journal = {J},
  year = {2018},
}
"""

FILES = {
    "scripts/01-first/alpha.py": ALPHA,
    "scripts/01-first/beta.py": BETA,
    "scripts/data/numbers.txt": "1.5\n2.5\n4.0\n",
    "book/index.md": INDEX,
    "book/path.txt": "alpha\nbeta\n",
    "book/01-first/index.md": TIER,
    "book/01-first/alpha.md": ALPHA_CHAPTER,
    "book/01-first/beta.md": BETA_CHAPTER,
    "book/back/solutions.md": SOLUTIONS,
    "book/back/glossary.md": GLOSSARY,
    "book/back/bibliography.md": "# Works\n\n```{bibliography}\n```\n",
    "book/figures/01-first/alpha.py": ALPHA_FIGURES,
    "book/figures/01-first/beta.py": BETA_FIGURES,
    "references.bib": REFERENCES,
}
