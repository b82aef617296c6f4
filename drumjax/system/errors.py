"""The one kind of error that a user can mend."""


class UserError(Exception):
    """A mistake or mishap that a user can mend: its message is one line that says what, where and what to do.

    Programs print that line and end with status 1; every other exception is a defect of ours and keeps its traceback.
    Each room has subclasses of its own, so that callers can tell a bad MIDI file from a bad config.
    """
