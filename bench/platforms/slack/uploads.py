"""files.*: the three steps in which a file goes up, and what is told of one."""

import mimetypes

from bench.platforms.slack.chat import add, thread, written
from bench.platforms.slack.errors import ApiError, refuse
from bench.platforms.slack.files import File, Upload
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.state import State, parsed, required
from bench.platforms.slack.text import escaped
from bench.platforms.slack.workspace import Bot


def info(slack: State, bot: Bot, args: Payload) -> Payload:
    required(args, "file")
    file = slack.files.get(str(args["file"]))
    if file is None:
        raise ApiError("file_not_found")
    return {"file": file.whole(), "comments": [], "response_metadata": {"next_cursor": ""}}


def begin(slack: State, bot: Bot, args: Payload) -> Payload:
    """docs.slack.dev, "files.getUploadURLExternal"."""
    required(args, "filename", "length")
    try:
        length = int(args["length"])
    except ValueError:
        raise refuse("invalid_arguments", "must be a number [json-pointer:/length]") from None
    if length <= 0:
        raise refuse("invalid_arguments", "must be more than 0 [json-pointer:/length]")
    file = new_file(slack, str(args["filename"]), b"", "", bot.user, bot.team)
    file.alt_text = str(args.get("alt_txt") or "")
    slack.uploads[file.id] = Upload(file, length)
    return {"upload_url": f"{slack.base_url}/upload/{file.id}", "file_id": file.id}


def receive(slack: State, id: str, content: bytes) -> bool:
    """The second step: the bytes themselves; False where they were not announced like this."""
    upload = slack.uploads.get(id)
    if upload is None or upload.is_sent or len(content) != upload.length:
        return False
    upload.file.content, upload.is_sent = content, True
    return True


def complete(slack: State, bot: Bot, args: Payload) -> Payload:
    """docs.slack.dev, "files.completeUploadExternal": shows them in a channel, where one is named."""
    required(args, "files")
    named = parsed(args["files"], "invalid_arguments")
    if not isinstance(named, list) or not named:
        raise refuse("invalid_arguments", "at least one item is required [json-pointer:/files]")
    uploads = [_sent(slack, entry) for entry in named]
    for upload, entry in zip(uploads, named, strict=True):
        upload.file.title, upload.is_complete = str(entry.get("title") or upload.file.name), True
    for id in filter(None, str(args.get("channel_id") or args.get("channels") or "").split(",")):
        _show(slack, bot, uploads, id, args)
    return {"files": [upload.file.whole() for upload in uploads]}


def new_file(slack: State, name: str, content: bytes, mimetype: str, user: str, team: str) -> File:
    id = f"F0FILE{slack.number():04d}"
    kind = mimetype or mimetypes.guess_type(name)[0] or "application/octet-stream"
    url = f"{slack.base_url}/files-pri/{team}-{id}/download/{name}"
    file = slack.files[id] = File(id, name, content, kind, user, team, url)
    return file


def _sent(slack: State, entry: object) -> Upload:
    upload = slack.uploads.get(str(entry.get("id"))) if isinstance(entry, dict) else None
    if upload is None or not upload.is_sent or upload.is_complete:
        raise ApiError("file_not_found")
    return upload


def _show(slack: State, bot: Bot, uploads: list[Upload], id: str, args: Payload) -> None:
    channel = slack.conversations.joined_by(bot, id)
    message = written(slack, bot, channel, thread(channel, args.get("thread_ts")))
    message.files = tuple(upload.file for upload in uploads)
    message.text = escaped(str(args.get("initial_comment") or ""))
    for upload in uploads:
        upload.channel, upload.thread_ts, upload.comment = channel.id, message.thread_ts, message.text
    add(slack, bot, channel, message)
    slack.ping(message, [message.text])
