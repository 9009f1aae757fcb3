"""The promises of the tokenizer: exact round trips, the right merges, safe specials."""

import errno
import json
import random
import sys

import pytest
import tokenizers

from llmlab.tokenizer import (
    FIRST_BYTE_ID,
    FIRST_MERGE_ID,
    PIECE_PATTERN,
    SPECIAL_TOKENS,
    Tokenizer,
    split_pieces,
)

VILLAGE = (
    "The miller’s daughter sold 12 loaves to Anna Blackwood on Tuesday.\n"
    "« Où est le vieux phare ? » demanda-t-il. The lighthouse keeper, aged 71, sang.\n"
    "In 1984 the harbour froze; the bakery gave bread to the fishermen.\n\n"
).split(" ")


def village_text(words, seed=0):
    chooser = random.Random(seed)
    return " ".join(chooser.choices(VILLAGE, k=words))


def random_text(characters, seed=0):
    """Few letters, so that runs such as "aaaa", where merges overlap, are common."""
    chooser = random.Random(seed)
    return "".join(chooser.choices("aaab c,1é\n", k=characters))


def unicode_texts():
    """300 strings of all of Unicode, halves of surrogate pairs included."""
    chooser = random.Random(0)
    highest = [0x7F, 0x7F, 0x24F, 0xD7FF, 0xE000, sys.maxunicode]
    for length in range(300):
        characters = [
            chr(chooser.randint(0, chooser.choice(highest))) for _ in range(length % 60)
        ]
        if length % 3 == 0:
            characters.append(chr(chooser.randint(0xD800, 0xDFFF)))
        chooser.shuffle(characters)
        yield "".join(characters)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train([village_text(3000), random_text(3000)], 450)


# --- pieces -----------------------------------------------------------------


def test_pieces_joined_are_the_text_for_every_character_of_unicode():
    every_character = "".join(map(chr, range(sys.maxunicode + 1)))
    assert "".join(split_pieces(every_character)) == every_character


def test_pieces_keep_words_numbers_punctuation_and_white_space_apart():
    text = "It's 1984,  again: naïve Ελλάδα.\n\n    x_1\t"
    assert split_pieces(text) == [
        *("It", "'", "s", " ", "198", "4", ",", " ", " again", ":", " naïve"),
        *(" Ελλάδα", ".", "\n\n", "   ", " x", "_", "1", "\t"),
    ]


@pytest.mark.parametrize("character", ["a", "!", " ", "\n", "7", "字"])
def test_no_piece_is_longer_than_65_characters(character):
    pieces = split_pieces(character * 1000)
    assert max(map(len, pieces)) <= 65 and "".join(pieces) == character * 1000


# --- training ---------------------------------------------------------------


def merges_of_the_tokenizers_library(text, vocab_size):
    """Train the Rust library on our pieces, one Unicode character for each byte.

    Its alphabet is sorted as our bytes are, so even its choice between equally
    frequent pairs must agree with ours.
    """
    spelled = [
        "".join(chr(0x100 + byte) for byte in piece.encode())
        for piece in split_pieces(text)
    ]
    oracle = tokenizers.Tokenizer(tokenizers.models.BPE())
    oracle.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    oracle.train_from_iterator(
        [" ".join(spelled)],
        tokenizers.trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=2,
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=[chr(0x100 + byte) for byte in range(256)],
            show_progress=False,
        ),
    )
    stored = json.loads(oracle.to_str())["model"]
    ids = stored["vocab"]
    return [(ids[left], ids[right]) for left, right in stored["merges"]]


@pytest.mark.parametrize("text", [village_text(4000), random_text(4000)])
def test_merges_equal_the_tokenizers_library(text):
    ours = Tokenizer.train([text], 700).merges
    assert ours == merges_of_the_tokenizers_library(text, 700)
    assert len(ours) > 50


@pytest.mark.parametrize("seed", range(40))
def test_merges_equal_the_tokenizers_library_on_overlapping_runs(seed):
    chooser = random.Random(seed)
    text = "".join(chooser.choices("aaab ", k=chooser.randint(1, 200)))
    ours = Tokenizer.train([text], 300).merges
    assert ours == merges_of_the_tokenizers_library(text, 300)


