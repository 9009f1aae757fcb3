import pytest
import torch

from llmlab.filling import fill, guess_tokens
from llmlab.gpt import GPT, GPTConfig
from llmlab.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(["ab " * 40 + "cd " * 30], 264)


def lively(**changes):
    """A model whose every weight matters."""
    model = GPT(
        GPTConfig(vocab_size=264, context=32, layers=2, heads=2, width=16, **changes)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.Generator().manual_seed(parameter.numel())
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=noise))
    return model


@pytest.fixture(scope="module")
def masked():
    return lively(causal=False)


@pytest.fixture(scope="module")
def causal():
    return lively()


SEQUENCES = [[1, 70, 80, 90, 100, 2], [1, 75, 2], [1, 262, 71, 263, 2]]


def test_a_blank_is_filled_with_the_models_own_probabilities(masked, tokenizer):
    ids = [1, *tokenizer.encode("ab"), tokenizer.mask_id, *tokenizer.encode(" cd"), 2]
    place = ids.index(tokenizer.mask_id)
    expected = masked(torch.tensor([ids]))[0, place].softmax(-1).tolist()
    found = fill(masked, tokenizer, "ab _ cd")
    shares = [share for _, share in found]
    assert shares == pytest.approx(sorted(expected, reverse=True), rel=1e-4)
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    best = tokenizer.decode([max(range(264), key=lambda i: expected[i])], False)
    assert found[0][0] == best
    assert len(found) == tokenizer.vocab_size


def test_the_space_before_a_blank_belongs_to_the_token_but_a_line_end_does_not(
    masked, tokenizer
):
    assert fill(masked, tokenizer, "ab _ cd") == fill(masked, tokenizer, "ab_ cd")
    assert fill(masked, tokenizer, "ab\n_ cd") != fill(masked, tokenizer, "ab_ cd")


def test_what_stands_after_the_blank_counts(masked, tokenizer):
    one, other = (dict(fill(masked, tokenizer, f"ab _ {x}")) for x in ("cd", "ab"))
    assert max(abs(one[name] - other[name]) for name in one) > 1e-4


@pytest.mark.parametrize("text", ["ab cd", "_ and _", ""])
def test_a_text_without_exactly_one_blank_is_refused(masked, tokenizer, text):
    with pytest.raises(ValueError, match="put exactly one _"):
        fill(masked, tokenizer, text)


def test_a_causal_model_is_not_asked_to_fill_blanks(causal, tokenizer):
    with pytest.raises(ValueError, match="never sees what comes after"):
        fill(causal, tokenizer, "ab _ cd")


def guess_one_by_one(model, tokenizer, sequence, place):
    tokens = torch.tensor([sequence])
    if model.config.causal:
        log_probs = model(tokens[:, :place])[0, -1].log_softmax(-1)
    else:
        tokens[0, place] = tokenizer.mask_id
        log_probs = model(tokens)[0, place].log_softmax(-1)
    token = sequence[place]
    return log_probs[token].item(), log_probs.argmax().item() == token


@pytest.mark.parametrize("kind", ["masked", "causal"])
@pytest.mark.parametrize("rows", [1, 3, 64])
def test_guesses_are_those_of_a_model_that_is_asked_one_at_a_time(
    kind, rows, tokenizer, request
):
    model = request.getfixturevalue(kind)
    places = [[1, 4, 5], [], [2, 4]]
    guesses = guess_tokens(model, tokenizer, SEQUENCES, places, rows=rows)
    expected = [
        guess_one_by_one(model, tokenizer, sequence, place)
        for sequence, group in zip(SEQUENCES, places, strict=True)
        for place in group
    ]
    assert guesses.log_probs.tolist() == pytest.approx(
        [log_prob for log_prob, _ in expected], abs=1e-4
    )
    assert guesses.right.tolist() == [right for _, right in expected]


def test_the_first_choice_counts_as_right(masked, tokenizer):
    sequence = [1, 70, 80, 90, 2]
    hidden = torch.tensor([[1, 70, tokenizer.mask_id, 90, 2]])
    sequence[2] = masked(hidden)[0, 2].argmax().item()
    assert guess_tokens(masked, tokenizer, [sequence], [[2]]).right.tolist() == [True]
    assert guess_tokens(
        masked, tokenizer, [[1, 70, 80, 90, 2]], [[2]]
    ).right.item() == (sequence[2] == 80)


@pytest.mark.parametrize("place", [0, 3, -1])
def test_a_place_outside_the_sequence_or_at_its_beginning_is_refused(
    masked, tokenizer, place
):
    with pytest.raises(ValueError, match="choose from 1 to 2"):
        guess_tokens(masked, tokenizer, [[1, 75, 2]], [[place]])


def test_places_are_given_for_each_sequence(masked, tokenizer):
    with pytest.raises(ValueError, match="one list for each sequence"):
        guess_tokens(masked, tokenizer, SEQUENCES, [[1]])


@pytest.mark.parametrize("places", [[2, 1], [1, 1]])
def test_places_are_given_once_and_in_order(masked, tokenizer, places):
    with pytest.raises(ValueError, match="in ascending order"):
        guess_tokens(masked, tokenizer, [[1, 75, 2]], [places])
