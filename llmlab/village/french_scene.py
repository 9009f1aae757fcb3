"""What a bilingual page or sentence is about: no noun twice while others are left."""

from llmlab.village.cast import everybody
from llmlab.village.chooser import Chooser
from llmlab.village.french_lexicon import Adjective, Noun, adjectives_for, nouns_of
from llmlab.village.world import Person


class Scene:
    """Draws nouns, adjectives and people. `pairs` is the split whose pairs of noun and
    adjective are told; outside of "train" no noun that can have one goes without."""

    def __init__(self, chooser: Chooser, pairs: str = "train"):
        self.chooser = chooser
        self.pairs = pairs
        self._taken: set[Noun] = set()
        self.begin_sentence()

    def begin_sentence(self) -> None:
        """People may be named again."""
        self._people = list(everybody("who"))

    def noun(self, kinds: tuple[str, ...]) -> Noun:
        """One of some kinds that has an adjective in this split."""
        return self.one_of(nouns_of(kinds, self.pairs))

    def one_of(self, nouns: tuple[Noun, ...]) -> Noun:
        fresh = [noun for noun in nouns if noun not in self._taken]
        # One page in many thousands has named every person there is.
        noun = self.chooser.pick(fresh or nouns)
        self._taken.add(noun)
        return noun

    def adjective(self, noun: Noun) -> Adjective:
        return self.chooser.pick(adjectives_for(noun, self.pairs))

    def perhaps_adjective(self, noun: Noun) -> Adjective | None:
        if self.pairs != "train" or self.chooser.coin(0.5):
            return self.adjective(noun)
        return None

    def person(self) -> Person:
        """Somebody whom the sentence has not named."""
        person = self.chooser.pick(self._people)
        self._people.remove(person)
        return person
