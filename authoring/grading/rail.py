"""Refusals inside the process beside a learner's code.

An audit hook cannot be taken away by Python code, so accidents and plain tricks end
here: other files, other processes, the network. It is a rail and not a wall: native
code can pass it. The wall is the sandbox. It works on every system, though.
"""

import os
import sys

REFUSED = {
    *("os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"),
    *("os.startfile", "subprocess.Popen", "pty.spawn", "_winapi.CreateProcess"),
    *("os.kill", "os.killpg", "ctypes.dlopen", "ctypes.dlsym", "ctypes.dlsym/handle"),
    *("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"),
    *("socket.getaddrinfo", "socket.gethostbyname"),
}
CHANGES = {
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink"),
    *("os.truncate", "os.chmod", "os.chown", "os.utime", "os.setxattr"),
    *("sqlite3.connect", "shutil.rmtree", "shutil.move", "shutil.copyfile"),
}
LOOKS = {"os.listdir", "os.scandir", "os.walk", "os.chdir"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def put_up(own: str, hidden: list[str], open_inside: list[str]) -> None:
    """From now on: writing in the folder `own` only, and nothing hidden is read.

    Parameters
    ----------
    hidden : folders of which nothing is shown, except for `open_inside`.
    """
    real = os.path.realpath

    def lies_in(path, folders):
        return any(f"{path}{os.sep}".startswith(f + os.sep) for f in folders)

    def as_path(value):
        if isinstance(value, bytes):
            value = os.fsdecode(value)
        return real(value) if isinstance(value, str) else None

    def refuse_place(value, changes):
        path = as_path(value)
        if path is None or path == os.devnull:
            return
        if changes and not lies_in(path, [own]):
            raise PermissionError("grading: files outside the own folder stay as is")
        if lies_in(path, hidden) and not lies_in(path, [own, *open_inside]):
            raise PermissionError("grading: this folder is not to be read")

    def look(event, arguments):
        if event in REFUSED:
            raise PermissionError(f"grading: {event} is not to be used")
        if event == "open":
            path, _, flags = arguments
            refuse_place(path, bool((flags or 0) & WRITING))
        elif event in CHANGES:
            for value in arguments[:2]:
                refuse_place(value, True)
        elif event in LOOKS:
            refuse_place(arguments[0] or ".", False)

    own = real(own)
    hidden, open_inside = [*map(real, hidden)], [*map(real, open_inside)]
    sys.addaudithook(look)
