"""The keys of the default benchmark: they move when a human raises a ``version`` or changes a recipe, and never else.

``python tests/laws/test_keys_stand_still.py`` writes ``golden_keys.json`` anew.
"""

from __future__ import annotations

import json
from pathlib import Path

from ddbench import benchmark as grids
from ddbench.plan import plan
from ddbench.registry import registry
from ddbench.types import Place

GOLDEN = Path(__file__).with_name("golden_keys.json")
NOWHERE = Place(Path("data"), Path("cache"))  # digits lie in a package
MOVED = (
    "the key of '{label}' moved. If its numbers change, raise the version of the component whose facts differ"
    " ({facts}); if not, find what slipped into the facts. Then: python tests/laws/test_keys_stand_still.py"
)


def default_plan() -> dict[str, dict[str, object]]:
    """Return key and facts of every stage of the default benchmark at ipc 1 and one seed, by label."""
    stages = plan(grids.build({"ipc": (1,), "seeds": (0,)}), registry(), NOWHERE).stages
    return {f"{stage.kind}: {stage.label}": {"key": key, "facts": stage.facts} for key, stage in stages.items()}


def test_keys_of_the_default_benchmark_stand_still() -> None:
    golden, now = json.loads(GOLDEN.read_text()), json.loads(json.dumps(default_plan()))
    assert set(now) == set(golden), "the default benchmark has other stages than golden_keys.json"
    for label, stage in now.items():
        then = golden[label]
        differing = [name for name, fact in stage["facts"].items() if fact != then["facts"].get(name)]
        message = MOVED.format(label=label, facts=", ".join(differing) or "only those of its inputs")
        assert stage["key"] == then["key"], message


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(default_plan(), indent=1) + "\n")
