"""What becomes of the files of plugins: which are used, which are left out and why, and that they harm nobody."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from core.errors import Malformed, Unavailable
from core.plugin import Plugin, Provider, Setup
from core.plugins.files import Kind, Origin, found
from core.plugins.registry import Registry
from core.plugins.worker import PATIENCE, Hung

ASKED: Any = object()
HEAD = "import asyncio, sys, time\nfrom contextlib import asynccontextmanager\nfrom core.plugin import *\n"
FINE = '''
@plugin(slash="{0}", about={{"en": "Says {0}", "zh": "说{0}"}})
async def {0}(text: str = "") -> str:
    """Says it."""
    return "{0} " + text
'''
AWAIT = """
@provider
@asynccontextmanager
async def waits(setup):
    await asyncio.Event().wait()
    yield []
"""
SECRET = """
@provider
@asynccontextmanager
async def reveals(setup):
    raise RuntimeError("token abc")
    yield []
"""
BROKEN = {
    "raises": ("1 / 0", "ZeroDivisionError"),
    "exits": ("sys.exit(3)", "SystemExit"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "stops": ("raise StopIteration", "RuntimeError"),
    "spins": ("while True: pass", "not ready within"),
    "sleeps": ("time.sleep(20)", "not ready within"),
    "waits": (AWAIT, "not ready within"),
    "reveals": (SECRET, "could not be loaded: RuntimeError"),
    "imports": ("import nowhere_at_all", "No module named 'nowhere_at_all'"),
    "prose": ("this is no Python", "SyntaxError"),
    "binary": ("\0", ""),
    "empty": ("x = 1", "holds no plugin"),
    "silent": ("@plugin()\nasync def silent(): pass", "needs a docstring"),
    "mistyped": (
        FINE.format("mistyped").replace("slash=", "confrim=True, slash="),
        "takes no `confrim`; it takes name,",
    ),
    "bracketless": ("@plugin\nasync def bare(): pass", "needs its brackets"),
}


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Opens a registry over files with these texts; closes it after the test."""
    registries: list[Registry] = []

    async def open_(files: dict[str, str], **kwargs: Any) -> Registry:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(HEAD + text)
        registries.append(await Registry.open(found([tmp_path]), nothing, **kwargs))
        return registries[-1]

    yield open_
    for registry in registries:
        await registry.close()


def nothing(name: str) -> Setup:
    return Setup(http=None, settings={"name": name})  # type: ignore[arg-type]


def names(registry: Registry) -> list[str]:
    return [loaded.plugin.name for loaded in registry.plugins]


def whys(registry: Registry) -> dict[str, str]:
    return {problem.name: problem.why for problem in registry.problems}


async def say(text: str = "") -> str:
    return f"said {text}"


def one(**fields: Any) -> Origin:
    """A file that holds this plugin."""
    about = {"en": "Says", "zh": "说"}
    made = Plugin(**{"name": "say", "run": say, "description": "Says it", "about": about, **fields})
    return Origin(Kind.FOLDER, "file", lambda: made)


async def test_what_is_broken_is_named_and_left_out_alone(opened, caplog):
    files = {name: text for name, (text, _) in BROKEN.items()}
    began = time.monotonic()
    registry = await opened({"before": FINE.format("before"), **files, "zuletzt": FINE.format("zuletzt")}, seconds=1)
    assert time.monotonic() - began < 1 + PATIENCE + 2
    assert names(registry) == ["before", "zuletzt"]
    assert await registry.by_name("zuletzt").call({"text": "hi"}, ASKED) == "zuletzt hi"
    assert whys(registry).keys() == BROKEN.keys()
    for name, (_, why) in BROKEN.items():
        assert why in whys(registry)[name]
        assert caplog.text.count(f"the plugin {name} (") == 1
    assert all(problem.whys["zh"] != problem.why for problem in registry.problems)
    assert "abc" not in "".join(whys(registry).values())


async def test_the_loop_of_the_house_goes_on_meanwhile(opened):
    beats = []

    async def beat() -> None:
        while True:
            beats.append(time.monotonic())
            await asyncio.sleep(0.01)

    beating = asyncio.create_task(beat())
    await opened({"sleeps": "time.sleep(20)", "spins": "while True: pass"}, seconds=0.3)
    beating.cancel()
    assert max(later - earlier for earlier, later in pairwise(beats)) < 0.5


