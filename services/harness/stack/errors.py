"""What the stack says when it cannot run here: one sentence for a person, with what to do about it."""


class StackError(Exception):
    """A server of the stack cannot be started or reached. `message` is a msgid, `values` fill its {named} places."""

    def __init__(self, message: str, **values: str | int) -> None:
        super().__init__(message.format(**values))
        self.message = message
        self.values = values
