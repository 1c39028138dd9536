"""The WeCom door: an AI bot by long connection or by URL callback, and a self-built app."""

from adapters.wecom.adapter import App, CallbackBot, SocketBot
from adapters.wecom.settings import AppSettings, BotSettings, Callback

__all__ = ["App", "AppSettings", "BotSettings", "Callback", "CallbackBot", "SocketBot"]
