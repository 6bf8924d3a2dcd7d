"""Read language tags as files and pages declare them."""

from functools import lru_cache

from schemas.variety import find, is_well_formed

_NONE = {"und", "mul", "zxx", "mis", "x-default"}


@lru_cache(maxsize=4096)
def declared_tag(value: str | None) -> str | None:
    """Give the BCP 47 tag that a declaration means; None when it means none.

    Varieties of the registry are known by all their names (`it_IT` is `it`); other tags stay as they are,
    in their usual letter case.

    Example:
        >>> declared_tag("it_IT"), declared_tag("EN-us"), declared_tag("???")
        ('it', 'en', None)
    """
    tag = (value or "").strip().replace("_", "-")
    # og:locale and POSIX may carry a charset: it_IT.UTF-8
    tag = tag.split(".", 1)[0]
    if not tag or tag.lower() in _NONE or len(tag) > 40:
        return None
    variety = find(tag)
    if variety is not None:
        return variety.tag
    first, *rest = tag.split("-")
    cased = "-".join([first.lower(), *(_cased(subtag) for subtag in rest)])
    return cased if is_well_formed(cased) else None


def _cased(subtag: str) -> str:
    if len(subtag) == 4 and subtag.isalpha():
        return subtag.title()
    return subtag.upper() if len(subtag) == 2 else subtag.lower()
