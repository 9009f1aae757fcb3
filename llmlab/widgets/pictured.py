"""A view whose twin is a picture."""

from IPython import get_ipython
from IPython.display import display

from llmlab.plots import Picture, notebook_image, print_words
from llmlab.widgets.page import View


class Pictured(View):
    """A view whose twin is a picture, followed by the picture's words."""

    def picture(self) -> Picture | None:
        """What was shown at first; None: it was no picture, and the twin is HTML."""

    def words(self) -> str:
        return self.picture().alt

    def _repr_mimebundle_(self, **options):
        data, metadata = super()._repr_mimebundle_(**options)
        picture = self.picture()
        if picture is None:
            return data, metadata
        del data["text/html"]
        image, alt = notebook_image(picture, picture.alt)
        return {**data, **image}, {**metadata, **alt}

    def static_html(self) -> str:
        return ""  # the picture is the twin

    def _ipython_display_(self) -> None:
        """Shows the view, or the picture where no kernel runs, and prints its words."""
        if get_ipython() is not None:
            data, metadata = self._repr_mimebundle_()
            display(data, raw=True, metadata=metadata)
        if self.picture() is not None:
            print_words(self.words())
