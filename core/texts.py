"""What the house itself says to people, in English and Chinese: what happened and what to do."""

_TEXTS: dict[str, tuple[str, str]] = {
    "help": (
        "Ask me anything in your own words; I answer in this thread and remember what was said in it.\n\n"
        "- `/reset` – forget what was said in this thread so far\n"
        "- `/code` or `/chat` – prefer the coding or the chat model in this thread\n"
        "- `stop` – stop the answer that is being written\n"
        "- `/regenerate` – answer the last question again\n"
        "- `/appeal` – say that I was wrong to refuse, in a few words of yours\n"
        "- `/confirm` – say yes to what I asked you last, where there is no button for it\n"
        "- `/forget-me` – forget all you ever said to me here, in every thread; I ask before I do it\n"
        "- 👍 or 👎 under an answer – tell me whether it helped\n\n"
        "Where a message cannot begin with `/`, mention me before it: `@Parley /reset`. In Slack, after `/parley`, "
        "leave the second `/` out: `/parley reset`.\n\n"
        "The model and its memory run on this company's own machines. A chat service such as Slack, if you write to me "
        "in one, keeps what is written there as well.",
        "请直接用自己的话提问；我在这个会话里回答，并记得会话里说过的内容。\n\n"
        "- `/reset` – 忘记这个会话到目前为止的内容\n"
        "- `/code` 或 `/chat` – 在这个会话里优先使用代码模型或聊天模型\n"
        "- `停止` – 停止正在写的回答\n"
        "- `/regenerate` – 重新回答上一个问题\n"
        "- `/appeal` – 认为我不该拒答时，用几句话说明\n"
        "- `/confirm` – 同意我刚才的请求（没有按钮时使用）\n"
        "- `/forget-me` – 忘记您在这里的所有会话中对我说过的一切；执行前我会先征求确认\n"
        "- 回答下方的 👍 或 👎 – 告诉我回答是否有帮助\n\n"
        "如果消息不能以 `/` 开头，请先提及我，再写命令：`@Parley /reset`。"
        "在 Slack 中写在 `/parley` 之后时，不用再加 `/`：`/parley reset`。\n\n"
        "模型及其记忆都运行在本公司自己的机器上。如果您是在 Slack 等聊天服务中与我对话，写下的内容也会保存在那里。",
    ),
    "reset": (
        "Done: I no longer use what was said in this thread before. Ask away.",
        "好的：这个会话之前的内容我不再使用。请继续提问。",
    ),
    "route_code": (
        "From here on the coding model answers in this thread, where one is loaded. `/chat` switches back "
        "(in Slack `@Parley /chat`, or `/parley chat`).",
        "从现在起，如果已加载代码模型，这个会话由它回答。输入 `/chat` 可切换回来"
        "（在 Slack 中是 `@Parley /chat` 或 `/parley chat`）。",
    ),
    "route_chat": (
        "From here on the chat model answers in this thread. `/code` switches to the coding model "
        "(in Slack `@Parley /code`, or `/parley code`).",
        "从现在起，这个会话由聊天模型回答。输入 `/code` 可切换到代码模型"
        "（在 Slack 中是 `@Parley /code` 或 `/parley code`）。",
    ),
    "similar": ('Answer to the similar question "{question}":', "相似问题“{question}”的回答："),
    "ask_again": (
        "Not what you asked? `/regenerate` has your own question answered.",
        "不是您要问的？输入 `/regenerate` 可重新回答您自己的问题。",
    ),
    "nothing_to_stop": (
        "None of your questions is being answered here right now, so there is nothing to stop.",
        "现在这里没有正在回答的您的问题，所以没有需要停止的内容。",
    ),
    "nothing_to_regenerate": (
        "There is no answer of yours here that could be written again. Please ask the question once more.",
        "这里没有可以重新生成的您的回答。请再问一次。",
    ),
    "not_yours_to_regenerate": (
        "Only the person who asked, or an admin, can have this answered again.",
        "只有提问者或管理员可以重新生成这个回答。",
    ),
    "already_regenerating": (
        "This answer is being written again already.",
        "这个回答已经在重新生成了。",
    ),
    "nothing_to_confirm": (
        "There is nothing waiting for your confirmation here. If you still want it, please ask again.",
        "这里没有等待您确认的内容。如果仍然需要，请重新提出。",
    ),
    "unsure_whether_done": (
        "I was interrupted while I did what you confirmed, so I can't tell whether it was done. Please look before you "
        "ask for it again; I won't do it a second time by myself.",
        "我在执行您确认的操作时被中断，无法确定是否已经完成。请先查看结果，再决定是否重新提出；我不会自行重复执行。",
    ),
    "plugins": (
        "Besides, I do the following by myself, by command or where you ask for it in your own words:",
        "此外，以下事情我可以直接完成，用命令或直接提问都可以：",
    ),
    "plugin_ask": (
        "**{name}** – {about}\n\nI do this only with your consent. Please confirm if you want it done with what stands "
        "below; otherwise just go on.",
        "**{name}** – {about}\n\n需要您同意后我才会执行。如果要按下面的内容执行，请确认；否则可以直接继续提问。",
    ),
    "plugin_gone": (
        "What you confirmed is no longer available here, or not to you, so nothing was done. Please ask your "
        "administrator.",
        "您确认的功能在这里已不可用，或未对您开放，因此没有执行。请联系管理员。",
    ),
    "plugin_failed": (
        '"{name}" did not work this time. Please try again later; the operator has been told.',
        "“{name}”这次没有成功。请稍后再试；已通知管理员。",
    ),
    "plugin_hung": (
        'I stopped "{name}", which hung, and it is switched off until Parley is started again; the operator has been '
        "told.",
        "“{name}”没有响应，我已将其停止。在 Parley 重新启动之前不能再使用；已通知管理员。",
    ),
    "plugin_unsure": (
        'I can\'t tell whether "{name}" did what you confirmed: it broke off. Please look before you ask for it again.',
        "“{name}”中途中断，无法确定您确认的操作是否已经完成。请先查看结果，再决定是否重新提出。",
    ),
    "plugin_slow": (
        '"{name}" took too long, so I stopped waiting for it. Please try again in a few minutes.',
        "“{name}”用时过长，我已停止等待。请几分钟后再试。",
    ),
    "plugin_empty": (
        '"{name}" gave no result for this. Please ask in other words.',
        "“{name}”没有给出结果。请换一种说法再试。",
    ),
    "stopped": ("Stopped, as you asked.", "已按您的要求停止。"),
    "deleted": (
        "The question was deleted, so I stopped answering it.",
        "问题已被删除，所以我停止了回答。",
    ),
    "empty": (
        "I found nothing to say to this. Please ask it in other words.",
        "我没有想到可以回答的内容。请换一种说法再问一次。",
    ),
    "failed": (
        "Something went wrong on my side and I could not answer. Please ask again; the operator has been told.",
        "我这边出了问题，没能回答。请再问一次；已通知管理员。",
    ),
    "busy": (
        "Too many questions are being answered right now. Please ask again in a minute.",
        "现在正在回答的问题太多。请一分钟后再问。",
    ),
    "unavailable": (
        "The model could not answer this time. Please ask again in a few minutes; the operator has been told.",
        "模型这次没能回答。请几分钟后再问；已通知管理员。",
    ),
    "too_long": (
        "This is longer than the model can read at once. Please send a shorter text, or split it into parts.",
        "内容超过了模型一次能读的长度。请缩短文字，或分成几部分发送。",
    ),
    "malformed": (
        "The model cannot read this in the form it has. Please send it again as plain text; if that does not help, "
        "`/reset` makes a fresh start in this thread.",
        "模型无法读取这种形式的内容。请用纯文字重新发送；如果仍然不行，可以用 `/reset` 让这个会话重新开始。",
    ),
    "not_allowed": (
        "I may not answer here. Please ask your administrator to let this channel or account in.",
        "我不能在这里回答。请联系管理员开放此频道或账号。",
    ),
    "unknown_author": (
        "I could not find out whether you may ask here: the chat service does not say. Please try again in a few "
        "minutes.",
        "聊天服务没有说明您的身份，我无法确认您是否可以在这里提问。请几分钟后再试。",
    ),
    "truncated": (
        "The answer was cut at its greatest length. Ask me to go on.",
        "回答因达到最大长度而中断。可以让我继续。",
    ),
    "refused_question": (
        "I don't take this question, because of {category}. If you think that is wrong, press thumbs down under it, "
        "or send `/appeal` with a few words: an administrator will see it.",
        "这个问题涉及{category}，我不能回答。如果您认为判断有误，请点击本消息下方的 👎，或发送 `/appeal` 加上简短说明，"
        "管理员会看到。",
    ),
    "refused_answer": (
        "I took this answer back, because of {category}. If you think that is wrong, press thumbs down under it, "
        "or send `/appeal` with a few words: an administrator will see it.",
        "这个回答涉及{category}，已被撤回。如果您认为判断有误，请点击本消息下方的 👎，或发送 `/appeal` 加上简短说明，"
        "管理员会看到。",
    ),
    "unchecked": (
        "What is asked and answered here is checked first, and that check can't be reached right now. Please ask again "
        "in a few minutes.",
        "这里的提问和回答都要先经过检查，而检查服务目前无法连接。请几分钟后再问。",
    ),
    "appealed": (
        "Thank you. An administrator will see that you think this refusal was wrong.",
        "谢谢。管理员会看到您认为这次拒答有误。",
    ),
    "nothing_to_appeal": (
        "I have refused nothing of yours here, so there is nothing to appeal against.",
        "我在这里没有拒绝过您的内容，所以没有可申诉的。",
    ),
    "forget_me": (
        "This erases for good, in every thread you have with me here, what you said to me, what I answered you, your "
        "ratings and what waits for your confirmation. Nobody can bring it back: not you, not the operator, and a "
        "backup only until it expires. Here means this workspace and this app: if you also write to me in another "
        "workspace, or through another app or bot, send it there too. What the chat service keeps of it stays there, "
        "and so do answers that others were given.\n\n"
        "If that is what you want, send `/forget-me yes` (in Slack `@Parley /forget-me yes`, or "
        "`/parley forget-me yes`). Otherwise just go on; nothing has been erased.",
        "这会永久删除您在这里的所有会话中对我说过的内容、我给您的回答、您的评价，以及等待您确认的事项。"
        "删除后任何人都无法恢复，包括您和管理员；备份中的内容在备份过期后也会消失。"
        "“这里”指当前的工作区和当前的应用：如果您还在别的工作区，或通过别的应用或机器人与我对话，请在那里也发送一次。"
        "聊天服务自己保存的内容，以及别人得到的回答，不会因此删除。\n\n"
        "如果确定要这样做，请发送 `/forget-me yes`"
        "（在 Slack 中是 `@Parley /forget-me yes` 或 `/parley forget-me yes`）。"
        "否则可以直接继续；目前没有删除任何内容。",
    ),
    "forgotten": (
        "Done: what you said to me and what I answered you is erased, in every thread you had with me here. In another "
        "workspace, or with another app or bot, send it there too. What you say from now on is kept anew. The chat "
        "service has its own copies; delete those there if you want them gone too.",
        "已完成：您在这里的所有会话中对我说过的内容和我给您的回答都已删除。如果您还在别的工作区，"
        "或通过别的应用或机器人与我对话，请在那里也发送一次。您今后说的内容会重新开始保存。"
        "聊天服务有它自己的副本；如果也要删除，请在那里操作。",
    ),
    "limited_person_messages": (
        "You have asked me as much today as each person may in a day (questions: {limit}). Please ask me again {when}, "
        "when a new day begins for me. If you can't wait, your administrator can let you go on.",
        "您今天已经问了 {limit} 个问题，达到了每人每天的上限。{when}新的一天开始，届时请再问我。"
        "如果不能等，管理员可以为您解除限制。",
    ),
    "limited_person_tokens": (
        "Your questions and my answers were long today, and each person may have so much in a day. Please ask me again "
        "{when}, when a new day begins for me. If you can't wait, your administrator can let you go on.",
        "您今天的问题和我的回答加起来已经很长，达到了每人每天的用量上限。{when}新的一天开始，届时请再问我。"
        "如果不能等，管理员可以为您解除限制。",
    ),
    "limited_workspace_messages": (
        "All of you here together have asked me as much today as this workspace may in a day (questions: {limit}). "
        "Please ask me again {when}, when a new day begins for me. If you can't wait, your administrator can let you "
        "go on.",
        "这个工作区今天总共问了 {limit} 个问题，达到了每天的上限。{when}新的一天开始，届时请再问我。"
        "如果不能等，管理员可以为您解除限制。",
    ),
    "limited_workspace_tokens": (
        "All of you here together have used up what this workspace may have of me in a day. Please ask me again "
        "{when}, when a new day begins for me. If you can't wait, your administrator can let you go on.",
        "这个工作区今天的用量已达到每天的上限。{when}新的一天开始，届时请再问我。如果不能等，管理员可以为您解除限制。",
    ),
    "in_a_minute": ("in about a minute", "大约 1 分钟后"),
    "in_minutes": ("in about {count} minutes", "大约 {count} 分钟后"),
    "in_an_hour": ("in about an hour", "大约 1 小时后"),
    "in_hours": ("in about {count} hours", "大约 {count} 小时后"),
    "unread_thread": (
        "I could not read what was said in this thread before. Ask me again here, and I try once more.",
        "我没能读到这个会话此前的内容。请在这里再次提问，我会重新尝试读取。",
    ),
    "unread_too_large": (
        "I could not read {files}: I read text files up to {size}.",
        "我无法读取{files}：我只能读取不超过 {size} 的文本文件。",
    ),
    "unread_not_text": (
        "I could not read {files}: I read text files only, in UTF-8.",
        "我无法读取{files}：我只能读取 UTF-8 编码的文本文件。",
    ),
    "unread_too_many": (
        "I did not read {files}: I read at most {count} files at once.",
        "我没有读取{files}：我一次最多读取 {count} 个文件。",
    ),
    "unread_gone": (
        "I could not find {files} any more.",
        "我没能找到{files}：文件已不存在。",
    ),
    "unread_not_fetched": (
        "I could not fetch {files}. Please attach once more.",
        "我没能取到{files}。请重新添加附件。",
    ),
    "unread_not_here": (
        "I could not read {files}: I can't read files here. Please paste the text instead.",
        "我无法读取{files}：我在这里不能读取文件。请直接粘贴文字。",
    ),
}


def say(name: str, language: str) -> str:
    """The sentence `name` in "en" or "zh"; any other language reads English."""
    english, chinese = _TEXTS[name]
    return chinese if language == "zh" else english
