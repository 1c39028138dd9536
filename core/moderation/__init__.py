"""What may be said and what may be shown: rules over words and patterns, screened while the answer is written."""

from core.moderation.middleware import Judge, Moderation
from core.moderation.rulebook import Rulebook
from core.moderation.rules import Action, Hit, Rule
from core.moderation.screen import Screen, screened

__all__ = ["Action", "Hit", "Judge", "Moderation", "Rule", "Rulebook", "Screen", "screened"]
