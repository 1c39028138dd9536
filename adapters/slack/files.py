"""What people attach, fetched with our token, and what we attach ourselves."""

import logging
import mimetypes
from collections.abc import Mapping

from aiohttp import ClientError, ClientResponse

from adapters.slack.client import Client, Clients, Unsure
from adapters.slack.parse import attachment_of
from core.errors import ChannelError, NotFound, Refused
from core.message import Attachment, Image, ThreadId

log = logging.getLogger(__name__)


async def fetch(clients: Clients, attachment: Attachment, limit: int) -> bytes:
    """The bytes of a file. Raises Refused above `limit`, NotFound where it is gone or kept from us, ChannelError else.

    Slack wants the bot's token for its file addresses, and answers whoever may not read one with the page of its
    sign-in and status 200 (docs.slack.dev, "Working with files").
    """
    client = await clients.of(str(attachment.address["workspace"]))
    url = str(attachment.address.get("url") or "")
    if not clients.is_slacks(url):
        raise NotFound
    headers = {"Authorization": f"Bearer {client.sdk.token}"}
    try:
        # A redirect leads to the sign-in, and must not take the token along.
        proxy = client.sdk.proxy  # slack_sdk finds it in the environment, as for all its calls
        async with clients.session.get(url, headers=headers, allow_redirects=False, proxy=proxy) as response:
            _check(response, attachment)
            return await _read(response, limit)
    except (ClientError, TimeoutError) as error:
        raise Unsure(f"a file: {type(error).__name__}") from None


async def described(clients: Clients, attachment: Attachment) -> Attachment:
    """The attachment with its name, type and address; as it was where Slack does not say.

    Of files in shared channels Slack may send the id alone, with "check_file_info" (docs.slack.dev, "File object").
    """
    try:
        client = await clients.of(str(attachment.address["workspace"]))
        answer = await client.call("files_info", patience=0, file=attachment.id)
    except ChannelError as error:
        log.info("a file of which Slack sent the id alone cannot be read: %s", error)
        return attachment
    file = answer.get("file")
    return attachment_of(file, str(attachment.address["workspace"])) if isinstance(file, Mapping) else attachment


async def upload(client: Client, thread: ThreadId, image: Image) -> None:
    """Puts a picture into the thread. Raises ChannelError."""
    suffix = mimetypes.guess_extension(image.media_type) or ""
    await client.call(
        "files_upload_v2",
        channel=thread.channel,
        thread_ts=thread.thread,
        filename=f"parley{suffix}",
        content=image.data,
        title=image.alt,
        alt_txt=image.alt,
    )


def _check(response: ClientResponse, attachment: Attachment) -> None:
    if response.status >= 500 or response.status == 429:
        raise ChannelError(f"a file: HTTP status {response.status}")
    is_page = response.content_type == "text/html" and attachment.media_type != "text/html"
    if response.status != 200 or is_page:
        raise NotFound


async def _read(response: ClientResponse, limit: int) -> bytes:
    data = bytearray()
    async for piece in response.content.iter_chunked(16 * 1024):
        data += piece
        if len(data) > limit:
            raise Refused(f"The file has more than {limit} bytes.")
    return bytes(data)
