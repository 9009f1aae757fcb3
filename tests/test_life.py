"""The recipes of a life, and what is measured of it: each number on the right data.

Nothing is trained here. Stand-ins take what a recipe hands on, and a test looks at it.
"""

from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
import torch

from llmlab import life as life_module
from llmlab import village
from llmlab.checkpoints import Card, save_checkpoint
from llmlab.gpt import GPT
from llmlab.instruction import render_example, render_prompt
from llmlab.life import (
    RECIPES,
    Life,
    answers,
    judging,
    pleases,
    reads,
    settings,
    stories,
)
from llmlab.preferences import Comparison
from llmlab.reward import RewardModel
from llmlab.rollouts import verified_reward
from llmlab.tokenizer import Tokenizer
from llmlab.village import gold


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """Untrained models under the names of a life's stages."""
    folder = tmp_path_factory.mktemp("life")
    Tokenizer.train(["a story with a gull and a lantern"], 270).save(
        folder / "tokenizer.json"
    )
    life = Life(folder, seed=3, recipe=RECIPES["tiny"])
    for number, stage in enumerate(("base", "instruct")):
        model = GPT(life.new_model().config, seed=number)
        card = Card(stage, tokenizer=life.tokenizer.fingerprint())
        save_checkpoint(life.checkpoint(stage), model, card)
    reward = RewardModel(life.load("instruct"))
    card = Card("reward", tokenizer=life.tokenizer.fingerprint())
    save_checkpoint(life.checkpoint("reward"), reward, card)
    return life


class Taken(Exception):
    """Raised by a stand-in: what came after is of no interest."""


def taking(seen):
    def stand_in(*arguments, **named):
        seen.append((arguments, named))
        raise Taken

    return stand_in


# Settings


def test_every_stage_names_every_number_behind_it():
    for recipe in RECIPES.values():
        told = settings(Life("unused", recipe=recipe))
        for stage, numbers in told.items():
            assert numbers["context"] == recipe.shared.context
            assert numbers[stage] == asdict(getattr(recipe, stage))


def test_a_policy_practises_as_its_stories_are_written_and_measured():
    recipe = RECIPES["full"]
    hotter = replace(recipe, shared=replace(recipe.shared, story_temperature=0.9))
    assert hotter.ppo.temperature == 0.9
    assert hotter.ppo.max_new_tokens == recipe.shared.story_tokens
    # The longest story that the village tells, and its prompt, fit the model.
    assert 28 + recipe.shared.story_tokens <= recipe.shared.context
    assert 162 + recipe.shared.answer_tokens <= recipe.shared.context


# What a recipe hands on


@pytest.mark.parametrize("stage", ["masked", "base"])
def test_pretraining_takes_all_its_settings(life, monkeypatch, stage):
    own = replace(
        getattr(life.recipe, stage),
        steps=7,
        tokens_per_batch=99,
        mask_share=0.3,
        matrix_rate=0.001,
        other_rate=0.002,
    )
    changed = replace(life, recipe=replace(life.recipe, **{stage: own}))
    monkeypatch.setattr(Life, "sequences", [[1, 2]])
    seen = []
    monkeypatch.setattr(reads, "pretraining_step", taking(seen))
    with pytest.raises(Taken):
        getattr(reads, f"train_{stage}")(changed)
    [((model, sequences, _, optimizers), named)] = seen
    assert sequences == [[1, 2]] and model.config.causal == (stage == "base")
    assert (named["steps"], named["tokens_per_batch"]) == (7, 99)
    assert (named["mask_share"], named["seed"]) == (0.3, 3)
    assert optimizers["muon"].param_groups[0]["lr"] == 0.001
    assert optimizers["adamw"].param_groups[0]["lr"] == 0.002


def test_instruction_tuning_goes_on_from_base_with_its_settings(life, monkeypatch):
    own = replace(life.recipe.instruct, steps=9, rows_per_batch=3, other_rate=0.004)
    changed = replace(life, recipe=replace(life.recipe, instruct=own))
    seen, asked = [], []

    def instructions(count, **named):
        asked.append((count, named))
        return []

    monkeypatch.setattr(answers, "instruction_step", taking(seen))
    monkeypatch.setattr(answers.village, "instructions", instructions)
    monkeypatch.setattr(Life, "sequences", [[1, 2]])
    with pytest.raises(Taken):
        answers.train_instruct(changed)
    [((model, _, optimizers), named)] = seen
    assert same_weights(model, life.load("base"))
    assert asked == [(own.examples, {"seed": 3, "split": "train"})]
    assert (named["steps"], named["rows_per_batch"], named["seed"]) == (9, 3, 3)
    assert named["row_length"] == life.recipe.shared.context
    assert optimizers["adamw"].param_groups[0]["lr"] == 0.004


