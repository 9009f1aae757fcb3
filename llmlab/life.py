"""One life, stage by stage: the recipes behind the checkpoints that the course ships.

Every recipe reads the same: take the parent's weights and the stage's data, train,
measure. How much of everything is in a `Scale`; nothing else is hidden.

    random -> masked                        guess hidden words, seeing both sides
    random -> base                          guess the next word
    base -> instruct                        answer when asked
    instruct -> reward                      learn from comparisons what people like
    instruct -> reinforce, instruct -> ppo  write what the reward model likes
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from llmlab import village
from llmlab.checkpoints import Card, load_checkpoint, read_card
from llmlab.evaluation import (
    Share,
    answers_right,
    completions,
    entropy_line,
    language_loss,
    masked_accuracy,
    minimal_pairs,
    sequence_kl,
    win_rate,
)
from llmlab.gpt import GPT, GPTConfig
from llmlab.instruction import instruction_step, render_example, render_prompt
from llmlab.optimisers import adamw, muon_and_adamw
from llmlab.paths import CHECKPOINTS, RUNS
from llmlab.ppo import KLController, ValueModel, make_ppo_step
from llmlab.preferences import (
    Annotator,
    Comparison,
    accuracy_ceiling,
    crowd_preference,
    label,
    simulated_crowd,
)
from llmlab.pretraining import encode_documents, pretraining_step
from llmlab.reinforce import (
    Rollout,
    frozen_copy,
    make_reinforce_step,
    roll_out,
)
from llmlab.reward import (
    RewardModel,
    accuracy,
    encode_comparisons,
    make_reward_step,
    normalise,
)
from llmlab.tokenizer import Tokenizer
from llmlab.training import Metrics, train


@dataclass(frozen=True)
class Scale:
    """How much of everything: sizes of the data and numbers of updates."""

    vocab_size: int = 2560
    layers: int = 2
    width: int = 128
    context: int = 256

    tokenizer_documents: int = 2_000
    documents: int = 45_000
    validation_documents: int = 1_500
    tokens_per_batch: int = 1024
    mask_share: float = 0.4  # see train_masked
    masked_steps: int = 2800
    base_steps: int = 6800

    instructions: int = 24_000
    rows_per_batch: int = 5
    instruct_steps: int = 1200
    test_instructions: int = 150  # for each task
    answer_tokens: int = 96  # the longest answer to anything but a story

    comparisons: int = 3_000
    sampled_comparisons: int = 200  # of them, between the model's own stories
    test_comparisons: int = 500
    comparisons_per_batch: int = 16
    reward_steps: int = 187  # once through the comparisons

    story_prompts: int = 2_000
    story_tokens: int = 160
    story_temperature: float = 0.7  # at which phase 3 explores: samples and rollouts
    judged_temperature: float = 0.3  # at which its models are judged
    rollout: int = 128
    reinforce_steps: int = 6
    ppo_steps: int = 15
    test_stories: int = 200


SCALES = {
    "full": Scale(),
    # Every stage in seconds; it learns next to nothing and proves that all parts fit.
    "tiny": Scale(
        vocab_size=600,
        context=512,
        layers=1,
        width=32,
        tokenizer_documents=100,
        documents=150,
        validation_documents=20,
        tokens_per_batch=1024,
        masked_steps=4,
        base_steps=8,
        instructions=200,
        rows_per_batch=4,
        instruct_steps=5,
        test_instructions=4,
        answer_tokens=16,
        comparisons=40,
        sampled_comparisons=6,
        test_comparisons=20,
        reward_steps=4,
        story_prompts=20,
        story_tokens=16,
        rollout=8,
        reinforce_steps=3,
        ppo_steps=3,
        test_stories=8,
    ),
}


@dataclass(frozen=True)
class Trained:
    """What a stage leaves behind.

    history : one dictionary of numbers for each update.
    metrics : measured at the end, under stable names.
    data : what it was trained on, in words.
    """

    model: nn.Module
    history: list[Metrics]
    metrics: dict[str, float]
    data: str


@dataclass
class Life:
    """A folder of stages, and the materials that they share.

    Parameters
    ----------
    folder : where tokenizer and checkpoints lie.
    progress : shows how training goes; see `progress.TerminalProgress`.
    """

    folder: Path
    seed: int = 0
    scale: Scale = SCALES["full"]
    progress: object | None = None

    def checkpoint(self, stage: str) -> Path:
        return self.folder / f"{stage}.safetensors"

    def run_state(self, stage: str) -> Path:
        return self.folder / f"{stage}.state"

    def load(self, stage: str) -> nn.Module:
        """The model as that stage left it: a RewardModel for "reward", else a GPT.

        Raises ValueError if the checkpoint was trained with another tokenizer.
        """
        path = self.checkpoint(stage)
        build = RewardModel.from_config if stage == "reward" else GPT
        model, card = load_checkpoint(path, build)
        if card.tokenizer != self.tokenizer.fingerprint():
            raise ValueError(
                f"{path} was trained with another tokenizer than {self.folder} holds; "
                "its ids would mean other words. Keep the files of one life together"
            )
        return model

    def card(self, stage: str) -> Card:
        """Where that stage's checkpoint comes from."""
        return read_card(self.checkpoint(stage))

    def longest_answer(self, task: str) -> int:
        """How many tokens an answer may have: stories are long, but few of the others,
        and their prompts may be."""
        return self.scale.story_tokens if task == "story" else self.scale.answer_tokens

    def new_model(self, **changes) -> GPT:
        scale = self.scale
        config = GPTConfig(
            vocab_size=self.tokenizer.vocab_size,
            context=scale.context,
            layers=scale.layers,
            width=scale.width,
            **changes,
        )
        return GPT(config, seed=self.seed)

    def train(self, stage: str, step, steps: int, modules, optimizers) -> list[Metrics]:
        return train(
            step,
            steps=steps,
            modules=modules,
            optimizers=optimizers,
            seed=self.seed,
            state_path=self.run_state(stage),
            progress=self.progress,
            label=stage,
            identity={"stage": stage, "scale": repr(self.scale)},
        )

    @cached_property
    def tokenizer(self) -> Tokenizer:
        path = self.folder / "tokenizer.json"
        if not path.exists():
            Tokenizer.train(self._tokenizer_texts(), self.scale.vocab_size).save(path)
        return Tokenizer.load(path)

    def _tokenizer_texts(self) -> list[str]:
        """What the vocabulary is made for.

        The bilingual pages count three times: French is seldom, and its words would be
        cut into letters. (XLM, Conneau and Lample 2019, draws rare languages more often
        for that reason.)
        """
        documents = village.documents(
            self.scale.tokenizer_documents, seed=self.seed, split="train"
        )
        return [
            document.text
            for document in documents
            for _ in range(3 if document.genre == "bilingual" else 1)
        ]

    @cached_property
    def sequences(self) -> list[list[int]]:
        """The training corpus, encoded."""
        documents = village.documents(
            self.scale.documents, seed=self.seed, split="train"
        )
        return encode_documents(
            self.tokenizer, [document.text for document in documents]
        )

    @cached_property
    def validation(self) -> tuple[list[list[int]], list[float]]:
        """Documents that no stage trains on, encoded, and the bits behind each."""
        documents = list(
            village.documents(
                self.scale.validation_documents, seed=self.seed, split="validation"
            )
        )
        sequences = encode_documents(
            self.tokenizer, [document.text for document in documents]
        )
        return sequences, [document.bits for document in documents]

    def story_prompts(self, count: int, split: str) -> list[str]:
        return village.story_prompts(count, seed=self.seed, split=split)


