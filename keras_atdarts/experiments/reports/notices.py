"""What the reader of a report must know before all else."""

WORDS = {"warning": "Warning:", "note": "Note:"}


def warning(text):
    """Returns a notice that something is likely wrong, as a dict ready for JSON."""
    return {"level": "warning", "text": text}


def note(text):
    """Returns a notice that something is missing or worth knowing, likewise."""
    return {"level": "note", "text": text}
