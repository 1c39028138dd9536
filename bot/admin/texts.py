"""What the frame of the operator's pages says, in English and Chinese; each page brings its own words besides."""

from collections.abc import Mapping

Texts = Mapping[str, tuple[str, str]]

SHARED: Texts = {
    "name": ("Parley", "Parley"),
    "operator_pages": ("Operations", "运维"),
    "menu": ("Pages", "页面"),
    "skip": ("Skip to the content", "跳到正文"),
    "other_language": ("中文", "English"),
    "other_language_label": ("中文：切换到中文", "English: switch to English"),
    "theme_light": ("Light", "浅色"),
    "theme_dark": ("Dark", "深色"),
    "theme_light_label": ("Show light", "切换到浅色"),
    "theme_dark_label": ("Show dark", "切换到深色"),
    "sign_in": ("Sign in", "登录"),
    "sign_out": ("Sign out", "退出登录"),
    "signed_in_as": ("Signed in as {name}", "已登录：{name}"),
    "role_viewer": ("viewer", "查看者"),
    "role_operator": ("operator", "操作员"),
    "role_reader": ("reader of content", "内容阅读者"),
    "newer": ("Newer", "较新"),
    "older": ("Older", "较早"),
    "newest": ("Newest", "最新"),
    "all": ("All", "全部"),
    "filter": ("Show", "显示"),
    "none": ("Nothing here yet.", "这里还没有内容。"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    "unknown": ("unknown", "未知"),
    "milliseconds": ("{n} ms", "{n} 毫秒"),
    "seconds": ("{n} s", "{n} 秒"),
    "minutes": ("{n} min", "{n} 分钟"),
    "hours": ("{n} h", "{n} 小时"),
    "days": ("{n} d", "{n} 天"),
    "ago": ("{span} ago", "{span}前"),
    "words_left_out": (
        "What people wrote is left out here: only a reader of content sees it, and each opening is written to the "
        "audit log.",
        "这里不显示人们写的内容：只有内容阅读者可以查看，并且每次打开都会记入审计日志。",
    ),
    # What went wrong
    "error_title": ("This did not work", "没有成功"),
    "go_home": ("Back to the pages", "返回页面"),
    "not_found": (
        "There is no such page, or what it showed is no longer kept.",
        "没有这个页面，或者它显示的内容已不再保留。",
    ),
    "forbidden": (
        "This needs the role “{role}”, which {name} does not have. Whoever manages Parley gives it: on the command "
        "line with `parley admin roles`, or through the group that the sign-in service tells.",
        "这里需要“{role}”角色，而 {name} 没有这个角色。请联系管理 Parley 的人授予：在命令行用 `parley admin roles`，"
        "或通过登录服务中的用户组。",
    ),
    "not_stored": (
        "The database does not answer just now, so this can't be shown. Try again in a moment.",
        "数据库暂时没有响应，因此无法显示。请稍后再试。",
    ),
    "internal": (
        "Something went wrong here. The log of the server says what it was.",
        "这里出现了错误。原因记录在服务器日志中。",
    ),
    "bad_host": (
        "The operator's pages do not answer to this address. Open them under the server's own name, or name this "
        "address in app.yaml: `admin.url`.",
        "运维页面不接受这个地址。请用服务器自己的地址打开，或在 app.yaml 的 `admin.url` 中写上这个地址。",
    ),
    "bad_origin": (
        "This request came from another website, or through an address that is not named in `admin.url`, so nothing "
        "was done. Open the pages in a tab of their own and try again.",
        "这个请求来自另一个网站，或经过了未写入 `admin.url` 的地址，因此没有执行。请在单独的标签页中打开页面后重试。",
    ),
    "insecure": (
        "The operator's pages are shown over HTTPS alone, or on the machine itself. Give the server a certificate "
        "(`server.tls`), or put a proxy with one in front and name its address in `admin.url`.",
        "运维页面只通过 HTTPS 显示，或在本机上显示。请为服务器配置证书（`server.tls`），或在前面放置带证书的代理，"
        "并在 `admin.url` 中写上它的地址。",
    ),
    "csrf": (
        "The page was open for too long, or you have signed in anew since, so nothing was done. Go back, reload it and "
        "try again.",
        "页面打开的时间过长，或您已重新登录，因此没有执行任何操作。请返回并刷新页面后重试。",
    ),
    "bad_form": ("This form can't be read. Go back and try again.", "无法读取这个表单。请返回后重试。"),
}


def say(name: str, /, language: str, texts: Texts | None = None, **facts: object) -> str:
    """A text of the page's own, else a shared one, with its {facts} filled in; "en" where it isn't "zh"."""
    english, chinese = (texts or {}).get(name) or SHARED[name]
    text = chinese if language == "zh" else english
    return text.format(**facts) if facts else text
