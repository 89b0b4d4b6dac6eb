"""A number of things, as one says it."""


def counted(number: int, thing: str) -> str:
    """``counted(1, "photo")`` → ``1 photo``; ``counted(1200, "more file")`` → ``1,200 more files``."""
    plural = thing if number == 1 else thing[:-1] + "ies" if thing.endswith("ry") else thing + "s"
    return f"{number:,} {plural}"
