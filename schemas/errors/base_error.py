"""The base of all errors: a text, a remedy, an exit status and an HTTP status."""

from typing import Any, ClassVar


class Sp404Error(Exception):
    """Base of all errors here. ``str(error)`` says what happened; ``error.fix`` says what to do.

    Errors cross process borders, so they pickle by their facts.

    Attributes:
        reason: The short key under which such errors are counted. It is in the records: it does not change.
        exit_code: The exit status of the command line.
        http_status: The status of the REST API's answer.
        text: A template over the facts for what happened.
        public: The text for clients of the REST API, where they may not see all of ``text``, such as paths.
        remedy: A template over the facts for what to do; the fact ``fix`` wins.
        public_remedy: The same for clients of the REST API, in words without facts, where ``remedy`` names options of the
            command line.
        facts: The named values that fill the templates.
    """

    reason: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 2
    http_status: ClassVar[int] = 422
    text: ClassVar[str] = "{what}"
    public: ClassVar[str] = ""
    remedy: ClassVar[str] = ""
    public_remedy: ClassVar[str] = ""

    def __init__(self, **facts: Any) -> None:
        super().__init__()
        self.facts = facts

    def __str__(self) -> str:
        """Return what happened."""
        return self.text.format(**self.facts)

    @property
    def fix(self) -> str:
        """Return what to do about it."""
        return str(self.facts.get("fix") or self.remedy.format(**self.facts))

    @property
    def public_fix(self) -> str:
        """Return what a client of the REST API can do about it."""
        return str(self.facts.get("fix") or self.public_remedy or self.fix)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the facts: ``Exception`` pickles by positional arguments, and there are none."""
        return _rebuild, (type(self), self.facts)


def _rebuild(kind: type[Sp404Error], facts: dict[str, Any]) -> Sp404Error:
    return kind(**facts)
