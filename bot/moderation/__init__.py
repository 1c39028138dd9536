"""Where moderation is put together: the rules, the judge outside the house, and the stage itself."""

from contextlib import AsyncExitStack
from pathlib import Path

from bot.config import Config, ModerationSettings
from bot.moderation.openai import OpenAiJudge
from core.moderation import Action, Moderation, Rulebook
from core.ports import Metrics, Store

_RULES = Path(__file__).parent / "rules"


def open_moderation(config: Config, store: Store, metrics: Metrics, stack: AsyncExitStack) -> tuple[Moderation, ...]:
    """The stage, or none where it is turned off. Raises Misconfigured: which rules file, what, what to do."""
    settings = config.settings.moderation
    if not settings.enabled:
        return ()
    rulebook = make_rulebook(settings, config.file, metrics)
    judge = None
    if settings.openai.enabled:
        openai = settings.openai
        judge = OpenAiJudge(openai.url, openai.model, config.secrets.moderation_key or "", seconds=openai.seconds)
        stack.push_async_callback(judge.close)
    return (Moderation(rulebook, store, metrics, judge=judge, fails_open=settings.openai.fail == "open"),)


def make_rulebook(settings: ModerationSettings, file: Path | None, metrics: Metrics | None = None) -> Rulebook:
    """The rules of the settings, loaded. Folders are relative to the settings' file. Raises Misconfigured."""
    base = file.parent if file else Path.cwd()
    folders = [*([_RULES] if settings.defaults else []), *((base / folder).resolve() for folder in settings.rules)]
    actions = {name: Action(action) for name, action in settings.personal if action != "none"}

    def on_problem(kind: str) -> None:
        if metrics:
            metrics.count("moderation_failures", kind=kind)

    rulebook = Rulebook(folders, actions, on_problem=on_problem)
    rulebook.load()
    return rulebook
