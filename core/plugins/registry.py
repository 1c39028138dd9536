"""The plugins of the house: those that loaded, and why others were left out."""

import asyncio
import inspect
import logging
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from core.errors import Misconfigured, ParleyError, trace
from core.language import LANGUAGES
from core.message import CommandName
from core.plugin import Asked, Misdeclared, Permission, Plugin, Provider, Result, Setup, plugin
from core.plugins.files import Origin
from core.plugins.forms import Form
from core.plugins.hosts import Hosts
from core.plugins.signature import Signature
from core.plugins.texts import say
from core.plugins.worker import Hung, Worker
from core.turn import Tool

log = logging.getLogger(__name__)

LONGEST_TIMEOUT = 600.0  # seconds
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_SLASH = re.compile(r"[a-z][a-z0-9-]{0,31}")
_FIELD = re.compile(r"plugin\(\) got an unexpected keyword argument '(\w+)'")
_FIELDS = ", ".join(inspect.signature(plugin).parameters)
_HOUSE = frozenset(name.value for name in CommandName)


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A plugin that can be used, and where it runs."""

    plugin: Plugin
    signature: Signature
    worker: Worker
    forms: tuple[Form, ...]
    origin: Origin

    async def check(self, arguments: Mapping[str, Any]) -> None:
        """Raises as `call` does. It is done in that thread: a schema of others, or a validator, may take for ever."""
        await self.worker.load(lambda: self.signature.checked(arguments), seconds=self.plugin.timeout)

    async def call(self, arguments: Mapping[str, Any], asked: Asked) -> Result:
        """Raises Malformed, what the plugin raises, and what its worker does: TimeoutError, Hung, Broken."""
        return await self.worker.run(lambda: self.signature.call(arguments, asked), seconds=self.plugin.timeout)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is left out: a plugin, or the file where its name is not known. `whys` is why, by language.

    One that `is_off` was in use, and was switched off; what it was is `plugin`.
    """

    name: str
    origin: Origin
    whys: Mapping[str, str]
    plugin: Plugin | None = None

    @property
    def is_off(self) -> bool:
        return self.plugin is not None

    @property
    def why(self) -> str:
        return self.whys["en"]


class _LeftOut(Exception):
    """Why a plugin is left out, as one of this room's texts."""

    def __init__(self, text: str, **facts: object) -> None:
        super().__init__(text)
        self.whys = {language: say(text, language, **facts) for language in LANGUAGES}


class Registry:
    """The plugins by their names and commands; of several of one name, or of one command, the first."""

    def __init__(self) -> None:
        self._loaded: dict[str, Loaded] = {}
        self._problems: list[Problem] = []
        self._workers: list[Worker] = []
        self._names: set[str] = set()

    @classmethod
    async def open(
        cls,
        origins: Iterable[Origin],
        setups: Callable[[str], Setup],
        *,
        off: Collection[str] = (),
        confirm: Collection[str] = (),
        admins: Collection[str] = (),
        seconds: float = 5.0,
    ) -> "Registry":
        """Loads them all at once, each file in a thread of its own, for at most so many seconds and a little.

        `off`, `confirm` and `admins` name plugins, or in `off` also files and providers, that are not to be used, only
        after a yes, or only by admins. `setups` is called in those threads, with the names of providers. Close it.
        """
        registry = cls()
        all_ = tuple(origins)
        registry._names |= {origin.name for origin in all_}
        wanted = [origin for origin in all_ if origin.name not in off]
        try:
            contents = await asyncio.gather(*(registry._opened(one, setups, off, seconds) for one in wanted))
        except BaseException:
            await registry.close()
            raise
        for item in (item for found in contents for item in found):
            if isinstance(item, Problem):
                registry._leave_out(item)
            elif item.plugin.name not in off:
                registry._take(replace(item, plugin=_restricted(item.plugin, confirm, admins)))
        return registry

    @property
    def plugins(self) -> tuple[Loaded, ...]:
        return tuple(self._loaded.values())

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._problems)

    @property
    def names(self) -> frozenset[str]:
        """What was found, in use or not: files, and as far as these were loaded their providers and plugins."""
        return frozenset(self._names)

    def by_name(self, name: str) -> Loaded | None:
        return self._loaded.get(name)

    def by_slash(self, slash: str) -> Loaded | None:
        return next((loaded for loaded in self._loaded.values() if slash and loaded.plugin.slash == slash), None)

    def tools(self, is_admin: bool) -> tuple[Tool, ...]:
        """What a model may call on behalf of this person."""
        return tuple(
            Tool(loaded.plugin.name, loaded.plugin.description, loaded.signature.parameters)
            for loaded in self._for(is_admin)
        )

    def guide(self, language: str, is_admin: bool = False) -> str:
        """A Markdown list of what there is for this person; commands of the house are told elsewhere."""
        plugins = [loaded.plugin for loaded in self._for(is_admin) if loaded.plugin.name not in _HOUSE]
        return "\n".join(
            f"- `{f'/{plugin.slash}' if plugin.slash else plugin.name}` – {' '.join(plugin.about[language].split())}"
            for plugin in plugins
        )

    def switch_off(self, name: str, why: str, zh: str = "") -> None:
        """Takes a plugin out of use until the next start, and with it those whose thread hangs; `zh` is why, too."""
        whys = {"en": say("off", "en", why=why), "zh": say("off", "zh", why=zh or why)}
        for loaded in self.plugins:
            if loaded.plugin.name == name or loaded.worker.is_hung:
                del self._loaded[loaded.plugin.name]
                self._leave_out(Problem(loaded.plugin.name, loaded.origin, whys, loaded.plugin))

    async def close(self) -> None:
        """Closes what providers opened, and ends the threads; takes some seconds at most."""
        self._loaded.clear()
        await asyncio.gather(*(worker.close() for worker in self._workers))

    def _for(self, is_admin: bool) -> Iterator[Loaded]:
        return (one for one in self.plugins if is_admin or one.plugin.permission is Permission.EVERYBODY)

    async def _opened(
        self, origin: Origin, setups: Callable[[str], Setup], off: Collection[str], seconds: float
    ) -> list[Loaded | Problem]:
        worker = Worker(origin.name)
        self._workers.append(worker)
        try:
            return await worker.enter(lambda: _contents(origin, worker, setups, off, self._names), seconds=seconds)
        except (TimeoutError, Hung):
            return [_problem(origin.name, origin, _LeftOut("hung", seconds=seconds))]
        except Exception as error:
            return [_problem(origin.name, origin, error)]

    def _take(self, loaded: Loaded) -> None:
        plugin, same = loaded.plugin, self.by_slash(loaded.plugin.slash)
        if plugin.name in self._loaded:
            why = _LeftOut("taken_name", other=self._loaded[plugin.name].origin)
        elif same:
            why = _LeftOut("taken_slash", slash=plugin.slash, other=same.plugin.name)
        else:
            self._loaded[plugin.name] = loaded
            return
        self._leave_out(_problem(plugin.name, loaded.origin, why))

    def _leave_out(self, problem: Problem) -> None:
        self._problems.append(problem)
        log.warning("the plugin %s (%s) is left out: %s", problem.name, problem.origin, problem.why)


