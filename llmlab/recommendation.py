"""Recommendations that learn: which article to offer next, from what a reader did.

Readers of the village's gazette have tastes that nobody sees and that turn. On every
visit a reader is offered some articles, one of them is recommended, and a click is the
reward. Who recommends is asked and told in the same way, whoever it is:

    chosen = recommender.choose(offered, generator)  # (readers,) places in the offer
    recommender.learn(offered, chosen, rewards)

`offered` is (readers, size): numbers of articles. A *visit* is one round, in which each
reader comes once; an *interaction* is one reader's visit. Rewards lie between 0 and 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize

from llmlab.batching import pad_sequences
from llmlab.gpt import GPT
from llmlab.interpretation import principal_components, residual_stream
from llmlab.policy_gradient import policy_gradient_loss
from llmlab.tokenizer import Tokenizer
from llmlab.village import news
from llmlab.village.chooser import Chooser

# What can be recommended --------------------------------------------------------------


class Article(NamedTuple):
    """A text, and what a reader may like about it: nobody else is told that."""

    text: str
    topic: str
    person: str
    place: str


def gazette(count: int, *, seed: int, start: int = 0) -> list[Article]:
    """Articles `start` to `start + count` of the village's gazette."""
    return [_article(Chooser("gazette", seed, start + n)) for n in range(count)]


def _article(chooser: Chooser) -> Article:
    told = news.draw_news(chooser)
    event, text = told.event, news.article(told, chooser)
    return Article(text, event.schema.name, event.who.name, event.place.name)


MIDDLE = 2  # after this block: what an article is about; the last names its next word


def article_features(
    model: GPT, tokenizer: Tokenizer, articles: Sequence[Article], width: int = 48
) -> Tensor:
    """What a frozen model knows of each article, (articles, width), of length one.

    The mean of the middle block's states over the tokens; of that the components in
    which articles differ most, each in units of its own spread.

    Raises ValueError: there are fewer articles than components.
    """
    check_articles(articles)
    means = []
    for begin in range(0, len(articles), 32):
        texts = [each.text for each in articles[begin : begin + 32]]
        tokens, segment_ids = pad_sequences([*map(tokenizer.encode, texts)])
        states = residual_stream(model, tokens, segment_ids=segment_ids)[MIDDLE]
        told = (segment_ids > 0)[..., None]
        means.append((normalize(states, dim=-1) * told).sum(dim=1) / told.sum(dim=1))
    components, _ = principal_components(torch.cat(means), width)
    return normalize(components / components.std(dim=0), dim=1)


def check_articles(articles: Sequence) -> None:
    if len(articles) == 0:
        raise ValueError("the list of articles is empty; give at least one to offer")


# Who reads ----------------------------------------------------------------------------


class Readers:
    """Readers whose tastes are hidden, and turn.

    Each loves three topics and likes some people and places; an article has an appeal
    of its own, too. The log-odds of a click are a sum of these.

    articles : what the gazette has. count : of readers. All follows from `seed`.
    """

    loves, love, like, dull, appeal = 3, 3.5, 0.7, -2.5, 0.3

    def __init__(self, articles: Sequence[Article], count: int = 5, *, seed: int):
        check_articles(articles)
        self.articles, self.count = articles, count
        self.generator = torch.Generator().manual_seed(seed)
        kinds = zip(*(each[1:] for each in articles), strict=True)
        self.names = [sorted(set(kind)) for kind in kinds]  # topics, people, places
        self.is_of = [
            torch.tensor([names.index(each[1 + n]) for each in articles])
            for n, names in enumerate(self.names)
        ]
        self.charm = self.appeal * self._draw(len(articles), normal=True)
        self.fame = 0.5 * self._draw(len(self.names[0]), normal=True)
        self.loved = self._order_of_topics()[:, : self.loves]
        self.liked = [self._some(len(names), share=0.25) for names in self.names[1:]]

    def _draw(self, *shape: int, normal: bool = False) -> Tensor:
        draw = torch.randn if normal else torch.rand
        return draw(shape, generator=self.generator, dtype=torch.float64)

    def _order_of_topics(self) -> Tensor:
        """All topics in an order drawn for each reader, famous ones rather early."""
        gumbel = -(-self._draw(self.count, len(self.names[0])).log()).log()
        return (self.fame + gumbel).argsort(dim=1, descending=True)

    def _some(self, names: int, share: float) -> Tensor:
        """(readers, names), true where a reader likes a name."""
        order = self._draw(self.count, names).argsort(dim=1).argsort(dim=1)
        return order < round(share * names)

    def turn(self) -> None:
        """Tastes turn: every reader drops their oldest love and takes up another."""
        loved = self.loved.tolist()
        for topics, order in zip(loved, self._order_of_topics().tolist(), strict=True):
            topics.append(next(topic for topic in order if topic not in topics))
        self.loved = torch.tensor(loved)[:, 1:]

    def offer(self, size: int) -> Tensor:
        """Articles to choose from, for each reader others: (readers, size)."""
        order = self._draw(self.count, len(self.articles)).argsort(dim=1)
        return order[:, :size]

    def chances(self, offered: Tensor) -> Tensor:
        """How probable a click on each is, (readers, size). Nobody else knows."""
        topic, person, place = (of[offered] for of in self.is_of)
        loved = (topic[..., None] == self.loved[:, None]).any(dim=2)
        people, places = self.liked
        liked = people.gather(1, person) * 1.0 + places.gather(1, place)
        odds = self.love * loved + self.like * liked + self.charm[offered]
        return (self.dull + odds).sigmoid()

    def react(self, chances: Tensor, stars: bool = False) -> Tensor:
        """A reward for each reader: a click or none; or a rating, by `from_stars`.

        chances : of the recommended article, (readers,). Luck does not depend on it, so
        that two recommenders can be compared under the same luck.
        """
        luck = self._draw(self.count, 4)
        if stars:
            return from_stars(1 + (luck < chances[:, None]).sum(dim=1))
        return (luck[:, 0] < chances).double()


