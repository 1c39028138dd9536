"""The `parley` command."""

import asyncio
import base64
import importlib
import json
import re
import secrets
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot import config as configuration
from bot.config import Config
from bot.extras import lacks
from bot.texts import say, speak
from core.errors import Misconfigured, ParleyError
from core.ports import Forgotten

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A private DeepSeek assistant for the browser, Slack, Teams and WeCom. · 私有的 DeepSeek 助手。",
)
database = typer.Typer(no_args_is_help=True, help="Look after the database. · 维护数据库。")
demo = typer.Typer(no_args_is_help=True, help="The bundled demo model. · 内置演示模型。")
slack = typer.Typer(no_args_is_help=True, help="Set up Slack. · 设置 Slack 接入。")
teams = typer.Typer(no_args_is_help=True, help="Set up Teams. · 设置 Teams 接入。")
moderation = typer.Typer(no_args_is_help=True, help="See what moderation found. · 查看审核记录。")
plugin = typer.Typer(no_args_is_help=True, help="See the plugins. · 查看插件。")
audit = typer.Typer(no_args_is_help=True, help="What was done with people's data. · 审计日志。")
keys = typer.Typer(no_args_is_help=True, help="Change the keys that seal what is stored. · 更换加密密钥。")
model = typer.Typer(no_args_is_help=True, help="Fetch and choose models. · 下载并选择模型。")
app.add_typer(database, name="db")
app.add_typer(audit, name="audit")
app.add_typer(keys, name="keys")
app.add_typer(plugin, name="plugin")
app.add_typer(model, name="model")
app.add_typer(demo, name="demo")
app.add_typer(moderation, name="moderation")
app.add_typer(slack, name="slack")
app.add_typer(teams, name="teams")

# A person named a:b:c is no emoji.
screen = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="The settings file; ./app.yaml where none is named. · 设置文件。")
]


@app.command(help="Start the assistant. · 启动助手。")
def serve(config: ConfigFile = None) -> None:
    from bot.serve import run

    settings = _load(config)
    _or_explain(lambda: run(settings, screen))


@app.command(help="Talk to a running assistant in the terminal. · 在终端里对话。")
def chat(
    config: ConfigFile = None,
    url: Annotated[str, typer.Option(help="Where it serves. · 服务地址。")] = "",
    token: Annotated[str, typer.Option(envvar="PARLEY_TOKEN", help="An access token. · 访问令牌。")] = "",
    reasoning: Annotated[
        bool, typer.Option("--reasoning", help="Show what was thought before each answer. · 显示每个回答的思考过程。")
    ] = False,
) -> None:
    from bot.chat import converse
    from bot.tls import trusting

    settings = _load(config)
    server, pair = settings.settings.server, None if url else settings.pair
    try:
        status = asyncio.run(
            converse(url or server.url, token, shows_reasoning=reasoning, trusted=trusting(pair[0]) if pair else None)
        )
    except KeyboardInterrupt:  # Ctrl+C at the prompt
        status = 0
    raise typer.Exit(status)


@app.command(help="Say what is configured, reachable and missing, and what to do. · 检查配置并给出建议。")
def check(
    config: ConfigFile = None,
    production: Annotated[bool, typer.Option(help="Judge it as production. · 按生产环境检查。")] = False,
) -> None:
    from bot.check import examine

    settings = _load(config, must_do=False)
    raise typer.Exit(asyncio.run(examine(settings, Console(highlight=False), production=production)))


@app.command(help="Make a key that seals what is stored, for PARLEY_KEYS. · 生成加密密钥。")
def key(
    id_: Annotated[int, typer.Option("--id", min=1, max=2**32 - 1, help="Its id, another for each. · 密钥编号。")] = 1,
) -> None:
    typer.echo(f"{id_}:{base64.b64encode(secrets.token_bytes(32)).decode()}")


@app.command(help="Make an access token for the console channel. · 生成控制台访问令牌。")
def token(name: Annotated[str, typer.Argument(help="Whose it is, e.g. operations. · 使用者。")]) -> None:
    if not re.fullmatch(r"[\w.-]+", name):
        screen.print(say("token_name"), style="red")
        raise typer.Exit(1)
    value = secrets.token_urlsafe(32)
    typer.echo(say("token_made", name=name, token=value, digest=sha256(value.encode()).hexdigest()))


@app.command(help="Print the Grafana dashboard. · 输出 Grafana 仪表板。")
def dashboard() -> None:
    from bot.dashboard import dashboard as drawn

    typer.echo(json.dumps(drawn(), indent=2, ensure_ascii=False))


@database.command(help="Bring the database to this release's schema. · 更新数据库结构。")
def upgrade(config: ConfigFile = None) -> None:
    from bot.serve import upgrade_database

    settings = _load(config)
    _or_explain(lambda: screen.print(say("db_upgraded", version=upgrade_database(settings, screen))))


Person = Annotated[str, typer.Option("--user", help="The person, as ADAPTER:WORKSPACE:ID. · 人员标识。")]