def _restricted(plugin: Plugin, confirm: Collection[str], admins: Collection[str]) -> Plugin:
    permission = Permission.ADMINS if plugin.name in admins else plugin.permission
    return replace(plugin, confirm=plugin.confirm or plugin.name in confirm, permission=permission)


# --------------------------------------------------------------------------------------------- in a plugin's own thread


@asynccontextmanager
async def _contents(
    origin: Origin, worker: Worker, setups: Callable[[str], Setup], off: Collection[str], names: set[str]
) -> AsyncIterator[list[Loaded | Problem]]:
    """All that a file holds, whose `names` are told; its providers stay open meanwhile."""
    async with AsyncExitStack() as stack:
        plugins: list[Plugin] = []
        for maker in _makers(origin.load()):
            names.add(maker.name)
            if isinstance(maker, Plugin):
                plugins.append(maker)
            elif maker.name not in off:
                plugins += await stack.enter_async_context(maker.open(setups(maker.name)))
        names.update(plugin.name for plugin in plugins)
        yield [_loaded(plugin, origin, worker) for plugin in plugins]


def _makers(content: object) -> list[Plugin | Provider]:
    values = [content] if isinstance(content, Plugin | Provider) else list(getattr(content, "__dict__", {}).values())
    makers = {id(value): value for value in values if isinstance(value, Plugin | Provider)}
    if not makers:
        raise _LeftOut("empty")
    return list(makers.values())


def _loaded(plugin: Plugin, origin: Origin, worker: Worker) -> Loaded | Problem:
    try:
        _check(plugin)
        signature = Signature(plugin)
        return Loaded(plugin, signature, worker, tuple(_forms(plugin, signature)), origin)
    except Exception as error:
        return _problem(str(plugin.name)[:64], origin, error)


def _check(plugin: Plugin) -> None:
    if not _NAME.fullmatch(plugin.name):
        raise _LeftOut("name")
    if plugin.slash and not _SLASH.fullmatch(plugin.slash):
        raise _LeftOut("slash")
    if plugin.slash in _HOUSE:
        raise _LeftOut("house_slash", slash=plugin.slash)
    if not plugin.description.strip():
        raise _LeftOut("description")
    if not all(plugin.about.get(language, "").strip() for language in LANGUAGES):
        raise _LeftOut("about")
    if not 0 < plugin.timeout <= LONGEST_TIMEOUT:
        raise _LeftOut("timeout", most=LONGEST_TIMEOUT)
    Hosts(plugin.hosts)


def _forms(plugin: Plugin, signature: Signature) -> Iterator[Form]:
    for words in plugin.words:
        form = Form(words)
        if strange := form.parameters - signature.parameters.get("properties", {}).keys():
            raise _LeftOut("form", form=repr(words), names=", ".join(sorted(strange)))
        yield form


def _problem(name: str, origin: Origin, error: Exception) -> Problem:
    """What is said of an error; the words of one that may quote a secret are left out."""
    if isinstance(error, Misdeclared):
        return Problem(name, origin, {one: say("misdeclared", one, detail=why) for one, why in error.whys.items()})
    if isinstance(error, Misconfigured):
        error = _LeftOut("misdeclared", detail=error.detail)
    if isinstance(error, TypeError):
        error = _of_the_decorator(str(error)) or error
    if not isinstance(error, _LeftOut):
        log.debug("the plugin %s fails to load: %s", name, trace(error))
        kind = type(error).__name__
        is_told = isinstance(error, ImportError | OSError | ParleyError | SyntaxError)
        error = _LeftOut("failed", error=f"{kind}: {error}" if is_told else kind)
    return Problem(name, origin, error.whys)


def _of_the_decorator(sentence: str) -> _LeftOut | None:
    """What Python says where `@plugin` is called with what it does not take; None where it says something else."""
    if sentence.startswith("plugin() takes 0 positional arguments"):
        return _LeftOut("brackets")
    found = _FIELD.fullmatch(sentence)
    return _LeftOut("field", name=found[1], names=_FIELDS) if found else None
