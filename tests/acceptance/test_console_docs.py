"""The commands of docs/console.md, run as they stand there."""

import json
import re
import shutil
import subprocess
from typing import Any

import pytest

from tests.server import ROOT

PAGE = (ROOT / "docs/console.md").read_text(encoding="utf-8")
EXAMPLES = [block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "curl" in block]

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl was found: sudo apt-get install curl")


@pytest.fixture(scope="module")
def printed(server, tmp_path_factory):
    """What each example prints; they are one session in one shell, as they are on the page."""
    mark = "\n-- next example --\n"
    script = f"printf '{mark}'\n".join(EXAMPLES).replace("http://127.0.0.1:8080", server.url)
    folder = tmp_path_factory.mktemp("examples")
    done = subprocess.run(["bash", "-eu"], input=script, cwd=folder, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(mark)


def objects(text: str) -> list[Any]:
    """The JSON objects that were printed one after the other."""
    decoder, found, text = json.JSONDecoder(), [], text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].strip()
    return found


def test_asking_is_answered(printed):
    (answer,) = objects(printed[0])
    assert answer.keys() == {"response", "thread", "reply_id", "model", "source", "state"}
    assert answer["state"] == "done"


def test_the_same_author_goes_on_in_the_same_thread(printed):
    (answer,) = objects(printed[1])
    assert answer["state"] == "done"


def test_reading_along_ends_with_the_whole_answer(printed):
    assert printed[2].startswith("event: start\n")
    assert "\nevent: delta\n" in printed[2]
    assert "\nevent: done\n" in printed[2]


def test_a_call_with_a_key_is_answered(printed):
    (answer,) = objects(printed[3])
    assert answer["state"] == "done"


def test_rating_stopping_and_answering_again_are_taken(printed):
    rated, stopped, again = objects(printed[4])
    assert rated == stopped == {"ok": True}
    assert again["state"] == "done"


def test_what_was_said_can_be_read(printed):
    threads, thread, model = objects(printed[5])
    assert len(threads["threads"]) == 2
    assert [entry["question"] for entry in thread["entries"]] == ["Hello", "What can you do?"]
    assert thread["entries"][0]["rating"] == "none", "the answer that was rated has been written again"
    assert model["is_ready"]
