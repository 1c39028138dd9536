"""What Slack takes as blocks: which kinds there are, what each may hold, and how much of it.

Limits are those of docs.slack.dev ("Blocks", "Block elements", "Composition objects"); that all blocks together may
hold about 13,200 characters is documented nowhere (bolt-js#2509).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bench.platforms.slack.errors import ApiError, refuse
from bench.platforms.slack.payloads import Payload

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
ALL_TEXT = 13_200
MARKDOWN_TEXT = 12_000

# Every key a block may have beside `type` and `block_id`; Slack refuses what it does not know.
_BLOCKS: dict[str, frozenset[str]] = {
    "section": frozenset({"text", "fields", "accessory", "expand"}),
    "divider": frozenset(),
    "header": frozenset({"text"}),
    "image": frozenset({"image_url", "slack_file", "alt_text", "title"}),
    "context": frozenset({"elements"}),
    "actions": frozenset({"elements"}),
    "context_actions": frozenset({"elements"}),
    "markdown": frozenset({"text"}),
    "rich_text": frozenset({"elements"}),
    "table": frozenset({"rows", "column_settings"}),
    "input": frozenset({"label", "element", "dispatch_action", "hint", "optional"}),
    "video": frozenset({"alt_text", "title", "thumbnail_url", "video_url", "description", "provider_name"}),
    "file": frozenset({"external_id", "source"}),
    "plan": frozenset({"title", "tasks"}),
    "task_card": frozenset({"task_id", "title", "status", "details", "output", "sources"}),
}
_VIEW_ONLY = frozenset({"input"})
_MESSAGE_ONLY = frozenset({"context_actions", "markdown", "table", "file", "plan", "task_card"})
_MENUS = frozenset(
    f"{many}{source}_select"
    for many in ("", "multi_")
    for source in ("static", "external", "users", "conversations", "channels")
)
_ACTIONS = _MENUS | {
    "button",
    "checkboxes",
    "datepicker",
    "datetimepicker",
    "overflow",
    "radio_buttons",
    "timepicker",
    "workflow_button",
}
_INPUTS = _ACTIONS - {"button", "overflow", "workflow_button"} | {
    "email_text_input",
    "file_input",
    "number_input",
    "plain_text_input",
    "rich_text_input",
    "url_text_input",
}


def check(blocks: object, *, is_view: bool = False) -> list[Payload]:
    """The blocks, where Slack would take them; else ApiError `invalid_blocks` or `msg_blocks_too_long`."""
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise ApiError("invalid_blocks_format")
    most = VIEW_BLOCKS if is_view else MESSAGE_BLOCKS
    _most(blocks, most, "/blocks")
    named: set[str] = set()
    for index, block in enumerate(blocks):
        _block(block, f"/blocks/{index}", is_view)
        _unique(block.get("block_id"), named, "block_id", f"/blocks/{index}")
    _limit(sum(len(block["text"]) for block in blocks if block["type"] == "markdown"), MARKDOWN_TEXT, "/blocks")
    if not is_view and sum(map(len, texts(blocks))) > ALL_TEXT:
        raise ApiError("msg_blocks_too_long")
    return blocks


def texts(value: object) -> Iterator[str]:
    """Every text in the blocks, however deep."""
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "text" and isinstance(item, str):
                yield item
            elif isinstance(item, dict | list):
                yield from texts(item)


def calling_texts(value: object) -> Iterator[str]:
    """Those of them in which `<!channel>` would call people: all but plain ones."""
    if isinstance(value, list):
        for item in value:
            yield from calling_texts(item)
    elif isinstance(value, dict) and value.get("type") != "plain_text":
        for key, item in value.items():
            if key == "text" and isinstance(item, str):
                yield item
            elif isinstance(item, dict | list):
                yield from calling_texts(item)


def identified(blocks: Iterable[Payload]) -> list[Payload]:
    """With a block_id each: Slack makes up those that the app left out."""
    return [{"block_id": f"b{number}"} | block for number, block in enumerate(blocks, 1)]


def elements(blocks: Iterable[Payload]) -> Iterator[tuple[Payload, Payload]]:
    """Everything that can be pressed, each with its block."""
    for block in blocks:
        found = block.get("elements", []) if block["type"] in ("actions", "context_actions") else []
        for element in [*found, *filter(None, [block.get("accessory")])]:
            yield block, element


def _block(block: Payload, at: str, is_view: bool) -> None:
    kind = block.get("type")
    if not isinstance(kind, str) or kind not in _BLOCKS:
        raise _invalid(f"unsupported type: {kind}", f"{at}/type")
    if kind in (_MESSAGE_ONLY if is_view else _VIEW_ONLY):
        raise _invalid(f"unsupported type here: {kind}", f"{at}/type")
    _keys(block, _BLOCKS[kind] | {"type", "block_id"}, at)
    _text(block.get("block_id", "-"), 255, f"{at}/block_id")
    if check_kind := _CHECKS.get(kind):
        check_kind(block, at)


def _section(block: Payload, at: str) -> None:
    if "text" not in block and "fields" not in block:
        raise _invalid("must have text or fields", at)
    if "text" in block:
        _text_object(block["text"], 3000, f"{at}/text")
    for index, field in enumerate(_most(block.get("fields", []), 10, f"{at}/fields")):
        _text_object(field, 2000, f"{at}/fields/{index}")
    if "accessory" in block:
        accessory = block["accessory"]
        _element(accessory, f"{at}/accessory", _ACTIONS | {"image"}, set())


def _header(block: Payload, at: str) -> None:
    _text_object(block.get("text"), 150, f"{at}/text", is_plain=True)


def _markdown(block: Payload, at: str) -> None:
    _text(block.get("text"), MARKDOWN_TEXT, f"{at}/text")


def _image(block: Payload, at: str) -> None:
    if ("image_url" in block) == ("slack_file" in block):
        raise _invalid("must have one of image_url and slack_file", at)
    _text(block.get("image_url", "-"), 3000, f"{at}/image_url")
    _text(block.get("alt_text"), 2000, f"{at}/alt_text")
    if "title" in block:
        _text_object(block["title"], 2000, f"{at}/title", is_plain=True)


def _context(block: Payload, at: str) -> None:
    for index, element in enumerate(_some(block, "elements", 10, at)):
        kind = element.get("type") if isinstance(element, dict) else None
        if kind == "image":
            _image({key: value for key, value in element.items() if key != "type"}, f"{at}/elements/{index}")
        else:
            _text_object(element, 2000, f"{at}/elements/{index}")


def _actions(block: Payload, at: str) -> None:
    named: set[str] = set()
    for index, element in enumerate(_some(block, "elements", 25, at)):
        _element(element, f"{at}/elements/{index}", _ACTIONS, named)


def _context_actions(block: Payload, at: str) -> None:
    named: set[str] = set()
    for index, element in enumerate(_some(block, "elements", 5, at)):
        _element(element, f"{at}/elements/{index}", frozenset({"feedback_buttons", "icon_button"}), named)


def _rich_text(block: Payload, at: str) -> None:
    kinds = {"rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote"}
    for index, element in enumerate(_some(block, "elements", 100, at)):
        if not isinstance(element, dict) or element.get("type") not in kinds:
            raise _invalid("unsupported type", f"{at}/elements/{index}/type")


def _table(block: Payload, at: str) -> None:
    for index, row in enumerate(_some(block, "rows", 100, at)):
        _most(row, 20, f"{at}/rows/{index}")


def _input(block: Payload, at: str) -> None:
    _text_object(block.get("label"), 2000, f"{at}/label", is_plain=True)
    if "hint" in block:
        _text_object(block["hint"], 2000, f"{at}/hint", is_plain=True)
    _element(block.get("element"), f"{at}/element", _INPUTS, set())


def _element(element: object, at: str, kinds: frozenset[str] | set[str], named: set[str]) -> None:
    if not isinstance(element, dict) or element.get("type") not in kinds:
        raise _invalid("unsupported element", f"{at}/type")
    kind = element["type"]
    if kind == "image":
        _image({key: value for key, value in element.items() if key != "type"}, at)
        return
    _text(element.get("action_id", "-"), 255, f"{at}/action_id")
    _unique(element.get("action_id"), named, "action_id", at)
    if check_kind := _ELEMENTS.get(kind):
        check_kind(element, at)
    for index, option in enumerate(_most(element.get("options", []), 100, f"{at}/options")):
        _option(option, f"{at}/options/{index}")
    if "placeholder" in element:
        _text_object(element["placeholder"], 150, f"{at}/placeholder", is_plain=True)


def _button(element: Payload, at: str) -> None:
    known = {"type", "action_id", "text", "url", "value", "style", "confirm", "accessibility_label"}
    _keys(element, frozenset(known), at)
    _label(element, at)
    if element.get("style", "primary") not in ("primary", "danger"):
        raise _invalid("must be primary or danger", f"{at}/style")


def _feedback_buttons(element: Payload, at: str) -> None:
    _keys(element, frozenset({"type", "action_id", "positive_button", "negative_button"}), at)
    for side in ("positive_button", "negative_button"):
        button = element.get(side)
        if not isinstance(button, dict):
            raise _invalid("missing required field", f"{at}/{side}")
        _keys(button, frozenset({"text", "value", "accessibility_label"}), f"{at}/{side}")
        if "value" not in button:
            raise _invalid("missing required field", f"{at}/{side}/value")
        _label(button, f"{at}/{side}")


def _icon_button(element: Payload, at: str) -> None:
    known = {"type", "action_id", "icon", "text", "value", "confirm", "accessibility_label", "visible_to_user_ids"}
    _keys(element, frozenset(known), at)
    if element.get("icon") != "trash":  # the only icon there is
        raise _invalid("unsupported icon", f"{at}/icon")
    _label(element, at)


def _label(button: Payload, at: str) -> None:
    _text_object(button.get("text"), 75, f"{at}/text", is_plain=True)
    _text(button.get("value", "-"), 2000, f"{at}/value", least=0)
    _text(button.get("accessibility_label", "-"), 75, f"{at}/accessibility_label")
    _text(button.get("url", "-"), 3000, f"{at}/url")


def _option(option: object, at: str) -> None:
    if not isinstance(option, dict):
        raise _invalid("must be an object", at)
    _text_object(option.get("text"), 75, f"{at}/text")
    _text(option.get("value"), 150, f"{at}/value")


def _text_object(value: object, most: int, at: str, *, is_plain: bool = False) -> None:
    kinds = ("plain_text",) if is_plain else ("plain_text", "mrkdwn")
    if not isinstance(value, dict) or value.get("type") not in kinds:
        raise _invalid(f"must be {' or '.join(kinds)}", at)
    keys = {"plain_text": {"emoji"}, "mrkdwn": {"verbatim"}}[value["type"]] | {"type", "text"}
    _keys(value, frozenset(keys), at)
    _text(value.get("text"), most, f"{at}/text")


def _text(value: object, most: int, at: str, *, least: int = 1) -> None:
    if not isinstance(value, str):
        raise _invalid("must be a string", at)
    if len(value) < least:
        raise _invalid(f"must be more than {least - 1} characters", at)
    _limit(len(value), most, at)


def _limit(length: int, most: int, at: str) -> None:
    if length > most:
        raise _invalid(f"must be less than {most + 1} characters", at)


def _most(value: object, most: int, at: str) -> list[Any]:
    if not isinstance(value, list):
        raise _invalid("must be an array", at)
    if len(value) > most:
        raise _invalid(f"no more than {most} items allowed", at)
    return value


def _some(block: Payload, key: str, most: int, at: str) -> list[Any]:
    found = _most(block.get(key), most, f"{at}/{key}")
    if not found:
        raise _invalid("at least one item is required", f"{at}/{key}")
    return found


def _keys(value: Payload, known: frozenset[str], at: str) -> None:
    if unknown := sorted(value.keys() - known):
        raise _invalid(f"additional property: {unknown[0]}", at)


def _unique(name: object, seen: set[str], key: str, at: str) -> None:
    if isinstance(name, str):
        if name in seen:
            raise _invalid(f"{key} already exists", f"{at}/{key}")
        seen.add(name)


def _invalid(reason: str, at: str) -> ApiError:
    return refuse("invalid_blocks", f"{reason} [json-pointer:{at}]")


_Check = Callable[[Payload, str], None]
_CHECKS: dict[str, _Check] = {
    "section": _section,
    "header": _header,
    "markdown": _markdown,
    "image": _image,
    "context": _context,
    "actions": _actions,
    "context_actions": _context_actions,
    "rich_text": _rich_text,
    "table": _table,
    "input": _input,
}
_ELEMENTS: dict[str, _Check] = {
    "button": _button,
    "feedback_buttons": _feedback_buttons,
    "icon_button": _icon_button,
}