async def test_the_first_of_one_name_stays(opened):
    registry = await opened({"a": FINE.format("echo"), "b": FINE.format("echo") + FINE.format("other")})
    assert names(registry) == ["echo", "other"]
    assert registry.by_name("echo").origin.name == "a"
    (problem,) = registry.problems
    assert (problem.name, problem.origin.name) == ("echo", "b")
    assert "a.py has a plugin of this name already" in problem.why


async def test_the_first_of_one_command_stays(opened):
    other = FINE.format("other").replace('slash="other"', 'slash="echo"')
    registry = await opened({"a": FINE.format("echo"), "b": other})
    assert names(registry) == ["echo"]
    assert whys(registry) == {"other": "`/echo` belongs to the plugin echo already"}
    assert registry.by_slash("echo").plugin.name == "echo"


async def test_plugins_without_a_command_do_not_clash(opened):
    registry = await opened({name: FINE.format(name).replace(f'slash="{name}", ', "") for name in "ab"})
    assert names(registry) == ["a", "b"]
    assert registry.by_slash("") is None


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"name": "Say"}, "its name"),
        ({"name": "s" * 65}, "its name"),
        ({"name": "say\n"}, "its name"),
        ({"slash": "2say"}, "its command"),
        ({"slash": "say_it"}, "its command"),
        ({"slash": "reset"}, "`/reset` is a command of the house"),
        ({"about": {"en": "Says"}}, "in English and in Chinese"),
        ({"description": " "}, "description"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"words": ("say {it}",)}, "the form 'say {it}' has a parameter that the function has not: it"),
        ({"words": ("{text}",)}, "needs words besides"),
        ({"hosts": ("https://example.org/x",)}, "not as 'https://example.org/x'"),
        ({"hosts": ("example.org:0",)}, "a number from 1 to 65535"),
        ({"run": lambda text: say(text)}, "async def"),
        ({"parameters": {"type": "array"}}, "JSON schema of an object"),
        ({"name": 7}, "TypeError"),
    ],
)
async def test_what_is_misdeclared_is_left_out_alone(fields, why):
    registry = await Registry.open([one(**fields), one(name="fine")], nothing)
    assert names(registry) == ["fine"]
    (problem,) = registry.problems
    assert why in problem.why
    await registry.close()


@pytest.mark.parametrize(
    ("declared", "english", "chinese"),
    [
        ("about='x'", "`about` of the plugin say has to be a line for each language", "必须是每种语言各一行"),
        ("words='hello there'", "`words` of the plugin say has to be a list", "必须是由文字组成的列表"),
        ("hosts='example.org'", "`hosts` of the plugin say has to be a list", "必须是由文字组成的列表"),
        ("timeout='5'", "a number of seconds", "必须是秒数"),
        ("confirm='no'", "has to be True or False", "必须是 True 或 False"),
        ("permission='admins'", "has to be Permission.ADMINS", "Permission.ADMINS"),
        ("reads='hello'", "has to be a function", "必须是函数"),
    ],
)
async def test_what_is_declared_of_another_kind_is_said_in_both_languages(opened, declared, english, chinese):
    registry = await opened(
        {"file": f'@plugin({declared})\nasync def say() -> str:\n    """Says it."""\n    return ""\n'}
    )
    (problem,) = registry.problems
    assert english in problem.why
    assert chinese in problem.whys["zh"]
    assert problem.whys["zh"].startswith("声明有误：")


async def test_a_failure_is_logged_once_and_traced_for_whoever_debugs(opened, caplog):
    with caplog.at_level(logging.INFO):
        await opened({"broken": "1 / 0"})
    assert [record.getMessage().count("\n") for record in caplog.records if "broken" in record.getMessage()] == [0]


async def test_forms_are_read():
    registry = await Registry.open([one(words=("say {text}", "说{text}"))], nothing)
    (loaded,) = registry.plugins
    assert [form.match("say hello") for form in loaded.forms] == [{"text": "hello"}, None]
    await registry.close()


