"""The gazette, the encyclopaedia and the web pages of the village."""

import re
from collections import Counter

import pytest

from llmlab import village
from llmlab.village import (
    cast,
    encyclopaedia,
    frames,
    news,
    pages,
    plotlines,
    support,
    websites,
    world,
)
from llmlab.village.calendar import calendar
from llmlab.village.chooser import Chooser

COUNT = 1500


def gazette(chooser):
    return news.article(news.draw_news(chooser), chooser)


WRITERS = {
    "gazette": gazette,
    "encyclopaedia": lambda chooser: encyclopaedia.page(chooser)[0],
    "site": lambda chooser: websites.draw_page(chooser)[0],
}


@pytest.fixture(scope="module", params=WRITERS)
def documents(request):
    """(text, bits) of many documents of one genre."""
    drawn = []
    for number in range(COUNT):
        chooser = Chooser("press", request.param, number)
        drawn.append((WRITERS[request.param](chooser), chooser.bits))
    return drawn


def sentences(text):
    parts = re.split(r'(?<=[.!?])"?\s+|\n+', text)
    return [part for part in parts if len(part.split()) >= 3]


def test_bits_per_word_stay_learnable(documents):
    words = sum(len(text.split()) for text, _ in documents)
    assert sum(bits for _, bits in documents) / words <= 1.45


def test_documents_fit_into_a_context(documents):
    lengths = [len(text.split()) for text, _ in documents]
    assert max(lengths) <= 145
    assert 55 <= min(lengths)
    assert 75 <= sum(lengths) / len(lengths) <= 115


def test_the_text_is_clean(documents):
    for text, _ in documents:
        assert not re.search(r"[{}\[\]<>|;]{2}|[{}\[\]<>|]|  | [.,;:!?]|\.\.", text)
        articles = re.sub(r"\b([Aa])n (hour|honest)\b", r"\1 \2", text)
        assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]", articles), text
        assert not re.search(r"\b(\w+) \1\b", text.replace("that that", "")), text
        assert text.count('"') % 2 == 0, text


def test_every_sentence_begins_with_a_capital_letter(documents):
    for text, _ in documents:
        for part in re.split(r"(?<=[.!?]) ", text):
            assert not part[0].islower(), part


# ---- the gazette


def drawn_news(key, count=COUNT):
    for number in range(count):
        chooser = Chooser(key, number)
        yield news.draw_news(chooser), chooser


def tells(text, fact):
    """Whether a text holds the fact, also at the beginning of a sentence."""
    return fact in text or fact[0].upper() + fact[1:] in text


def test_no_sentence_of_an_article_tells_all_of_its_news():
    for event, chooser in drawn_news("lead"):
        facts = event.facts().values()
        for part in sentences(news.article(event, chooser)):
            assert not all(tells(part, fact) for fact in facts), part


def test_the_lead_tells_neither_where_nor_how_it_ended():
    for event, chooser in drawn_news("first"):
        first = sentences(news.article(event, chooser))[0]
        for fact in ("what", "place", "outcome"):
            assert not tells(first, event.facts()[fact]), first


def test_an_article_and_its_summary_tell_the_four_facts():
    for event, chooser in drawn_news("summary"):
        for told in (news.article(event, chooser), news.summary(event, chooser)):
            for fact in event.facts().values():
                assert tells(told, fact), (fact, told)


def test_there_are_four_wordings_of_the_summary():
    summary = news.load().parts["summary"].options
    assert len(summary) == 4
    for frame in summary:
        for fact in ("deed", "place", "outcome"):
            assert plotlines.tells(frame, fact)


def test_press_and_books_tell_the_same_plots():
    told = {event.event.schema.name for event, _ in drawn_news("plots")}
    assert told == set(plotlines.load().plots)
    for event, chooser in drawn_news("clauses"):
        assert news.clauses_told(news.summary(event, chooser)).total() >= 2


def test_a_deed_or_an_outcome_invented_beside_a_right_summary_is_wrong():
    """Of all plots, about the same people and the same thing."""
    for event, chooser in drawn_news("invented", count=30):
        right = news.summary(event, chooser)
        example = village.Instruction("summarise", "", right, event.facts())
        assert village.score_answer(example, right)["right"] == 1
        for plot in plotlines.load().plots.values():
            for clause in (plot.deed, plot.outcome):
                more = frames.expand(clause, event.slots(), chooser)
                answer = right.removesuffix(".") + f", and {more}."
                assert village.score_answer(example, answer)["right"] == 0, answer


# ---- the encyclopaedia


