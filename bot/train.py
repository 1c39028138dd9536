"""`parley demo train`: the demo checkpoint from its corpus, with progress."""

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from bot.texts import say


def train_demo(out: Path, *, quick: bool, screen: Console) -> None:
    """Trains into `out`; takes minutes on two cores."""
    from core.learning.demo import train

    with Progress(console=screen) as bar:
        task = bar.add_task(say("demo_training"), total=1.0)

        def show(share: float, what: str) -> None:
            bar.update(task, completed=share, description=what)

        report = train(out, quick=quick, progress=show)
    screen.print(say("demo_written", folder=out, figures=report), markup=False)
