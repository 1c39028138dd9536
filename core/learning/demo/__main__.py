"""`python -m core.learning.demo FOLDER`: train the demo checkpoint there and print its figures."""

import json
import sys
from pathlib import Path

from core.learning.demo import evaluate, train


def main(argv: list[str]) -> int:
    """Returns 0 where the goals are met, 1 where they are not, 2 for a wrong call."""
    if len(argv) != 1:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    report = train(Path(argv[0]), progress=_tell)
    sys.stderr.write("\n")
    result = evaluate(report.folder)
    sys.stdout.write(json.dumps({"seconds": round(report.seconds, 1), **result}, ensure_ascii=False, indent=1) + "\n")
    return 0 if result["met"] else 1


def _tell(share: float, what: str) -> None:
    sys.stderr.write(f"\r{share:4.0%} {what:40}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
