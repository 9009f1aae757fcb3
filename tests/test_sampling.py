import pytest
import torch

from llmlab import sampling
from llmlab.cache import Cache
from llmlab.gpt import GPT, GPTConfig
from llmlab.sampling import draw, generate, shape_logits, stream

EOS = 2


@pytest.fixture
def model():
    model = GPT(GPTConfig(vocab_size=12, context=20, layers=2, heads=2, width=16))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_tokens_are_drawn_from_the_distribution_that_was_asked_for(model, monkeypatch):
    prompts, drawn_with = [[1, 7], [1, 8, 9, 10], [1]], []

    def noted(probabilities, generator):
        chosen = draw(probabilities, generator)
        drawn_with.append(probabilities.gather(1, chosen)[:, 0])
        return chosen

    monkeypatch.setattr(sampling, "draw", noted)
    for settings in (
        dict(temperature=0.7, top_k=8, top_p=0.9),
        dict(temperature=1.3, top_p=0.8),
        dict(top_k=3),
    ):
        drawn_with.clear()
        generation = generate(
            model,
            prompts,
            max_new_tokens=10,
            generator=seeded(),
            stop_tokens=(),
            **settings,
        )
        for row, drawn in enumerate(generation.sequences()):
            sequence = torch.tensor([prompts[row] + drawn])
            shaped = shape_logits(model(sequence)[0], **settings).softmax(-1)
            expected = shaped[len(prompts[row]) - 1 : -1].gather(
                1, torch.tensor(drawn)[:, None]
            )
            found = torch.stack([step[row] for step in drawn_with])
            torch.testing.assert_close(found, expected[:, 0], atol=1e-5, rtol=1e-4)


def test_rows_stop_one_by_one(model):
    prompts = [[1, token] for token in range(6, 12)] * 4
    generation = generate(model, prompts, max_new_tokens=12, generator=seeded())
    lengths = generation.mask.sum(dim=1)
    assert lengths.min() < lengths.max()
    for row, length in enumerate(lengths):
        drawn = generation.tokens[row, :length]
        assert EOS not in drawn[:-1]
        assert bool(generation.finished[row]) == (drawn[-1] == EOS)
        assert (generation.tokens[row, length:] == 0).all()


def test_a_stream_is_what_is_generated_each_token_as_soon_as_it_is_drawn(model):
    prompts = [[1, token] for token in range(6, 12)]
    settings = dict(max_new_tokens=12, temperature=1.2, top_k=9, top_p=0.95)
    whole = generate(model, prompts, generator=seeded(), **settings)
    dice, rows = seeded(), [[] for _ in prompts]
    for time, (written, tokens) in enumerate(
        stream(model, prompts, generator=dice, **settings)
    ):
        for row, token in zip(written.tolist(), tokens[:, 0].tolist(), strict=True):
            rows[row].append(token)
        if time == 0:  # one throw a row so far
            one = seeded()
            torch.rand(len(prompts), 1, generator=one, dtype=torch.float64)
            assert torch.equal(dice.get_state(), one.get_state())
    assert rows == whole.sequences()
    assert len(set(map(len, rows))) > 1


def test_who_watches_sees_every_time_as_the_model_left_it_and_changes_nothing(model):
    prompts, seen = [[1, 7], [1, 8, 9, 10]], []
    settings = dict(max_new_tokens=6, temperature=0.5, top_k=4, stop_tokens=())
    watched = list(
        stream(model, prompts, generator=seeded(), watch=seen.append, **settings)
    )
    whole = generate(model, prompts, generator=seeded(), **settings)
    drawn = torch.cat([tokens for _, tokens in watched], dim=1)
    assert torch.equal(drawn, whole.tokens) and len(seen) == 6
    for row, prompt in enumerate(prompts):
        logits = model(torch.tensor([prompt + drawn[row].tolist()]))[0]
        found = torch.stack([step[row] for step in seen])
        torch.testing.assert_close(
            found, logits[len(prompt) - 1 : -1], atol=1e-5, rtol=1e-4
        )


def test_greedy_rows_do_not_depend_on_their_neighbours(model):
    prompts = [[1, 6], [1, 7, 8, 9, 10, 11], [1, 9, 9]]
    together = generate(model, prompts, max_new_tokens=8, top_k=1).sequences()
    for prompt, drawn in zip(prompts, together, strict=True):
        alone = generate(model, [prompt], max_new_tokens=8, top_k=1).sequences()[0]
        assert drawn == alone
        tokens = list(prompt)
        for expected in drawn:  # and are what repeated full passes would choose
            assert model(torch.tensor([tokens]))[0, -1].argmax() == expected
            tokens.append(expected)


def test_samples_follow_the_distribution(model):
    generation = generate(
        model, [[1, 7]] * 20_000, max_new_tokens=1, stop_tokens=(), generator=seeded()
    )
    counts = torch.bincount(generation.tokens[:, 0], minlength=12) / 20_000
    expected = model(torch.tensor([[1, 7]]))[0, -1].softmax(-1)
    assert (counts - expected).abs().max() < 0.012  # 3.4 standard errors at most


