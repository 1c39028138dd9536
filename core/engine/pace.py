"""How much of the prompts a step reads: as much as takes a moment, so that nobody who speaks falters."""


class Pace:
    """`size` tokens are to be read in the next step: about `seconds` worth, between `least` and `most`.

    A graphics card reads a thousand tokens in that time, two cores a few dozen of a large model.
    """

    def __init__(self, least: int = 16, most: int = 1024, seconds: float = 0.2) -> None:
        self._least, self._most, self._seconds = least, most, seconds
        self.size = min(2 * least, most)  # a few at first: one does not know how slow the machine is

    def budget(self, *, is_heard: bool) -> int:
        """Tokens to be read in the next step; more where nobody speaks who could falter."""
        return self.size if is_heard else min(self._most, 3 * self.size)

    def part(self, tokens: int, left: int, budget: int) -> int:
        """How many of a prompt's last `tokens` to read, where `left` are left of a step's budget; 0 is none for now.

        Each part costs reading all the weights: a prompt that nearly fits is not cut, and none is begun with a crumb.
        """
        if tokens <= min(left + budget // 2, self._most):
            return tokens
        return budget if left == budget else 0

    def cost(self, tokens: int) -> int:
        """What so many tokens take of a budget: a few cost as much as the weights do."""
        return max(tokens, self._least)

    def measured(self, tokens: int, seconds: float) -> None:
        """So many tokens took so long. A few tokens cost as much as the weights do, and tell nothing."""
        if tokens >= self._least:
            wanted = tokens * self._seconds / max(seconds, 1e-6)
            # Slower at once, faster by and by.
            self.size = round(min(self._most, max(self._least, min(wanted, 2 * self.size, (self.size + wanted) / 2))))
