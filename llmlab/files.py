"""Writing files so that a crash, a full disk or a second writer loses nothing."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def bytes_of_repository(path: Path) -> bytes:
    """A file as the repository holds it, whatever line ends git gave it here.

    Text is what holds no zero byte near its beginning, as git itself judges.
    """
    data = path.read_bytes()
    return data if b"\0" in data[:8000] else data.replace(b"\r\n", b"\n")


def write_atomically(path: Path | str, data: bytes | Callable[[str], None]) -> None:
    """Write a file wholly or not at all.

    The bytes go to a temporary name in the same folder, are forced to the disk, and
    only then take the file's name, which the operating system does in one step.

    data : the bytes, or a function that writes them to the file of a given name.

    Raises OSError: the folder cannot be written or the disk is full; what was there
    before is as it was, and no half-written file remains.
    """
    path = Path(path).expanduser()
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            data(temporary) if callable(data) else file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp lets only the owner read
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise type(error)(
                error.errno,
                f"could not save {path.name} ({error.strerror}); what was there before "
                "is unchanged. Free some space or choose a folder that can be written",
                str(path),
            ) from error
        raise