@app.command(help="Make all that is kept of a person unreadable for good. · 永久删除某人的全部数据。")
def forget(
    user: Person,
    yes: Annotated[bool, typer.Option("--yes", help="Without asking back. · 不再确认。")] = False,
    config: ConfigFile = None,
) -> None:
    settings = _load(config)

    def shred() -> None:
        from bot import people

        whom = people.person(user)
        if not yes:
            typer.confirm(say("forget_sure", person=whom.key), abort=True, err=True)
        done = asyncio.run(people.forget(settings, screen.print, whom))
        outcome = "forget_done" if done != Forgotten() else "forget_nobody"
        said = say(outcome, person=whom.key, messages=done.messages, answers=done.answers, votes=done.votes)
        screen.print(said, markup=False)

    _or_explain(shred)


@app.command(help="Print what is kept of a person, as JSON. · 以 JSON 输出某人的全部数据。")
def export(user: Person, config: ConfigFile = None) -> None:
    settings = _load(config)

    def show() -> None:
        from bot import people

        whom = people.person(user)
        theirs = asyncio.run(people.export(settings, screen.print, whom))
        typer.echo(json.dumps(theirs, indent=1, ensure_ascii=False))
        messages, answers, ratings = (len(theirs[name]) for name in ("messages", "answers", "ratings"))
        said = say("exported", person=whom.key, messages=messages, answers=answers, ratings=ratings)
        screen.print(said, markup=False)

    _or_explain(show)


@audit.command("list", help="The newest lines, the newest first. · 最近的记录。")
def list_audit(
    user: Annotated[str, typer.Option("--user", help="About one person: ADAPTER:WORKSPACE:ID. · 只看某人。")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10000, help="So many at most. · 最多条数。")] = 50,
    config: ConfigFile = None,
) -> None:
    settings = _load(config)

    def show() -> None:
        from bot import audit as log
        from bot import people

        whom = people.person(user) if user else None
        for line in asyncio.run(log.listed(settings, screen.print, limit=limit, person=whom)):
            typer.echo(line)

    _or_explain(show)


@audit.command(help="Whether every line is as it was written. · 检查日志是否完整。")
def verify(
    expect: Annotated[
        str, typer.Option("--expect", help="A NUMBER:LINK that it has printed before. · 之前输出的 NUMBER:LINK。")
    ] = "",
    config: ConfigFile = None,
) -> None:
    settings, outcome = _load(config), [False]

    def check_links() -> None:
        from bot import audit as log

        outcome[0], sentence = asyncio.run(log.verify(settings, screen.print, expect))
        typer.echo(sentence)

    _or_explain(check_links)
    raise typer.Exit(0 if outcome[0] else 1)


@keys.command("list", help="How many data keys each key of PARLEY_KEYS wraps. · 各密钥包裹的数据密钥数量。")
def list_keys(config: ConfigFile = None) -> None:
    settings = _load(config)

    def show() -> None:
        from bot.keys import listed

        for line in asyncio.run(listed(settings, screen.print)):
            typer.echo(line)

    _or_explain(show)


@keys.command(help="Wrap every data key with the first key of PARLEY_KEYS. · 用首个密钥重新包裹所有数据密钥。")
def rotate(config: ConfigFile = None) -> None:
    settings = _load(config)

    def rewrap() -> None:
        from bot.keys import rotate as rotated

        for line in asyncio.run(rotated(settings, screen)):
            screen.print(line, markup=False)

    _or_explain(rewrap)


