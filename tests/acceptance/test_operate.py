"""One day of one operator with the whole house: real processes, a real database, a real browser, and nothing staged."""

import asyncio
import json
import os
import re
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from ssl import SSLContext
from time import monotonic

import aiohttp
import pytest
from playwright.async_api import BrowserContext, Page, expect

from bench.process import ParleyServe
from bench.until import until
from bot.admin.routes import PAGES
from bot.tls import trusting
from core.store import Keys
from core.texts import say
from tests.acceptance.test_house import Person
from tests.acceptance.test_moderation import RULES, answer
from tests.browser import chromium, needs_chromium
from tests.certificates import make_pair
from tests.fakes.wire import WireServer, piece
from tests.fakes.wire import running as serving
from tests.postgres import database_url

__all__ = ["database_url"]
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300), needs_chromium()]

ROOT = Path(__file__).resolve().parents[2]
MODEL = {"id": "deepseek-chat", "object": "model", "max_model_len": 8192}
WAIT = 30_000  # milliseconds
ENDS_WITHIN = 6  # seconds; of the 30 it may take where nothing is set
# Words of one person, each in a place of its own, and their name.
ANN = "Canarinette"
ASKED, TOLD, REASON, FORBIDDEN, APPEAL = "quaggafish", "tapirweed", "okapimoss", "numbatgrass", "dikdikfern"
CANARIES = (ANN, ASKED, TOLD, REASON, FORBIDDEN, APPEAL)
WHEN = "|".join(
    say(name, "en").format(count=r"\d+") for name in ("in_a_minute", "in_minutes", "in_an_hour", "in_hours")
)


def key_of(name: str) -> str:
    """A person of the console, as an operator names them."""
    return f"console:local:token-{name}"


@dataclass
class House:
    """What one person has set up: where it stands, and what it must never say."""

    folder: Path
    models: WireServer
    settings: dict[str, str]
    trusted: SSLContext
    tokens: dict[str, str]
    secret: set[str]
    said: list[str] = field(default_factory=list)

    async def parley(self, *words: str, typed: str = "", **settings: str) -> str:
        """A command as it is typed; what it prints. All that it says beside is kept in `said`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "DATABASE_URL"))}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", *words, cwd=self.folder, stdin=pipe, stdout=pipe, stderr=pipe,
            env=kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "250", **self.settings, **settings},
        )  # fmt: skip
        printed, beside = (each.decode() for each in await process.communicate(typed.encode()))
        self.said.append(f"$ parley {' '.join(words)}\n{printed}{beside}")
        assert process.returncode == 0, self.said[-1]
        return printed + beside

    @property
    def next_keys(self) -> str:
        """The second of two keys first: every process knows it already."""
        return ",".join(reversed(self.settings["PARLEY_KEYS"].split(",")))

    def process(self, **settings: str) -> ParleyServe:
        return ParleyServe(self.folder, self.settings | settings, self.trusted)

    @asynccontextmanager
    async def person(self, name: str, url: str) -> AsyncIterator[Person]:
        headers = {"Authorization": f"Bearer {self.tokens[name]}"}
        wires = aiohttp.TCPConnector(ssl=self.trusted)
        async with aiohttp.ClientSession(headers=headers, connector=wires) as session:
            yield Person(session, url)


@pytest.fixture
async def house(tmp_path: Path, database_url: str) -> AsyncIterator[House]:
    """In production form, with a model server that speaks as vLLM does."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/games.yaml").write_text(RULES, encoding="utf-8")
    certificate, private = make_pair(tmp_path, "localhost")
    tokens = {name: secrets.token_urlsafe(32) for name in (ANN, "bob", "cleo")}
    keys = [f"{number}:{Keys.generate().dump().partition(':')[2]}" for number in (1, 2)]
    metrics_token = secrets.token_hex(32)
    async with serving(WireServer(models=[MODEL])) as models:
        settings = {
            "DATABASE_URL": database_url,
            "PARLEY_PRODUCTION": "true",
            "PARLEY_KEYS": ",".join(keys),
            "PARLEY_METRICS_TOKEN": metrics_token,
            "PARLEY_SERVER__TLS__CERTIFICATE": str(certificate),
            "PARLEY_SERVER__TLS__KEY": str(private),
            "PARLEY_SERVER__SHUTDOWN_SECONDS": str(ENDS_WITHIN),
            "PARLEY_CONSOLE__TOKENS": json.dumps({n: sha256(t.encode()).hexdigest() for n, t in tokens.items()}),
            "PARLEY_LIMITS__PERSON__MESSAGES": "3",
            "PARLEY_LOG__FORMAT": "json",
            "PARLEY_ENGINE__BACKEND": "remote",
            "PARLEY_REMOTE__URLS": json.dumps([models.url]),
            "PARLEY_MODERATION__RULES": json.dumps([str(tmp_path / "rules")]),
            "PARLEY_CACHE__ENABLED": "true",
        }
        secret = {*tokens.values(), metrics_token, *(key.partition(":")[2] for key in keys)}
        yield House(tmp_path, models, settings, trusting(certificate), tokens, secret)


