"""What the browser channel says, in English and Chinese: what happened and what to do."""

from collections.abc import Mapping

LANGUAGES = ("en", "zh")

_ERRORS: dict[str, tuple[str, str]] = {
    "bad_host": (
        "This address is not one Parley answers to. Open it under its own name, or add this one to "
        "`console.allowed_hosts` in app.yaml.",
        "Parley 不接受这个地址。请用它自己的地址打开，或把这个地址加入 app.yaml 的 `console.allowed_hosts`。",
    ),
    "bad_origin": (
        "This request came from another website, so it was not carried out. Open Parley in a tab of its own. If that "
        "site is Parley's own address, add it to `console.allowed_origins` in app.yaml.",
        "这个请求来自另一个网站，因此没有执行。请在单独的标签页中打开 Parley。"
        "如果该网站就是 Parley 自己的地址，请把它加入 app.yaml 的 `console.allowed_origins`。",
    ),
    "forwarded": (
        "This request came through a proxy, but this door knows people only by their being on this machine. Set up "
        "access tokens in app.yaml before putting a proxy in front.",
        "这个请求经过了代理，而这个入口只认本机的使用者。请先在 app.yaml 中设置访问令牌，再在前面放置代理。",
    ),
    "token_needed": (
        "An access token is needed here. Send it as `Authorization: Bearer …`, or sign in on the page.",
        "这里需要访问令牌。请以 `Authorization: Bearer …` 发送，或在页面上登录。",
    ),
    "token_unknown": (
        "This access token is not known here. Check that it was copied whole, or ask your administrator for a new one.",
        "这个访问令牌无效。请确认已完整复制，或向管理员索取新的令牌。",
    ),
    "csrf": (
        "The page and the server no longer agree on who you are, so nothing was changed. Reload the page; a program "
        "sends the token it was given in the header X-CSRF-Token.",
        "页面与服务器的身份校验不一致，因此没有执行任何操作。请刷新页面；程序请在 X-CSRF-Token 标头中发送收到的令牌。",
    ),
    "not_json_type": (
        "Only JSON is read here. Send the header `Content-Type: application/json`.",
        "这里只接受 JSON。请发送标头 `Content-Type: application/json`。",
    ),
    "encoded": (
        "Compressed requests are not read here. Send the JSON without Content-Encoding.",
        "这里不接受压缩的请求。请直接发送 JSON，不要使用 Content-Encoding。",
    ),
    "body_too_large": (
        "The request is larger than {limit} KiB, more than is read here. Send a shorter text.",
        "请求超过了 {limit} KiB 的上限。请缩短内容后再发送。",
    ),
    "body_cut": (
        "The request arrived incomplete. Please send it again.",
        "请求没有完整到达。请再发送一次。",
    ),
    "not_utf8": (
        "The request is not UTF-8 text. Send the JSON as UTF-8.",
        "请求不是 UTF-8 文本。请用 UTF-8 编码发送 JSON。",
    ),
    "not_json": (
        "The request is not valid JSON. Check its quotes and brackets.",
        "请求不是有效的 JSON。请检查引号和括号。",
    ),
    "not_an_object": (
        'The request must be a JSON object, such as {{"prompt": "What is Parley?"}}.',
        '请求必须是一个 JSON 对象，例如 {{"prompt": "Parley 是什么？"}}。',
    ),
    "missing": ("`{field}` is missing. Add it to the request.", "缺少 `{field}`。请在请求中加上它。"),
    "not_a_string": ("`{field}` must be a text in quotes.", "`{field}` 必须是带引号的文本。"),
    "not_a_boolean": (
        "`{field}` must be true or false, without quotes.",
        "`{field}` 必须是 true 或 false，不带引号。",
    ),
    "empty": ("`{field}` is empty. Write something first.", "`{field}` 是空的。请先写点内容。"),
    "too_long": (
        "`{field}` has {length} characters; up to {limit} are read. Shorten it, or send it in parts.",
        "`{field}` 有 {length} 个字符，上限是 {limit} 个。请缩短，或分几次发送。",
    ),
    "unreadable": (
        "`{field}` contains characters that are no text (a NUL, or half of a surrogate pair). Take them out and send "
        "it again.",
        "`{field}` 含有不是文本的字符（NUL 或半个代理对）。请去掉后再发送。",
    ),
    "bad_choice": ("`{field}` must be one of: {choices}.", "`{field}` 必须是以下之一：{choices}。"),
    "bad_key": (
        "The header Idempotency-Key must be 1 to 200 plain characters without spaces.",
        "标头 Idempotency-Key 必须是 1 到 200 个不含空格的普通字符。",
    ),
    "bad_cursor": (
        "`before` is not a place in this list. Use the value that came with the page before.",
        "`before` 不是这个列表中的位置。请使用前一页返回的值。",
    ),
    "no_thread": (
        "There is no such conversation of yours. It may have been begun in another browser, or by somebody else; you "
        "can begin a new one.",
        "没有找到属于您的这个会话。它可能是在另一个浏览器中或由其他人开始的；您可以开始新会话。",
    ),
    "no_reply": (
        "There is no such answer given to you. Check `reply_id`; an answer can be rated once it has begun.",
        "没有找到给您的这个回答。请检查 `reply_id`；回答开始之后才能评价。",
    ),
    "not_found": ("There is nothing at this address.", "这个地址没有内容。"),
    "not_stored": (
        "The database did not take it just now, so nothing was lost and nothing was begun. Please send it again in a "
        "few seconds.",
        "数据库暂时无法保存，因此没有开始处理，也没有丢失内容。请几秒后再发送一次。",
    ),
    "still_answering": (
        "The answer is not finished yet. Nothing is lost: it goes on, and can be read under `events` or in the thread.",
        "回答尚未完成。内容不会丢失：它会继续生成，可通过 `events` 或在会话中查看。",
    ),
    "stopping": ("Whatever was being answered here is stopped.", "正在进行的回答已停止。"),
}