def test_what_has_no_probability_is_never_drawn_and_weights_need_no_sum():
    weights = torch.tensor([[0.0, 3.0, 0.0, 1.0, 0.0]]).expand(20_000, 5)
    counts = torch.bincount(draw(weights, seeded())[:, 0], minlength=5)
    assert counts[[0, 2, 4]].sum() == 0
    assert abs(counts[1] / 20_000 - 0.75) < 0.011  # 3.6 standard errors


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 2), (1 - 2**-53, 1)])
def test_no_chance_draws_an_index_without_probability(chance, expected, monkeypatch):
    number = torch.tensor([[chance]], dtype=torch.float64)
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: number)
    assert draw(torch.tensor([[0.0, 1.0, 2.0, 0.0]])).item() == expected


def test_dropping_rows_moves_the_last_ones_into_the_gaps():
    cache = Cache(GPTConfig(vocab_size=12, context=4, layers=1, heads=1, width=2), 5, 3)
    cache.keys += torch.arange(5)[:, None, None, None]
    cache.last += torch.arange(5)[:, None, None]
    cache.padding = torch.arange(5)[:, None]
    finished = torch.tensor([True, False, True, True, False])
    order = cache.drop_rows(finished)
    assert order.tolist() == [4, 1]
    assert cache.keys[0, :, 0, 0, 0].tolist() == [4, 1]
    assert cache.last[:, 0, 0].tolist() == cache.padding[:, 0].tolist() == [4, 1]


def test_the_same_generator_gives_the_same_text(model):
    texts = [
        generate(model, [[1, 7]] * 3, max_new_tokens=9, generator=seeded(s)).tokens
        for s in (5, 5, 6)
    ]
    assert torch.equal(texts[0], texts[1])
    assert not torch.equal(texts[0], texts[2])


def test_top_k_keeps_k_even_among_ties():
    shaped = shape_logits(torch.tensor([[1.0, 2.0, 2.0, 2.0]]), top_k=2)
    assert torch.isfinite(shaped).sum() == 2


def test_top_p_keeps_the_smallest_set_that_reaches_p():
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    kept = {
        p: torch.isfinite(shape_logits(logits, top_p=p)).sum().item()
        for p in (0.1, 0.5001, 0.79, 0.81, 0.99, 1.0)
    }
    assert kept == {0.1: 1, 0.5001: 2, 0.79: 2, 0.81: 3, 0.99: 4, 1.0: 4}


def test_settings_at_their_edge():
    even = torch.zeros(1, 4)
    kept = {
        p: torch.isfinite(shape_logits(even, top_p=p)).sum().item() for p in (0.5, 1)
    }
    assert kept == {0.5: 2, 1: 4}  # two of them reach one half exactly
    kept = [
        torch.isfinite(shape_logits(even, top_k=k)).sum().item() for k in range(1, 7)
    ]
    assert kept == [1, 2, 3, 4, 4, 4]


def test_only_the_tokens_that_are_named_stop_a_row(model):
    def drawn(**settings):
        return generate(
            model, [[1, 7]] * 50, max_new_tokens=9, generator=seeded(), **settings
        )

    never, often = drawn(stop_tokens=()), drawn(stop_tokens=(EOS, 7))
    assert never.mask.all() and not never.finished.any()
    for row, keep in zip(often.tokens, often.mask, strict=True):
        said = row[keep].tolist()
        assert not {EOS, 7} & set(said[:-1])
    assert often.finished.any() and {EOS, 7} <= set(often.tokens.flatten().tolist())


def test_temperature_divides_the_logits():
    logits = torch.tensor([[1.0, 3.0]])
    assert torch.equal(shape_logits(logits, temperature=2.0), logits / 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0}, "use top_k=1"),
        ({"temperature": -1.0}, "must be at least 0.000001"),
        ({"temperature": 1e-40}, "must be at least 0.000001"),
        ({"temperature": float("nan")}, "must be at least 0.000001"),
        ({"top_p": 0.0}, r"must lie in \(0, 1\]"),
        ({"top_p": 1.5}, r"must lie in \(0, 1\]"),
        ({"top_k": 0}, "must be at least 1"),
        ({"top_k": 2.5}, "top_k is 2.5; it must be a whole number"),
        ({"max_new_tokens": 2.5}, "max_new_tokens is 2.5; it must be a whole number"),
        ({"max_new_tokens": 0}, "must be at least 1"),
        ({"max_new_tokens": 30}, "does not fit the context of 20"),
    ],
)
def test_a_setting_out_of_range_is_named(model, settings, message):
    with pytest.raises(ValueError, match=message):
        generate(model, [[1, 7]], **({"max_new_tokens": 3} | settings))


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ([], "there are no prompts"),
        ([[1], []], "prompt 1 is empty"),
        ([1, 2], r"prompt 0 is a token \(1\); expected a list of prompts"),
        ([[1, 12]], "no token 12 in a vocabulary of 12"),
        ([[1, -1]], "no token -1 in a vocabulary of 12"),
    ],
)
def test_empty_prompts_are_named(model, prompts, message):
    with pytest.raises(ValueError, match=message):
        generate(model, prompts, max_new_tokens=3)


def test_generation_may_fill_the_context_to_the_last_position(model):
    generation = generate(model, [[1] * 10], max_new_tokens=11, stop_tokens=())
    assert generation.tokens.shape == (1, 11)