def settings(life: Life) -> dict:
    """What makes a life this life: two with equal settings have equal weights."""
    return {"seed": life.seed, "scale": asdict(life.scale)}


def course() -> Life:
    """The learner's own life if a whole tour was made here, else the shipped one."""
    own, shipped = Life(RUNS / "tour"), Life(CHECKPOINTS)
    path = own.folder / "settings.json"
    finished = all(own.checkpoint(stage).exists() for stage in STAGES)
    if (
        finished
        and path.exists()
        and json.loads(path.read_text("utf-8")) == settings(own)
    ):
        print(f"These are your own checkpoints, in {own.folder.name}.")
        return own
    print("These are the checkpoints that the course ships.")
    return shipped


# Phase 1 ------------------------------------------------------------------------------


def train_masked(life: Life) -> Trained:
    """Guess hidden words from both sides.

    Only hidden words teach, so at BERT's 15 % most of every batch is read for nothing.
    In a short training more hiding learns more (Wettig et al. 2023); the measurement
    hides 15 %, as everybody's does.
    """
    model = life.new_model(causal=False)
    history = _pretrain(life, "masked", model, life.scale.masked_steps)
    sequences, _ = life.validation
    share = masked_accuracy(model, life.tokenizer, sequences, seed=life.seed)
    metrics = {"masked_accuracy": share.rate}
    return Trained(model, history, metrics, "the village, hidden words")


