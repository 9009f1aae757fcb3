"""How much of everything, and every other number that a life depends on.

One small dataclass a stage. They are a part of the identity of a run and of the card of
a checkpoint: a stage whose settings changed is made anew, never taken up.
"""

from dataclasses import asdict, dataclass, replace

from llmlab.policy_gradient import PolicySettings
from llmlab.ppo import PPO


@dataclass(frozen=True)
class Shared:
    """What all stages share: the model's size, its text, and how it is measured."""

    vocab_size: int = 2560
    layers: int = 3
    width: int = 128
    context: int = 256

    tokenizer_documents: int = 2_000
    documents: int = 45_000
    validation_documents: int = 1_500

    answer_tokens: int = 64  # the longest answer to anything but a story
    story_tokens: int = 190
    story_temperature: float = 0.7  # at which phase 3 explores and is judged
    cool_temperature: float = 0.3  # at which it is judged a second time
    story_prompts: int = 2_000  # on which a policy practises

    # What is told is measured on test prompts that nothing was chosen on: those of seed
    # + 1, since the lives before this one were chosen and told on those of the seed.
    test_instructions: int = 300  # for each task
    test_comparisons: int = 500  # of each kind: tellings, the model's own stories
    test_stories: int = 400


@dataclass(frozen=True)
class Pretraining:
    """Phase 1: reading."""

    steps: int
    tokens_per_batch: int = 1024
    mask_share: float = 0.4  # see `reads.train_masked`
    matrix_rate: float = 0.0035
    other_rate: float = 0.01


@dataclass(frozen=True)
class Instruction:
    """Phase 2: answering."""

    examples: int = 104_000
    pages: int = 3_200  # of the village, replayed; see `answers.instruction_examples`
    steps: int = 3_200
    rows_per_batch: int = 6
    matrix_rate: float = 0.003
    other_rate: float = 0.003


@dataclass(frozen=True)
class Preference:
    """Phase 3: learning from comparisons. Of three kinds of pairs: tellings, the
    model's own stories, and tellings beside the same with one fault."""

    told: int = 2_400
    own: int = 3_000
    edited: int = 1_200
    labels: int = 10  # people who see each pair
    steps: int = 410  # once through the pairs
    comparisons_per_batch: int = 16
    matrix_rate: float = 0.003
    other_rate: float = 0.002
    test_faults: int = 100  # of each kind


@dataclass(frozen=True)
class Pleasing(PolicySettings):
    """Phase 3: writing what is liked.

    fault_price : what each fault costs that a program finds, in standard deviations of
        the learned reward among the parent's stories.
    replay_… : of phase two's examples, with every step; see `instruction.replay_loss`.
    """

    fault_price: float = 1.0
    replay_examples: int = 2_500
    replay_rows: int = 2
    replay_share: float = 0.5


@dataclass(frozen=True)
class Recipe:
    """All settings of a life."""

    shared: Shared = Shared()
    masked: Pretraining = Pretraining(steps=2500)
    base: Pretraining = Pretraining(steps=6400)
    instruct: Instruction = Instruction()
    reward: Preference = Preference()
    # On 250 validation prompts 26 updates won 84 % [79, 88] at 5.3 nats; larger steps,
    # and fewer stories in more updates, came to the same.
    ppo: Pleasing = Pleasing(**asdict(replace(PPO, steps=30, warm_up=2, beta=0.12)))

    def __post_init__(self):
        # A policy practises as its stories are written everywhere else.
        practised = replace(
            self.ppo,
            max_new_tokens=self.shared.story_tokens,
            temperature=self.shared.story_temperature,
        )
        object.__setattr__(self, "ppo", practised)


RECIPES = {
    "full": Recipe(),
    # Every stage in seconds; it learns next to nothing and proves that all parts fit.
    "tiny": Recipe(
        Shared(
            vocab_size=600,
            context=512,
            layers=1,
            width=32,
            tokenizer_documents=100,
            documents=150,
            validation_documents=20,
            answer_tokens=16,
            story_tokens=16,
            story_prompts=20,
            test_instructions=4,
            test_comparisons=20,
            test_stories=8,
        ),
        masked=Pretraining(steps=4),
        base=Pretraining(steps=8),
        instruct=Instruction(examples=200, pages=10, steps=5, rows_per_batch=4),
        reward=Preference(told=28, own=6, edited=6, labels=2, steps=4, test_faults=4),
        ppo=Pleasing(
            **asdict(replace(PPO, steps=3, warm_up=1, responses=8)), replay_examples=200
        ),
    ),
}
