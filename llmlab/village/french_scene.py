"""What a bilingual page or sentence is about: no noun twice while others are left."""

from llmlab.village.cast import everybody
from llmlab.village.chooser import Chooser
from llmlab.village.french_lexicon import Adjective, Noun, adjectives_for, nouns_of
from llmlab.village.world import Person


class Scene:
    """Draws nouns, adjectives and people. `held_out` says whether the adjectives are
    those of tests only; then every noun that can have one is told with one."""

    def __init__(self, chooser: Chooser, held_out: bool):
        self.chooser = chooser
        self.held_out = held_out
        self._taken: set[Noun] = set()

    def noun(self, kinds: tuple[str, ...]) -> Noun:
        """One of some kinds that has an adjective in this split."""
        return self.one_of(nouns_of(kinds, self.held_out))

    def one_of(self, nouns: tuple[Noun, ...]) -> Noun:
        fresh = [noun for noun in nouns if noun not in self._taken]
        # One page in many thousands has named every person there is.
        noun = self.chooser.pick(fresh or nouns)
        self._taken.add(noun)
        return noun

    def adjective(self, noun: Noun) -> Adjective:
        return self.chooser.pick(adjectives_for(noun, self.held_out))

    def perhaps_adjective(self, noun: Noun) -> Adjective | None:
        if self.held_out or self.chooser.coin(0.5):
            return self.adjective(noun)
        return None

    def person(self) -> Person:
        return self.chooser.pick(everybody("who"))
