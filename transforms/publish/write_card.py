"""Write the card of a finished corpus, and write it again when its rows have changed.

`card.json` beside the card keeps what the shards do not tell (name, settings, the ledgers of the stages before,
the configuration), so a corpus that was moved or partly taken down can have its card made again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from schemas.ledger import LedgerBatch, add_up
from transforms.common import files
from transforms.publish.card import make_card
from transforms.publish.facts import describe
from transforms.publish.settings import PublishSettings

CARD = "README.md"
CARD_FACTS = "card.json"


def write_card(
    folder: str,
    *,
    name: str,
    settings: PublishSettings,
    ledgers: Sequence[LedgerBatch] = (),
    configuration: Mapping[str, Any] | None = None,
) -> str:
    """Write `README.md` into a finished corpus; give its path.

    Args:
        folder: the corpus.
        name: its short name.
        settings: title, description, licence, contact, limits.
        ledgers: of the checkpoints before the corpus; its own is read from it.
        configuration: what it was made by, as plain values; without paths of the machine.

    Raises:
        FileNotFoundError: the corpus is not finished.
    """
    told = {
        "name": name,
        "settings": msgspec.to_builtins(settings, order="deterministic"),
        "ledger": add_up(ledgers).rows() if ledgers else [],
        "configuration": dict(configuration) if configuration else None,
    }
    files.write_json(files.join(folder, CARD_FACTS), told)
    return rewrite_card(folder)


def rewrite_card(folder: str) -> str:
    """Make the card of a corpus again from what it holds now; give its path.

    Raises:
        FileNotFoundError: the corpus is not finished, or never had a card.
    """
    told = files.read_json(files.join(folder, CARD_FACTS))
    own = LedgerBatch.from_table(files.read_parquet(files.join(folder, "ledger.parquet")))
    card = make_card(
        describe(folder),
        name=told["name"],
        settings=msgspec.convert(told["settings"], PublishSettings),
        ledgers=[LedgerBatch.from_rows(told["ledger"]), own],
        configuration=told["configuration"],
    )
    path = files.join(folder, CARD)
    files.write_bytes(path, card.encode("utf-8"))
    return path
