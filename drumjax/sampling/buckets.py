"""Lengths that steps and notes are padded to, so that another length seldom compiles anew."""

BUCKET = 64


def padded_length(num: int) -> int:
    """As many or more: a multiple of BUCKET, and of what is long one of at most four lengths an octave.

    The sampler stops where its pieces end, so that padding takes it no time.
    """
    unit = max(BUCKET, (1 << max(num - 1, 1).bit_length()) // 8)
    return -(-num // unit) * unit