def test_the_reward_model_learns_from_training_pairs_of_both_kinds(life, monkeypatch):
    asked = []

    def comparisons(*arguments, **named):
        asked.append(named)
        raise Taken

    monkeypatch.setattr(pleases, "comparisons", comparisons)
    with pytest.raises(Taken):
        pleases.train_reward(life)
    given = ("told", "own", "edited", "labels")
    numbers = {name: getattr(life.recipe.reward, name) for name in given}
    assert asked == [{**numbers, "split": "train"}]


def test_pairs_are_as_many_of_each_kind_as_asked_and_labelled_as_often(
    life, monkeypatch
):
    own = [village.StoryPair("tell", "one", "other")] * 2
    monkeypatch.setattr(stories, "own_pairs", lambda *a: own)
    how = dict(told=3, own=2, edited=8, labels=4, split="train")
    labelled = stories.comparisons(life, None, **how)
    pairs = [labels[0] for labels in zip(*[iter(labelled)] * 4, strict=True)]
    assert len(pairs) == 3 + 2 + 8
    assert all(
        len({label.annotator for label in labelled[at:][:4]}) == 4
        for at in range(0, 52, 4)
    )
    assert {pair.prompt for pair in pairs[3:5]} == {"tell"}
    edits = [
        edit
        for kind in village.FAULTS
        for edit in village.story_edits(2, kind=kind, seed=life.seed, split="train")
    ]
    known = {(edit.prompt, *sorted((edit.before, edit.after))) for edit in edits}
    edited = [(p.prompt, *sorted((p.first, p.second))) for p in pairs[5:]]
    assert len(set(edited)) == 8 and set(edited) <= known


@pytest.mark.parametrize("kind", sorted({*village.FAULTS} - {"no end"}))
def test_a_story_is_paid_what_is_liked_less_a_price_for_each_fault(life, kind):
    """The program finds every kind of fault but a missing end, and nothing else."""
    edits = village.story_edits(5, kind=kind, seed=0, split="train")
    own = replace(life.recipe.ppo, fault_price=0.25)
    changed = replace(life, recipe=replace(life.recipe, ppo=own))
    liked = torch.arange(5.0)
    reward = stories.story_reward(changed, SimpleNamespace(score=lambda *a: liked))
    prompts = [render_prompt(life.tokenizer, edit.prompt) for edit in edits]
    before, after = (
        [life.tokenizer.encode(getattr(edit, side)) + [2] for edit in edits]
        for side in ("before", "after")
    )
    assert torch.equal(reward(prompts, before), liked)
    prices = liked - reward(prompts, after)
    assert (prices >= 0.25).all() and (prices % 0.25 == 0).all()
    if kind.startswith("wrong"):
        assert (prices == 0.25).all()


def test_what_pleasing_costs_other_tasks_is_told_by_task(life, monkeypatch):
    """On the same prompts; stories, which were to change, do not count."""
    right = {"policy": [1, 0, 1, 1], "parent": [1, 1, 1, 1]}

    def measure_answers(life, model):
        same = dict.fromkeys(village.TASKS, {"right": [1, 0]})
        return same | {"translate": {"right": right[model]}, "story": {"right": [0]}}

    monkeypatch.setattr(pleases, "measure_answers", measure_answers)
    told = pleases.measure_other_tasks(life, "policy", "parent")
    assert told["change_translate"] == told["change_worst"] == -0.25
    assert told["change_summarise"] == 0 and "change_story" not in told


def test_scores_are_normalised_on_what_the_parent_writes_to_training_prompts(
    life, monkeypatch
):
    asked, normalised = [], []

    def write_stories(life, model, prompts, seed):
        asked.append((model, list(prompts)))
        rollout = SimpleNamespace(prompts=[[1, 2]], responses=[[3]])
        return ["a story"], [rollout]

    monkeypatch.setattr(pleases, "comparisons", lambda *a, **k: [])
    monkeypatch.setattr(pleases, "preference_step", lambda *a, **k: None)
    monkeypatch.setattr(Life, "train", lambda *a, **k: [])
    monkeypatch.setattr(pleases, "write_stories", write_stories)
    monkeypatch.setattr(
        pleases, "normalise", lambda model, texts: normalised.append(texts)
    )
    monkeypatch.setattr(pleases, "measure_reward", lambda *a: {})
    pleases.train_reward(life)
    [(writer, prompts)] = asked
    assert same_weights(writer, life.load("instruct"))
    assert prompts == life.story_prompts(200, "train")
    assert normalised == [[[1, 2, 3]]]


