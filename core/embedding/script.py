"""Which signs a text is written in."""

import re

HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
LATIN = r"a-zA-Z\u00c0-\u024f"

WORDS = re.compile(rf"[{LATIN}0-9]+(?:[.'+#_-]+[{LATIN}0-9]+)*[+#]*|[{HAN}]+|[^\W{LATIN}0-9{HAN}_]+|[^\w\s]|_")
