"""Marks the English texts that people will read, so that the catalogue of translations can find them."""


def N_(text: str) -> str:
    """Return `text` unchanged; it is translated where it is shown, by the reader's language."""
    return text