_PAGE: dict[str, tuple[str, str]] = {
    "name": ("Parley", "Parley"),
    "new_chat": ("New chat", "新会话"),
    "threads": ("Conversations", "会话"),
    "no_threads": ("Your conversations will be listed here.", "您的会话会列在这里。"),
    "older_threads": ("Older conversations", "更早的会话"),
    "earlier": ("Show earlier messages", "显示更早的消息"),
    "untitled": ("Untitled", "未命名"),
    "skip": ("Skip to the message box", "跳到输入框"),
    "open_menu": ("Show conversations", "显示会话列表"),
    "close_menu": ("Hide conversations", "隐藏会话列表"),
    "other_language": ("中文", "English"),
    "other_language_label": ("切换到中文", "Switch to English"),
    "theme": ("Switch between light and dark", "切换浅色与深色"),
    "sign_out": ("Sign out", "退出登录"),
    "signed_in_as": ("Signed in as {person}", "已登录：{person}"),
    "answered_by": ("Answered by", "回答模型"),
    "model_loading": (
        "The model is loading. You can ask already; the answer starts as soon as it is ready.",
        "模型正在加载。您现在就可以提问，加载完成后会立即回答。",
    ),
    "model_loading_short": ("Model is loading", "模型加载中"),
    "demo_title": ("This is the small demo model.", "这是小型演示模型。"),
    "demo_text": ("It knows Parley itself and little else.", "它只了解 Parley 本身。"),
    "demo_how": ("Load a real model", "加载真正的模型"),
    "demo_steps": (
        "- From the model hub: `parley model pull NAME`, then `parley model use NAME`, for example with the name "
        "`deepseek-ai/DeepSeek-R1-Distill-Qwen-7B`.\n"
        "- From a folder that holds a DeepSeek model: set `engine.model` in app.yaml to it.\n\n"
        "Then start Parley again.",
        "- 从模型库下载：`parley model pull 名称`，然后 `parley model use 名称`，"
        "名称例如 `deepseek-ai/DeepSeek-R1-Distill-Qwen-7B`。\n"
        "- 使用存放 DeepSeek 模型的文件夹：在 app.yaml 中把 `engine.model` 设为该文件夹。\n\n"
        "然后重新启动 Parley。",
    ),
    "greeting": ("What would you like to know?", "想了解些什么？"),
    "greeting_text": (
        "Questions and answers stay on this company's own machines.",
        "提问和回答都只保存在本公司自己的机器上。",
    ),
    "example_1": ("What is Parley?", "Parley 是什么？"),
    "example_2": ("How do I connect Slack?", "怎么接入 Slack？"),
    "example_3": ("Which commands are there?", "有哪些命令？"),
    "example_4": ("How do I load a real DeepSeek model?", "怎么加载真正的 DeepSeek 模型？"),
    "ask": ("Ask something…", "输入问题…"),
    "ask_label": ("Your question", "您的问题"),
    "send": ("Send", "发送"),
    "stop": ("Stop", "停止"),
    "hint": ("Enter sends · Shift+Enter starts a new line · Esc stops", "回车发送 · Shift+回车换行 · Esc 停止"),
    "to_end": ("Jump to the newest message", "跳到最新消息"),
    "you": ("You", "您"),
    "copy": ("Copy", "复制"),
    "copied": ("Copied", "已复制"),
    "copy_failed": (
        "The browser did not allow copying. Select the text and copy it by hand.",
        "浏览器不允许复制。请选中文字后手动复制。",
    ),
    "code": ("Code", "代码"),
    "image": ("Image: {title}", "图片：{title}"),
    "reasoning": ("How this was thought through", "思考过程"),
    "regenerate": ("Answer again", "重新回答"),
    "confirm": ("Yes, do it", "确认执行"),
    "good": ("Helpful", "有帮助"),
    "bad": ("Not helpful", "没有帮助"),
    "why_good": ("What was good about it? (optional)", "哪里好？（可不填）"),
    "why_bad": ("What was wrong with it?", "哪里不好？"),
    "comment": ("Tell us more (optional)", "补充说明（可不填）"),
    "your_comment": ("Your comment:", "您的评论："),
    "send_comment": ("Send feedback", "提交评价"),
    "close": ("Close", "关闭"),
    "thanks": ("Thank you. Your rating is kept with this answer.", "谢谢。您的评价已与这个回答一起保存。"),
    "withdrawn": ("Your rating was taken back.", "已撤回您的评价。"),
    "reason_incorrect": ("Incorrect", "不正确"),
    "reason_incomplete": ("Incomplete", "不完整"),
    "reason_unclear": ("Hard to follow", "不易理解"),
    "reason_off_topic": ("Not what I asked", "答非所问"),
    "reason_unsafe": ("Unsafe or offensive", "不安全或冒犯"),
    "reset_line": ("The context before this line is forgotten", "此线之前的上下文已被忘记"),
    "waiting": ("Waiting for the answer before", "等待前一个回答完成"),
    "sent": ("Sent", "已发送"),
    "queued": ("In the queue", "排队中"),
    "queued_at": ("In the queue, place {position}", "排队中，第 {position} 位"),
    "thinking": ("Thinking", "思考中"),
    "working": ("Working on it", "处理中"),
    "writing": ("Writing", "正在回答"),
    "stopped": ("Stopped", "已停止"),
    "stopped_empty": ("Stopped before anything was written.", "还没有写出内容就已停止。"),
    "failed": ("Not answered", "未能回答"),
    "lost": (
        "(What stood here can no longer be read: it was changed in the database, or its key is gone.)",
        "（这里的内容已无法读取：它在数据库中被改动，或者密钥已丢失。）",
    ),
    "refused": ("Held back", "未予回答"),
    "finished": ("The answer is complete.", "回答完成。"),
    "source_cache": ("from an earlier answer", "来自先前的回答"),
    "source_plugin": ("from a plugin", "来自插件"),
    "source_moderation": ("from moderation", "来自内容审核"),
    "source_house": ("Parley", "Parley"),
    "reconnecting": ("The connection was lost. Reconnecting…", "连接已断开，正在重新连接…"),
    "gone": (
        "This answer can no longer be followed from here. Reload the page to see it.",
        "已无法在这里继续显示这个回答。请重新加载页面查看。",
    ),
    "offline": (
        "Parley can't be reached. Your text is still in the box; send it again once the server is back.",
        "无法连接到 Parley。您的文字还在输入框中；服务器恢复后请再次发送。",
    ),
    "retrying": ("Not stored yet. Trying again…", "尚未保存，正在重试…"),
    "not_done": ("That did not work. Please try again.", "操作没有成功。请再试一次。"),
    "sign_in": ("Sign in", "登录"),
    "sign_in_text": (
        "This Parley asks for an access token. Paste the one your administrator gave you; this browser then remembers "
        "you.",
        "这里的 Parley 需要访问令牌。请粘贴管理员给您的令牌；之后这个浏览器会记住您。",
    ),
    "token": ("Access token", "访问令牌"),
    "cross_site_title": ("Opened from another website", "从其他网站打开"),
    "cross_site_text": (
        "Your conversations are shown only to pages opened from Parley itself.",
        "您的会话只在从 Parley 自身打开的页面中显示。",
    ),
    "cross_site_link": ("Continue to Parley", "继续前往 Parley"),
    "error_title": ("This page can't be shown", "无法显示此页面"),
    "go_home": ("Start a new chat", "开始新会话"),
}