def train_base(life: Life) -> Trained:
    """Guess the next word."""
    model = life.new_model()
    history = _pretrain(life, "base", model, life.scale.base_steps)
    sequences, bits = life.validation
    loss, line = language_loss(model, sequences), entropy_line(bits, sequences)
    probes = village.probes(seed=life.seed)
    chosen = completions(model, life.tokenizer, probes.completions)
    pairs = minimal_pairs(model, life.tokenizer, probes.minimal_pairs)
    metrics = {
        "validation_loss": loss.nats_per_token,
        "validation_loss_error": loss.error,
        "entropy_line": line.nats_per_token,
        "excess": loss.nats_per_token - line.nats_per_token,
        "minimal_pairs": _pooled(pairs).rate,
        **{f"completions_{kind}": share.rate for kind, share in chosen.items()},
    }
    return Trained(model, history, metrics, "the village, next words")


def _pretrain(life: Life, stage: str, model: GPT, steps: int) -> list[Metrics]:
    optimizers = muon_and_adamw(model)
    step = pretraining_step(
        model,
        life.sequences,
        life.tokenizer,
        optimizers,
        steps=steps,
        tokens_per_batch=life.scale.tokens_per_batch,
        seed=life.seed,
        mask_share=life.scale.mask_share,
    )
    return life.train(stage, step, steps, {"model": model}, optimizers)


def _pooled(shares: dict[str, Share]) -> Share:
    return Share(
        sum(share.successes for share in shares.values()),
        sum(share.trials for share in shares.values()),
    )


# Phase 2 ------------------------------------------------------------------------------


def train_instruct(life: Life) -> Trained:
    """Answer when asked."""
    scale, tokenizer = life.scale, life.tokenizer
    model = life.load("base")
    examples = [
        render_example(tokenizer, example.prompt, example.answer)
        for example in village.instructions(
            scale.instructions, seed=life.seed, split="train"
        )
    ]
    optimizers = muon_and_adamw(model, matrix_rate=0.003, other_rate=0.003)
    step = instruction_step(
        model,
        examples,
        optimizers,
        steps=scale.instruct_steps,
        row_length=scale.context,
        rows_per_batch=scale.rows_per_batch,
        seed=life.seed,
    )
    history = life.train(
        "instruct", step, scale.instruct_steps, {"model": model}, optimizers
    )
    metrics = {
        f"{task}_right": share.rate
        for task, share in measure_answers(life, model).items()
    }
    return Trained(model, history, metrics, "instructions about the village")


def measure_answers(life: Life, model: GPT) -> dict[str, Share]:
    """Share of right answers to held-out prompts, by task."""
    shares = {}
    for task in village.TASKS:
        examples = village.instructions(
            life.scale.test_instructions, seed=life.seed, split="test", task=task
        )
        shares |= answers_right(
            model,
            life.tokenizer,
            examples,
            village.score_answer,
            max_new_tokens=life.longest_answer(task),
        )
    return shares


# Phase 3 ------------------------------------------------------------------------------


def annotators(life: Life) -> list[Annotator]:
    """Twenty simulated people who agree with the gold score on 80 pairs in 100."""
    pairs = village.story_pairs(300, seed=life.seed, split="train")
    differences = [
        village.gold_score(pair.prompt, pair.first)
        - village.gold_score(pair.prompt, pair.second)
        for pair in pairs
    ]
    generator = torch.Generator().manual_seed(life.seed)
    return simulated_crowd(20, differences, generator, agreement=0.8)


