"""Modals: what opens them, what they hold, and what Slack refuses in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from bench.platforms.slack import blocks
from bench.platforms.slack.errors import ApiError, refuse
from bench.platforms.slack.payloads import Payload

TRIGGER_SECONDS = 3.0  # "Handling user interaction": a trigger_id is good for one view, and not for long
_KEYS = frozenset(
    {
        "type",
        "title",
        "blocks",
        "submit",
        "close",
        "private_metadata",
        "callback_id",
        "clear_on_close",
        "notify_on_close",
        "external_id",
        "submit_disabled",
    }
)


@dataclass(slots=True)
class View:
    """A modal in front of a person. `errors` are by block, as the last answer to its submission named them."""

    id: str
    body: Payload
    user: str
    team: str
    is_open: bool = True
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def callback_id(self) -> str:
        return str(self.body.get("callback_id", ""))

    @property
    def private_metadata(self) -> str:
        return str(self.body.get("private_metadata", ""))


class Triggers:
    """Each opens one view, within three seconds of the press that made it."""

    def __init__(self) -> None:
        self._users: dict[str, tuple[str, float]] = {}
        self._used: set[str] = set()

    def add(self, number: int, user: str) -> str:
        id = f"{number}.{number}.trigger"
        self._users[id] = user, monotonic()
        return id

    def use(self, id: object) -> str:
        """Whose press it was; ApiError where it opens nothing."""
        if not isinstance(id, str) or id not in self._users:
            raise ApiError("invalid_trigger_id")
        if id in self._used:
            raise ApiError("exchanged_trigger_id")
        user, at = self._users[id]
        if monotonic() - at > TRIGGER_SECONDS:
            raise ApiError("expired_trigger_id")
        self._used.add(id)
        return user


def check(view: object) -> Payload:
    """The modal, where Slack would show it ("Modal views"); else ApiError."""
    if not isinstance(view, dict) or view.get("type") != "modal":
        raise refuse("invalid_arguments", "unsupported view type [json-pointer:/view/type]")
    if unknown := sorted(view.keys() - _KEYS):
        raise refuse("invalid_arguments", f"additional property: {unknown[0]} [json-pointer:/view]")
    for key in ("title", "submit", "close"):
        _short(view, key)
    for key, most in (("private_metadata", 3000), ("callback_id", 255)):
        value = view.get(key, "")
        if not isinstance(value, str) or len(value) > most:
            raise refuse("invalid_arguments", f"must be less than {most + 1} characters [json-pointer:/view/{key}]")
    shown = blocks.check(view.get("blocks"), is_view=True)
    if any(block["type"] == "input" for block in shown) and view.get("submit") is None:
        raise refuse("invalid_arguments", "submit is required with input blocks [json-pointer:/view/submit]")
    return view


def _short(view: Payload, key: str) -> None:
    value = view.get(key)
    if value is None and key != "title":
        return
    if not isinstance(value, dict) or value.get("type") != "plain_text":
        raise refuse("invalid_arguments", f"must be plain_text [json-pointer:/view/{key}]")
    if not 0 < len(value.get("text", "")) <= 24:
        raise refuse("invalid_arguments", f"must be less than 25 characters [json-pointer:/view/{key}/text]")


def fill(view: Payload, values: Mapping[str, Mapping[str, str | Sequence[str]]]) -> dict[str, dict[str, Payload]]:
    """The state of a modal in which this was written and chosen, by block and action.

    Raises LookupError where it has no such field or choice, or where a field that has to be filled is empty.
    """
    fields = {block["block_id"]: block for block in view["blocks"] if block["type"] == "input"}
    if unknown := values.keys() - fields.keys():
        raise LookupError(f"the view has no block {sorted(unknown)[0]!r}, only {sorted(fields)}")
    return {id: _filled(block, values.get(id, {})) for id, block in fields.items()}


def _filled(block: Payload, given: Mapping[str, str | Sequence[str]]) -> dict[str, Payload]:
    element = block["element"]
    if unknown := given.keys() - {element["action_id"]}:
        raise LookupError(f"the block has no action {sorted(unknown)[0]!r}, only {element['action_id']!r}")
    value = given.get(element["action_id"])
    if not value and not block.get("optional"):
        raise LookupError(f"the block {block['block_id']!r} has to be filled")
    return {element["action_id"]: _state(element, value or None)}


def _state(element: Payload, value: str | Sequence[str] | None) -> Payload:
    kind = element["type"]
    if kind in ("radio_buttons", "static_select"):
        return {"type": kind, "selected_option": _option(element, value) if isinstance(value, str) else None}
    if kind in ("checkboxes", "multi_static_select"):
        chosen = [value] if isinstance(value, str) else value or []
        return {"type": kind, "selected_options": [_option(element, one) for one in chosen]}
    return {"type": kind, "value": value}


def _option(element: Payload, value: str) -> Payload:
    for option in element["options"]:
        if option["value"] == value:
            return dict(option)
    raise LookupError(f"no such choice: {value!r}")
