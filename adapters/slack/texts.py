"""What the Slack channel says by itself, in English and Chinese."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    # Buttons: up to 75 characters. What a screen reader says of them: up to 75.
    "good": ("Helpful", "有帮助"),
    "good_label": ("Rate this answer as helpful", "评价：这个回答有帮助"),
    "bad": ("Not helpful", "没有帮助"),
    "bad_label": ("Rate this answer as not helpful", "评价：这个回答没有帮助"),
    "regenerate": ("Answer again", "重新回答"),
    "confirm": ("Yes, go ahead", "确认执行"),
    "stop": ("Stop", "停止"),
    "stop_text": ("Writing the answer…", "正在回答……"),
    # The form behind a thumbs-down: its title and buttons take up to 24 characters.
    "feedback_title": ("Your feedback", "您的评价"),
    "feedback_send": ("Send feedback", "提交评价"),
    "feedback_close": ("Close", "关闭"),
    "why_bad": ("What was wrong with it?", "哪里不好？"),
    "comment": ("Tell us more", "补充说明"),
    "reason_incorrect": ("Incorrect", "不正确"),
    "reason_incomplete": ("Incomplete", "不完整"),
    "reason_unclear": ("Hard to follow", "不易理解"),
    "reason_off_topic": ("Not what I asked", "答非所问"),
    "reason_unsafe": ("Unsafe or offensive", "不安全或冒犯"),
    # Shown after the bot's name while there is no answer yet.
    "status_thinking": ("is thinking…", "正在思考……"),
    "status_working": ("is working on it…", "正在处理……"),
    "status_queued": ("is waiting: place {position} in the queue…", "正在排队：第 {position} 位……"),
    "private_answer_comes": (
        "One moment. Only you will see the answer.",
        "请稍等。回答只有您能看到。",
    ),
    "not_stored": (
        "This could not be saved just now. Please send it again in a moment.",
        "暂时无法保存。请稍后再提交一次。",
    ),
    "sources": ("Sources:", "来源："),
    # What the app offers to be asked: pressed, it is sent as it stands, in the person's own name.
    "suggestion_capabilities": ("What can you do?", "你能做什么？"),
    "suggestion_explain": ("Explain a technical term to me in plain words", "用通俗的话给我解释一个术语"),
    "suggestion_draft": ("Help me write a short, friendly message", "帮我写一条简短友好的消息"),
    "suggestion_code": ("Help me find a mistake in my code", "帮我找出代码里的错误"),
    # What Slack says of the app: up to 140 characters, and of its command.
    "app_description": (
        "A private assistant that runs on this company's own machines.",
        "在本公司自己的机器上运行的私有智能助手。",
    ),
    "agent_description": (
        "Answers questions, explains things, drafts texts and helps with code.",
        "回答问题、解释概念、起草文字，并协助编写代码。",
    ),
    "command_description": ("Ask Parley; only you see the answer", "向 Parley 提问，回答只有您能看到"),
    "command_hint": ("[your question, or help]", "[您的问题，或 help]"),
    # For the operator, where the settings do not suffice.
    "no_signing_secret": (
        "Slack is switched on, but neither PARLEY_SLACK_APP_TOKEN (Socket Mode) nor PARLEY_SLACK_SIGNING_SECRET (HTTP) "
        "is set. Both stand under Basic Information of your app on api.slack.com/apps: App-Level Tokens and App "
        "Credentials.",
        "已启用 Slack，但既没有设置 PARLEY_SLACK_APP_TOKEN（Socket Mode），"
        "也没有设置 PARLEY_SLACK_SIGNING_SECRET（HTTP）。"
        "两者都在 api.slack.com/apps 上您的应用的 Basic Information 页面："
        "App-Level Tokens 和 App Credentials。",
    ),
    "no_address": (
        "slack.public_url is empty, and the manifest tells Slack the https address of this server. Set it in app.yaml.",
        "slack.public_url 为空，而应用清单要告诉 Slack 本服务器的 https 地址。请在 app.yaml 中设置。",
    ),
}

_SUGGESTIONS = ("suggestion_capabilities", "suggestion_explain", "suggestion_draft", "suggestion_code")


def say(name: str, language: str, **facts: object) -> str:
    """The sentence `name` in "en" or "zh", with its {facts} filled in; any other language reads English."""
    english, chinese = TEXTS[name]
    return (chinese if language == "zh" else english).format(**facts)


def say_to_operator(name: str, **facts: object) -> str:
    """The sentence in both languages, one a line: the operator's own is known to the household alone."""
    return "\n".join(say(name, language, **facts) for language in ("en", "zh"))


def suggestions(language: str) -> list[dict[str, str]]:
    """What the app offers to be asked: 4 at most (docs.slack.dev, "assistant.threads.setSuggestedPrompts")."""
    return [{"title": text, "message": text} for text in (say(name, language) for name in _SUGGESTIONS)]
