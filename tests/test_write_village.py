"""The generated corpus as files: whole, readable, never over something else."""

import json

from llmlab import __main__ as command_line
from llmlab.village import documents


def test_the_files_hold_the_documents_and_their_entropy(tmp_path, capsys):
    folder = tmp_path / "corpus"
    words = ["data", str(folder), "--documents", "12", "--seed", "3"]
    assert command_line.main(words) == 0
    lines = (folder / "documents.jsonl").read_text("utf-8").splitlines()
    expected = list(documents(12, seed=3, split="train"))
    assert len(lines) == len(expected) == 12
    for line, document in zip(map(json.loads, lines), expected, strict=True):
        assert (folder / line["file"]).read_text("utf-8") == f"{document.text}\n"
        assert line["file"].startswith(f"{document.genre}/")
        assert line["bits"] == document.bits
    rate = sum(d.bits for d in expected) / sum(len(d.text) for d in expected)
    assert f"entropy {rate:.3f} bits/character" in capsys.readouterr().out


def test_a_folder_that_holds_something_is_left_alone(tmp_path, capsys):
    (tmp_path / "letter.txt").write_text("dear all")
    assert command_line.main(["data", str(tmp_path)]) == 2
    assert "not an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_less_than_one_document_is_refused(tmp_path, capsys):
    folder = tmp_path / "corpus"
    assert command_line.main(["data", str(folder), "--documents", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err
    assert not folder.exists()
