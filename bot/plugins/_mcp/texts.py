"""What is said of MCP servers and their tools, in English and in Chinese."""

_TEXTS = {
    "about": ('Tool "{tool}" of the MCP server "{server}"', "MCP 服务器“{server}”的工具“{tool}”"),
    "about_more": ("{about}: {words}", "{about}：{words}"),
    "mistake": (
        'The tool "{tool}" of the MCP server "{server}" reports a mistake: {words}',
        "MCP 服务器“{server}”的工具“{tool}”报告出错：{words}",
    ),
    "mistake_unnamed": (
        'The tool "{tool}" of the MCP server "{server}" reports a mistake and does not say which.',
        "MCP 服务器“{server}”的工具“{tool}”报告出错，但没有说明原因。",
    ),
    "refused": (
        'The MCP server "{server}" refuses the call of "{tool}": {words}',
        "MCP 服务器“{server}”拒绝调用“{tool}”：{words}",
    ),
    "empty": (
        'The tool "{tool}" of the MCP server "{server}" was called and answered nothing.',
        "已调用 MCP 服务器“{server}”的工具“{tool}”，它没有返回内容。",
    ),
    "pictures": ("The tool answered with a picture.", "该工具返回了一张图片。"),
    "left_out": ("(Left out: {what}.)", "（已省略：{what}。）"),
    "cut": ("… (cut: the answer was longer)", "……（回答过长，已截断）"),
    "away": (
        'The MCP server "{server}" cannot be reached now, so "{tool}" was not called. Please try again later.',
        "目前无法连接 MCP 服务器“{server}”，因此没有调用“{tool}”。请稍后再试。",
    ),
    "lost": (
        'The MCP server "{server}" went away during the call of "{tool}". Whether the call did anything is not known; '
        "it was not made a second time.",
        "调用“{tool}”时与 MCP 服务器“{server}”的连接中断。不清楚调用是否已生效；没有重新调用。",
    ),
    "senseless": (
        'The MCP server "{server}" was called, but its answer to "{tool}" cannot be used: it is too long, or does not '
        "have the form it should have.",
        "已调用 MCP 服务器“{server}”，但“{tool}”的回答无法使用：过长，或格式不符合要求。",
    ),
}


def say(key: str, language: str, **values: str) -> str:
    english, chinese = _TEXTS[key]
    return (chinese if language == "zh" else english).format(**values)