def comparisons(life: Life, instruct: GPT, split: str) -> list[Comparison]:
    """Labelled pairs of stories: tellings of one event, and the model's own samples.

    The reward model will have to judge what the policy writes, so it must have seen
    the policy's kind of mistakes too (Ouyang et al. 2022 compare samples only).
    """
    scale = life.scale
    count = scale.comparisons if split == "train" else scale.test_comparisons
    sampled = count * scale.sampled_comparisons // scale.comparisons
    pairs = village.story_pairs(count - sampled, seed=life.seed, split=split)
    pairs += sampled_pairs(life, instruct, sampled, split)
    generator = torch.Generator().manual_seed(life.seed + len(split))
    return label(pairs, village.gold_score, annotators(life), generator)


def sampled_pairs(
    life: Life, model: GPT, count: int, split: str
) -> list[village.StoryPair]:
    """Two stories by the model itself for each of `count` prompts."""
    prompts = life.story_prompts(count, split)
    first, second = (
        write_stories(life, model, prompts, seed=life.seed + draw)[0] for draw in (0, 1)
    )
    return [
        village.StoryPair(prompt, one, other)
        for prompt, one, other in zip(prompts, first, second, strict=True)
    ]


def write_stories(
    life: Life,
    model: GPT,
    prompts: list[str],
    seed: int,
    temperature: float | None = None,
) -> tuple[list[str], list[Rollout]]:
    """What the model writes when asked; and the rollouts.

    temperature : None: the one at which phase 3 explores, `Scale.story_temperature`.
    """
    if temperature is None:
        temperature = life.scale.story_temperature
    generator = torch.Generator().manual_seed(seed)
    rendered = [render_prompt(life.tokenizer, prompt) for prompt in prompts]
    rollouts = [
        roll_out(
            model,
            rendered[start : start + 250],
            generator,
            max_new_tokens=life.scale.story_tokens,
            temperature=temperature,
        )
        for start in range(0, len(rendered), 250)
    ]
    stories = [
        life.tokenizer.decode(response)
        for rollout in rollouts
        for response in rollout.responses
    ]
    return stories, rollouts


def train_reward(life: Life) -> Trained:
    """Learn from comparisons what people like."""
    scale, tokenizer = life.scale, life.tokenizer
    instruct = life.load("instruct")
    model = RewardModel(instruct, seed=life.seed)
    pairs = encode_comparisons(
        comparisons(life, instruct, "train"), tokenizer, context=scale.context
    )
    optimizers = muon_and_adamw(model, matrix_rate=0.003, other_rate=0.002)
    step = make_reward_step(
        model,
        pairs,
        optimizers,
        steps=scale.reward_steps,
        batch=scale.comparisons_per_batch,
        seed=life.seed,
    )
    history = life.train(
        "reward", step, scale.reward_steps, {"model": model}, optimizers
    )
    prompts = life.story_prompts(scale.test_stories, "train")
    _, rollouts = write_stories(life, instruct, prompts, seed=life.seed + 2)
    written = [
        prompt + response
        for rollout in rollouts
        for prompt, response in zip(rollout.prompts, rollout.responses, strict=True)
    ]
    normalise(model, written)
    metrics = measure_reward(life, model, instruct)
    return Trained(model, history, metrics, "comparisons by a simulated crowd")


def measure_reward(life: Life, model: RewardModel, instruct: GPT) -> dict[str, float]:
    """Accuracy on held-out comparisons, beside the best that label noise allows."""
    test = comparisons(life, instruct, "test")
    pairs = encode_comparisons(test, life.tokenizer, context=life.scale.context)
    winners = model.score_texts([pair.winner for pair in pairs])
    losers = model.score_texts([pair.loser for pair in pairs])
    crowd = annotators(life)
    preferences = [
        crowd_preference(
            crowd,
            village.gold_score(comparison.prompt, comparison.first),
            village.gold_score(comparison.prompt, comparison.second),
        )
        for comparison in test
    ]
    return {
        "reward_accuracy": accuracy(winners, losers),
        "reward_ceiling": accuracy_ceiling(preferences),
        "comparisons": len(pairs),
    }