def from_stars(ratings) -> Tensor:
    """Ratings of 1 to 5 stars as rewards from 0 to 1."""
    ratings = torch.as_tensor(ratings, dtype=torch.float64)
    wrong = ratings[~((ratings >= 1) & (ratings <= 5))]
    if len(wrong):
        raise ValueError(f"a rating of {wrong[0]:g}; expected 1 to 5 stars")
    return (ratings - 1) / 4


# What a recommender remembers ---------------------------------------------------------

EXPECTED = 0.3  # the reward of an article of which nothing is known


class Memory:
    """What each reader did: the straight line that fits their rewards best.

    Ridge regression on an article's features, of the rewards less `EXPECTED`; what was
    long ago counts less (Russac et al. 2019). A skipped article is a reward of 0, and
    tells as much as a clicked one.

    features : (articles, width). ridge : how many visits the first guess, "nothing is
        known", is worth. keep : what is left of a visit's weight at the next one.
    """

    def __init__(
        self, features: Tensor, readers: int, *, ridge: float = 1.0, keep: float = 0.99
    ):
        width = features.shape[1]
        self.features, self.ridge, self.keep = features, ridge, keep
        self.squares = features.new_zeros(readers, width, width)
        self.sums = features.new_zeros(readers, width)

    def remember(self, articles: Tensor, rewards: Tensor) -> None:
        """What was recommended to each reader, (readers,), and what they made of it."""
        check_rewards(rewards)
        shown = self.features[articles]
        self.squares = self.keep * self.squares + shown[:, :, None] * shown[:, None]
        self.sums = self.keep * self.sums + (rewards - EXPECTED)[:, None] * shown

    def guess(self, offered: Tensor) -> tuple[Tensor, Tensor]:
        """Of each article: the reward expected beyond `EXPECTED`, and how far from
        certain that is, a standard deviation for noise of size 1. (readers, size)."""
        known = self.squares + self.ridge * torch.eye(self.squares.shape[1]).double()
        inverse = torch.linalg.inv(known)
        taste = (inverse @ self.sums[..., None]).squeeze(2)
        shown = self.features[offered]
        doubt = ((shown @ inverse) * shown).sum(dim=2).clamp(min=0).sqrt()
        return (shown @ taste[..., None]).squeeze(2), doubt


def check_rewards(rewards: Tensor) -> None:
    wrong = rewards[~((rewards >= 0) & (rewards <= 1))]
    if len(wrong):
        raise ValueError(
            f"a reward of {wrong[0]:g}; expected 0 for a skip, 1 for a click, or what "
            "`from_stars` makes of a rating"
        )


# Who recommends -----------------------------------------------------------------------


class Recommender(Protocol):
    """Who chooses one of the offered articles for each reader, and is told."""

    def choose(self, offered: Tensor, generator: torch.Generator) -> Tensor: ...

    def learn(self, offered: Tensor, chosen: Tensor, rewards: Tensor) -> None: ...


def picked(values: Tensor, chosen: Tensor) -> Tensor:
    """Each reader's value at the chosen place: (readers, size) to (readers,)."""
    return values.gather(1, chosen[:, None]).squeeze(1)


class Oracle:
    """Knows every taste; nobody can be better."""

    def __init__(self, readers: Readers):
        self.readers = readers

    def choose(self, offered, generator):
        return self.readers.chances(offered).argmax(dim=1)

    def learn(self, offered, chosen, rewards):
        pass


