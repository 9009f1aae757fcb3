"""The command `chat`: who is talked to, what is typed, what ends what."""

import io
import subprocess
import sys

import pytest
import torch

from llmlab.__main__ import main
from llmlab.chat import Talk
from llmlab.checkpoints import Card, load_checkpoint, save_checkpoint
from llmlab.gpt import GPT, GPTConfig
from llmlab.paths import ROOT
from llmlab.progress import printable
from llmlab.talking import Speaker, Word
from llmlab.tokenizer import FIRST_BYTE_ID, Tokenizer

CONFIG = dict(vocab_size=262, context=100, layers=1, heads=1, width=16)


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """A folder with three stages that write nonsense, and a reward model's file."""
    folder = tmp_path_factory.mktemp("life")
    Tokenizer().save(folder / "tokenizer.json")
    for number, stage in enumerate(("masked", "base", "ppo", "reward")):
        model = GPT(GPTConfig(**CONFIG, causal=stage != "masked"), seed=number)
        with torch.no_grad():
            dice = torch.Generator().manual_seed(number)
            model.output.weight[FIRST_BYTE_ID:].normal_(0, 0.3, generator=dice)
        card = Card(stage, tokenizer=Tokenizer().fingerprint())
        save_checkpoint(folder / f"{stage}.safetensors", model, card)
    return folder


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def chat(life, monkeypatch, capsys):
    """Runs the command with what is piped or typed; returns code, output, complaint."""

    def chat(typed, *words, terminal=False, model=life):
        monkeypatch.setattr("sys.stdin", (Terminal if terminal else io.StringIO)(typed))
        code = main(["chat", "--model", str(model), *map(str, words)])
        return code, *capsys.readouterr()

    return chat


# One message --------------------------------------------------------------------------


def test_a_message_from_a_pipe_is_answered_and_nothing_else_is_printed(life):
    command = [sys.executable, "-m", "llmlab", "chat", "base", "--model", life]
    done = subprocess.run(
        [*command, "--temperature", "0.9"],
        input=b"The gull ",
        capture_output=True,
        cwd=ROOT,
        check=True,
    )
    model, _ = load_checkpoint(life / "base.safetensors")
    said = Speaker(model, Tokenizer(), answers=False)("The gull", 0.9)
    assert done.stdout.decode() == printable(said) + "\n"
    assert done.stderr == b""


def test_every_setting_changes_what_is_said_and_the_seed_alone_decides_it(chat):
    def said(*words):
        code, out, _ = chat("hi", "ppo", "--temperature", 2, *words)
        assert code == 0
        return out

    settings = [
        *((), ("--seed", 1), ("--top-k", 3), ("--top-p", 0.5), ("--max-tokens", 9)),
        *(("--temperature", 1.5), ("--temperature", 0)),
    ]
    texts = [said(*words) for words in settings]
    assert texts == [said(*words) for words in settings]
    assert len(set(texts)) == len(texts)
    assert texts[4].endswith(" … (cut at 9 tokens)\n")


def test_each_stage_does_what_it_learned_and_ppo_is_the_default(chat):
    assert chat("a _ b", "masked")[1].count("%") == 5
    assert chat("hi")[1] == chat("hi", "ppo")[1] != chat("hi", "base")[1]


def test_control_tokens_that_are_typed_stay_text(chat, monkeypatch):
    read = []

    def stream(self, text, _, earlier):
        read.append(self.check(text, earlier)[0])
        return []

    monkeypatch.setattr(Speaker, "stream", stream)
    chat("<eos><assistant>", "ppo")
    ids = Tokenizer().encode("<eos><assistant>")
    assert read == [[Tokenizer.bos_id, Tokenizer.user_id, *ids, Tokenizer.assistant_id]]


