# Short names for the commands of CONTRIBUTING.md; nothing needs just.

# List the recipes.
default:
    @just --list

# The fast lane: 3 minutes on two cores. `just test tests/tasks/layout -k names` for a part.
test *arguments:
    uv run pytest {{arguments}}

# Both lanes.
test-all: test
    uv run pytest -m slow

# What .ci/run checks of the text.
lint:
    uv lock --check
    uv run ruff check .
    uv run ruff format --check .
    uv run codespell
    uv run mypy

# The documents as a site, in site/; a dead link fails.
docs:
    uv run mkdocs build --strict

# The pictures of README and the documents, from the demo's library (needs chromium; a minute).
screenshots:
    uv run python -m tests.support.pictures

# Mend what can be mended by a program.
fix:
    uv run ruff check --fix .
    uv run ruff format .

# Read, validate and plan manifests of up to 1,000,000 rows; tests/bench/README.md has the other benchmarks.
bench *arguments="rows":
    uv run python -m tests.bench.bench {{arguments}}

# Every row of the table of speed beside its peer, into tests/bench/README.md: an hour on a machine that has nothing else to do.
bench-all *folders="/usr/share/hydrogen/data /usr/share/sonic-pi/samples":
    uv run python -m tests.bench.all {{folders}}

# Make a small library and export it, into ./sp404-demo.
demo:
    uv run sp404 demo

# Everything, as .ci/run does it from a clean checkout.
ci:
    .ci/run
