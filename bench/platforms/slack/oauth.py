"""oauth.v2.access, auth.revoke and the app's own settings: how an installation comes and goes."""

from bench.platforms.slack import payloads
from bench.platforms.slack.errors import ApiError
from bench.platforms.slack.grants import HOURS_12
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.state import State, is_true, required
from bench.platforms.slack.workspace import Bot


def access(slack: State, args: Payload) -> Payload:
    """docs.slack.dev, "oauth.v2.access": a code, or a refresh token, for an access token."""
    grants = slack.grants
    grants.check(args.get("client_id"), args.get("client_secret"))
    if args.get("grant_type") == "refresh_token":
        return _tokens(slack, grants.renew(args.get("refresh_token")))
    required(args, "code")
    bot = grants.exchange(args["code"], args.get("redirect_uri"))
    return _tokens(slack, bot) | {"authed_user": {"id": grants.installer}}


def revoke(slack: State, bot: Bot, args: Payload) -> Payload:
    """docs.slack.dev, "auth.revoke": the token's end, of which the app then also hears as an event."""
    if is_true(args.get("test")):
        return {"revoked": False}
    slack.workspaces.remove(bot)
    slack.emit(bot, payloads.tokens_revoked(bots=[bot.user], event_ts=slack.clock.ts()), None)
    return {"revoked": True}


def export_manifest(slack: State, args: Payload) -> Payload:
    """docs.slack.dev, "apps.manifest.export": asked with a configuration token, not with a bot's."""
    required(args, "app_id")
    if args["app_id"] != slack.grants.app:
        raise ApiError("invalid_app_id")
    return {"manifest": slack.manifest}


def _tokens(slack: State, bot: Bot) -> Payload:
    if slack.grants.is_rotating:
        bot.token = f"xoxe.xoxb-1-{bot.team}-{slack.number()}"
    bot.is_installed = True
    slack.workspaces.add(bot)
    told: Payload = {"access_token": bot.token, "token_type": "bot", "scope": ",".join(bot.scopes)}
    told |= {"bot_user_id": bot.user, "app_id": bot.app, "is_enterprise_install": bot.is_org_wide}
    told["team"] = None if bot.is_org_wide else {"id": bot.team, "name": bot.team_name}
    told["enterprise"] = {"id": bot.enterprise, "name": "Parley Test"} if bot.enterprise else None
    if not slack.grants.is_rotating:
        return told
    refresh = f"xoxe-1-{bot.team}-{slack.number()}"
    slack.grants.refresh[refresh] = bot
    return told | {"expires_in": HOURS_12, "refresh_token": refresh}