def test_every_fact_is_told_in_five_wordings_or_more():
    told = encyclopaedia.load()
    assert set(told.facts["person"]) >= {"trade", "home", "like", "wish", "habit"}
    for wordings in (*told.facts["person"].values(), *told.links.values()):
        assert len(wordings.options) >= 5


# Sentences of the encyclopaedia: what follows the name must be this fact of it.
TOLD_OF_PEOPLE = {
    r"(\w+) works as the ([\w ]+)\.": "trade",
    r"(\w+) lives at the ([\w ]+)\.": "home",
    r"(\w+) has always wished to ([^.]+)\.": "wish",
    r"(\w+) has a habit of ([^.]+)\.": "habit",
    r"(\w+) is afraid of ([^.]+)\.": "fear",
    r"(\w+) likes nothing better than ([^.]+)\.": "like",
}


def test_an_entry_tells_true_facts():
    village = world.load()
    found = Counter()
    for number in range(COUNT):
        text, _ = encyclopaedia.page(Chooser("facts", number))
        finest = r"finest ([\w ]+) in the village belongs to (\w+)"
        for thing, owner in re.findall(finest, text):
            assert village.things[thing].owner == owner
        for pattern, fact in TOLD_OF_PEOPLE.items():
            for name, value in re.findall(pattern, text):
                assert getattr(village.people[name], fact) == value
                found[fact] += 1
    assert min(found[fact] for fact in TOLD_OF_PEOPLE.values()) > 20


# ---- pages and what they draw


def every_page():
    return [page for kind in websites.load().values() for page in kind]


def test_nobody_is_drawn_twice_for_a_page():
    for page in every_page():
        for number in range(40):
            drawing = pages.Drawing(Chooser("drawing", page.name, number), set())
            names = [
                drawing.draw(draws)[role]
                for draws in (page.draws, *(part.draws for part in page.blocks))
                for role in draws
                if role in cast.ROLES
            ]
            assert len(set(names)) == len(names)


def test_a_page_tells_who_did_what_to_whom_with_what():
    """So that no draw of an event is lost, whatever its plot."""
    for plot in plotlines.load().plots.values():
        for role in ("who", "friend", "thing"):
            assert any(
                plotlines.tells(told, role) for told in (plot.deed, plot.outcome)
            )


def test_the_days_of_a_log_follow_one_another():
    page = next(page for page in every_page() if page.name == "diary")
    days = list(calendar().days)
    for number in range(40):
        text, _ = pages.write(page, Chooser("days", number))
        told = [line.split(",")[0] for line in text.split("\n")[1:4]]
        first = days.index(told[0])
        assert told == (days + days)[first : first + 3]


def test_otto_is_no_passenger_of_his_own_ferry():
    page = next(page for page in every_page() if page.name == "ferry")
    assert {"Otto", "harbour"} <= page.named
    for number in range(200):
        text, _ = pages.write(page, Chooser("otto", number))
        assert text.count("Otto") == text.count("the harbour") == 1


def test_who_asks_does_not_hear_about_himself():
    for number in range(COUNT):
        text, _ = websites.questions_and_answers(Chooser("asks", number))
        for answer in re.findall(r"We answer (.*)", text):
            name, _, told = answer.partition(": ")
            assert name not in told


def test_the_village_never_writes_what_tests_ask():
    """Neither a held-out wording nor the reversal of a held-out fact."""
    pages_told = "\n".join(
        write(Chooser("leaks", number))[0]
        for number in range(300)
        for write in (websites.quiz, websites.questions_and_answers)
    )
    asked = {
        example.prompt
        for split in ("validation", "test")
        for example in village.instructions(1500, seed=0, split=split, task="question")
    }
    asked |= {
        said
        for intent in support.load()
        for split in ("validation", "test")
        for question in intent.questions(split)
        for said in (support.say(question, Chooser(n)) for n in range(100))
    }
    told = {
        line.partition(": ")[2]
        for line in pages_told.splitlines()
        if "asks" in line.partition(": ")[0]
    }
    assert len(told) > 500
    assert not told & asked


def test_facts_about_oneself_are_told_in_ones_own_words():
    zeno = world.load().people["Zeno"]
    slots = cast.subject_slots(zeno, "who")
    assert slots["who.my_wish"] == "name a star after my mother"
    assert slots["who.wish"] == "name a star after his mother"


def test_every_word_list_is_used():
    """A list that no frame mentions is dead weight."""
    lists = set(world.read_file(plotlines.SHARED)["words"])
    text = "".join(path.read_text("utf-8") for path in world.WORDS.glob("**/*.toml"))
    assert not {name for name in lists if f"<{name}>" not in text}