def test_ppo_goes_on_from_instruct_towards_the_reward_model(life, monkeypatch):
    seen = []
    monkeypatch.setattr(pleases, "policy_step", taking(seen))
    monkeypatch.setattr(pleases, "old_lessons", lambda *given: given)
    own = replace(life.recipe.ppo, rate=0.002, critic_rate=0.003)
    changed = replace(life, recipe=replace(life.recipe, ppo=own))
    with pytest.raises(Taken):
        pleases.train_ppo(changed)
    [((policy, reference, reward, prompts, used, optimizers), named)] = seen
    instruct = life.load("instruct")
    assert same_weights(policy, instruct) and same_weights(reference, instruct)
    assert not any(p.requires_grad for p in reference.parameters())
    told = [prompts[0]], [[6, 2]]  # nothing that could contradict itself
    assert torch.equal(reward(*told), life.load("reward").score(*told))
    assert len(prompts) == life.recipe.shared.story_prompts
    assert used == changed.recipe.ppo
    assert optimizers["adamw"].param_groups[0]["lr"] == 0.002
    assert named["replay"] == (changed, policy)
    critic = named["critic"]
    assert critic.optimizers["adamw"].param_groups[0]["lr"] == 0.003
    assert same_weights(critic.model.body, life.load("reward").body)


def test_old_lessons_are_of_every_task_but_stories(life, monkeypatch):
    given = []
    monkeypatch.setattr(pleases, "replay_loss", lambda *a, **n: given.append((a, n)))
    pleases.old_lessons(life, "policy")
    settings = life.recipe.ppo
    [((policy, examples), named)] = given
    assert policy == "policy" and named["share"] == settings.replay_share
    drawn = village.instructions(settings.replay_examples, seed=3, split="train")
    stories_asked = [each for each in drawn if each.task == "story"]
    assert stories_asked and len(examples) == len(drawn) - len(stories_asked)


def same_weights(one, other):
    return all(
        torch.equal(first, second)
        for first, second in zip(
            one.state_dict().values(), other.state_dict().values(), strict=True
        )
    )


# What is measured


def test_there_is_room_for_a_story_wherever_one_may_be_told(tmp_path):
    life = Life(tmp_path)
    shared = life.recipe.shared
    rooms = {task: life.longest_answer(task) for task in answers.village.TASKS}
    stories = {task for task, room in rooms.items() if room == shared.story_tokens}
    assert stories == {"story", "talk"}
    assert set(rooms.values()) == {shared.story_tokens, shared.answer_tokens}


def test_answers_are_told_on_test_prompts_that_nothing_was_chosen_on(life, monkeypatch):
    asked = []

    def instructions(count, **named):
        asked.append(named)
        return []

    known = {"question, known wording": {}}
    monkeypatch.setattr(answers.village, "instructions", instructions)
    monkeypatch.setattr(answers, "answers_scored", lambda *a, **k: known)
    answers.measure_answers(life, model=None)
    *held_out, train = asked
    assert {named["task"] for named in held_out} == set(answers.village.TASKS)
    assert all(n["split"] == "test" and n["seed"] == 4 for n in held_out)
    # Known wordings are of training, but not the very prompts that were learned from.
    assert train["split"] == "train" and train["seed"] != life.seed
    asked.clear()
    answers.measure_answers(life, model=None, split="validation", seed=3)
    assert all(n["split"] == "validation" and n["seed"] == 3 for n in asked[:-1])


