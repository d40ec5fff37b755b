"""Text from files, names and errors, made harmless to a terminal."""


def printable(text: str) -> str:
    """Return text with all that is not printable written out: escapes, line ends, undecodable bytes of names.

    A terminal obeys some of these, or turns the direction of the text around them.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def line_of(error: BaseException) -> str:
    """Return what an error says in one line, empty where that is nothing, or where its class fails to say it."""
    try:
        return " ".join(str(error).split())
    except Exception:  # the class may be anyone's
        return ""


def kind_and_line(error: BaseException) -> str:
    """Return an error's kind and what it says, in one line."""
    text = line_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a byte of a name that is not UTF-8, as os.fsdecode gives it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
