"""Python runs this at its start where PYTHONPATH names the folder."""

from authoring import network_guard

network_guard.install()
