"""What the app hears: XML callbacks, and what little may be said in their answer (documents 90238 to 90241)."""

import re
from typing import Any

from bench.platforms.wecom.app import App
from bench.platforms.wecom.courier import Courier
from bench.platforms.wecom.errors import ApiError, invalid
from bench.platforms.wecom.journal import Delivery, Journal, Payload


class Pushes:
    def __init__(self, app: App, courier: Courier, journal: Journal) -> None:
        self.app = app
        self._courier = courier
        self._journal = journal

    async def send(self, delivery: Delivery) -> Delivery:
        await self._courier.send(delivery)
        if delivery.is_accepted and delivery.answer:
            try:
                self._take(delivery)
            except ApiError as error:
                delivery.problem = error.message
        self._journal.tell()
        return delivery

    def _take(self, delivery: Delivery) -> None:
        """The clicked button gets another name, or its card becomes another one, for whoever clicked it."""
        answer, task, person = delivery.answer, str(delivery.body.get("TaskId")), str(delivery.body["FromUserName"])
        match delivery.kind, answer.get("MsgType"):
            case "template_card_event", "update_button" if isinstance(answer.get("Button"), dict):
                self.app.change(task, [person], answer["Button"].get("ReplaceName"))
            case "template_card_event", "update_template_card" if isinstance(answer.get("TemplateCard"), dict):
                self.app.change(task, [person], None, _card(answer["TemplateCard"]))
            case _, kind:
                raise invalid(f"{kind} does not answer {delivery.kind}")


def _card(fields: Payload) -> Payload:
    """A card of the XML as it would stand in JSON: MainTitle becomes main_title, and what may be several is a list."""
    told = {_snake(name): _value(value) for name, value in fields.items()}
    return {
        name: [value] if name.endswith("_list") and isinstance(value, dict) else value for name, value in told.items()
    }


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return [_value(each) for each in value]
    return _card(value) if isinstance(value, dict) else value


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
