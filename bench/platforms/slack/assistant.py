"""assistant.threads.*: what stands under a thread while an answer is thought of, and what one might ask."""

from bench.platforms.slack.errors import refuse
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.state import State, Status, parsed, required
from bench.platforms.slack.workspace import Bot

_PROMPTS = 4


def set_status(slack: State, bot: Bot, args: Payload) -> Payload:
    """docs.slack.dev, "assistant.threads.setStatus": an empty status takes it back."""
    required(args, "channel_id", "thread_ts")
    if not isinstance(args.get("status"), str):
        raise refuse("invalid_arguments", "missing required field: status")
    channel = slack.conversations.joined_by(bot, args["channel_id"])
    loading = parsed(args.get("loading_messages"), "invalid_arguments") or []
    if not isinstance(loading, list) or len(loading) > 10:
        raise refuse("invalid_arguments", "no more than 10 items allowed [json-pointer:/loading_messages]")
    slack.set_status(Status(channel.id, str(args["thread_ts"]), args["status"], tuple(loading)))
    return {}


def set_suggested_prompts(slack: State, bot: Bot, args: Payload) -> Payload:
    """docs.slack.dev, "assistant.threads.setSuggestedPrompts": at most four, each a title and a message."""
    required(args, "channel_id", "prompts")
    channel = slack.conversations.joined_by(bot, args["channel_id"])
    prompts = parsed(args["prompts"], "invalid_arguments")
    if not isinstance(prompts, list) or not 0 < len(prompts) <= _PROMPTS:
        raise refuse("invalid_arguments", f"1 to {_PROMPTS} items allowed [json-pointer:/prompts]")
    for index, prompt in enumerate(prompts):
        if not isinstance(prompt, dict) or not prompt.get("title") or not prompt.get("message"):
            raise refuse("invalid_arguments", f"title and message are required [json-pointer:/prompts/{index}]")
    slack.prompts.append(args | {"channel_id": channel.id, "prompts": prompts})
    return {}