class Popularity:
    """What others clicked: the same for all who are offered the same."""

    def __init__(self, articles: int):
        # As if each had been shown twice already, with the usual success.
        self.shown = torch.full((articles,), 2.0).double()
        self.earned = EXPECTED * self.shown

    def rates(self, offered: Tensor) -> Tensor:
        """(readers, size)"""
        return (self.earned / self.shown)[offered]

    def choose(self, offered, generator):
        return self.rates(offered).argmax(dim=1)

    def learn(self, offered, chosen, rewards):
        articles = picked(offered, chosen)
        self.shown.index_add_(0, articles, torch.ones_like(rewards))
        self.earned.index_add_(0, articles, rewards)


class LinUCB:
    """A contextual bandit: what may well be best is tried (Li et al. 2010, alg. 1)."""

    def __init__(self, memory: Memory, boldness: float = 0.1):
        self.memory, self.boldness = memory, boldness

    def choose(self, offered, generator):
        guess, doubt = self.memory.guess(offered)
        return (guess + self.boldness * doubt).argmax(dim=1)

    def learn(self, offered, chosen, rewards):
        self.memory.remember(picked(offered, chosen), rewards)


SCALES = torch.tensor([10.0, 5.0, 5.0]).double()  # so that one learning rate serves all


class Policy:
    """Chapter 9's policy gradient: make the choice that was rewarded more probable.

    A softmax over three numbers of each article: the guess and the doubt of the memory,
    and the crowd's rate. What is learned is the weight of each, from all readers. A
    reader who has done nothing has the same guess for all articles, so the crowd
    decides: that is the cold start.

    weights : of guess, doubt and crowd, in units of `SCALES`, to begin with.
    explore : the share of visits on which the article is drawn blindly.
    rate : Adam's. 0: nothing is learned but what the memory holds.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        weights: Sequence[float] = (1.0, 0.0, 1.0),
        explore: float = 0.0,
        rate: float = 0.1,
    ):
        self.memory, self.explore = memory, explore
        self.crowd = Popularity(len(memory.features))
        self.weights = torch.tensor(weights).double().requires_grad_()
        self.optimizer = torch.optim.Adam([self.weights], lr=rate)

    def seen(self, offered: Tensor) -> Tensor:
        """All that the policy knows of each article: (readers, size, 3)."""
        told = (*self.memory.guess(offered), self.crowd.rates(offered))
        return torch.stack(told, dim=2) * SCALES

    def log_probs(self, seen: Tensor) -> Tensor:
        """(readers, size)"""
        greedy = (seen @ self.weights).softmax(dim=1)
        return ((1 - self.explore) * greedy + self.explore / seen.shape[1]).log()

    def choose(self, offered, generator):
        probabilities = self.log_probs(self.seen(offered)).detach().exp()
        return torch.multinomial(probabilities, 1, generator=generator).squeeze(1)

    def learn(self, offered, chosen, rewards):
        check_rewards(rewards)
        seen = self.seen(offered)
        loss = recommendation_loss(self.log_probs(seen), seen, chosen, rewards)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.crowd.learn(offered, chosen, rewards)
        self.memory.remember(picked(offered, chosen), rewards)


def recommendation_loss(
    log_probs: Tensor, seen: Tensor, chosen: Tensor, rewards: Tensor
) -> Tensor:
    """Minus log-probability times advantage, a mean over readers.

    The baseline is the reward that the policy itself expects. It does not look at what
    was chosen, so it changes the noise and not the mean (Williams 1992).
    """
    guess = seen[..., 0] / SCALES[0]
    expected = EXPECTED + (log_probs.detach().exp() * guess).sum(dim=1)
    weights = torch.full_like(rewards, 1 / len(rewards))
    return policy_gradient_loss(picked(log_probs, chosen), rewards - expected, weights)


# What comes of it ---------------------------------------------------------------------


@dataclass(frozen=True)
class Diary:
    """What happened, visit by visit: articles, rewards and regret, (visits, readers).

    regret : the best offered article's chance of a click, less the recommended one's.
    """

    articles: Tensor
    rewards: Tensor
    regret: Tensor


def visits(
    readers: Readers,
    recommender: Recommender,
    count: int,
    generator: torch.Generator,
    *,
    size: int = 10,
    stars: bool = False,
) -> Diary:
    """The loop: offer, recommend, watch, learn. `size` articles are offered each time.

    Raises ValueError: more articles are to be offered than there are.
    """
    if not 1 <= size <= len(readers.articles):
        raise ValueError(
            f"{size} articles to offer, of {len(readers.articles)}; expected 1 to that"
        )
    pages = []
    for _ in range(count):
        offered = readers.offer(size)
        chances = readers.chances(offered)
        chosen = recommender.choose(offered, generator)
        chance = picked(chances, chosen)
        rewards = readers.react(chance, stars)
        recommender.learn(offered, chosen, rewards)
        regret = chances.amax(dim=1) - chance
        pages.append((picked(offered, chosen), rewards, regret))
    return Diary(*map(torch.stack, zip(*pages, strict=True)))
