"""The promises of extraction, language, quality and the report on what was dropped."""

import random
from dataclasses import replace

import pytest

from llmlab.real_text import (
    GENTLE,
    QUALITY_RULES,
    THOROUGH,
    Passage,
    Source,
    drop_by_quality,
    guess_language,
    main_text,
    normalise,
    package_readmes,
    python_topics,
    refine,
    strip_html,
)
from llmlab.real_text.cleaning import garbled, mend
from llmlab.real_text.language import function_words
from llmlab.real_text.quality import Measured, QualityRule, drop_notices
from llmlab.real_text.sources import strip_book_frame

PROSE = (
    "The keeper of the lighthouse counted the boats that came home before the storm. "
    "He had a lamp, a ledger and a cat, and he trusted the cat with none of them. "
    "When the last sail was in, he wrote its name down and went to put the kettle on."
)


# Extraction ---------------------------------------------------------------------------

PAGE = f"""<!doctype html><html><head><title>The lighthouse</title></head><body>
<div><a href="/">Home</a> <a href="/shop">Shop</a> | <a href="/about">About us</a></div>
<nav><p>Here we tell you at some length how to get from one page to the next one.</p>
</nav>
<h1>A night at sea</h1><p>By nobody</p><p>{PROSE}</p><p>He slept.</p>
<pre>x = 1</pre><p>{PROSE} <a href="/kettle">The kettle</a> sang.</p>
<ul><li><a href="/1">Another night</a><li><a href="/2">A day at sea</a></ul>
<div>Share</div><div role="contentinfo"><div>{PROSE}</div></div>
<p hidden>Not seen by anybody, whatever it says and however long it may be, ever.</p>
<footer>Made by hand.</footer></body></html>"""


def test_menus_go_and_the_text_with_its_title_headings_and_code_stays():
    extraction = main_text(PAGE)
    assert extraction.text.split("\n\n") == [
        "The lighthouse",
        "A night at sea",
        *[PROSE, "He slept.", "x = 1", f"{PROSE} The kettle sang."],
    ]
    left_out = "\n".join(extraction.left_out)
    for beside in ("About us", "from one page", "Share", "Another night", "by hand"):
        assert beside in left_out


def test_short_line_stays_between_paragraphs_and_goes_beside_a_menu():
    lines = ["Yes,", "no,", "perhaps"]
    spoken = "".join(f"<p>{line}</p>" for line in lines)
    menu = '<p><a href="/">Home</a></p>'
    assert main_text(f"<p>{PROSE}</p>{spoken}<p>{PROSE}</p>").left_out == ()
    beside = main_text(f"<p>{PROSE}</p>{spoken}{menu}")
    assert beside.left_out == (*lines, "Home")


def test_heading_that_is_a_link_stays_before_a_paragraph_and_goes_before_a_menu():
    heading, link = '<h2><a href="/">Lamps</a></h2>', '<p><a href="/">More</a></p>'
    assert main_text(f"{heading}<p>{PROSE}</p>").left_out == ()
    assert main_text(f"<p>{PROSE}</p>{heading}{link}").left_out == ("Lamps", "More")


def test_page_of_nothing_but_links_is_not_emptied():
    page = '<p><a href="/1">One</a></p><p><a href="/2">Two</a></p>'
    assert main_text(page).text == "One\n\nTwo"


def test_page_that_closes_what_it_never_opened_loses_nothing():
    assert main_text(f"</nav></a></pre></script><p>{PROSE}").text == PROSE


def test_link_that_is_not_closed_ends_with_its_paragraph():
    page = f"<p>{PROSE}<a href='/'><p>{PROSE}"
    assert main_text(page).text == f"{PROSE}\n\n{PROSE}"


def test_long_page_takes_time_in_proportion():
    page = f"<p>{PROSE}</p>" + "<p>Hm</p>" * 20_000
    assert len(main_text(page).text) > 20_000


