"""How the connector refuses: learn.microsoft.com, "Status codes from bot conversational APIs"."""

from dataclasses import dataclass

STREAM = "ContentStreamNotAllowed"


@dataclass(slots=True)
class ServiceError(Exception):
    """Answered as `{"error": {"code", "message"}}`; `retry_after` in whole seconds, 0 for none."""

    status: int
    code: str
    message: str
    retry_after: int = 0

    @property
    def body(self) -> dict[str, dict[str, str]]:
        return {"error": {"code": self.code, "message": self.message}}


class Unauthorized(Exception):
    """A bearer token that nobody issued, or that has ended."""


def bad(message: str) -> ServiceError:
    return ServiceError(400, "Bad Argument", message)


def bad_stream(message: str) -> ServiceError:
    """What is wrong with one request of a stream; the stream goes on ("Stream bot messages", "Error codes")."""
    return ServiceError(400, "BadRequest", message)


def no_stream(message: str) -> ServiceError:
    """The end of a stream, or of the wish for one."""
    return ServiceError(403, STREAM, message)


def no_activity() -> ServiceError:
    return ServiceError(404, "ActivityNotFoundInConversation", "Message does not exist in the thread.")


def no_conversation() -> ServiceError:
    return ServiceError(404, "ConversationNotFound", "Conversation not found.")


def gone() -> ServiceError:
    """A message that was deleted (BotFramework-Services#269)."""
    return ServiceError(403, "ServiceError", "Unknown")


def throttled(seconds: int, message: str = "Too many requests.") -> ServiceError:
    return ServiceError(429, "Throttled", message, seconds)
