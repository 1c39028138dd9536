"""The methods of the Web API by name."""

from collections.abc import Callable

from bench.platforms.slack import assistant, chat, modals, oauth, reactions, reading, streams, uploads
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.state import State
from bench.platforms.slack.workspace import Bot

Method = Callable[[State, Bot, Payload], Payload]

METHODS: dict[str, Method] = {
    "assistant.threads.setStatus": assistant.set_status,
    "assistant.threads.setSuggestedPrompts": assistant.set_suggested_prompts,
    "auth.revoke": oauth.revoke,
    "auth.test": reading.auth_test,
    "bots.info": reading.bots_info,
    "chat.appendStream": streams.append,
    "chat.delete": chat.delete,
    "chat.postEphemeral": chat.post_ephemeral,
    "chat.postMessage": chat.post_message,
    "chat.startStream": streams.start,
    "chat.stopStream": streams.stop,
    "chat.update": chat.update,
    "conversations.history": reading.history,
    "conversations.info": reading.info,
    "conversations.open": reading.open_direct,
    "conversations.replies": reading.replies,
    "files.completeUploadExternal": uploads.complete,
    "files.getUploadURLExternal": uploads.begin,
    "files.info": uploads.info,
    "reactions.add": reactions.add,
    "reactions.get": reactions.get,
    "reactions.remove": reactions.remove,
    "users.info": reading.users_info,
    "views.open": modals.open_view,
    "views.update": modals.update,
}
