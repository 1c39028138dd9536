"""`parley demo train`: the demo checkpoint from its corpus, with progress, and how well it came out."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bot.texts import say


def train_demo(out: Path, *, quick: bool, screen: Console) -> None:
    """Trains into `out`, a quarter of an hour on two cores, and asks it what it was never trained on."""
    from core.learning.demo import evaluate, train

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen) as bar:
        task = bar.add_task(say("demo_training"), total=1.0)

        def show(share: float, what: str) -> None:
            bar.update(task, completed=share, description=f"{say('demo_training')}: {what}")

        report = train(out, quick=quick, progress=show)
    screen.print(
        say(
            "demo_written",
            folder=out,
            parameters=f"{report.parameters / 1e6:.1f}",
            megabytes=f"{report.megabytes:.1f}",
            minutes=f"{report.seconds / 60:.1f}",
        ),
        markup=False,
    )
    if not quick:
        screen.print(say("demo_asking"))
        screen.print(say("demo_answered", **evaluate(out)["figures"], folder=out), markup=False)
