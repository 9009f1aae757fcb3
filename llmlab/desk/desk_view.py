"""What the views of the desk share: they look into the drawer when they are seen."""

import traitlets

from llmlab.desk.drawer import Drawer
from llmlab.widgets.page import View


class DeskView(View):
    """A view over the drawer. What cannot be done is said, and stops no page."""

    seen = traitlets.Int(0).tag(sync=True)  # grows as the view comes to the screen
    status = traitlets.Unicode("").tag(sync=True)

    def __init__(self, drawer: Drawer, **traits):
        self.drawer = drawer
        super().__init__(**traits)
        self.observe(lambda change: self.receive({"type": "look"}), "seen")

    def look(self) -> None:
        """Show what is kept: the view has come to the screen."""

    def act(self, content: dict) -> None:
        """Do what a person asks for."""

    def receive(self, content: dict) -> None:
        """Look or act, and say what went wrong."""
        try:
            self.look() if content["type"] == "look" else self.act(content)
        except (OSError, ValueError) as error:
            self.status = f"Not kept: {error}."
