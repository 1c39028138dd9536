"""slack_sdk's client, speaking in bodies alone: whom a call is about stands in no address that a proxy writes down."""

from typing import Any

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse


class PostingClient(AsyncWebClient):
    """Every method is a POST; Slack takes arguments either way (docs.slack.dev, "Using the Slack Web API")."""

    async def api_call(
        self,
        api_method: str,
        *,
        http_verb: str = "POST",
        files: dict[str, Any] | None = None,
        data: Any = None,
        params: dict[str, Any] | None = None,
        json: dict[str, Any] | None = None,
        headers: dict[str, Any] | None = None,
        auth: dict[str, Any] | None = None,
    ) -> AsyncSlackResponse:
        said = {name: value for name, value in (params or {}).items() if value is not None}
        if token := said.pop("token", None):
            headers = {**(headers or {}), "Authorization": f"Bearer {token}"}
        if json is not None:
            json = {**said, **json}
        elif isinstance(data, dict) or data is None:
            data = {name: _in_form(value) for name, value in {**said, **(data or {})}.items()}
        return await super().api_call(api_method, files=files, data=data, json=json, headers=headers, auth=auth)


def _in_form(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
