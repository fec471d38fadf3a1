"""Parts of equal length that cover a whole evenly, as tiles cover an image."""


def starts(length: int, part: int, overlap: float) -> list[int]:
    """Where they start: the first at 0, the last flush with the end, neighbours share at least `overlap` of a part."""
    most = max(1, part - round(overlap * part))  # from one to the next
    n_steps = -(-(length - part) // most)
    return [(length - part) * step // n_steps for step in range(n_steps + 1)] if n_steps else [0]
