"""One bad record must not take its batch down: halve a failed batch until the guilty stand alone."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from schemas.errors import RecordError

Item = TypeVar("Item")
Result = TypeVar("Result")


def bisect_failures(
    run: Callable[[Sequence[Item]], Sequence[Result]], items: Sequence[Item]
) -> list[Result | RecordError]:
    """Run a batch; where it raises RecordError, run its halves, down to single records.

    Args:
        run: answers a batch with one result per item, in order; raises RecordError when an item spoils it.
        items: the batch.

    Returns:
        One result per item, in order; the error in place of the result of a guilty item.

    Example:
        One bad record among 64 costs 13 calls and no other record.
    """
    if not items:
        return []
    try:
        return list(run(items))
    except RecordError as error:
        if len(items) == 1:
            return [error]
        middle = len(items) // 2
        return bisect_failures(run, items[:middle]) + bisect_failures(run, items[middle:])
