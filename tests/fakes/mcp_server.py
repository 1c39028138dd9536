"""A server of tools as others write them: run as a program it speaks over its input and output, or over HTTP.

`python mcp_server.py` or `python mcp_server.py http PORT`; NOTES names the file that `note` writes to.
"""

import asyncio
import base64
import os
import sys
from typing import Any

from mcp.server.mcpserver import Image, MCPServer
from mcp.types import CallToolResult, EmbeddedResource, ResourceLink, TextContent, TextResourceContents

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def written(text: str) -> None:
    if "NOTES" in os.environ:
        with open(os.environ["NOTES"], "a", encoding="utf-8") as file:
            file.write(f"{text}\n")


def server() -> MCPServer:
    house = MCPServer("fake")

    @house.tool()
    def add(a: int, b: int) -> int:
        """Adds two whole numbers."""
        return a + b

    @house.tool()
    def note(text: str) -> str:
        """Writes a line down."""
        written(text)
        return "written"

    @house.tool()
    def boom() -> str:
        """Always fails."""
        raise ValueError("the inner reason")

    @house.tool()
    def picture() -> Image:
        """A picture of one pixel."""
        return Image(data=PIXEL, format="png")

    @house.tool()
    async def slow(seconds: float = 60) -> str:
        """Takes its time, and says when it is cut."""
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            written("cut")
            raise
        return "at last"

    @house.tool()
    def flood(characters: int) -> str:
        """Says a great deal."""
        return "x" * characters

    @house.tool()
    def facts() -> dict[str, Any]:
        """Nothing but data."""
        return CallToolResult(content=[], structured_content={"答": 42})  # type: ignore[return-value]

    @house.tool()
    def nothing() -> CallToolResult:
        """Answers, with nothing."""
        return CallToolResult(content=[])

    @house.tool()
    def sources() -> CallToolResult:
        """Where to read on."""
        inner = TextResourceContents(uri="memo://1", text="inner words")
        return CallToolResult(
            content=[
                TextContent(text="See:"),
                EmbeddedResource(resource=inner),
                ResourceLink(uri="https://example.org/a", name="a", title="Page A"),
                ResourceLink(uri="file:///srv/b", name="b"),
            ]
        )

    @house.tool()
    def surroundings() -> dict[str, str]:
        """What it was started with."""
        return dict(os.environ)

    @house.tool()
    def pid() -> int:
        """Which process this is."""
        return os.getpid()

    @house.tool()
    def complain(text: str) -> str:
        """Says something where programs complain, and something that is no message where messages are said."""
        print(text, file=sys.stderr, flush=True)
        os.write(1, b"not a message\n")
        return "complained"

    @house.tool()
    def leave() -> str:
        """Ends the server in the middle of the call."""
        written("left")
        os._exit(3)

    return house


if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        server().run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
    else:
        server().run("stdio")