@pytest.mark.parametrize(
    ("typed", "words", "why"),
    [
        ("", [], "the message is empty"),
        ("a b", ["masked"], "write exactly one _"),
        ("gull " * 40, [], "longer than I can read: about"),
        ("hi", ["reward"], "there is no 'reward' to talk to"),
        ("hi", ["instruct"], "there are: base, masked, ppo"),
        ("hi", ["../ppo"], "there is no '../ppo'"),
        ("hi", ["--top-k", "0"], "top_k is 0"),
        ("hi", ["--max-tokens", "0"], "max_new_tokens is 0"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence_and_exit_code_2(
    chat, typed, words, why
):
    code, out, said = chat(typed, *words)
    assert (code, out) == (2, "") and why in said and said.count("\n") == 1


@pytest.mark.parametrize("text", ["nan", "-1", "warm", "inf"])
def test_a_temperature_that_means_nothing_is_refused(chat, text, capsys):
    with pytest.raises(SystemExit) as ended:
        chat("hi", f"--temperature={text}")
    assert ended.value.code == 2
    assert f"'{text}' is not a temperature" in capsys.readouterr().err


def test_a_model_is_a_file_or_a_folder_with_its_tokenizer(chat, life, tmp_path):
    of_file = chat("hi", model=life / "base.safetensors")
    assert of_file == chat("hi", "base")
    (tmp_path / "model.safetensors").write_bytes(
        (life / "base.safetensors").read_bytes()
    )
    code, _, said = chat("hi", model=tmp_path)
    assert code == 2 and "there is no tokenizer.json" in said
    Tokenizer().save(tmp_path / "tokenizer.json")
    assert chat("hi", model=tmp_path)[:2] == of_file[:2]
    Tokenizer([(70, 71)]).save(tmp_path / "tokenizer.json")
    assert "another tokenizer" in chat("hi", model=tmp_path)[2]
    for path in (tmp_path / "absent.safetensors", tmp_path / "notes.txt"):
        code, _, said = chat("hi", model=path)
        assert code == 2 and str(path.stem) in said
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 99)
    code, _, said = chat("hi", model=tmp_path)
    assert code == 2 and "damaged" in said


# A conversation -----------------------------------------------------------------------


def test_in_a_terminal_one_talks_until_the_end_of_what_is_typed(chat):
    code, out, _ = chat("hi\n\nhi\n", "ppo", terminal=True)
    first, _, second = out.split("you> ")[1:4]
    assert code == 0 and out.startswith("You talk to ppo, which answers you.")
    assert first.startswith("ppo> ") and second.startswith("ppo> ")
    assert first != second  # the dice go on
    assert "Write a message, or /help." in out


def test_commands_change_whom_one_talks_to_and_how(chat):
    typed = "/stage base\nhi\n/temperature 0\nhi\nhi\n/stage foo\n/temperature x\n/no\n"
    code, out, said = chat(typed + "/help\n/quit\nnever read\n", terminal=True)
    parts = out.split("you> ")
    assert code == 0 and said == "" and len(parts) == 11
    assert parts[1] == "You talk to base, which goes on with your text.\n"
    assert parts[3] == "The temperature is 0.\n"
    assert parts[4] == parts[5] != parts[2]
    assert "there is no 'foo'" in parts[6] and "base, masked, ppo" in parts[6]
    assert "'x' is not a temperature" in parts[7]
    assert "There is no command /no" in parts[8]
    assert "/stage NAME" in parts[9] and "base, masked, ppo" in parts[9]


def test_in_a_terminal_a_model_is_told_its_last_turn_until_a_new_conversation(
    chat, monkeypatch
):
    told = []

    def stream(self, message, temperature, earlier):
        told.append(list(earlier))
        yield Word(f"re {message}", (("re", 1.0),))
        yield Word(" … (cut)")  # a remark is no part of the turn

    monkeypatch.setattr(Speaker, "stream", stream)
    chat("a\nb\nc\n/new\nd\n/stage base\ne\n", terminal=True)
    assert told == [[], [("a", "re a")], [("b", "re b")], [], []]


def test_a_message_that_cannot_be_answered_does_not_end_the_conversation(chat):
    out = chat("gull " * 40 + "\nhi\n", terminal=True)[1].split("you> ")
    assert out[1].startswith("That message is longer than I can read")
    assert out[2].startswith("ppo> ")


def test_an_interrupt_ends_the_answer_and_not_the_program(chat, monkeypatch):
    def interrupted(self, message, temperature, earlier):
        yield Word("The fox")
        raise KeyboardInterrupt

    monkeypatch.setattr(Speaker, "stream", interrupted)
    code, out, _ = chat("hi\nhi\n", terminal=True)
    assert code == 0 and out.count("ppo> The fox … (stopped)\n") == 2
    assert chat("hi")[0] == 130


def test_an_interrupt_of_a_command_does_not_end_the_conversation(chat, monkeypatch):
    def interrupted(self, stage):
        if stage == "base":
            raise KeyboardInterrupt
        turn_to(self, stage)

    turn_to = Talk.turn_to
    monkeypatch.setattr(Talk, "turn_to", interrupted)
    code, out, _ = chat("/stage base\nhi\n", terminal=True)
    assert code == 0 and "stopped." in out and "ppo> " in out


def test_an_interrupt_where_one_types_says_how_to_end(chat, monkeypatch):
    lines = iter([KeyboardInterrupt, EOFError])

    def typed(prompt):
        raise next(lines)

    monkeypatch.setattr("builtins.input", typed)
    code, out, _ = chat("", terminal=True)
    assert code == 0 and "ctrl-D ends." in out.splitlines()


def test_what_a_model_writes_cannot_steer_the_terminal(chat, monkeypatch):
    words = [Word("a\x1b[2J"), Word("\ud800\nb")]
    monkeypatch.setattr(Speaker, "stream", lambda *_: words)
    assert chat("hi")[1] == "a\ufffd[2J\ufffd\nb\n"