def test_space_that_must_not_break_survives_since_it_may_be_half_of_a_letter():
    page = f"<p>Il va Ã\u00a0 la mer,&nbsp;\n  et voilÃ\u00a0</p><p>&nbsp;</p>{PROSE}"
    text = strip_html(page)
    assert normalise(mend(text)).split("\n\n")[0] == "Il va à la mer, et voilà"
    assert "\n\n\u00a0" not in text


def test_frame_of_a_book_goes_and_every_other_text_stays():
    book = (
        "Preface\n*** START OF THIS PROJECT GUTENBERG EBOOK X ***\nThe book\n"
        "*** END OF THIS PROJECT GUTENBERG EBOOK X ***\nLicence"
    )
    extraction = strip_book_frame(book)
    assert extraction.text == "The book\n"
    assert [text[:7] for text in extraction.left_out] == ["Preface", "*** END"]
    assert strip_book_frame(PROSE).text == PROSE


# Garbled letters ----------------------------------------------------------------------


@pytest.mark.parametrize("letters", ["é", "à", "ß", "°", "’", "“", "”", "…", "—", "😀"])
def test_letters_read_wrongly_are_put_right(letters):
    meaningless = {0x81, 0x8D, 0x8F, 0x90, 0x9D}
    shown = "".join(
        chr(byte) if byte in meaningless else bytes([byte]).decode("cp1252")
        for byte in letters.encode()
    )
    assert mend(f"a{shown}b") == f"a{letters}b"
    assert garbled(f"a{shown}b") == [(shown, letters)]


@pytest.mark.parametrize(
    "text",
    ["Âge, château, São Tomé", "naïve café – “über” Öl", "GARÇON À LA CARTE", "Ã"],
)
def test_letters_that_are_right_stay(text):
    assert mend(text) == text and garbled(text) == []


# Language -----------------------------------------------------------------------------

PASSAGES = {
    "English": (
        "All human beings are born free and equal in dignity and rights. They are "
        "endowed with reason and conscience and should act towards one another in a "
        "spirit of brotherhood."
    ),
    "French": (
        "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils "
        "sont doués de raison et de conscience et doivent agir les uns envers les "
        "autres dans un esprit de fraternité."
    ),
    "German": (
        "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit "
        "Vernunft und Gewissen begabt und sollen einander im Geist der Brüderlichkeit "
        "begegnen."
    ),
    "Spanish": (
        "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, "
        "dotados como están de razón y conciencia, deben comportarse fraternalmente los"
        " unos con los otros."
    ),
    "Italian": (
        "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi "
        "sono dotati di ragione e di coscienza e devono agire gli uni verso gli altri "
        "in spirito di fratellanza."
    ),
    "Portuguese": (
        "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. "
        "Dotados de razão e de consciência, devem agir uns para com os outros em "
        "espírito de fraternidade."
    ),
    "Dutch": (
        "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn "
        "begiftigd met verstand en geweten, en behoren zich jegens elkander in een "
        "geest van broederschap te gedragen."
    ),
    "Swedish": (
        "Alla människor är födda fria och lika i värde och rättigheter. De är utrustade"
        " med förnuft och samvete och bör handla gentemot varandra i en anda av "
        "broderskap."
    ),
    "Danish": (
        "Alle mennesker er født frie og lige i værdighed og rettigheder. De er udstyret"
        " med fornuft og samvittighed, og de bør handle mod hverandre i en "
        "broderskabets ånd."
    ),
    "Polish": (
        "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych "
        "praw. Są oni obdarzeni rozumem i sumieniem i powinni postępować wobec innych w"
        " duchu braterstwa."
    ),
    "unknown": ("人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心。"),
}


@pytest.mark.parametrize("language", PASSAGES)
def test_a_passage_in_each_language_is_known_by_its_little_words(language):
    assert guess_language(PASSAGES[language]).language == language


def test_the_language_reference_of_python_is_english():
    guesses = [guess_language(source.text).language for source in python_topics()]
    assert guesses.count("English") >= 0.97 * len(guesses)


