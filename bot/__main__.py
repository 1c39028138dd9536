"""The `parley` command."""

import asyncio
import base64
import importlib
import json
import re
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot import config as configuration
from bot.admin.roles import Role
from bot.config import Config
from bot.extras import lacks
from bot.texts import say, speak
from core.errors import Misconfigured, NotStored, ParleyError
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
limits = typer.Typer(no_args_is_help=True, help="How much may be asked in a day. · 每日用量限制。")
admin = typer.Typer(no_args_is_help=True, help="Who may see the operator's pages. · 谁可以查看运维页面。")
audit = typer.Typer(no_args_is_help=True, help="What was done with people's data. · 审计日志。")
keys = typer.Typer(no_args_is_help=True, help="Change the keys that seal what is stored. · 更换加密密钥。")
model = typer.Typer(no_args_is_help=True, help="Fetch and choose models. · 下载并选择模型。")
app.add_typer(database, name="db")
app.add_typer(limits, name="limits")
app.add_typer(admin, name="admin")
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
        try:
            done = asyncio.run(people.forget(settings, screen.print, whom))
        except (KeyboardInterrupt, NotStored):  # Ctrl+C, or the database went
            screen.print(say("forget_broken_off", person=whom.key), style="red", markup=False)
            raise typer.Exit(1) from None
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
        try:
            theirs = asyncio.run(people.export(settings, screen.print, whom))
        except (KeyboardInterrupt, NotStored):
            screen.print(say("export_broken_off", person=whom.key), style="red", markup=False)
            raise typer.Exit(1) from None
        typer.echo(json.dumps(theirs, indent=1, ensure_ascii=False))
        messages, answers, ratings = (len(theirs[name]) for name in ("messages", "answers", "ratings"))
        said = say("exported", person=whom.key, messages=messages, answers=answers, ratings=ratings)
        screen.print(said, markup=False)
        if theirs["left_out"]:
            screen.print(say("export_left_out", count=theirs["left_out"]), style="red", markup=False)

    _or_explain(show)


@app.command(help="Write all that is kept into a file, while it serves. · 备份，可在运行时进行。")
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not be there. · 要写入的文件。")],
    config: ConfigFile = None,
) -> None:
    settings = _load(config)

    def write() -> None:
        from bot.backup import back_up

        with _ended_as_by_hand():
            screen.print(asyncio.run(back_up(settings, screen, file)), markup=False)

    _or_explain(write)


@app.command(help="Write who was forgotten, for `parley restore`; no name is in it. · 写出已删除人员的名单。")
def forgotten(
    file: Annotated[Path, typer.Argument(help="The list to write anew. · 要写入的名单。")], config: ConfigFile = None
) -> None:
    settings = _load(config)

    def write() -> None:
        from bot.backup import write_forgotten

        screen.print(asyncio.run(write_forgotten(settings, screen, file)), markup=False)

    _or_explain(write)


@app.command(help="Bring back what a backup holds; all or nothing. · 从备份恢复，要么全部成功，要么不作改动。")
def restore(
    file: Annotated[Path, typer.Argument(help="What `parley backup` has written. · 备份文件。")],
    forgotten: Annotated[
        Path | None,
        typer.Option("--forgotten", help="Whom to forget again: a list of `parley forgotten`. · 已删除人员的名单。"),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="In place of what is there. · 取代现有内容。")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Open every sealed value. · 打开全部加密内容。")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Without asking back. · 不再确认。")] = False,
    without_list: Annotated[
        bool,
        typer.Option(
            "--without-list",
            help="Also where nobody knows who was forgotten since. · 即使无法得知此后删除了哪些人，也继续。",
        ),
    ] = False,
    config: ConfigFile = None,
) -> None:
    settings = _load(config)

    def bring_back() -> None:
        from bot.backup import Wanted
        from bot.backup import restore as restored

        if replace and not yes:
            typer.confirm(say("restore_sure"), abort=True, err=True)
        with _ended_as_by_hand():
            wanted = Wanted(file, forgotten, replace, verify, without_list)
            for line in asyncio.run(restored(settings, screen, wanted)):
                screen.print(line, markup=False)

    _or_explain(bring_back)


@limits.command("show", help="What the limits are, and who has used how much today. · 查看限制与今日用量。")
def show_limits(
    user: Annotated[str, typer.Option("--user", help="Of one person: ADAPTER:WORKSPACE:ID. · 只看某人。")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10000, help="So many at most. · 最多条数。")] = 10,
    config: ConfigFile = None,
) -> None:
    settings = _load(config)

    def show() -> None:
        from bot import limits as quotas
        from bot import people

        whom = people.person(user) if user else None
        for line in asyncio.run(quotas.shown(settings, screen.print, limit=limit, person=whom)):
            typer.echo(line)

    _or_explain(show)


@limits.command(help="Let a person go on, whatever the limits of the day. · 为某人暂时解除每日限制。")
def lift(
    user: Person,
    today: Annotated[bool, typer.Option("--today", help="Until the day ends; the default. · 到当日结束。")] = False,
    until: Annotated[
        str, typer.Option("--until", help="Until a day or moment: 2026-12-31, 2026-12-31T18:00+08:00. · 截止时间。")
    ] = "",
    config: ConfigFile = None,
) -> None:
    settings = _load(config)

    def free() -> None:
        from bot import limits as quotas
        from bot import people

        if today and until:
            raise Misconfigured(say("limits_today_or_until"))
        whom, end = people.person(user), quotas.moment(until) if until else None
        screen.print(asyncio.run(quotas.lift(settings, screen.print, whom, end)), markup=False)

    _or_explain(free)


