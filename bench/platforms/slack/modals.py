"""views.*: modals that the app opens and changes."""

from bench.platforms.slack import payloads
from bench.platforms.slack.blocks import identified
from bench.platforms.slack.errors import ApiError
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.state import State, parsed, required
from bench.platforms.slack.views import View, check
from bench.platforms.slack.workspace import Bot


def open_view(slack: State, bot: Bot, args: Payload) -> Payload:
    """docs.slack.dev, "views.open"."""
    required(args, "trigger_id", "view")
    shown = check(parsed(args["view"], "invalid_arguments"))
    user = slack.triggers.use(args["trigger_id"])
    view = opened(slack, bot, user, shown)
    return {"view": view.body}


def update(slack: State, bot: Bot, args: Payload) -> Payload:
    """docs.slack.dev, "views.update": refused where somebody changed it since, by its hash."""
    required(args, "view_id", "view")
    view = slack.views.get(str(args["view_id"]))
    if view is None or view.team != bot.team or not view.is_open:
        raise ApiError("not_found")
    if args.get("hash") not in (None, view.body["hash"]):
        raise ApiError("hash_conflict")
    replace(slack, view, check(parsed(args["view"], "invalid_arguments")))
    return {"view": view.body}


def opened(slack: State, bot: Bot, user: str, shown: Payload) -> View:
    """A modal in front of a person."""
    id = f"V0VIEW{slack.number():04d}"
    kept = payloads.modal(id=id) | shown | {"team_id": bot.team, "app_id": bot.app, "bot_id": bot.id}
    kept["blocks"] = identified(kept["blocks"])
    view = slack.views[id] = View(id, kept | {"hash": _hash(slack)}, user, bot.team)
    return view


def replace(slack: State, view: View, shown: Payload) -> None:
    kept = {key: view.body[key] for key in ("id", "team_id", "app_id", "bot_id", "root_view_id", "state")}
    view.body = payloads.modal() | shown | kept | {"hash": _hash(slack), "blocks": identified(shown["blocks"])}
    view.errors = {}


def _hash(slack: State) -> str:
    return f"1700000000.{slack.number():06d}"
