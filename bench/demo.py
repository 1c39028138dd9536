"""How well the demo checkpoint answers what it was never trained on."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.report import Progress, at_least, at_most, report, told
from core.engine import demo_folder
from core.learning.demo import evaluate

MEGABYTES = 8.0


def main(argv: Sequence[str]) -> dict[str, Any]:
    """Asks everything; the figures with their goals."""
    parser = argparse.ArgumentParser("parley bench demo", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the same: it is short")
    parser.add_argument("--folder", type=Path, default=demo_folder(), help="the checkpoint; the bundled one by default")
    folder = parser.parse_args(argv).folder
    if not (folder / "config.json").exists():
        parser.error(f"there is no model in {folder}")
    progress, began = Progress("demo"), perf_counter()
    progress(f"asking {folder}")
    result = evaluate(folder)
    for miss in result["missed"]:
        progress(f"missed {miss['fact']}: {miss['prompt']} -> {miss['said'][:60]!r}")
    figures = [at_least(name, value, "share", result["goals"][name]) for name, value in result["figures"].items()]
    figures += [
        told(f"{name}_{lang}", value, "share")
        for lang, shares in result["by_language"].items()
        for name, value in shares.items()
    ]
    figures += [told(f"{name}_asked", count, "questions") for name, count in result["asked"].items()]
    size = (folder / "model.safetensors").stat().st_size / 1e6
    figures += [at_most("weights", size, "MB", MEGABYTES), told("time", perf_counter() - began, "s")]
    return report("demo", figures)
