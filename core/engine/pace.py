"""How much of the prompts a step reads: as much as takes a moment, so that nobody who speaks falters."""


class Pace:
    """`size` tokens are to be read in the next step: about `seconds` worth, between `least` and `most`.

    A graphics card reads a thousand tokens in that time, two cores a few dozen of a large model.
    """

    def __init__(self, least: int = 32, most: int = 1024, seconds: float = 0.1) -> None:
        self._least, self._most, self._seconds = least, most, seconds
        self.size = min(256, most)

    def measured(self, tokens: int, seconds: float) -> None:
        """So many tokens took so long. A few tokens cost as much as the weights do, and tell nothing."""
        if tokens >= self._least:
            wanted = tokens * self._seconds / max(seconds, 1e-6)
            self.size = round(min(self._most, max(self._least, (self.size + wanted) / 2)))
