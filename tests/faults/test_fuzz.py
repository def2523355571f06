"""Damaged sounds and manifests through whole exports: no run ends badly, every row is accounted for, nothing else is touched.

``python -m tests.support.fuzzing --audio 10000 --manifests 10000`` searches for longer, and a single batch again.
"""

import random
from pathlib import Path

import pytest

from tests.support.fuzzing import SIZES, batches_for, damaged, make_bases, search, torn_manifest

pytestmark = pytest.mark.slow

CASES = {"audio": 2_000, "manifests": 600}
PARTS = {"audio": 2, "manifests": 4}  # tests of one child each, for workers that are free
SEED = 404


@pytest.mark.parametrize(("kind", "part"), [(kind, part) for kind in SIZES for part in range(PARTS[kind])])
def test_thousands_of_damaged_files(kind: str, part: int, tmp_path: Path) -> None:
    batches = batches_for(kind, CASES[kind])[part :: PARTS[kind]]
    cases = len(batches) * SIZES[kind]
    found = search(kind, SEED, batches, tmp_path, abreast=1)
    where = f"python -m tests.support.fuzzing --seed {SEED} --only {kind}:N, or {tmp_path}/found-*"
    assert not found.faults, "\n".join([where, *found.faults])
    statuses = {name: found.counts[name] for name in ("exported", "failed", "rejected", "ManifestError")}
    if kind == "audio":
        assert cases / 8 < statuses["exported"] < cases, "the damage is all harmless, or all deadly"
        assert statuses["failed"] > cases / 8, statuses
    else:
        assert cases / 8 < statuses["ManifestError"] < cases * 3 / 4, statuses
        assert min(statuses["rejected"], found.counts["exported"] + found.counts["unchanged"]) > cases / 8, statuses


def test_all_is_decided_by_the_seed(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        make_bases(tmp_path / name)
        bases = [(path.suffix, path.read_bytes()) for path in sorted((tmp_path / name).iterdir())]
        rng = random.Random(SEED)
        made.append(([damaged(bases, rng) for _ in range(50)], [torn_manifest(rng, Path("/x")) for _ in range(100)]))
    assert made[0] == made[1]
