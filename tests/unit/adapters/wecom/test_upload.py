"""How a picture comes to WeCom."""

import hashlib

import pytest

from adapters.wecom.errors import Unsure, WecomRefused
from adapters.wecom.upload import is_takable, upload
from core.message import Image
from tests.unit.adapters.wecom.bot_chat import BotChat

SMALL = Image(b"\x89PNG small", "image/png", "a boat")
LARGE = Image(bytes(range(256)) * 1500, "image/jpeg", "a harbour")


async def test_a_picture_is_uploaded_and_named():
    chat = BotChat()
    assert await upload(chat, SMALL) == "media-1"
    assert chat.kinds == ["init", "chunk", "finish"]
    assert chat.uploads == [SMALL.data]
    assert chat.of("init")[0].body == {
        "type": "image",
        "filename": "picture.png",
        "total_size": len(SMALL.data),
        "total_chunks": 1,
        "md5": hashlib.md5(SMALL.data).hexdigest(),
    }


@pytest.mark.parametrize("first", [0, 1])
async def test_a_large_one_goes_in_chunks_from_whichever_number_wecom_counts(first):
    chat = BotChat(first_chunk=first)
    await upload(chat, LARGE)
    assert chat.uploads == [LARGE.data]
    assert chat.of("init")[0].body["total_chunks"] == 3
    assert [call.body["chunk_index"] for call in chat.of("chunk")][-3:] == [first, first + 1, first + 2]


async def test_a_chunk_that_is_not_confirmed_is_sent_again():
    chat = BotChat(lost={"chunk": [Unsure()]})
    await upload(chat, LARGE, pause=0.0)
    assert chat.uploads == [LARGE.data]
    assert len(chat.of("chunk")) == 4


async def test_a_chunk_that_is_never_confirmed_is_given_up():
    chat = BotChat(fails={"chunk": [Unsure()] * 3})
    with pytest.raises(Unsure):
        await upload(chat, SMALL, pause=0.0)


async def test_a_picture_that_is_refused_is_refused():
    chat = BotChat(fails={"init": [WecomRefused(40004)]})
    with pytest.raises(WecomRefused):
        await upload(chat, SMALL)


@pytest.mark.parametrize(
    ("image", "is_taken"),
    [
        (SMALL, True),
        (LARGE, True),
        (Image(b"GIF89a", "image/gif", ""), False),
        (Image(b"", "image/png", ""), False),
        (Image(bytes(10 * 1024 * 1024 + 1), "image/png", ""), False),
    ],
)
def test_which_pictures_wecom_takes(image, is_taken):
    assert is_takable(image) is is_taken
