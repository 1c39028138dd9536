"""The room of routing: which of two models, chat or coder, a question goes to."""

from core.routing.route import Decision, Route, decide, route_of

__all__ = ["Decision", "Route", "decide", "route_of"]
