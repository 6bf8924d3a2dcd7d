"""The exception tree, by fate.

    IsoglossError
    ├── SettingsError      the launch stops, exit status 2: a wrong configuration, flag, path or model file.
    │                      Carries the path into the configuration and the cure.
    ├── RecordError        the record becomes a reject with this error's reason; the run goes on.
    ├── StoreError         a store that refuses, or that stays away through all tries: the bundle fails, the job fails.
    └── TransientError     tried again with back-off; when the tries are used up, it becomes a RecordError.

Everything else is a bug: it is not caught, the bundle fails, the job fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the table of rejects needs Arrow; who catches an error does not
    from schemas.reject import Reason


class IsoglossError(Exception):
    """The root of what isogloss raises on purpose."""


class SettingsError(IsoglossError):
    """A setting that cannot be obeyed. Stops the launch before anything runs.

    Args:
        message: what was expected, and what came.
        path: where in the configuration, such as `$.mine.k`; empty when it is a command-line argument.
        cure: what to do about it; may be empty.
    """

    def __init__(self, message: str, path: str = "", cure: str = "") -> None:
        super().__init__(message, path, cure)
        self.message = message
        self.path = path
        self.cure = cure

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        cure = f"\n  {self.cure}" if self.cure else ""
        return f"{where}{self.message}{cure}"


class RecordError(IsoglossError):
    """A record that cannot be used. It becomes a reject with this reason.

    Args:
        reason: one of the closed list.
        detail: what was expected and what came, for a person.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else str(self.reason)


class TransientError(IsoglossError):
    """A failure of a network or a store that may pass: try again with back-off."""


class StoreError(IsoglossError):
    """A store that does not give or take a file, after all tries.

    Args:
        path: of the file.
        cause: what the store said.
        tries: how often it was asked.
        status: the HTTP status that it answered with; None when no answer came, or it is no matter of one.
    """

    def __init__(self, path: str, cause: str, tries: int = 1, status: int | None = None) -> None:
        super().__init__(path, cause, tries, status)
        self.path = path
        self.cause = cause
        self.tries = tries
        self.status = status

    def __str__(self) -> str:
        return f"{self.path}: {self.cause} ({self.tries} {'try' if self.tries == 1 else 'tries'})"
