"""Where the bot gets its own token: client credentials, and a managed identity."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from secrets import token_urlsafe
from time import monotonic

from bench.platforms.teams.errors import Unauthorized
from bench.platforms.teams.journal import Payload

RESOURCE = "https://api.botframework.com"
SCOPE = f"{RESOURCE}/.default"
LIFETIME = 3599
# What Microsoft calls itself; MSAL refuses to speak of any other place, or of one without TLS.
PUBLIC_URL = "https://login.microsoftonline.com"


@dataclass(frozen=True, slots=True)
class LoginError(Exception):
    """An answer as of Microsoft Entra ("Authentication and authorization error codes")."""

    status: int
    error: str
    code: str
    text: str

    @property
    def body(self) -> Payload:
        return {
            "error": self.error,
            "error_description": f"{self.code}: {self.text}",
            "error_codes": [int(self.code.removeprefix("AADSTS"))],
        }


@dataclass(slots=True)
class Login:
    """Issues tokens to one bot, in its tenant or in botframework.com; `lifetime` is how long they live, in seconds."""

    app_id: str
    password: str = field(repr=False)
    tenant: str
    clock: Callable[[], float] = monotonic
    lifetime: float = LIFETIME
    _tokens: dict[str, float] = field(default_factory=dict, repr=False)

    def token(self, tenant: str, form: Mapping[str, str]) -> Payload:
        """The client credentials flow; raises LoginError."""
        if tenant not in (self.tenant, "botframework.com"):
            raise LoginError(400, "invalid_request", "AADSTS90002", f"Tenant '{tenant}' not found.")
        if form.get("grant_type") != "client_credentials":
            raise LoginError(400, "unsupported_grant_type", "AADSTS70003", "The grant type is not supported.")
        if form.get("client_id") != self.app_id:
            raise LoginError(400, "unauthorized_client", "AADSTS700016", "Application was not found in the directory.")
        if form.get("client_secret") != self.password:
            raise LoginError(401, "invalid_client", "AADSTS7000215", "Invalid client secret provided.")
        if form.get("scope") != SCOPE:
            raise LoginError(400, "invalid_scope", "AADSTS70011", "The provided value for scope is not valid.")
        return {"token_type": "Bearer", "access_token": self._new(), "expires_in": int(self.lifetime)}

    def identity_token(self, query: Mapping[str, str], headers: Mapping[str, str]) -> Payload:
        """What a machine with the bot's managed identity is told ("How to use managed identities", both forms)."""
        if headers.get("Metadata", "").lower() != "true" and "X-IDENTITY-HEADER" not in headers:
            raise LoginError(400, "invalid_request", "AADSTS90014", "Required metadata header not specified.")
        if query.get("resource", "").removesuffix("/.default") != RESOURCE:
            raise LoginError(400, "invalid_resource", "AADSTS500011", "The resource principal was not found.")
        if query.get("client_id", self.app_id) != self.app_id:
            raise LoginError(400, "invalid_request", "AADSTS700016", "Identity not found.")
        told: Payload = {"token_type": "Bearer", "access_token": self._new(), "resource": RESOURCE}
        return told | {"expires_in": str(int(self.lifetime)), "client_id": self.app_id}

    def configuration(self, tenant: str) -> Payload:
        at = f"{PUBLIC_URL}/{tenant}"
        told = {"issuer": f"{at}/v2.0", "authorization_endpoint": f"{at}/oauth2/v2.0/authorize"}
        return told | {"token_endpoint": f"{at}/oauth2/v2.0/token"}

    def clouds(self) -> Payload:
        """What MSAL wants to know of the host that it speaks to (instance discovery)."""
        host = PUBLIC_URL.removeprefix("https://")
        known = {"preferred_network": host, "preferred_cache": host, "aliases": [host]}
        at = f"{PUBLIC_URL}/{self.tenant}/v2.0/.well-known/openid-configuration"
        return {"tenant_discovery_endpoint": at, "api-version": "1.1", "metadata": [known]}

    def admit(self, header: str) -> None:
        """Raises Unauthorized where the header carries no token of ours that still lives."""
        scheme, _, token = header.partition(" ")
        if scheme != "Bearer" or self._tokens.get(token, 0) <= self.clock():
            raise Unauthorized

    def expire(self) -> None:
        """Ends every token that is out there."""
        self._tokens.clear()

    def _new(self) -> str:
        token = f"token-{token_urlsafe(24)}"
        self._tokens[token] = self.clock() + self.lifetime
        return token