TEXTS: Mapping[str, tuple[str, str]] = _ERRORS | _PAGE

# What the page's script says by itself; all else reaches it as finished HTML or as an error's sentence.
SCRIPT_TEXTS = (
    "copied", "copy_failed", "finished", "gone", "not_done", "offline", "reconnecting", "retrying", "sent", "thanks",
    "waiting", "why_bad", "why_good", "withdrawn", "writing", "open_menu", "close_menu", "untitled",
)  # fmt: skip


def say(name: str, language: str, **values: str | int) -> str:
    """The sentence `name` in "en" or "zh", with its {values} filled in; any other language reads English."""
    english, chinese = TEXTS[name]
    return (chinese if language == "zh" else english).format(**values)


def language_of(accept_language: str, *choices: str) -> str:
    """The first of `choices` we speak, else the one an Accept-Language header ranks highest, else English."""
    for choice in choices:
        if choice in LANGUAGES:
            return choice
    ranked = sorted(map(_ranked, accept_language.split(",")), key=lambda item: -item[1])
    return next((tag for tag, weight in ranked if tag in LANGUAGES and weight > 0), "en")


def _ranked(item: str) -> tuple[str, float]:
    tag, _, quality = item.strip().partition(";q=")
    try:
        weight = float(quality or 1)
    except ValueError:
        weight = 0.0
    return tag.strip().lower().split("-")[0], weight if 0 <= weight <= 1 else 0.0
