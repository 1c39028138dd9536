"""What the Teams channel says by itself, in English and Chinese."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    # Buttons, and what is said under their card to whoever pressed them.
    "regenerate": ("Answer again", "重新回答"),
    "regenerate_pressed": ("Answering again…", "正在重新回答……"),
    "confirm": ("Yes, go ahead", "确认执行"),
    "confirm_pressed": ("Confirmed.", "已确认。"),
    # Shown while there is no answer yet: up to 1,000 characters.
    "status_thinking": ("Thinking…", "正在思考……"),
    "status_working": ("Working on it…", "正在处理……"),
    "status_queued": ("Waiting: place {position} in the queue…", "正在排队：第 {position} 位……"),
    # Above a message that may be there twice.
    "sent_again": (
        "*Sent again, because Teams did not confirm it the first time.*\n\n",
        "*Teams 没有确认上一次发送，因此再次发送。*\n\n",
    ),
    "sources": ("Sources:", "来源："),
    # What may be asked next: pressed, it is sent as it stands, in the person's own name.
    "suggestion_simpler": ("Explain it more simply", "说得更通俗一些"),
    "suggestion_example": ("Give me an example", "举一个例子"),
    "suggestion_shorter": ("Make it shorter", "说得更简短一些"),
    # What the app says of itself: short up to 80 characters, full up to 4,000, a command's description up to 128.
    "app_short": (
        "A private assistant that runs on this company's own machines.",
        "在本公司自己的机器上运行的私有智能助手。",
    ),
    "app_full": (
        "Parley answers questions, explains things, drafts texts and helps with code. It runs on this company's own "
        "machines: what you write to it is answered there.\n\nWrite to it in a personal chat, or mention it in a group "
        "chat or a channel. Rate its answers with the thumbs under them, have it answer again, and stop it while it "
        "writes. Answers are made by an AI and may be wrong: check what matters.",
        "Parley 回答问题、解释概念、起草文字，并协助编写代码。它在本公司自己的机器上运行，您写给它的内容就在这些机器上"
        "得到回答。\n\n您可以在个人聊天中直接向它提问，也可以在群聊或频道中 @ 它。您可以用回答下方的拇指评价、让它重新"
        "回答，或在它回答时让它停止。回答由人工智能生成，可能有误，请核实重要信息。",
    ),
    "command_help": ("Say what it can do", "说明它能做什么"),
    "command_reset": ("Forget this conversation and begin anew", "忘记这段对话，重新开始"),
    "command_code": ("Ask a question about code", "提一个关于代码的问题"),
    "command_stop": ("Stop the answer that is being written", "停止正在生成的回答"),
    # For the operator, where the settings do not suffice.
    "bad_app_id": (
        "teams.app_id is not a GUID like 22222222-2222-4222-8222-222222222222. Copy the Microsoft App ID of your Azure "
        "Bot.",
        "teams.app_id 不是形如 22222222-2222-4222-8222-222222222222 的 GUID。请复制 Azure Bot 的 Microsoft App ID。",
    ),
    "bad_address": (
        "The app needs an https address that people can open, up to 2,048 characters long.",
        "应用需要一个用户可以打开的 https 地址，最长 2048 个字符。",
    ),
    "bad_name": (
        "The app's name must have 1 to 30 characters, its developer's 1 to 32.",
        "应用名称必须有 1 到 30 个字符，开发者名称必须有 1 到 32 个字符。",
    ),
    "bad_version": (
        "The app's version must be of the form 1.2.3.",
        "应用版本必须是 1.2.3 这样的形式。",
    ),
}

_SUGGESTIONS = ("suggestion_simpler", "suggestion_example", "suggestion_shorter")


def say(name: str, language: str, **facts: object) -> str:
    """The sentence `name` in "en" or "zh", with its {facts} filled in; any other language reads English."""
    english, chinese = TEXTS[name]
    return (chinese if language == "zh" else english).format(**facts)


def say_to_operator(name: str, **facts: object) -> str:
    """The sentence in both languages, one a line: the operator's own is known to the household alone."""
    return "\n".join(say(name, language, **facts) for language in ("en", "zh"))


def suggestions(language: str) -> tuple[str, ...]:
    """What may be asked next."""
    return tuple(say(name, language) for name in _SUGGESTIONS)
