"""What somebody is told who has reached a limit."""

from datetime import timedelta

import pytest

from core.limiting import Over, when
from core.limits import Allowance, Limits, Quota
from core.message import ThreadId
from core.texts import say

HERE = ThreadId("slack", "T1", "C1", "1")
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("wait", "english", "chinese"),
    [
        (timedelta(0), "in about a minute", "大约 1 分钟后"),
        (timedelta(seconds=59), "in about a minute", "大约 1 分钟后"),
        (12 * MINUTE, "in about 12 minutes", "大约 12 分钟后"),
        (54.5 * MINUTE, "in about 55 minutes", "大约 55 分钟后"),
        (57 * MINUTE, "in about an hour", "大约 1 小时后"),
        (65 * MINUTE, "in about an hour", "大约 1 小时后"),
        (80 * MINUTE, "in about 2 hours", "大约 2 小时后"),
        (183 * MINUTE, "in about 3 hours", "大约 3 小时后"),
        (24 * 60 * MINUTE, "in about 24 hours", "大约 24 小时后"),
    ],
)
def test_how_long_it_takes_is_told_in_words_and_hardly_ever_too_soon(wait, english, chinese):
    assert (when(wait, "en"), when(wait, "zh")) == (english, chinese)


@pytest.mark.parametrize("kind", ["person_messages", "person_tokens", "workspace_messages", "workspace_tokens"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_limit_has_its_sentence(kind, language):
    over = Over(kind, 1500, 3 * 60 * MINUTE)
    sentence = say(over.sentence, language).format(**over.values(language))
    assert when(over.frees_in, language) in sentence
    assert ("1,500" in sentence) == kind.endswith("messages")
    assert "{" not in sentence


def test_a_workspace_has_the_quota_that_is_named_for_it():
    here = Quota(person=Allowance(messages=1))
    limits = Limits(Quota(person=Allowance(messages=9)), {("slack", "T1"): here})
    assert limits.quota(HERE) == here
    assert limits.quota(ThreadId("teams", "T1", "C1", "1")) == limits.everywhere
    assert Limits().quota(HERE).is_none