def test_merges_by_hand():
    """hug x3, pug x2: "ug" (5) first, then "hug" (3), then "pug" (2)."""
    tokenizer = Tokenizer.train(["hug,hug,hug,pug,pug"], FIRST_MERGE_ID + 3)
    spelled = [tokenizer.token_text(FIRST_MERGE_ID + n) for n in range(3)]
    assert spelled == ["ug", "hug", "pug"]


def test_training_does_not_depend_on_the_order_of_the_texts():
    texts = [village_text(200, seed) for seed in range(5)] + [random_text(500)]
    forwards = Tokenizer.train(texts, 500)
    assert Tokenizer.train(iter(texts[::-1]), 500).merges == forwards.merges


def test_training_stops_at_the_vocabulary_asked_for(tokenizer):
    assert tokenizer.vocab_size == 450 == FIRST_MERGE_ID + len(tokenizer.merges)


def test_vocabulary_is_smaller_when_no_pair_occurs_twice():
    tokenizer = Tokenizer.train(["abcd"], 1000)
    assert tokenizer.vocab_size == FIRST_MERGE_ID and tokenizer.merges == []


def test_vocabulary_smaller_than_the_bytes_is_refused():
    with pytest.raises(ValueError, match="261.*need 262"):
        Tokenizer.train(["text"], 261)
    assert Tokenizer.train(["text"], 262).vocab_size == 262


@pytest.mark.parametrize("texts", [[], [""], iter(())])
def test_training_on_no_text_is_refused(texts):
    with pytest.raises(ValueError, match="no text to learn from"):
        Tokenizer.train(texts, 300)


def test_training_on_a_bare_string_is_refused():
    with pytest.raises(ValueError, match=r"pass \[text\]"):
        Tokenizer.train("a bare string", 300)


# --- encoding ---------------------------------------------------------------


def reference_encode(tokenizer, text):
    """Replay every merge over every piece, in the order in which it was learnt."""
    ids = []
    for piece in split_pieces(text):
        spelling = [6 + byte for byte in piece.encode("utf-8", "surrogatepass")]
        for new_id, (left, right) in enumerate(tokenizer.merges, start=262):
            replayed = []
            for token in spelling:
                if replayed and token == right and replayed[-1] == left:
                    replayed[-1] = new_id
                else:
                    replayed.append(token)
            spelling = replayed
        ids += spelling
    return ids


@pytest.mark.parametrize(
    "text", [village_text(300, 9), random_text(2000, 9), "".join(unicode_texts())]
)
def test_encoding_equals_the_replay_of_all_merges(tokenizer, text):
    assert tokenizer.encode(text) == reference_encode(tokenizer, text)


def the_tokenizers_library_with(tokenizer):
    """The Rust library with our pieces and our merges; its bytes have other names."""
    names = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    printable = [b for b in range(256) if chr(b) in names]
    others = [b for b in range(256) if chr(b) not in names]
    byte_names = {b: chr(b) for b in printable}
    byte_names |= {b: chr(256 + n) for n, b in enumerate(others)}
    assert sorted(byte_names.values()) == names
    name = {FIRST_BYTE_ID + b: byte_names[b] for b in range(256)}
    for new_id, (left, right) in enumerate(tokenizer.merges, start=FIRST_MERGE_ID):
        name[new_id] = name[left] + name[right]
    oracle = tokenizers.Tokenizer(
        tokenizers.models.BPE(
            vocab={text: token_id for token_id, text in name.items()},
            merges=[(name[left], name[right]) for left, right in tokenizer.merges],
        )
    )
    oracle.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Split(
                tokenizers.Regex(PIECE_PATTERN), "isolated"
            ),
            tokenizers.pre_tokenizers.ByteLevel(
                add_prefix_space=False, use_regex=False
            ),
        ]
    )
    return oracle


@pytest.mark.parametrize(
    "text",
    [
        village_text(500, 9),
        random_text(3000, 9),
        "".join(unicode_texts()).encode("utf-8", "ignore").decode(),
    ],
    ids=["village", "overlaps", "Unicode"],
)
def test_encoding_equals_the_tokenizers_library(tokenizer, text):
    oracle = the_tokenizers_library_with(tokenizer)
    assert tokenizer.encode(text) == oracle.encode(text).ids


def test_encoding_the_training_text_uses_the_merges(tokenizer):
    text = village_text(500)
    assert len(tokenizer.encode(text)) < len(text) / 3


