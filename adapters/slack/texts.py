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
    "suggestion_1": ("What can you do?", "你能做什么？"),
    "suggestion_2": ("Explain a term in plain words", "用通俗的话解释一个术语"),
    "suggestion_3": ("Draft a short, friendly message", "起草一条简短友好的消息"),
}


def say(name: str, language: str, **facts: object) -> str:
    """The sentence `name` in "en" or "zh", with its {facts} filled in; any other language reads English."""
    english, chinese = TEXTS[name]
    return (chinese if language == "zh" else english).format(**facts)