async def test_an_operators_day_from_the_first_start_to_the_last_line_of_the_log(house: House):
    process, heir = house.process(), house.process(PARLEY_KEYS=house.next_keys)
    async with AsyncExitStack() as stack:
        for each in (process, heir):
            stack.push_async_callback(each.stop)
        _, password = await asyncio.gather(process.start(), adds(house))
        ann, bob, cleo = [await stack.enter_async_context(house.person(name, process.url)) for name in house.tokens]
        await asks_too_much(house, ann)
        page = await stack.enter_async_context(signed_in(house, process.url, password))
        await lifts(page, ann)
        await reads_what_is_wrong(house, page)
        await rules_on(page, ann, bob)
        await rotates(house, cleo)
        await is_measured(house, process)
        await backs_up(house)
        await forgets(house, page, ann)
        await hands_over(house, process, heir, bob)
    assert "are as they were written" in await house.parley("audit", "verify")
    for each in (process, heir):
        written = logged(each)
        assert {line["level"] for line in written} == {"info"}
        assert written[-1]["message"] == "Ended; everything is closed."
    logs, told = (process.log.read_text() + heir.log.read_text()).lower(), "".join(house.said).lower()
    assert "1 turns did not end in time: they go back to the queue" in logs
    assert [word for word in (*CANARIES, *house.secret) if word.lower() in logs] == []
    assert [word for word in (*CANARIES[1:], *house.secret) if word.lower() in told] == []


async def asks(person: Person, text: str, **more: str) -> dict[str, str]:
    status, answered = await person.post("/chat", {"prompt": text} | more)
    assert status == 200, answered
    return dict(answered)


async def asks_too_much(house: House, ann: Person) -> None:
    """Until the limit of three is reached; the first answer is wrong."""
    house.models.answer = answer("It is ", TOLD, ".")
    wrong = await asks(ann, f"What does a {ASKED} eat?")
    assert (wrong["response"], wrong["model"]) == (f"It is {TOLD}.", MODEL["id"])
    vote = {"reply_id": wrong["reply_id"], "rating": "down", "reason": "incorrect", "comment": f"Never, says {REASON}"}
    assert (await ann.post("/feedback", vote))[0] == 200
    house.models.answer = answer("Yes.")
    for number in (2, 3):
        assert (await asks(ann, f"And {ASKED} {number}?"))["source"] == "engine"
    refused = await asks(ann, f"And {ASKED} 4?")
    assert refused["source"] == "house"
    assert "(questions: 3)" in refused["response"]
    assert re.search(f"Please ask me again ({WHEN})", refused["response"])


# ------------------------------------------------------------------------------------------------------- in the browser


async def adds(house: House) -> str:
    """The first admin; the password, which is printed this once."""
    made = await house.parley("admin", "add", "olga", "--role", "operator", "--role", "reader", "--make-password")
    password = made.splitlines()[0].strip()
    house.said[-1] = house.said[-1].replace(password, "")
    house.secret.add(password)
    return password


