"""The excerpt that is committed is what the village writes now, unedited."""

import pytest

from authoring import excerpt
from llmlab.village import corpus, documents

RENEW = "write it anew: python -m authoring excerpt"


@pytest.mark.parametrize("genre", corpus.GENRES)
def test_the_committed_excerpt_is_what_is_generated(genre):
    committed = (excerpt.FOLDER / f"{genre}.txt").read_text("utf-8")
    assert committed == excerpt.excerpt(genre), RENEW


def test_there_is_one_file_a_genre():
    found = {path.name for path in excerpt.FOLDER.iterdir()}
    assert found == {f"{genre}.txt" for genre in corpus.GENRES}


def test_an_excerpt_holds_ten_whole_documents():
    text = excerpt.excerpt("books")
    assert text.count("----- seed ") == 10
    for seed in range(10):
        books = [
            d for d in documents(40, seed=seed, split="train") if d.genre == "books"
        ]
        assert f"----- seed {seed} -----\n\n{books[0].text}\n" in text


def test_it_is_written_anew_over_what_was_there(tmp_path):
    (tmp_path / "books.txt").write_text("once upon a time", encoding="utf-8")
    excerpt.write(tmp_path)
    assert (tmp_path / "books.txt").read_text("utf-8") == excerpt.excerpt("books")