@moderation.command(help="The newest hits, and what those say who were refused. · 最近的命中与申诉。")
def hits(
    config: ConfigFile = None,
    appealed: Annotated[
        bool, typer.Option("--appealed", help="Those appealed against alone. · 只看有申诉的。")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many at most. · 最多条数。")] = 20,
) -> None:
    from bot.moderation import desk

    settings = _load(config)

    def show() -> None:
        for line in asyncio.run(desk.hits(settings, screen.print, appealed=appealed, limit=limit)):
            typer.echo(line)

    _or_explain(show)


@moderation.command("test", help="What the rules say of a text. · 用规则检查一段文字。")
def weigh(text: Annotated[str, typer.Argument(help="The text. · 文字。")], config: ConfigFile = None) -> None:
    from bot.moderation import desk

    settings = _load(config, must_do=False)
    _or_explain(lambda: typer.echo("\n".join(desk.judged(settings, text))))


@plugin.command("list", help="Every plugin that is found, and what keeps one from working. · 列出插件及其状态。")
def list_plugins(config: ConfigFile = None) -> None:
    settings = _load(config, must_do=False)

    def show() -> None:
        from bot.plugin import listed

        for line in asyncio.run(listed(settings)):
            typer.echo(line)

    _or_explain(show)


@demo.command(help="Make the demo model from its corpus. · 用语料训练演示模型。")
def train(
    out: Annotated[
        Path | None, typer.Argument(help="Where to write it; else models/parley-demo in data_dir. · 输出文件夹。")
    ] = None,
    quick: Annotated[bool, typer.Option(help="A few steps only, to try it out. · 只训练几步。")] = False,
    config: ConfigFile = None,
) -> None:
    from bot.model import models_folder
    from bot.train import train_demo

    settings = _load(config)
    _or_explain(lambda: train_demo(out or models_folder(settings) / "parley-demo", quick=quick, screen=screen))


@model.command(help="Download a model from the hub; goes on where it stopped. · 下载模型，可续传。")
def pull(
    name: Annotated[str, typer.Argument(help="Its id on the hub. · 模型 ID。")], config: ConfigFile = None
) -> None:
    from bot import model as models

    settings = _load(config)
    _or_explain(lambda: screen.print(say("model_pulled", model=name, folder=models.pull(settings, name)), markup=False))


@model.command(help="Choose the model that answers. · 选择回答的模型。")
def use(
    name: Annotated[str, typer.Argument(help="demo, a pulled model, or a folder. · 名称或文件夹。")],
    coder: Annotated[bool, typer.Option("--coder", help="For questions about code only. · 只用于代码问题。")] = False,
    config: ConfigFile = None,
) -> None:
    from bot import model as models

    settings, setting = _load(config), "coder" if coder else "model"

    def choose() -> None:
        file = models.use(settings, name, setting)
        screen.print(say("model_used", model=name, setting=setting, file=file), markup=False)

    _or_explain(choose)


@model.command(name="list", help="The models on this machine. · 本机上的模型。")
def list_models(config: ConfigFile = None) -> None:
    from bot import model as models

    for line in models.table(_load(config)):
        typer.echo(line)


@slack.command(
    help="Print the manifest to make the Slack app from; it needs no secrets. With --socket, or where "
    "PARLEY_SLACK_APP_TOKEN is set, it is for Socket Mode. Its language is the terminal's: LC_ALL=zh_CN.UTF-8. · "
    "输出用于创建 Slack 应用的应用清单，不需要任何密钥。加 --socket 或设置了 PARLEY_SLACK_APP_TOKEN 时，"
    "用于 Socket Mode。清单的语言随终端：LC_ALL=zh_CN.UTF-8。"
)
def manifest(
    socket: Annotated[
        bool, typer.Option("--socket", help="For Socket Mode, which needs no public address. · 用于 Socket Mode。")
    ] = False,
    config: ConfigFile = None,
) -> None:
    settings = _load(config, must_do=False)

    def show() -> None:
        from bot.slack import slack_manifest

        typer.echo(json.dumps(slack_manifest(settings, is_socket=socket), indent=2, ensure_ascii=False))

    _or_explain(show)


@teams.command(
    name="package",
    help="Write the app package to upload in Teams; it needs no secrets. Its language is the terminal's: "
    "LC_ALL=zh_CN.UTF-8. · 生成要上传到 Teams 的应用包，不需要任何密钥。应用包的语言随终端：LC_ALL=zh_CN.UTF-8。",
)
def teams_app(
    out: Annotated[Path, typer.Option(help="Where to write it. · 写到哪里。")] = Path("parley-teams.zip"),
    config: ConfigFile = None,
) -> None:
    settings = _load(config, must_do=False)

    def write() -> None:
        try:
            from bot.teams import teams_package
        except ModuleNotFoundError as error:
            if not lacks("teams", error):
                raise
            raise Misconfigured(say("config_teams_package")) from None
        data = teams_package(settings)
        try:
            out.write_bytes(data)
        except OSError as error:
            raise Misconfigured(say("teams_not_written", file=out, error=type(error).__name__)) from None
        screen.print(say("teams_packed", file=out.resolve()), markup=False)

    _or_explain(write)


@app.command(
    help="Measure something: progress to stderr, one JSON object to stdout. · 运行基准测试。\n\n"
    "demo, engine, faults, forget, fuzz, keys, memory, pipeline, routing, scale, slack, teams, telemetry, turn; "
    "--quick is a short form of each. · --quick 为简短形式。",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def bench(context: typer.Context, name: Annotated[str, typer.Argument(help="Which one. · 名称。")]) -> None:
    from bench import NAMES

    if name not in NAMES:
        screen.print(say("bench_unknown", name=name, names=", ".join(NAMES)))
        raise typer.Exit(2)
    try:
        module = importlib.import_module(f"bench.{name}")
    except ModuleNotFoundError as error:
        screen.print(say("bench_needs", name=name, package=error.name), markup=False)
        raise typer.Exit(2) from None
    report = module.main(context.args)
    typer.echo(json.dumps(report, ensure_ascii=False))
    raise typer.Exit(0 if all(figure["ok"] for figure in report["figures"]) else 1)


def _load(file: Path | None, *, must_do: bool = True) -> Config:
    loaded: list[Config] = []
    _or_explain(lambda: loaded.append(configuration.load(file, must_do=must_do)))
    return loaded[0]


def _or_explain(work: Callable[[], None]) -> None:
    """What is wrong is said in a sentence, and the exit status is 1."""
    try:
        work()
    except ParleyError as error:
        screen.print(say("failed", problem=error.detail or str(error)), style="red", markup=False)
        raise typer.Exit(1) from None


def main() -> None:
    speak(configuration.operator_language())
    if sys.argv[1:3] != ["model", "pull"]:
        configuration.go_offline()
    app()


if __name__ == "__main__":
    main()