def test_every_string_makes_the_round_trip(tokenizer):
    for text in unicode_texts():
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_every_character_of_unicode_makes_the_round_trip(tokenizer):
    text = "".join(map(chr, range(sys.maxunicode + 1)))
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_special_ids_are_distinct_and_come_before_the_bytes():
    ids = [Tokenizer.pad_id, Tokenizer.bos_id, Tokenizer.eos_id]
    ids += [Tokenizer.mask_id, Tokenizer.user_id, Tokenizer.assistant_id]
    assert ids == list(range(len(SPECIAL_TOKENS))) and FIRST_BYTE_ID == len(ids)


def test_typed_text_never_becomes_a_special_token():
    typed = "".join(SPECIAL_TOKENS) + " " + " ".join(SPECIAL_TOKENS) + "\0\1\2"
    trained_on_typed_specials = Tokenizer.train([typed * 9], 400)
    ids = trained_on_typed_specials.encode(typed)
    assert min(ids) >= FIRST_BYTE_ID
    assert trained_on_typed_specials.decode(ids, skip_special=False) == typed


def test_the_cache_of_pieces_is_bounded(tokenizer):
    fresh = Tokenizer(tokenizer.merges)
    fresh.encode(" ".join(map("".join, zip("abcd" * 9, "efgh" * 9, strict=True))))
    assert 0 < fresh._piece_ids.cache_info().currsize
    assert fresh._piece_ids.cache_info().maxsize <= 2**16


# --- decoding ---------------------------------------------------------------


def test_decoding_any_ids_of_the_vocabulary_gives_a_string(tokenizer):
    chooser = random.Random(0)
    for length in range(200):
        ids = [chooser.randrange(450) for _ in range(length)]
        assert isinstance(tokenizer.decode(ids), str)
        assert isinstance(tokenizer.decode(ids, skip_special=False), str)


def test_invalid_bytes_become_the_replacement_character(tokenizer):
    first_byte_of_e_acute = tokenizer.encode("\u00ff")[:1]
    assert tokenizer.decode([*first_byte_of_e_acute, 6 + ord("x")]) == "\ufffdx"


def test_special_tokens_are_left_out_or_shown_by_name(tokenizer):
    ids = [tokenizer.bos_id, *tokenizer.encode("Hi"), tokenizer.eos_id]
    assert tokenizer.decode(ids) == "Hi"
    assert tokenizer.decode(ids, skip_special=False) == "<bos>Hi<eos>"


@pytest.mark.parametrize("token_id", [-1, 450, 10**9])
def test_ids_outside_the_vocabulary_are_refused(tokenizer, token_id):
    with pytest.raises(ValueError, match=f"{token_id} is not a token id.*0 to 449"):
        tokenizer.decode([10, token_id])
    with pytest.raises(ValueError, match=f"{token_id} is not a token id"):
        tokenizer.token_text(token_id)


def test_tokens_are_shown_so_that_a_reader_sees_them(tokenizer):
    shown = {text: tokenizer.token_text(6 + ord(text)) for text in "a \n\t\0"}
    assert shown == {"a": "a", " ": "␣", "\n": "⏎", "\t": "\\t", "\0": "\\x00"}
    assert tokenizer.token_text(6 + 0xE2) == "\\xe2"
    assert [tokenizer.token_text(n) for n in range(6)] == list(SPECIAL_TOKENS)


def bytes_of(tree):
    return [tree.token_id] if not tree.parts else sum(map(bytes_of, tree.parts), [])


def test_a_merge_tree_ends_in_the_bytes_of_its_token(tokenizer):
    for token_id in range(FIRST_BYTE_ID, tokenizer.vocab_size):
        tree = tokenizer.merge_tree(token_id)
        spelled = bytes_of(tree)
        assert max(spelled) < FIRST_MERGE_ID
        assert tokenizer.decode(spelled) == tokenizer.decode([token_id])
        assert tree.text == tokenizer.token_text(token_id)
        if tree.parts:
            pair = tuple(part.token_id for part in tree.parts)
            assert pair == tokenizer.merges[token_id - FIRST_MERGE_ID]


def test_a_special_token_has_no_parts_and_an_unknown_one_no_tree(tokenizer):
    assert (
        tokenizer.merge_tree(2).parts == () and tokenizer.merge_tree(2).text == "<eos>"
    )
    with pytest.raises(ValueError, match="450 is not a token id"):
        tokenizer.merge_tree(450)


# --- files ------------------------------------------------------------------


