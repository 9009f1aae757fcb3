"""A folder of stages: where a life keeps its checkpoints, and what they share."""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer

from llmlab import village
from llmlab.checkpoints import Card, load_checkpoint, read_card, weights_hash
from llmlab.gpt import GPT, GPTConfig
from llmlab.life.settings import RECIPES, Recipe
from llmlab.optimisers import muon_and_adamw
from llmlab.pretraining import encode_documents
from llmlab.progress import Metrics
from llmlab.reward import RewardModel
from llmlab.tokenizer import Tokenizer
from llmlab.training import train


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


def optimisers_of(model: nn.Module, settings) -> dict[str, Optimizer]:
    """Muon and AdamW at the rates of a stage."""
    rates = dict(matrix_rate=settings.matrix_rate, other_rate=settings.other_rate)
    return muon_and_adamw(model, **rates)


@dataclass
class Life:
    """A folder of stages, and the materials that they share.

    folder : where tokenizer and checkpoints lie.
    progress : shows how training goes; see `progress.TerminalProgress`.
    device : where its models learn and write.
    """

    folder: Path
    seed: int = 0
    recipe: Recipe = RECIPES["full"]
    progress: object | None = None
    device: torch.device = torch.device("cpu")

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
        return model.to(self.device)

    def card(self, stage: str) -> Card:
        """Where that stage's checkpoint comes from."""
        return read_card(self.checkpoint(stage))

    def longest_answer(self, task: str) -> int:
        """How many tokens an answer may have: stories are long, also those that small
        talk asks for, but few of the others, and their prompts may be."""
        shared = self.recipe.shared
        told = task in ("story", "talk")
        return shared.story_tokens if told else shared.answer_tokens

    def settings(self, stage: str) -> dict:
        """Every number behind a stage: with an equal parent, equal weights."""
        own = asdict(getattr(self.recipe, stage))
        return {"seed": self.seed, **asdict(self.recipe.shared), stage: own}

    def is_current(self, stage: str) -> bool:
        """Whether that stage was made, and with the settings of today."""
        path = self.checkpoint(stage)
        return path.exists() and read_card(path).settings == self.settings(stage)

    def new_model(self, **changes) -> GPT:
        """Random weights of this life's shape; `changes`: fields of `GPTConfig`."""
        shared = self.recipe.shared
        shape = dict(context=shared.context, layers=shared.layers, width=shared.width)
        config = GPTConfig(vocab_size=self.tokenizer.vocab_size, **(shape | changes))
        return GPT(config, seed=self.seed).to(self.device)

    def train(self, stage: str, step, steps: int, modules, optimizers) -> list[Metrics]:
        # The weights that it begins from stand for whatever was trained before.
        begins = {name: weights_hash(module) for name, module in modules.items()}
        return train(
            step,
            steps=steps,
            modules=modules,
            optimizers=optimizers,
            seed=self.seed,
            state_path=self.run_state(stage),
            progress=self.progress,
            label=stage,
            identity={"stage": stage, "begins from": begins, **self.settings(stage)},
        )

    @cached_property
    def tokenizer(self) -> Tokenizer:
        path = self.folder / "tokenizer.json"
        if not path.exists():
            wanted = self.recipe.shared.vocab_size
            Tokenizer.train(self._tokenizer_texts(), wanted).save(path)
        return Tokenizer.load(path)

    def _tokenizer_texts(self) -> list[str]:
        """What the vocabulary is made for.

        The bilingual pages count three times: French is seldom, and its words would be
        cut into letters. (XLM, Conneau and Lample 2019, draws rare languages more often
        for that reason.)
        """
        return [
            document.text
            for document in self._documents("tokenizer_documents", "train")
            for _ in range(3 if document.genre == "bilingual" else 1)
        ]

    def _documents(self, how_many: str, split: str) -> list[village.Document]:
        count = getattr(self.recipe.shared, how_many)
        return list(village.documents(count, seed=self.seed, split=split))

    @cached_property
    def sequences(self) -> list[list[int]]:
        """The training corpus, encoded."""
        documents = self._documents("documents", "train")
        return encode_documents(self.tokenizer, [each.text for each in documents])

    @cached_property
    def validation(self) -> tuple[list[list[int]], list[float]]:
        """Documents that no stage trains on, encoded, and the bits behind each."""
        documents = self._documents("validation_documents", "validation")
        sequences = encode_documents(self.tokenizer, [each.text for each in documents])
        return sequences, [document.bits for document in documents]

    def story_prompts(self, count: int, split: str) -> list[str]:
        return village.story_prompts(count, seed=self.seed, split=split)