def test_scores_of_answers_are_told_population_by_population():
    tasks = dict.fromkeys(answers.village.TASKS, {"right": [1, 0], "ended": [1, 1]})
    tasks["summarise"] = tasks["summarise"] | {"recalled": [1, 0.5], "invented": [0, 1]}
    tasks["story"] = {"right": [1, 1], "ended": [0, 1]}
    support = {
        "support, unanswerable": {"right": [0, 1, 1], "refused": [1, 1, 0]},
        "support, own wording": {"right": [1], "refused": [0]},
        "support, follow-up": {"right": [1, 1, 0], "refused": [0, 0, 1]},
    }
    told = answers.answer_metrics(tasks | support)
    assert told["support_own_wording_right"] == 1 and told["translate_right"] == 0.5
    assert told["refused"] == pytest.approx(2 / 3)
    assert told["falsely_refused"] == 0.25, "of all four answerable ones"
    assert told["ended"] == pytest.approx(11 / 12)
    assert (told["summarise_recalled"], told["summarise_invented"]) == (0.75, 0.5)


def test_pages_are_replayed_with_every_token_learned(life, monkeypatch):
    monkeypatch.setattr(Life, "sequences", [[1, 7, 8, 2], [1, 9, 2]] * 20)
    examples = answers.instruction_examples(life)
    settings = life.recipe.instruct
    assert len(examples) == settings.examples + settings.pages
    assert examples[settings.examples :][:2] == [
        ([1, 7, 8, 2], [True] * 4),
        ([1, 9, 2], [True] * 3),
    ]
    assert not any(mask[0] for _, mask in examples[: settings.examples])


def test_agreement_with_the_crowd_is_that_of_the_story_that_scores_higher(
    life, monkeypatch
):
    asked = []

    def comparisons(life, model, **named):
        asked.append(named)
        return [Comparison("tell", "better", "worse", 1, "Ada", "simulated")] * 3

    def score_texts(self, texts):
        assert texts[0] != texts[1]
        return torch.tensor([2.0, 1.0, 0.0, 5.0, 1.0, 1.0])  # right, wrong, undecided

    monkeypatch.setattr(judging, "comparisons", comparisons)
    monkeypatch.setattr(judging, "annotators", lambda life: ["crowd"])
    monkeypatch.setattr(judging, "crowd_preference", lambda crowd, one, other: 0.9)
    monkeypatch.setattr(RewardModel, "score_texts", score_texts)
    found = iter([{"wrong name": 0.75, "no end": 1.0}, {"wrong name": 1.0}])
    monkeypatch.setattr(judging, "faults_found", lambda *a, **k: next(found))
    reward = life.load("reward")
    found = judging.measure_reward(life, reward, life.load("instruct"))
    for kind in ("tellings", "own"):
        agreement = found[f"reward_agreement_{kind}"]
        assert agreement == pytest.approx((0.9 + 0.1 + 0.5) / 3)
        assert found[f"reward_ceiling_{kind}"] == pytest.approx(0.9)
    assert (found["reward_found_wrong_name"], found["reward_found_least"]) == (
        0.75,
    ) * 2
    count = life.recipe.shared.test_comparisons
    rows = [(n["told"], n["own"], n["split"], n["seed"]) for n in asked]
    assert rows == [(count, 0, "test", 4), (0, count, "test", 4)]


@pytest.mark.parametrize("sign", [1, 0, -1])
def test_a_fault_is_found_where_the_telling_without_it_is_paid_more(life, sign):
    """By the truth always, by its opposite never; of equal scores half."""
    telling = {}
    for kind in village.FAULTS:
        for edit in village.story_edits(4, kind=kind, seed=9, split="validation"):
            for story in (edit.before, edit.after):
                rendered, _ = render_example(life.tokenizer, edit.prompt, story)
                telling[tuple(rendered)] = village.gold_score(edit.prompt, story)

    def reward(prompts, told):
        texts = map(list.__add__, prompts, told)
        return torch.tensor([sign * telling[tuple(text)] for text in texts])

    found = judging.faults_found(life, reward, split="validation", seed=9)
    assert found == dict.fromkeys(village.FAULTS, {1: 1.0, 0: 0.5, -1: 0.0}[sign])


def test_whoever_tells_every_beat_in_the_same_words_has_only_favourites():
    [pair] = village.story_pairs(1, seed=0, split="train")
    reading = gold.read(pair.prompt, pair.first)
    beats = [s for s in reading.sentences if s.meaning and s.meaning.kind == "beat"]
    assert judging.favourite_wordings([reading] * 3) == 1
    first, *others = beats
    other_words = replace(first, meaning=replace(first.meaning, frame=99))
    varied = replace(reading, sentences=(other_words, *others))
    share = judging.favourite_wordings([reading, reading, varied])
    assert share == pytest.approx(1 - 1 / (3 * len(beats)))
    assert judging.favourite_wordings([]) == 0


