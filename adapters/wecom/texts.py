"""What the WeCom channel says by itself, in English and Chinese."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "welcome": (
        "Hello, I am Parley, this company's own assistant. Ask me anything; in a group, mention me with @.",
        "您好，我是 Parley，本公司自己的智能助手。直接提问即可；在群里请 @ 我。",
    ),
    # What came with a question and has no name of its own.
    "named_image": ("picture", "图片"),
    "named_voice": ("voice message", "语音"),
    "named_video": ("video", "视频"),
    "named_file": ("file", "文件"),
    "not_stored": (
        "This could not be saved just now. Please send it again in a moment.",
        "暂时无法保存，请稍后再发送一次。",
    ),
    # While there is no answer yet. `seconds` is how long it has been.
    "status_thinking": ("Thinking… {seconds} s", "正在思考…… {seconds} 秒"),
    "status_working": ("Working on it… {seconds} s", "正在处理…… {seconds} 秒"),
    "status_queued": (
        "Waiting: place {position} in the queue… {seconds} s",
        "正在排队：第 {position} 位…… {seconds} 秒",
    ),
    "status_waiting": (
        "Received. What was asked before is answered first… {seconds} s",
        "已收到，正在先回答前面的问题…… {seconds} 秒",
    ),
    "rest_follows": ("(The rest follows in a new message.)", "（其余内容将以新消息继续。）"),
    "say_continue": (
        "(There is more. Send “continue” to read on.)",
        "（还有更多内容。发送“继续”可接着阅读。）",
    ),
    # The self-built app: its messages cannot be changed once they are sent, only recalled.
    "working": (
        "Received. I am working on it; the answer follows in a new message.",
        "已收到，正在处理，回答将以新消息发送。",
    ),
    "replaces_above": ("(This takes the place of what is above.)", "（以下内容取代上文。）"),
    "picture": ("[Picture, which WeCom does not show here: {alt}]", "[图片，企业微信无法显示：{alt}]"),
    "sources": ("Sources:", "来源："),
    # Cards, and what they say once a button was pressed. Titles up to about 26 characters, buttons up to about 10.
    "rate_title": ("Was this helpful?", "这个回答有帮助吗？"),
    "rate_desc": ("Rate the answer above, or have it written again.", "请评价上面的回答，也可以让我重新回答。"),
    "rated_up": ("👍 Thank you!", "👍 感谢评价！"),
    "rated_down": ("👎 Thank you, noted.", "👎 感谢反馈，已记录。"),
    "rated_desc": ("You may still change your mind.", "您可以随时修改评价。"),
    "again": ("Answer again", "重新回答"),
    "again_title": ("Answering again…", "正在重新回答……"),
    "ask_title": ("Please confirm", "请确认"),
    "ask": ("Yes, go ahead", "确认执行"),
    "ask_done": ("Received", "已收到"),
    "not_stored_card": ("Not saved, press again", "未能保存，请再点一次"),
    "not_stored_vote": (
        "Your rating could not be saved just now. Please give it again in a moment.",
        "您的评价暂时无法保存，请稍后再评一次。",
    ),
    "not_yours": ("Only the asker can confirm", "只有提问者可以确认"),
    "refused_piece": (
        "(WeCom did not take this part of the answer. The operator has been told.)",
        "（企业微信没有接受这部分回答，已通知管理员。）",
    ),
    "no_button": (
        "(The button to confirm this could not be shown. Send “/confirm” instead.)",
        "（无法显示确认按钮。请发送“/confirm”来确认。）",
    ),
    "read_by_word": ("Send “continue” to read the result.", "发送“继续”可查看结果。"),
    # The long connection: a stream that ends before its answer, and what is pushed after it.
    "answer_follows": (
        "This takes a while. The answer follows in a new message.",
        "需要较长时间，回答将以新消息发送。",
    ),
    "sent_again": (
        "(Sent again, because WeCom did not confirm it the first time.)",
        "（企业微信没有确认上一次发送，因此再次发送。）",
    ),
}

# For the operator, by errcode of WeCom (developer.work.weixin.qq.com, document 90313).
TOLD: Mapping[int, str] = {
    -1: "busy",
    40001: "wrong_secret",
    40014: "stale_token",
    42001: "stale_token",
    40058: "too_long",
    45009: "limited",
    48002: "no_permission",
    60011: "no_member",
    60020: "untrusted_ip",
    81013: "no_receiver",
    846605: "no_request",
    846608: "stream_over",
    853000: "wrong_bot",
    6000: "concurrent",
}
OPERATOR_TEXTS: Mapping[str, tuple[str, str]] = {
    "busy": ("WeCom is busy; it is tried again", "企业微信繁忙，将重试"),
    "wrong_secret": (
        "The Secret is not this app's: check PARLEY_WECOM_APP_SECRET and wecom.app.agent_id",
        "Secret 与该应用不符：请检查 PARLEY_WECOM_APP_SECRET 和 wecom.app.agent_id",
    ),
    "stale_token": (
        "The access token was refused and fetched anew; if this persists, another program shares the Secret",
        "access_token 失效，已重新获取；若持续出现，说明有其他程序在共用该 Secret",
    ),
    "too_long": (
        "The content is longer than WeCom takes; please report this as a fault of Parley",
        "内容超出企业微信的长度限制；这是 Parley 的缺陷，请反馈",
    ),
    "limited": ("WeCom's rate limit is reached; answers wait", "已达到企业微信的频率限制，回答将稍后发送"),
    "no_permission": (
        "The app may not call this interface: check its permissions in the admin console",
        "应用没有调用该接口的权限：请在管理后台检查应用权限",
    ),
    "no_member": (
        "The app may not write to this member: add them to its visible range",
        "应用无权发送给该成员：请将其加入应用的可见范围",
    ),
    "untrusted_ip": (
        "This server's IP address is not among the app's trusted ones: add it under 企业可信IP on the app's page "
        "(WeCom asks for a trusted domain or a verified receive URL first)",
        "本服务器的 IP 不在应用的“企业可信IP”中：请在应用详情页添加（需先设置可信域名或通过接收消息 URL 验证）",
    ),
    "no_receiver": (
        "Nobody received it: the person is outside the app's visible range",
        "没有有效的接收人：该成员不在应用的可见范围内",
    ),
    "no_request": (
        "WeCom no longer knows the request; the answer goes out as a new message",
        "企业微信已不认识该请求，回答将以新消息发送",
    ),
    "stream_over": (
        "WeCom has ended the stream; the rest goes out as a new message",
        "流式消息已过期，其余内容将以新消息发送",
    ),
    "wrong_bot": (
        "The bot id or its secret is wrong: check wecom.bot.id and PARLEY_WECOM_BOT_SECRET",
        "机器人 ID 或 Secret 有误：请检查 wecom.bot.id 和 PARLEY_WECOM_BOT_SECRET",
    ),
    "concurrent": (
        "WeCom takes one command at a time here; it is tried again",
        "企业微信同一时间只处理一个命令，将重试",
    ),
    "kicked": (
        "Another program has opened the connection of this bot: stop one of the two, a bot has one connection",
        "有其他程序连接了同一个机器人：一个机器人只能有一个连接，请停掉其中之一",
    ),
}


def say(name: str, language: str, /, **facts: object) -> str:
    """The text `name` with its facts filled in; `language` is "en" or "zh"."""
    english, chinese = TEXTS[name]
    return (chinese if language == "zh" else english).format(**facts)


def say_to_operator(name: str, **facts: object) -> str:
    """The sentence in both languages on one line: the operator's own is known to the household alone."""
    return " · ".join(text.format(**facts) for text in OPERATOR_TEXTS[name])