def train_reinforce(life: Life) -> Trained:
    """Write what the reward model likes, by the plain policy gradient."""
    scale = life.scale
    policy, reward_model = life.load("instruct"), life.load("reward")
    reference = frozen_copy(policy)
    optimizers = adamw(policy, 8e-4, eps=1e-5)
    step = make_reinforce_step(
        policy,
        reference,
        reward_model.score,
        _rollout_prompts(life),
        optimizers=optimizers,
        steps=scale.reinforce_steps,
        batch=scale.rollout,
        max_new_tokens=scale.story_tokens,
        temperature=scale.story_temperature,
        beta=0.1,
        unfinished_score=-2.0,
    )
    history = life.train(
        "reinforce", step, scale.reinforce_steps, {"policy": policy}, optimizers
    )
    metrics = measure_policy(life, policy, reference)
    return Trained(policy, history, metrics, "stories scored by the reward model")


def train_ppo(life: Life) -> Trained:
    """Write what the reward model likes, by proximal policy optimisation."""
    scale = life.scale
    policy, reward_model = life.load("instruct"), life.load("reward")
    reference = frozen_copy(policy)
    value_model = ValueModel(reward_model)
    kl_controller = KLController(beta=0.15)
    policy_optimizers = adamw(policy, 5e-4, eps=1e-5)
    value_optimizers = adamw(value_model, 1e-3, eps=1e-5)
    step = make_ppo_step(
        policy,
        reference,
        reward_model.score,
        value_model,
        _rollout_prompts(life),
        policy_optimizers=policy_optimizers,
        value_optimizers=value_optimizers,
        kl_controller=kl_controller,
        steps=scale.ppo_steps,
        batch=scale.rollout,
        max_new_tokens=scale.story_tokens,
        temperature=scale.story_temperature,
        epochs=1,
        minibatches=4,
        # In a run this short the value model is young: what was earned in the end is
        # better evidence than what it expected (explained variance stays below .3).
        gae_lambda=1.0,
        unfinished_score=-2.0,
    )
    modules = {"policy": policy, "value": value_model, "kl_controller": kl_controller}
    optimizers = {
        **{f"policy_{name}": value for name, value in policy_optimizers.items()},
        **{f"value_{name}": value for name, value in value_optimizers.items()},
    }
    history = life.train("ppo", step, scale.ppo_steps, modules, optimizers)
    metrics = measure_policy(life, policy, reference)
    return Trained(policy, history, metrics, "stories scored by the reward model")


def _rollout_prompts(life: Life) -> list[list[int]]:
    return [
        render_prompt(life.tokenizer, prompt)
        for prompt in life.story_prompts(life.scale.story_prompts, "train")
    ]


def measure_policy(life: Life, policy: GPT, instruct: GPT) -> dict[str, float]:
    """The policy against its parent, on held-out prompts, judged by the hidden gold.

    Never judged by the reward model, which the policy was trained to please. Both write
    one story a prompt; a win is a higher gold score. A policy explores at a temperature
    at which slips of the dice hide what it prefers, so both are judged at a lower one,
    as they would be used. The divergence is the one that training paid for, on stories
    drawn as there.
    """
    scale = life.scale
    prompts = life.story_prompts(scale.test_stories, "test")
    (stories, _), (before, _) = (
        write_stories(life, model, prompts, life.seed + draw, scale.judged_temperature)
        for draw, model in ((3, policy), (4, instruct))
    )
    gold, gold_before = (
        [village.gold_score(*pair) for pair in zip(prompts, told, strict=True)]
        for told in (stories, before)
    )
    _, rollouts = write_stories(life, policy, prompts, life.seed + 5)
    kl = torch.cat([sequence_kl(policy, instruct, rollout) for rollout in rollouts])
    wins = win_rate(gold, gold_before)
    low, high = wins.interval
    return {
        "win_rate": wins.rate,
        "win_rate_low": low,
        "win_rate_high": high,
        "gold": sum(gold) / len(gold),
        "gold_of_instruct": sum(gold_before) / len(gold),
        "kl": kl.mean().item(),
        "words": sum(len(story.split()) for story in stories) / len(stories),
        "words_of_instruct": sum(len(story.split()) for story in before) / len(before),
    }


@dataclass(frozen=True)
class Stage:
    """One step of the life: whose weights it begins from, and how it is trained."""

    parent: str
    train: Callable[[Life], Trained]


STAGES = {
    "masked": Stage("random", train_masked),
    "base": Stage("random", train_base),
    "instruct": Stage("base", train_instruct),
    "reward": Stage("instruct", train_reward),
    "reinforce": Stage("instruct", train_reinforce),
    "ppo": Stage("instruct", train_ppo),
}
