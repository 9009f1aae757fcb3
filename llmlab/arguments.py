"""What people type after a command, judged before anything is begun or written.

For `type=` of argparse, which names the option and says the rest.
"""

import argparse
from pathlib import Path


def folder_path(text: str) -> Path:
    """A path, where `~` is the home folder, also in the middle of `--out=~/runs`."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


def seed_number(text: str) -> int:
    """A whole number that every generator of random numbers takes."""
    number = int(text)
    if not 0 <= number < 2**63:
        raise argparse.ArgumentTypeError(f"{text} is not a seed from 0 to 2**63 - 1")
    return number