@limits.command("restore", help="Let the limits hold for a person again. · 恢复某人的限制。")
def restore_limits(user: Person, config: ConfigFile = None) -> None:
    settings = _load(config)

    def hold() -> None:
        from bot import limits as quotas
        from bot import people

        screen.print(asyncio.run(quotas.restore(settings, screen.print, people.person(user))), markup=False)

    _or_explain(hold)


AdminName = Annotated[str, typer.Argument(help="Their name, in any case. · 名称，不区分大小写。")]
Roles = Annotated[
    list[Role],
    typer.Option(
        "--role",
        help="viewer sees figures, operator may act, reader sees what people wrote; several times for several. · "
        "viewer 查看数据 / operator 可以操作 / reader 可以查看内容 / 可重复使用。",
    ),
]
Made = Annotated[
    bool, typer.Option("--make-password", help="Make a password and print it, in place of asking. · 生成密码并输出。")
]


@admin.command("add", help="Let somebody in, with a name and a password. · 添加管理者。")
def add_admin(name: AdminName, role: Roles, make_password: Made = False, config: ConfigFile = None) -> None:
    settings = _load(config)

    def let_in() -> None:
        from bot import admins

        named = admins.check_name(name)
        password = _password(make_password)
        asyncio.run(admins.add(settings, screen.print, named, role, password))
        screen.print(say("admin_added", name=named, url=settings.settings.admin.url or settings.settings.server.url))
        if make_password:
            typer.echo(password)

    _or_explain(let_in)


@admin.command("list", help="Who may sign in, and who is. · 列出管理者与当前登录。")
def list_admins(config: ConfigFile = None) -> None:
    settings = _load(config)

    def show() -> None:
        from bot import admins

        for line in asyncio.run(admins.listed(settings, screen.print)):
            typer.echo(line)

    _or_explain(show)


@admin.command(help="Give somebody these roles in place of theirs, and end their sessions. · 更改角色。")
def roles(name: AdminName, role: Roles, config: ConfigFile = None) -> None:
    settings = _load(config)

    def give() -> None:
        from bot import admins

        ended = asyncio.run(admins.change(settings, screen.print, name, roles=role))
        screen.print(say("admin_changed", name=name, count=ended), markup=False)

    _or_explain(give)


@admin.command(help="Give somebody another password, and end their sessions. · 更改密码。")
def password(name: AdminName, make_password: Made = False, config: ConfigFile = None) -> None:
    settings = _load(config)

    def give() -> None:
        from bot import admins

        new = _password(make_password)
        ended = asyncio.run(admins.change(settings, screen.print, name, password=new))
        screen.print(say("admin_changed", name=name, count=ended), markup=False)
        if make_password:
            typer.echo(new)

    _or_explain(give)


@admin.command(help="Let somebody in no more, and end their sessions. · 删除管理者。")
def remove(name: AdminName, config: ConfigFile = None) -> None:
    settings = _load(config)

    def shut_out() -> None:
        from bot import admins

        ended = asyncio.run(admins.remove(settings, screen.print, name))
        screen.print(say("admin_removed", name=name, count=ended), markup=False)

    _or_explain(shut_out)


@admin.command("sign-out", help="End somebody's sessions, however they signed in. · 结束某人的所有登录。")
def sign_out(name: AdminName, config: ConfigFile = None) -> None:
    settings = _load(config)

    def end() -> None:
        from bot import admins

        ended = asyncio.run(admins.sign_out(settings, screen.print, name))
        screen.print(say("admin_signed_out", name=name, count=ended), markup=False)

    _or_explain(end)


def _password(is_made: bool) -> str:
    """One that is made, or one that is typed twice unseen; raises Misconfigured. A pipe gives it in one line."""
    from bot import admins
    from bot.admin.password import make_password

    if is_made:
        return make_password()
    if not sys.stdin.isatty():
        return admins.check_password(sys.stdin.readline().rstrip("\r\n"))
    return admins.check_password(
        typer.prompt(say("admin_ask_password"), hide_input=True, confirmation_prompt=say("admin_ask_again"), err=True)
    )


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
    "admin, demo, engine, faults, flood, forget, fuzz, keys, memory, pipeline, routing, scale, slack, soak, "
    "teams, telemetry, turn; --quick is a short form of each. · --quick 为简短形式。",
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
        problem = error.detail or str(error)
        if isinstance(error, NotStored) and problem.startswith("("):  # the kind of failure alone
            problem = say("failed_database", kind=problem)
        screen.print(say("failed", problem=problem), style="red", markup=False)
        raise typer.Exit(1) from None


@contextmanager
def _ended_as_by_hand() -> Iterator[None]:
    """SIGTERM, and the end of its terminal, are as Ctrl+C: what was begun is tidied up. nohup holds."""

    def end(*_: object) -> None:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a script's `&` has it so
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    numbers = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, before[number])


def main() -> None:
    speak(configuration.operator_language())
    if sys.argv[1:3] != ["model", "pull"]:
        configuration.go_offline()
    app()


if __name__ == "__main__":
    main()