@asynccontextmanager
async def signed_in(house: House, url: str, password: str) -> AsyncIterator[Page]:
    """Olga at her browser; what that complains of fails the test."""
    complaints: list[str] = []
    async with chromium() as browser:
        context = await browser.new_context(locale="en-US", ignore_https_errors=True)  # nobody vouches for it
        page = await context.new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
        await page.goto(f"{url}/admin")
        await page.locator("#name").fill("olga")
        await page.locator("#password").fill(password)
        await page.get_by_role("button", name="Sign in").click()
        await is_at(page, "Live")
        house.secret |= {cookie["value"] for cookie in await context.cookies() if len(cookie["value"]) > 20}
        await expect(page.locator("#load .figure", has_text="Questions").locator("dd")).to_contain_text("4")
        yield page
    assert complaints == []


async def is_at(page: Page, title: str) -> None:
    await expect(page.get_by_role("heading", level=1)).to_contain_text(title)


async def goes_to(page: Page, title: str) -> None:
    await page.get_by_role("navigation", name="Pages").get_by_role("link", name=title, exact=True).click()
    await is_at(page, title)


async def lifts(page: Page, ann: Person) -> None:
    """For the one who was refused, who is found by name; and for somebody who is named."""
    await goes_to(page, "Quotas")
    assert ANN not in await page.content()
    await page.get_by_role("link", name="Show who they are").click()
    line = page.locator("tbody tr", has_text=key_of(ANN))
    await expect(line).to_contain_text("over the limit")
    await line.get_by_role("button", name="Lift for today").click()
    await expect(page.get_by_role("status")).to_contain_text("The limits are lifted")
    assert (await asks(ann, f"And {ASKED} 5?"))["source"] == "engine"
    await page.get_by_label("Person", exact=True).fill(key_of("cleo"))
    await page.get_by_role("button", name="Lift", exact=True).click()
    await expect(page.get_by_role("status")).to_contain_text("The limits are lifted")


async def reads_what_is_wrong(house: House, page: Page) -> None:
    """The thumb down beside its answer and the model, then the whole conversation, which leaves a line."""
    await goes_to(page, "Ratings")
    assert TOLD not in await page.content()
    await page.get_by_role("link", name="Show what was written").click()
    vote = page.locator("article", has_text=f"Vote of \u2068{ANN}\u2069")
    for words in ("thumbs down", "incorrect", MODEL["id"], f"Never, says {REASON}", f"What does a {ASKED} eat?", TOLD):
        await expect(vote).to_contain_text(str(words))
    await vote.get_by_role("link", name="Conversation").click()
    await is_at(page, "Conversation")
    await expect(page.locator("article")).to_contain_text(f"It is {TOLD}.")
    done = [line.split() for line in (await house.parley("audit", "list", "--user", key_of(ANN))).splitlines()]
    assert {"names-opened", "lift", "ratings-opened", "conversation-opened"} <= {words[3] for words in done}
    (opened,) = (words for words in done if words[3] == "conversation-opened")
    assert opened[4:7] == ["admin", "olga", "(local)"]


async def rules_on(page: Page, ann: Person, bob: Person) -> None:
    refused = await asks(ann, f"哪里可以賭*博 {FORBIDDEN}？")
    assert refused["source"] == "moderation"
    appealed = await asks(ann, f"/appeal {APPEAL}", thread=refused["thread"])
    assert appealed["response"] == say("appealed", "en")
    assert (await asks(bob, "May I ask something else?"))["source"] == "engine"
    await goes_to(page, "Moderation")
    await page.get_by_role("link", name="Not yet ruled on").click()
    await page.get_by_role("link", name="Show what was written").click()
    hit = page.locator("article", has_text=APPEAL)
    await expect(hit).to_contain_text("games")
    await hit.get_by_label("Note").fill("It is a museum's.")
    await hit.get_by_role("button", name="The person is right").click()
    await expect(page.get_by_role("status")).to_be_visible()
    await expect(page.locator("article")).to_have_count(0)


# -------------------------------------------------------------------------------------------------- at the command line


