"""Reports of errors to a Sentry server: what failed and where, never on what words. Off without PARLEY_SENTRY_DSN.

By default sentry-sdk sends local variables, request bodies, breadcrumbs and the messages of exceptions, all of which
hold what people wrote. So what leaves is put together anew here, from what is known to be harmless.
"""

import logging
import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import PurePath
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from bot.config import Config
from bot.logs import Trailed, called, error_of, is_constant, place
from bot.texts import say
from core.errors import Misconfigured, ParleyError
from core.trail import trail

if TYPE_CHECKING:
    from sentry_sdk import Client
    from sentry_sdk.transport import Transport
    from sentry_sdk.types import Event, Hint

_SELDOM = 60.0  # seconds in which the same place reports the same error once
_REMEMBERED = 1000  # of such
_LAST_WORDS = 2.0  # seconds for what was not sent yet
_PLAIN = ("event_id", "timestamp", "platform", "level", "release", "environment", "server_name")
# Names in a program; whatever else stood in their place is not one.
_NAME = re.compile(r"[\w.<>-]{1,200}", re.ASCII)
_PATH = re.compile(r"[\w.<>/\\-]{1,300}", re.ASCII)
_TURN = re.compile(r"[0-9a-f]{1,64}")


@contextmanager
def reporting(config: Config, transport: "type[Transport] | None" = None) -> Iterator[None]:
    """Within, errors of the log and the one that ends it are reported, where the settings say to whom.

    Raises Misconfigured where that is no such address, or sentry-sdk is not installed.
    """
    if config.secrets.sentry_dsn is None:
        yield
        return
    client = _client(config, transport)
    reporter = Reporter(client)
    logging.getLogger().addHandler(reporter)
    try:
        yield
    except ParleyError:  # said in a sentence to whoever has started it
        raise
    except Exception as error:
        reporter.report(error)
        raise
    finally:
        logging.getLogger().removeHandler(reporter)
        client.close(timeout=_LAST_WORDS)


def _client(config: Config, transport: "type[Transport] | None") -> "Client":
    try:
        from sentry_sdk import Client
        from sentry_sdk.utils import BadDsn
    except ModuleNotFoundError:
        raise Misconfigured(say("config_sentry_package")) from None
    try:
        return Client(**options(config), transport=transport)
    except BadDsn:
        raise Misconfigured(say("config_sentry_dsn")) from None


def options(config: Config) -> dict[str, Any]:
    """What sentry-sdk is told: to collect nothing by itself, and to send nothing but errors, past `harmless`."""
    return {
        "dsn": config.secrets.sentry_dsn,
        "release": f"parley@{version('parley')}",
        "environment": "production" if config.settings.production else "development",
        "server_name": "parley",  # the host's own name may tell whose it is
        "default_integrations": False,
        "auto_enabling_integrations": False,
        "include_local_variables": False,
        "include_source_context": False,
        "max_request_body_size": "never",
        "max_breadcrumbs": 0,
        "attach_stacktrace": False,
        "in_app_include": ["adapters", "bot", "core"],
        "traces_sample_rate": None,
        "trace_propagation_targets": [],
        "auto_session_tracking": False,
        "send_client_reports": False,
        "enable_logs": False,
        "enable_metrics": False,
        "spotlight": False,
        "debug": False,
        "before_send": harmless,
        "before_send_transaction": _nothing,
        "before_send_log": _nothing,
        "before_send_metric": _nothing,
        "before_breadcrumb": _nothing,
    }


def _nothing(_: Any, __: Any) -> None:
    """What would have been sent besides errors is not."""


class Reporter(logging.Handler):
    """Reports each error of the log; the same one from the same place seldom, as an outage repeats it every second."""

    def __init__(self, client: "Client") -> None:
        super().__init__(logging.ERROR)
        self.addFilter(Trailed())
        self._client = client
        self._reported: dict[tuple[str, int, str], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        error = error_of(record)
        # Neither may a report fail what it reports, nor may it be told of as logging does: with all that was filled in.
        with suppress(Exception):
            if not self._was_just_told(record, error):
                self.report(error, record)

    def report(self, error: BaseException | None, record: logging.LogRecord | None = None) -> None:
        """`record` is the line that tells of the error."""
        from sentry_sdk.utils import event_from_exception

        event: Event = {}
        if error is not None:
            handled = {"type": "logging", "handled": record is not None}
            event, _ = event_from_exception(error, client_options=self._client.options, mechanism=handled)
        event["level"] = "error" if record is None or record.levelno < logging.CRITICAL else "fatal"
        self._client.capture_event(event, {"log_record": record} if record else {})

    def _was_just_told(self, record: logging.LogRecord, error: BaseException | None) -> bool:
        now, key = monotonic(), (record.pathname, record.lineno, type(error).__name__)
        if now - self._reported.get(key, float("-inf")) < _SELDOM:
            return True
        if len(self._reported) >= _REMEMBERED:
            self._reported.clear()
        self._reported[key] = now
        return False


def harmless(event: "Event", hint: "Hint") -> "Event":
    """What may leave the house of a report: names in the program, and whose turn it was by an id that means nothing.

    Message, request, breadcrumbs, extra, user, variables, source and the messages of exceptions stay here.
    """
    hint.pop("attachments", None)
    record, whole = hint.get("log_record"), cast(Mapping[str, Any], event)
    told = {name: whole[name] for name in _PLAIN if name in whole}
    told |= {"sdk": {"name": "sentry.python", "version": version("sentry-sdk")}, "tags": _tags(record)}
    told["contexts"] = {"runtime": {"name": platform.python_implementation(), "version": platform.python_version()}}
    if isinstance(record, logging.LogRecord):
        told["logger"] = _name(record.name)
        told["fingerprint"] = ["{{ default }}", f"{_name(record.name)}:{_name(record.funcName)}"]
        if is_constant(record):
            told["logentry"] = {"message": record.msg}
    exceptions = (whole.get("exception") or {}).get("values") or ()
    if exceptions:
        told["exception"] = {"values": [_exception(each) for each in exceptions]}
    return cast("Event", told)


def _tags(record: object) -> dict[str, str]:
    if isinstance(record, logging.LogRecord):
        tags = {"turn": getattr(record, "turn", ""), "thread": getattr(record, "in_thread", ""), "place": place(record)}
    else:
        whose = trail()
        tags = {"turn": whose.turn, "thread": called(whose.thread)}
    is_fit = {"turn": _TURN, "thread": _TURN, "place": re.compile(".+")}
    return {name: value for name, value in tags.items() if value and is_fit[name].fullmatch(value)}


def _exception(value: Mapping[str, Any]) -> dict[str, Any]:
    mechanism = value.get("mechanism") or {}
    links = ("handled", "exception_id", "parent_id", "is_exception_group")
    frames = (value.get("stacktrace") or {}).get("frames") or ()
    return {
        "type": _name(value.get("type")),
        "module": _name(value.get("module")),
        "mechanism": {"type": "logging"} | {name: mechanism[name] for name in links if name in mechanism},
        "stacktrace": {"frames": [_frame(frame) for frame in frames]},
    }


def _frame(frame: Mapping[str, Any]) -> dict[str, Any]:
    path = str(frame.get("filename") or "")
    if path.startswith("/"):  # where it is installed is nobody's business
        path = "/".join(PurePath(path).parts[-2:])
    return {
        "filename": path if _PATH.fullmatch(path) else "?",
        "function": _name(frame.get("function")),
        "module": _name(frame.get("module")),
        "lineno": frame.get("lineno"),
        "in_app": bool(frame.get("in_app")),
    }


def _name(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else "?"
