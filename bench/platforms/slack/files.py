"""Files: what people share, and what the app sends up."""

from dataclasses import dataclass

from bench.platforms.slack import payloads
from bench.platforms.slack.payloads import Payload

# What Slack shows who asks for a file without a token: a page to log in, and no error.
LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Slack</title></head><body>Sign in to your workspace</body></html>"


@dataclass(slots=True)
class File:
    """A file in Slack. `is_id_only`: events tell its id alone, as in Slack Connect channels."""

    id: str
    name: str
    content: bytes
    mimetype: str
    user: str
    team: str
    url: str
    title: str = ""
    alt_text: str = ""
    is_id_only: bool = False

    def body(self) -> Payload:
        """As events have it."""
        return payloads.id_only_file(self.id) if self.is_id_only else self.whole()

    def whole(self) -> Payload:
        """As `files.info` has it."""
        size, title = len(self.content), self.title or self.name
        told = payloads.file(
            self.id, name=self.name, mimetype=self.mimetype, size=size, user=self.user, url=self.url, title=title
        )
        return told | {"user_team": self.team} | ({"alt_txt": self.alt_text} if self.alt_text else {})


@dataclass(slots=True)
class Upload:
    """A file on its way up: announced, then sent, then `is_complete` with the message that shows it."""

    file: File
    length: int
    channel: str = ""
    thread_ts: str = ""
    comment: str = ""
    is_sent: bool = False
    is_complete: bool = False