def test_distinct_sequences_are_counted_across_stories():
    assert judging.distinct_sequences(["a b c d e"]) == 1
    assert judging.distinct_sequences(["a b c d e", "A b c d f"]) == 3 / 4
    assert judging.distinct_sequences(["a b", ""]) == 0


def test_a_policy_wins_where_its_gold_is_higher_and_pays_for_its_own_stories(
    life, monkeypatch
):
    policy, parent = "policy", "parent"
    gold = {
        (policy, 0.7): [5.0, 5.0, 5.0, 1.0],  # three wins of four
        (parent, 0.7): [1.0, 1.0, 1.0, 5.0],
        (policy, 0.3): [2.0, 2.0, 2.0, 2.0],  # a tie, a defeat, and ties
        (parent, 0.3): [2.0, 3.0, 2.0, 2.0],
    }
    asked = []

    def write_stories(life, model, prompts, seed, temperature):
        asked.append((model, temperature, seed, prompts))
        stories = [f"{model} {temperature} {n}" for n in range(4)]
        return stories, [f"rollout of {model} at {temperature}"]

    def gold_score(prompt, story):
        model, temperature, number = story.split()
        return gold[model, float(temperature)][int(number)]

    def divergence(one, other, rollout):
        assert (one, other) == (policy, parent) and rollout.startswith("rollout of pol")
        return torch.full((4,), 2.0 if rollout.endswith("0.7") else 8.0)

    prompts = ["prompt"] * 4
    monkeypatch.setattr(judging, "write_stories", write_stories)
    monkeypatch.setattr(judging, "_divergence", divergence)
    monkeypatch.setattr(judging.village, "gold_score", gold_score)
    monkeypatch.setattr(
        judging.village,
        "judge_story",
        lambda prompt, story: SimpleNamespace(
            form=True, consistent=story.startswith("policy"), clean=False
        ),
    )

    def story_prompts(count, **named):
        assert named == {"seed": 4, "split": "test"}
        assert count == life.recipe.shared.test_stories
        return prompts

    monkeypatch.setattr(judging.village, "story_prompts", story_prompts)
    found = judging.measure_policy(life, policy, parent)
    assert (found["win_rate"], found["win_rate_cool"]) == (0.75, 3 / 8)
    assert (found["kl"], found["kl_cool"]) == (2.0, 8.0)
    assert (found["gold"], found["gold_of_parent"]) == (4.0, 2.0)
    assert (found["consistent"], found["consistent_of_parent"]) == (1.0, 0.0)
    assert found["win_rate_low"] < 0.75 < found["win_rate_high"]
    seeds = {(model, temperature): seed for model, temperature, seed, _ in asked}
    assert seeds[policy, 0.7] != seeds[parent, 0.7]


def test_without_the_repository_the_course_says_where_checkpoints_come_from(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(life_module, "RUNS", tmp_path)
    monkeypatch.setattr(life_module, "CHECKPOINTS", tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="llmlab tour"):
        life_module.course()


def test_a_program_of_the_village_pays_for_right_answers(life):
    """The scorer of every task fits the slot of a learned reward."""
    examples = village.instructions(3, seed=0, split="train", task="translate")
    reward = verified_reward(
        life.tokenizer,
        examples,
        render_prompt,
        lambda example, text: village.score_answer(example, text)["right"],
    )
    prompts = [render_prompt(life.tokenizer, example.prompt) for example in examples]
    answered = [life.tokenizer.encode(e.answer) + [2] for e in examples]
    assert reward(prompts, answered).tolist() == [1, 1, 1]
    assert reward(prompts, [answered[1], answered[2], [2]]).tolist() == [0, 0, 0]


def test_a_program_scores_the_stories_of_a_rollout_as_it_scores_their_texts():
    """The gold that is watched in training is that of the report."""
    life = life_module.course()
    pairs = village.story_pairs(4, seed=2, split="train")
    prompts = [render_prompt(life.tokenizer, pair.prompt) for pair in pairs]
    written = [life.tokenizer.encode(f" {pair.second}") for pair in pairs]
    ended = [[*story, life.tokenizer.eos_id] for story in written]
    scores = stories.story_scores(life, village.gold_score)(prompts, ended)
    expected = [village.gold_score(pair.prompt, pair.second) for pair in pairs]
    assert scores.tolist() == pytest.approx(expected)
