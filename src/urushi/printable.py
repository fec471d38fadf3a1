"""Names and messages from outside, made safe to show."""


def printable(text: str, *, keep_lines: bool = False) -> str:
    """What can't be seen or encoded (line breaks, control and bidi characters, lone surrogates) appears as escapes."""
    return "".join(c if c.isprintable() or (keep_lines and c == "\n") else ascii(c)[1:-1] for c in text)