def test_saved_tokenizer_loads_as_the_same_tokenizer(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "new folder" / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "new folder" / "tokenizer.json")
    assert loaded.merges == tokenizer.merges
    assert loaded.fingerprint() == tokenizer.fingerprint()
    assert loaded.encode(village_text(50)) == tokenizer.encode(village_text(50))


def test_saved_tokenizer_is_readable_json_with_one_merge_a_line(tmp_path):
    path = tmp_path / "tokenizer.json"
    Tokenizer.train(["à à à"], 264).save(path)
    assert json.loads(path.read_text("utf-8"))["merges"] == [
        {"id": 262, "pair": [6 + 0xC3, 6 + 0xA0], "text": ["\\xc3", "\\xa0"]},
        {"id": 263, "pair": [6 + 0x20, 262], "text": ["␣", "à"]},
    ]
    assert sum('"id": ' in line for line in path.read_text("utf-8").splitlines()) == 2


def test_fingerprints_of_different_tokenizers_differ(tokenizer):
    assert Tokenizer(tokenizer.merges[:-1]).fingerprint() != tokenizer.fingerprint()


def test_failed_save_keeps_the_old_file_and_leaves_no_other(
    tokenizer, tmp_path, monkeypatch
):
    path = tmp_path / "tokenizer.json"
    Tokenizer().save(path)

    def disk_is_full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", disk_is_full)
    with pytest.raises(OSError, match="No space left"):
        tokenizer.save(path)
    assert Tokenizer.load(path).merges == []
    assert list(tmp_path.iterdir()) == [path]


def damaged(change):
    def damage(text):
        stored = json.loads(text)
        change(stored)
        return json.dumps(stored)

    return damage


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda text: text[: len(text) // 2], "Expecting|Unterminated"),
        (lambda text: "[1, 2]", "cannot be used as a tokenizer"),
        (lambda text: "null", "cannot be used as a tokenizer"),
        (lambda text: "{}", "it lacks 'format'"),
        (damaged(lambda d: d.update(version=99)), "its version is 99, not 1"),
        (damaged(lambda d: d.update(format="GPT-2")), "its format is 'GPT-2'"),
        (damaged(lambda d: d.update(piece_pattern=".")), "its piece_pattern is"),
        (damaged(lambda d: d.update(merges=None)), "cannot be used as a tokenizer"),
        (damaged(lambda d: d["merges"].pop()), "changed after it was saved"),
        (damaged(lambda d: d["merges"][0].pop("pair")), "it lacks 'pair'"),
        (damaged(lambda d: d["merges"][0].update(pair=[2, 40])), r"\[2, 40\]"),
        (damaged(lambda d: d["merges"][0].update(pair=[262, 40])), r"\[262, 40\]"),
        (damaged(lambda d: d["merges"][0].update(pair=["a", "b"])), "expected two ids"),
        (damaged(lambda d: d["merges"].append(d["merges"][0])), "merged twice"),
    ],
)
def test_damaged_file_is_named_and_explained(tokenizer, tmp_path, damage, complaint):
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    path.write_text(damage(path.read_text("utf-8")), "utf-8")
    with pytest.raises(ValueError, match=complaint) as caught:
        Tokenizer.load(path)
    assert str(path) in str(caught.value) and "Restore the file" in str(caught.value)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(b"\x93NUMPY\xff")
    with pytest.raises(ValueError, match="cannot be used as a tokenizer"):
        Tokenizer.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.json"):
        Tokenizer.load(tmp_path / "absent.json")


@pytest.mark.parametrize("seed", range(20))
def test_text_that_streams_is_the_decoded_text_whatever_bytes_come(seed):
    chooser = random.Random(seed)
    alphabet = "aé€😀\ud800\udfff \n".encode("utf-8", "surrogatepass")
    noise = bytes(chooser.choices(alphabet + bytes(range(0x80, 0x100, 7)), k=200))
    for data in (noise, alphabet * 3):
        ids = [FIRST_BYTE_ID + byte for byte in data]
        pieces = list(Tokenizer().decode_stream([Tokenizer.bos_id, *ids]))
        assert "".join(pieces) == Tokenizer().decode(ids)


def test_a_character_split_over_tokens_comes_when_it_is_whole():
    tokenizer = Tokenizer()
    assert list(tokenizer.decode_stream(tokenizer.encode("é€"))) == [
        *("", "é", "", "", "€", "")
    ]
    assert "".join(tokenizer.decode_stream(tokenizer.encode("é€")[:-1])) == "é\ufffd"
