"""Files that came with a message to the AI bot: at their own addresses for five minutes, encrypted."""

from aiohttp import ClientError, ClientSession, ClientTimeout

from adapters.wecom.crypto import decrypted, key_of
from adapters.wecom.errors import Unsure
from core.errors import Malformed, NotFound, Refused
from core.message import Attachment

_TIMEOUT = ClientTimeout(total=10, connect=5)
_PADDING = 32
_PIECE = 64 * 1024


class Media:
    """Fetches and decrypts (developer.work.weixin.qq.com, document 100719); `key` is for files without their own."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key
        self._session: ClientSession | None = None

    async def fetch(self, attachment: Attachment, limit: int) -> bytes:
        """The bytes of a file. Raises Refused above `limit`, NotFound where it is gone, ChannelError else."""
        url, own_key = str(attachment.address.get("url", "")), str(attachment.address.get("aeskey", ""))
        if not url:
            raise NotFound
        try:
            key = key_of(own_key) if own_key else self._key
            sealed = await self._read(url, limit + _PADDING)
            data = decrypted(sealed, key) if key is not None else sealed
        except Malformed:
            raise NotFound("the file cannot be decrypted") from None
        if len(data) > limit:
            raise Refused
        return data

    async def _read(self, url: str, limit: int) -> bytes:
        if self._session is None:
            self._session = ClientSession(timeout=_TIMEOUT)
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                if response.status != 200:
                    raise NotFound
                data = bytearray()
                async for piece in response.content.iter_chunked(_PIECE):
                    data += piece
                    if len(data) > limit:
                        raise Refused
                return bytes(data)
        except (ClientError, TimeoutError, ValueError) as error:
            raise Unsure(f"a file: {type(error).__name__}") from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