async def rotates(house: House, cleo: Person) -> None:
    """While somebody whose limit is lifted goes on asking."""
    over, answered = asyncio.Event(), list[dict[str, str]]()

    async def goes_on() -> None:
        thread: dict[str, str] = {}
        while not over.is_set():
            answered.append(await asks(cleo, f"Question {len(answered)}, which is new?", **thread))
            await asyncio.sleep(0.1)  # she reads it
            thread = {"thread": answered[-1]["thread"]}

    asking = asyncio.create_task(goes_on())
    said = await house.parley("keys", "rotate", PARLEY_KEYS=house.next_keys)
    over.set()
    await asking
    assert "data keys are wrapped with key 2 now" in said
    assert len(answered) > 3, "nobody was asking meanwhile"
    assert {each["source"] for each in answered} == {"engine"}


async def is_measured(house: House, process: ParleyServe) -> None:
    token = house.settings["PARLEY_METRICS_TOKEN"]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=house.trusted)) as session:
        async with session.get(f"{process.url}/metrics") as response:
            assert response.status == 403
        async with session.get(f"{process.url}/metrics", headers={"Authorization": f"Bearer {token}"}) as response:
            scraped = await response.text()
    for sample in (
        'parley_limited_total{channel="console",kind="person_messages"} 1.0',
        'parley_moderation_hits_total{action="refuse",category="games",where="question"} 1.0',
        'parley_feedback_total{channel="console",score="1"} 1.0',
        f'parley_info{{model="{MODEL["id"]}"}} 1.0',
    ):
        assert sample in scraped
    assert [word for word in (*CANARIES, *house.secret) if word in scraped] == []


async def backs_up(house: House) -> None:
    await house.parley("backup", "house.parley")
    kept = (house.folder / "house.parley").read_bytes()
    assert [word for word in (*CANARIES, *house.secret) if word.encode() in kept] == []


async def forgets(house: House, page: Page, ann: Person) -> None:
    """No page shows a word of theirs from then on, and those of others are there still."""
    base = page.url.partition("/admin")[0]
    talks = set(re.findall(r"/admin/conversations/[0-9a-f]+", await shown(page.context, f"{base}/admin/conversations")))
    paths = [*(f"{each.path}?words=yes" for each in PAGES if "{" not in each.path), *talks]
    before = "".join([await shown(page.context, base + path) for path in paths])
    assert [word for word in CANARIES if word not in before] == []
    await house.parley("forget", "--user", key_of(ANN), "--yes")
    after = "".join([await shown(page.context, base + path) for path in paths])
    assert [word for word in CANARIES if word in after] == []
    assert key_of("bob") in after
    assert "May I ask something else?" in after
    assert (await ann.get("/threads"))[1]["threads"] == []


async def shown(context: BrowserContext, address: str) -> str:
    answered = await context.request.get(address)
    assert answered.status in (200, 404), address
    return await answered.text()


async def hands_over(house: House, process: ParleyServe, heir: ParleyServe, bob: Person) -> None:
    """It is told to end with a question under way; another process on the same database answers that, once."""
    never, question = asyncio.Event(), "What is it that takes so long?"
    house.models.answer = (piece(role="assistant"), piece("It is "), never)
    async with aclosing(bob.events("/chat", {"prompt": question})) as growing:
        _, begun = await anext(growing)
        assert (await anext(growing))[0] == "delta"
        house.models.answer = answer("It is ", "patience.")
        await heir.start()
        began = monotonic()
        await process.stop()
        assert monotonic() - began < ENDS_WITHIN + 1
    bob.url = heir.url

    async def is_answered() -> bool:
        _, kept = await bob.get(f"/threads/{begun['thread']}")
        return [entry["answer"] for entry in kept["entries"]] == ["It is patience."]

    await until(is_answered, timeout=20)
    await heir.stop()
    asked = [body["messages"][-1]["content"] for body in house.models.asked]
    assert asked.count(question) == 2
    turn = begun["reply_id"]
    assert [len(delivered(each, turn)) for each in (process, heir)] == [0, 1]


def logged(process: ParleyServe) -> list[dict[str, str]]:
    """One object a line, and nothing else."""
    return [json.loads(line) for line in process.log.read_text().splitlines()]


def delivered(process: ParleyServe, turn: str) -> list[str]:
    """What it has logged of the delivery of that answer."""
    of_it = [line["message"] for line in logged(process) if line.get("turn") == turn]
    return [message for message in of_it if "was delivered" in message]