def test_names_and_numbers_are_of_no_language():
    for text in ("", "42 43 44", "Tilda Bruno Agatha Winifred", "int float str list"):
        assert guess_language(text).language == "unknown"


def test_every_list_of_little_words_is_long_enough_to_judge_and_names_each_once():
    lists = function_words()
    assert len(lists) >= 15 and "English" in lists
    for words in lists.values():
        assert len(words) == len(set(words)) >= 30
        assert all(word == word.lower() for word in words)


# Quality ------------------------------------------------------------------------------

BAD = {
    "too short": "The cat that sat on the mat was fat.",
    "long or short words": "to be or no a b c d e f the of in " * 5,
    "symbols": PROSE.replace(" ", " # "),
    "few letters": PROSE + " 1 2 3 4 5" * 12,
    "no common words": "Cats eat fish. Dogs eat meat. Birds eat seeds daily. " * 6,
    "bullets": "\n".join(f"- {line}" for line in PROSE.split(". ") * 3),
    "trailing lines": "\n".join(f"{line}..." for line in PROSE.split(" ", 30)),
    "open endings": PROSE.replace(".", "").rstrip(),
    "repeated lines": "\n".join([PROSE, *PROSE.split(". ")] * 2),
    "one phrase": PROSE + " very much" * 40 + ".",
    "one long phrase": PROSE + " and that was so then," * 8,
    "repeated phrases": f"{PROSE} And once more, from the beginning: {PROSE}",
}
RULES = {rule.name: rule for rule in QUALITY_RULES}


@pytest.mark.parametrize("name", RULES)
def test_each_rule_drops_its_bad_example_and_keeps_prose(name):
    assert RULES[name].complaint(Measured(BAD[name])) is not None
    assert RULES[name].complaint(Measured(PROSE)) is None


@pytest.mark.parametrize("name", RULES)
def test_rules_survive_texts_of_nothing(name):
    for text in ("", "\n\n", "...", "1", "\u3000"):
        RULES[name].complaint(Measured(text))


def test_repeated_phrases_are_counted_by_letters():
    measure = RULES["repeated phrases"].measure
    ten = "aa bb cc dd ee ff gg hh ii jj"
    assert measure(Measured(f"{ten} kkkkkkkkkk {ten}")) == pytest.approx(20 / 50)
    assert measure(Measured(ten)) == 0


def test_commonest_phrase_is_counted_by_letters():
    measure = RULES["one phrase"].measure
    assert measure(Measured("aa bb cc aa bb dd")) == pytest.approx(8 / 12)
    assert measure(Measured("aa bb cc dd")) == 0


def test_first_rule_that_complains_gives_the_reason():
    sifting = drop_by_quality([Passage("a", PROSE), Passage("b", "A few words.")])
    assert sifting.kept == [Passage("a", PROSE)]
    (dropped,) = sifting.dropped
    assert dropped.rule == "too short"
    assert dropped.reason == "3, where at least 40 may stay"


def test_rule_can_be_changed_and_an_impossible_one_is_refused():
    strict = replace(RULES["too short"], lowest=100)
    assert strict.complaint(Measured(PROSE)) == "50, where at least 100 may stay"
    with pytest.raises(
        ValueError, match="lets nothing stay: lowest is 2, highest is 1"
    ):
        QualityRule("odd", "why", len, lowest=2, highest=1)


def test_notices_go_and_paragraphs_about_cookies_stay():
    notice = "We use cookies. Read our Privacy Policy."
    about = f"Kitchens that use cookies for bait catch mice. {PROSE} {PROSE}"
    documents = [
        Passage("a", f"{PROSE}\n\n{notice}\n\n{about}"),
        Passage("b", notice),
    ]
    sifting = drop_notices(documents)
    assert [document.text for document in sifting.kept] == [f"{PROSE}\n\n{about}"]
    assert [(dropped.source, dropped.whole) for dropped in sifting.dropped] == [
        ("a", False),
        ("b", True),
    ]


