"""A corpus in files: nothing is lost, and the same order comes again."""

import random

import pytest
import torch
from safetensors.torch import load_file

from llmlab import token_files
from llmlab.token_files import TokenFiles, encode_folder, parts, stretches
from llmlab.tokenizer import Tokenizer

WORDS = "the keeper saw a boat — été, ½ of the storm — come home and sang".split()


def paragraphs(seed, count):
    chooser = random.Random(seed)
    return [" ".join(chooser.choices(WORDS, k=25)) + "." for _ in range(count)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(token_files, "PART_BYTES", 3000)
    folder = tmp_path / "text"
    folder.mkdir()
    for number in range(8):
        text = "\n\n".join(paragraphs(number, 4))
        (folder / f"{number}.txt").write_text(text, "utf-8")
    (folder / "long.txt").write_text("\n\n".join(paragraphs(9, 90)), "utf-8")
    return folder


@pytest.fixture
def tokenizer():
    return Tokenizer.train(paragraphs(0, 50), 300)


def encoded(folder, tokenizer, out="out", context=20, **settings):
    out = folder.parent / out
    encode_folder(folder, out, tokenizer, workers=1, **settings)
    return TokenFiles(out, context)


# Stretches ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
@pytest.mark.parametrize(
    "text", ["a\nbb\nccc\n", "a\nbb\nno end", "one line only", "é½\n" * 50, "\n\n\nx\n"]
)
def test_stretches_of_a_long_file_hold_each_line_once(
    tmp_path, monkeypatch, size, text
):
    monkeypatch.setattr(token_files, "PART_BYTES", size)
    (tmp_path / "a.txt").write_text(text, "utf-8")
    found = list(stretches(tmp_path))
    if len(found) > 1:
        assert b"".join(stretch._lines() for stretch in found) == text.encode()
    else:
        assert found[0].whole


def test_files_are_put_together_to_parts_of_about_one_size(folder):
    found = parts(folder)
    sizes = [sum(s.end - s.start for s in part) for part in found]
    assert len(found) > 4 and max(sizes) <= 2 * 3000
    assert sum(sizes) == token_files.size(folder)


# Encoding -----------------------------------------------------------------------------


def test_every_passage_is_either_in_the_rows_or_held_out(folder, tokenizer):
    files = encoded(folder, tokenizer)
    ids = torch.cat([f.long() for f in files._files]).tolist()
    text = tokenizer.decode(ids) + "".join(files.held_out_texts())
    every = [p for n in (*range(8), 9) for p in paragraphs(n, 90 if n == 9 else 4)]
    assert sorted(p for p in every if p in text) == sorted(every)
    assert not any(held in tokenizer.decode(ids) for held in files.held_out_texts())
    assert files.counts["characters read"] == token_files_characters(folder)


def token_files_characters(folder):
    return sum(len(file.read_text("utf-8")) for file in folder.iterdir())


def test_rows_are_the_ids_in_their_order_each_one_token_over(folder, tokenizer):
    files = encoded(folder, tokenizer, context=20)
    row = 0
    for ids in files._files:
        for start in range(0, len(ids) - 20, 20):
            assert files[row].tolist() == ids[start : start + 21].long().tolist()
            row += 1
    assert row == len(files) and files.predictions == 20 * row


def test_a_large_vocabulary_takes_wider_numbers(folder):
    narrow = encoded(folder, Tokenizer.train(paragraphs(0, 9), 270), "narrow")
    assert narrow._files[0].dtype == torch.uint16
    wide = Tokenizer.train(paragraphs(0, 9), 270)
    wide.merges.extend([(6, 6)] * 2**16)
    wide._token_bytes.extend([b"aa"] * 2**16)
    wide.save = Tokenizer.train(paragraphs(0, 9), 270).save
    work = token_files._Work(
        parts(folder)[0], str(folder / "x"), "", ("", ""), 0, False
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_files, "_load", lambda *_: wide)
        token_files._encode(work)
    assert load_file(folder / "x")["tokens"].dtype == torch.int32


def test_what_is_there_is_not_made_again_and_what_was_cut_short_is(
    folder, tokenizer, capsys
):
    out = folder.parent / "out"
    encoded(folder, tokenizer)
    whole = {path: path.read_bytes() for path in out.glob("*.safetensors")}
    times = {path: path.stat().st_mtime_ns for path in whole}
    damaged = sorted(whole)[2]
    before = load_file(damaged)["tokens"].tolist()
    damaged.write_bytes(whole[damaged][:-9])
    encoded(folder, tokenizer)
    assert load_file(damaged)["tokens"].tolist() == before
    assert f"{damaged} was cut short" in capsys.readouterr().out
    for path, content in whole.items():
        assert (path.read_bytes() == content) or path == damaged
        assert (path.stat().st_mtime_ns == times[path]) == (path != damaged)


def test_a_file_cut_short_behind_our_back_is_named(folder, tokenizer):
    encoded(folder, tokenizer)
    path = folder.parent / "out" / "00001.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="00001.safetensors is damaged"):
        TokenFiles(folder.parent / "out", 20)


def test_another_text_or_tokenizer_is_encoded_anew(folder, tokenizer):
    first = encoded(folder, tokenizer)
    (folder / "long.txt").unlink()
    second = encoded(folder, tokenizer)
    assert len(second) < len(first)
    other = encoded(folder, Tokenizer())
    assert len(other) > len(second)


def test_a_file_that_is_no_text_is_named_or_left_out(folder, tokenizer):
    (folder / "5.txt").write_bytes(b"\xff\xfe not utf-8")
    with pytest.raises(ValueError, match="5.txt: it is not UTF-8.*--skip-unreadable"):
        encoded(folder, tokenizer)
    files = encoded(folder, tokenizer, skip_unreadable=True)
    assert len(files.skipped) == 1 and files.skipped[0].startswith("5.txt: ")


def test_progress_is_told_part_by_part(folder, tokenizer):
    class Listener:
        def start(self, label, steps, first_step):
            self.heard = [(label, steps, first_step)]

        def update(self, step, metrics, seconds):
            self.heard.append(step)

        def stop(self, message):
            self.heard.append(message)

    listener = Listener()
    encoded(folder, tokenizer, progress=listener)
    count = len(parts(folder))
    assert listener.heard == [("encoding", count, 0), *range(count), "done"]


def test_text_that_fills_no_row_is_refused(folder, tokenizer):
    with pytest.raises(ValueError, match="does not fill one row of 100001 tokens"):
        encoded(folder, tokenizer, context=100_000)


# Order --------------------------------------------------------------------------------


def test_all_rows_come_once_and_again_in_another_order(folder, tokenizer):
    files = encoded(folder, tokenizer)
    order = [files._row(place, seed=1) for place in range(2 * len(files))]
    first, second = order[: len(files)], order[len(files) :]
    assert sorted(first) == sorted(second) == list(range(len(files)))
    assert first != second and first != sorted(first)
    assert [files._row(place, seed=2) for place in range(len(files))] != first


def test_a_batch_depends_on_its_number_alone(folder, tokenizer):
    files, again = encoded(folder, tokenizer), encoded(folder, tokenizer)
    batches = [files.batch(index, 7, seed=3) for index in range(30)]
    assert batches[0].shape == (7, 21) and batches[0].dtype == torch.int64
    for index in (29, 0, 17):
        assert torch.equal(again.batch(index, 7, seed=3), batches[index])


def test_the_tokenizer_is_learned_from_all_over_the_folder(folder, monkeypatch):
    monkeypatch.setattr(token_files, "TOKENIZER_BYTES", 2000)
    heard = []
    monkeypatch.setattr(Tokenizer, "train", lambda texts, size: heard.extend(texts))
    token_files.learn_tokenizer(folder, 300)
    assert 1000 < sum(map(len, heard)) < 4000 and len(heard) > 1
