"""Python runs this at its start where PYTHONPATH names the folder."""

import network_guard

network_guard.install()