async def test_settings_switch_off_restrict_and_ask_first(opened):
    files = {name: FINE.format(name) for name in "abc"} | {"bad": "sys.exit()"}
    registry = await opened(files, off=["a", "bad"], confirm=["b", "b2"], admins=["c"])
    assert names(registry) == ["b", "c"]
    assert registry.problems == ()
    assert [loaded.plugin.confirm for loaded in registry.plugins] == [True, False]
    assert [tool.name for tool in registry.tools(is_admin=False)] == ["b"]
    assert [tool.name for tool in registry.tools(is_admin=True)] == ["b", "c"]
    assert registry.names == {"a", "b", "c", "bad"}


async def test_the_guide_lists_what_there_is_for_somebody(opened):
    help_ = FINE.format("help").replace('slash="help", ', "")
    registry = await opened({"a": FINE.format("a"), "b": FINE.format("b"), "help": help_}, admins=["b"])
    assert registry.guide("en") == "- `/a` – Says a"
    assert registry.guide("zh", is_admin=True) == "- `/a` – 说a\n- `/b` – 说b"


async def test_a_tool_is_told_to_the_model(opened):
    registry = await opened({"a": FINE.format("a")})
    (tool,) = registry.tools(is_admin=False)
    assert (tool.name, tool.description) == ("a", "Says it.")
    assert tool.parameters["properties"] == {"text": {"default": "", "type": "string"}}


async def test_wrong_arguments_are_malformed(opened):
    registry = await opened({"a": FINE.format("a")})
    with pytest.raises(Malformed, match="txt"):
        await registry.by_name("a").call({"txt": "hi"}, ASKED)


async def test_a_plugin_that_hangs_is_switched_off_with_all_of_its_file(opened):
    blocking = (
        FINE.format("blocks")
        .replace('return "', 'time.sleep(20)\n    return "')
        .replace('slash="', 'timeout=0.1, slash="')
    )
    registry = await opened({"a": blocking + FINE.format("beside"), "b": FINE.format("b")})
    began = time.monotonic()
    with pytest.raises(Hung):
        await registry.by_name("blocks").call({}, ASKED)
    assert time.monotonic() - began < 0.1 + PATIENCE + 2
    registry.switch_off("blocks", "it hung", "它卡住了")
    registry.switch_off("blocks", "it hung", "它卡住了")
    assert names(registry) == ["b"]
    assert whys(registry) == {"blocks": "it hung", "beside": "it hung"}
    assert {problem.whys["zh"] for problem in registry.problems} == {"已停用：它卡住了"}
    assert [problem.plugin and problem.plugin.name for problem in registry.problems] == ["blocks", "beside"]
    assert await registry.by_name("b").call({}, ASKED) == "b "


async def test_a_provider_is_open_until_the_registry_closes():
    seen: list[Any] = []

    @asynccontextmanager
    async def many(setup: Setup) -> AsyncIterator[list[Plugin]]:
        seen.append(setup.settings["name"])
        yield [one(name="first").load(), one(name="second").load(), one(name="Third").load()]  # type: ignore[list-item]
        seen.append("left")

    origin = Origin(Kind.PACKAGE, "some", lambda: Provider("many", many))
    without = await Registry.open([origin], nothing, off=["many"])
    assert (without.plugins, without.problems, seen) == ((), (), [])
    await without.close()
    registry = await Registry.open([origin], nothing)
    assert names(registry) == ["first", "second"]
    assert whys(registry).keys() == {"Third"}
    assert await registry.plugins[1].call({"text": "hi"}, ASKED) == "said hi"
    assert seen == ["many"]
    await registry.close()
    assert seen == ["many", "left"]
    assert registry.plugins == ()


async def test_an_error_of_the_house_is_told_in_its_words():
    def many(setup: Setup) -> Any:
        raise Unavailable("the server said nothing")

    registry = await Registry.open([Origin(Kind.PACKAGE, "some", lambda: Provider("many", many))], nothing)
    assert "the server said nothing" in whys(registry)["some"]
    await registry.close()


async def test_who_gives_up_opening_leaves_nothing_behind(tmp_path):
    (tmp_path / "waits.py").write_text(HEAD + AWAIT)
    opening = asyncio.create_task(Registry.open(found([tmp_path]), nothing, seconds=60))
    await asyncio.sleep(0.1)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert "plugin-waits" not in [thread.name for thread in threading.enumerate()]
