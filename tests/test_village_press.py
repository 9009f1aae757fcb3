"""The gazette, the encyclopaedia and the web pages of the village."""

import re
from collections import Counter

import pytest

from llmlab.village import cast, encyclopaedia, news, pages, plots, websites, world
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
    assert 1.15 <= sum(bits for _, bits in documents) / words <= 1.45


def test_few_sentences_occur_twice(documents):
    told = Counter(part for text, _ in documents for part in sentences(text))
    repeated = sum(count for count in told.values() if count > 1)
    assert repeated <= 0.15 * sum(told.values())


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


def test_no_sentence_of_an_article_tells_all_of_its_news():
    for number in range(COUNT):
        chooser = Chooser("lead", number)
        event = news.draw_news(chooser)
        facts = event.facts().values()
        for part in sentences(news.article(event, chooser)):
            assert not all(fact in part for fact in facts), part


def test_a_summary_tells_the_four_facts_and_no_witness():
    for number in range(COUNT):
        chooser = Chooser("summary", number)
        event = news.draw_news(chooser)
        told = news.summary(event, chooser)
        for fact in event.facts().values():
            assert fact in told.replace("At the", "at the")
        assert event.witness is None or event.witness.name not in told


def test_an_article_tells_the_four_facts():
    for number in range(COUNT):
        chooser = Chooser("article", number)
        event = news.draw_news(chooser)
        text = news.article(event, chooser).replace("At the", "at the")
        for fact in (event.who.name, event.what, event.place.name, event.outcome):
            assert fact in text


def test_there_are_fifteen_kinds_of_event_in_many_wordings():
    library = news.load()
    assert len(library.kinds) >= 15
    assert len(library.parts["what"].options) >= 6
    assert len(library.parts["summary"].options) == 4
    for kind in library.kinds:
        assert len(kind.what) >= 20 and len(kind.outcome) >= 8, kind.name
        assert len(kind.places) >= 4, kind.name


def test_what_happens_outdoors_happens_outdoors():
    kinds = {kind.name: kind for kind in news.load().kinds}
    assert not any(place.indoors for place in kinds["rescue"].places)
    assert all(place.indoors for place in kinds["opening"].places)
    assert {place.name for place in kinds["voyage"].places} <= {
        "harbour",
        "beach",
        "pond",
        "bridge",
    }


def test_a_cause_lies_on_another_day():
    for number in range(COUNT):
        chooser = Chooser("cause", number)
        event = news.draw_news(chooser)
        assert event.day not in news.frames.expand(
            event.kind.cause, event.slots(), chooser
        )


# ---- the encyclopaedia


def test_every_fact_is_told_in_five_wordings_or_more():
    told = encyclopaedia.load()
    assert set(told.facts["person"]) >= {"trade", "home", "like", "wish", "habit"}
    for frames in (*told.facts["person"].values(), *told.links.values()):
        assert len(frames.options) >= 5


def test_an_entry_tells_true_facts():
    village = world.load()
    for number in range(COUNT):
        text, labels = encyclopaedia.page(Chooser("facts", number))
        for thing in village.things.values():
            match = re.search(
                f"[Tt]he finest {thing.name} in the village belongs to "
                r"(\w+)",
                text,
            )
            assert not match or match[1] == thing.owner
        for person in village.people.values():
            match = re.search(rf"{person.name} works as the ([\w ]+), and", text)
            assert not match or match[1] == person.trade
            match = re.search(rf"{person.name} lives at the ([\w ]+), so", text)
            assert not match or match[1] == person.home


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
    for plot in plots.load().plots.values():
        for role in ("who", "friend", "thing"):
            assert any(plots.tells(told, role) for told in (plot.deed, plot.outcome))


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


def test_facts_about_oneself_are_told_in_ones_own_words():
    zeno = world.load().people["Zeno"]
    slots = cast.subject_slots(zeno, "who")
    assert slots["who.my_wish"] == "name a star after my mother"
    assert slots["who.wish"] == "name a star after his mother"


def test_every_phrase_is_used():
    """A list that no frame mentions is dead weight."""
    lists = set(world.read_file("phrases.toml")["words"])
    files = ("phrases.toml", "news.toml", "encyclopaedia.toml", "websites.toml")
    text = "".join((world.FOLDER / file).read_text("utf-8") for file in files)
    unused = {
        name
        for name in lists
        if f"<{name}>"
        not in text.replace(f"<{name[0].upper()}{name[1:]}>", f"<{name}>")
    }
    assert not unused