# The report ---------------------------------------------------------------------------


def messy_sources():
    chooser = random.Random(0)
    sources = [
        Source("tidy", PROSE),
        Source("copy", PROSE),
        Source("near", PROSE.replace("a cat", "a dog")),
        Source("french", PASSAGES["French"] * 2),
        Source("short", "The end."),
        Source("blank", " \n\n \x00"),
        Source("framed", f"{PROSE[:120]}\r\n\r\n\r\ncafÃ© \n", ("a menu", "a licence")),
    ]
    for number in range(30):
        parts = [PROSE, "© 2024 all rights reserved", "Hm.\t\n", "\n\n\n", "It’s — so…"]
        text = "\n\n".join(chooser.choices([*parts, f"{number} {PROSE}"], k=60))
        sources.append(Source(f"random {number}", text))
    return sources


@pytest.mark.parametrize("stations", [(), GENTLE, THOROUGH])
def test_what_was_read_is_what_was_kept_plus_what_each_rule_dropped(stations):
    documents, report = refine("a mess", messy_sources(), stations)
    dropped = sum(outcome.characters for outcome in report.outcomes)
    assert report.characters == sum(len(document.text) for document in documents)
    assert report.characters_read == report.characters + dropped
    read = sum(len(s.text) + sum(map(len, s.left_out)) for s in messy_sources())
    assert report.characters_read == read


@pytest.mark.parametrize("station", THOROUGH, ids=lambda s: s.rules[0].name)
def test_each_station_alone_accounts_for_every_character(station):
    documents = [Passage(source.name, source.text) for source in messy_sources()]
    sifting = station.sift(documents)
    before = sum(len(document.text) for document in documents)
    after = sum(len(document.text) for document in sifting.kept)
    assert before - after == sum(dropped.characters for dropped in sifting.dropped)
    assert {dropped.rule for dropped in sifting.dropped} <= {
        r.name for r in station.rules
    }


def test_refining_twice_gives_the_same_and_a_third_time_changes_nothing():
    documents, report = refine("a mess", messy_sources(), THOROUGH)
    assert refine("a mess", messy_sources(), THOROUGH) == (documents, report)
    again = [Source(document.source, document.text) for document in documents]
    assert refine("a mess", again, THOROUGH)[0] == documents


def test_report_shows_every_rule_and_an_example_of_each_that_dropped_something():
    _, report = refine("a mess", messy_sources(), THOROUGH)
    for outcome in report.outcomes:
        assert f"  {outcome.rule.name} " in str(report)
        shown = f"{outcome.rule.name}: {outcome.rule.why}" in report.examples()
        assert shown == bool(outcome.dropped)
    assert report.outcome("not English").example.source == "french"
    assert report.outcome("garbled letters").example.reason == "stands for é"
    assert report.outcome("beside the text").parts == 2


def test_report_writes_out_what_cannot_be_seen():
    _, report = refine("x", [Source("a", "bell\x07 \x1b[2J")], GENTLE)
    assert "bell\\x07 \\x1b[2J" in report.examples()


def test_rule_that_was_not_applied_is_answered_with_those_that_were():
    _, report = refine("x", [Source("a", PROSE)], GENTLE)
    with pytest.raises(KeyError, match="no rule 'spam' was applied; there are: beside"):
        report.outcome("spam")


# Sources ------------------------------------------------------------------------------


def test_readmes_of_installed_libraries_come_in_order_each_once():
    names = [source.name for source in package_readmes()]
    assert names == sorted(set(names)) and "README of packaging" in names


def test_of_the_language_reference_only_repetitions_are_dropped_in_quantity():
    _, report = refine("topics", python_topics(), THOROUGH)
    lost = {outcome.rule.name: outcome.characters for outcome in report.outcomes}
    assert lost.pop("repetitions") > 0.1 * report.characters_read
    assert sum(lost.values()) < 0.12 * report.characters_read
