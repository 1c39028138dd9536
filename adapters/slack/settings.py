"""What the Slack door is told by its operator."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

SLACK_API = "https://slack.com/api/"

# Names as Slack writes them in reaction events, without colons and skin tone.
UP = frozenset({"+1", "thumbsup"})
DOWN = frozenset({"-1", "thumbsdown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSettings:
    """Where Slack is reached and who we are there.

    With an `app_token` events come through Socket Mode, else over HTTP. Without a `bot_token` workspaces install the
    app themselves (`client_id`, `client_secret`, `public_url`), those of `workspaces` alone. `up` and `down` are the
    emoji that count as a vote, by Slack's names.
    """

    signing_secret: str = field(default="", repr=False)
    bot_token: str = field(default="", repr=False)
    app_token: str = field(default="", repr=False)
    config_token: str = field(default="", repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    public_url: str = ""
    workspaces: frozenset[str] = frozenset()
    command: str = "/parley"
    up: frozenset[str] = UP
    down: frozenset[str] = DOWN
    api_url: str = SLACK_API

    @property
    def is_socket(self) -> bool:
        """Whether events come through a socket that we open."""
        return bool(self.app_token)

    @property
    def is_installable(self) -> bool:
        """Whether workspaces install the app themselves."""
        return not self.bot_token and bool(self.client_id)

    @property
    def scores(self) -> Mapping[str, int]:
        """What an emoji is worth as a vote."""
        return MappingProxyType(dict.fromkeys(self.up, 5) | dict.fromkeys(self.down, 1))
