"""The pages of an install: what happened and what to do, in English and Chinese, with nothing loaded or run."""

import base64
import hashlib
from html import escape
from typing import Final

from core.ports import Received

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 1.05rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 12vh auto; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
a.go { display: inline-block; margin-top: .5rem; padding: .6rem 1.2rem; border-radius: .5rem; font-weight: 600;
  color: #fff; background: #4a154b; text-decoration: none; }
a.go:focus-visible { outline: 3px solid #1264a3; outline-offset: 2px; }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address of the callback carries the code
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

HTML: Final = "text/html; charset=utf-8"

Words = tuple[str, str]  # a title, and what is below it

TEXTS: Final[dict[str, tuple[Words, Words]]] = {
    "install": (
        (
            "Add Parley to Slack",
            "Slack will show what Parley may read and write, and ask for your consent. It must be a workspace "
            "that the operator of this Parley has let in. This page is good for ten minutes.",
        ),
        (
            "把 Parley 添加到 Slack",
            "Slack 会显示 Parley 可以读取和写入的内容，并请您同意。工作区须经管理员允许；本页十分钟内有效。",
        ),
    ),
    "installed": (
        (
            "Parley is installed in {workspace}",
            "Write to it in a direct message, or invite it to a channel with /invite and mention it there.",
        ),
        (
            "Parley 已安装到 {workspace}",
            "现在可以给它发私信，或在频道中用 /invite 邀请它，然后提及它。",
        ),
    ),
    "not_set_up": (
        (
            "Parley cannot be installed from here",
            "Installing is not set up on this server. If you operate it: docs/slack.md says how, under “Several "
            "workspaces”.",
        ),
        (
            "无法从这里安装 Parley",
            "这台服务器没有启用安装功能。如果您是管理员：请看 docs/slack.zh.md 中的“多个工作区”。",
        ),
    ),
    "nobody": (
        (
            "No workspace may install Parley yet",
            "Otherwise anybody could use this company's machines. If you operate this server: name the workspaces "
            "under `access.slack.workspaces` in app.yaml, restart it, and open this page again.",
        ),
        (
            "目前还没有允许安装 Parley 的工作区",
            "否则任何人都能使用本公司的机器。如果您是管理员：请在 app.yaml 的 `access.slack.workspaces` 中"
            "列出工作区，重启后再打开本页。",
        ),
    ),
    "not_https": (
        (
            "Parley can only be installed over https",
            "Slack only sends people back to https addresses, and browsers only return this page's cookie over https. "
            "If you operate this server: set `slack.public_url` in app.yaml to its https address.",
        ),
        (
            "只能通过 https 安装 Parley",
            "Slack 只会跳转回 https 地址，浏览器也只在 https 下带回本页的 Cookie。如果您是管理员："
            "请把 app.yaml 的 `slack.public_url` 设为 https 地址。",
        ),
    ),
    "access_denied": (
        (
            "Parley was not installed",
            "Consent was not given in Slack, so nothing was changed. You can begin again, or ask an administrator "
            "of the workspace to install it.",
        ),
        (
            "没有安装 Parley",
            "您没有在 Slack 中同意授权，因此没有任何改动。您可以重新开始，或请工作区的管理员来安装。",
        ),
    ),
    "refused": (
        (
            "Slack did not finish the install",
            "Nothing was changed. Please begin again; if it happens again, tell the operator of this server.",
        ),
        (
            "Slack 没有完成安装",
            "没有任何改动。请重新开始；如果再次出现，请告诉这台服务器的管理员。",
        ),
    ),
    "bad_state": (
        (
            "This install was not begun here, or is over",
            "An install can be finished once, within ten minutes, in the browser it was begun in, and that browser "
            "must accept cookies. Please begin again.",
        ),
        (
            "这次安装不是从这里开始的，或者已经结束",
            "安装必须在开始时的浏览器中、十分钟内完成，并且只能完成一次；浏览器需要接受 Cookie。请重新开始。",
        ),
    ),
    "bad_code": (
        (
            "The install took too long",
            "Slack's code for it is no longer valid, so nothing was installed. Please begin again.",
        ),
        (
            "安装用时太久",
            "Slack 给出的安装码已失效，因此没有安装。请重新开始。",
        ),
    ),
    "foreign": (
        (
            "{workspace} may not use this Parley",
            "Its operator has not let this workspace in ({id}), so the permission was revoked at once and nothing was "
            "stored. If you operate this server: add {id} to `access.slack.workspaces` in app.yaml.",
        ),
        (
            "{workspace} 不能使用这个 Parley",
            "管理员没有允许这个工作区（{id}），因此授权已立即撤销，没有保存任何内容。"
            "如果您是管理员：请把 {id} 加入 app.yaml 的 `access.slack.workspaces`。",
        ),
    ),
    "setup": (
        (
            "Slack does not know this app",
            "Slack refused the app settings of this server, so nothing was installed. Its operator finds the reason in "
            "the log.",
        ),
        (
            "Slack 不认识这个应用",
            "Slack 拒绝了这台服务器的应用设置，因此没有安装。管理员可以在日志中查看原因。",
        ),
    ),
    "away": (
        (
            "Slack does not answer right now",
            "Nothing was installed. Please begin again in a few minutes.",
        ),
        ("Slack 现在没有响应", "没有安装。请几分钟后重新开始。"),
    ),
    "not_stored": (
        (
            "The install could not be stored",
            "The database is not available right now. Please begin again in a moment.",
        ),
        ("安装信息没有保存成功", "数据库暂时不可用。请稍后重新开始。"),
    ),
    "method": (
        ("This page can only be viewed", "Open it in a browser; it takes nothing that is sent to it."),
        ("本页只供查看", "请用浏览器打开；不能向它提交内容。"),
    ),
}

_BUTTONS: Final[dict[str, tuple[str, str]]] = {
    "go": ("Continue to Slack", "前往 Slack"),
    "open": ("Open Slack", "打开 Slack"),
    "again": ("Begin again", "重新开始"),
}


def page(status: int, name: str, language: str, *, button: tuple[str, str] | None = None, **facts: str) -> Received:
    """The page `name`; `button` is one of its names and where it leads."""
    title, below = (text.format(**facts) for text in TEXTS[name][language == "zh"])
    link = _link(*button, language) if button else ""
    html = (
        f'<!doctype html>\n<html lang="{"zh-CN" if language == "zh" else "en"}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{escape(title)}</h1>\n<p>{escape(below)}</p>\n{link}"
        "</main>\n</body>\n</html>\n"
    )
    return Received(status, html.encode(), HTML, HEADERS)


def _link(name: str, url: str, language: str) -> str:
    label = _BUTTONS[name][language == "zh"]
    return f'<p><a class="go" href="{escape(url)}">{escape(label)}</a></p>\n'
