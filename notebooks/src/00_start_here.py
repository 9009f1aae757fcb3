# %% [markdown]
# # 0 · Start here
#
# You are going to bring up a language model: one small GPT (a *generative
# pre-trained transformer*: it writes, it has read before, and chapter 3 builds it),
# from random numbers to a model that answers you, on the computer in front of you.
#
# **You will be able to** draw the model's life and name its stages; tell from an
# answer which stage you are talking to; work in these notebooks without fear of
# breaking anything.
#
# **You need** Python as far as functions and lists. No graphics card, no network,
# and no earlier course on neural networks.
#
# **Time** 1 minute to run on two processor cores; half an hour to read
# and play.
#
# **Where we are in the model's life:** outside, looking at all of it.

# %% [markdown]
# ## One model, one life
#
# A model like this is grown in three phases. Each begins with the weights, the
# numbers that training changes, that the one before has left.
#
# 1. **Pre-training.** It reads. Again and again it guesses a word, is told the
#    right one, and is changed a little. There are two ways to play: guess a
#    *hidden* word from both sides (`masked`), or guess the *next* word (`base`).
# 2. **Instruction tuning.** It sees questions with good answers, and learns that
#    it is its turn to answer (`instruct`).
# 3. **Learning from preferences.** Somebody says which of two answers is better. A
#    second model learns to predict that judgement (`reward`), and the first one
#    practises until it is judged better (`ppo`).
#
# No page downloads anything. The next cell opens the stages of one such life, each
# from a file, its *checkpoint*: yours, if you have run `make tour`, and otherwise
# the one that comes with the course.

# %%
import textwrap

from IPython.display import display

from llmlab import doctor, life, plots, village
from llmlab.claims import ClaimError, claim
from llmlab.filling import fill
from llmlab.instruction import answer
from llmlab.sampling import complete
from llmlab.widgets import Chat

course = life.course()
tokenizer = course.tokenizer


def read(text):
    """Print a text in lines that fit the page."""
    print("\n".join(textwrap.fill(line, 80) for line in text.splitlines()))


# %% [markdown]
# Every stage carries a card that names its parent. The cards draw the family tree.
# **Before you run the cell, predict:** the masked model is drawn beside the base
# model, not before it. Why might that be?

# %%
cards = [course.card(stage) for stage in life.STAGES]
plots.lineage(cards)

# %% [markdown]
# They are two first lives. Both began from random numbers, with the same shape of
# model and the same text, and differ in the game they played. Only the one that
# guesses the *next* word can write, and so only it has children. (PPO grows out of
# instruct, too; the reward model lends it a judgement and no weights.)
#
# How large is such a model? Whoever says "parameters" means plain numbers that
# training may change. **Predict** how many this one has, then count.

# %%
base = course.load("base")
parameters = sum(weights.numel() for weights in base.parameters())
print(f"{parameters:,} parameters")

# %% [markdown]
# The models behind well-known chat programs have thousands to a million times as
# many. What happens to ours is the same, in the same order, by the same rules.

# %% [markdown]
# ## How to work here
#
# - **Run a cell** with <kbd>Shift</kbd>+<kbd>Enter</kbd>. Run them from the top:
#   later cells use what earlier ones made.
# - **Predict first.** Where the text asks what you expect, say it aloud or write
#   it down before you run the cell. Being wrong is when you learn most.
# - **Change things.** Nothing here can be broken: *Kernel → Restart Kernel and Run
#   All Cells* brings everything back, and `git restore notebooks` even the text.
# - **Look at the sick run beside the healthy one.** Most mistakes in this field
#   raise no error. We make the famous ones on purpose, so that you know their
#   looks.
# - **A long cell** shows a bar and the time left. The stop button (■) lets it
#   finish the step under way, so the model stays whole. In a terminal,
#   `make tour` goes on where it was, even after a power cut.
# - **Exercises** are notebooks of their own. There you write the line that
#   matters, and a check tells you what probably went wrong.

# %% [markdown]
# One more habit of these notebooks. The last digits of a training run differ from
# one processor to the next, so sentences about them are *checked* while you run
# them, on your machine:

# %%
claim("This model has fewer than two million parameters", parameters < 2e6)

# %% [markdown]
# And this is how a sentence looks that is not true:

# %%
try:
    claim(
        "This model has more than two million parameters",
        parameters > 2e6,
        measured=parameters / 1e6,
        unit="million",
    )
except ClaimError as error:
    print(error)

# %% [markdown]
# ## Is your machine ready?
#
# The doctor looks at the libraries, the processor, the memory and the files of the
# course, and names a remedy where something is wrong. In a terminal it is
# `python -m llmlab doctor`. What it finds differs from machine to machine, so it
# appears here only once you have run the cell.

# %% tags=["nbval-ignore-output"]
for examine in doctor.EXAMINATIONS:
    finding = examine()
    mark = "FAULT" if finding.remedy else "ok   "
    print(mark, examine.__name__, finding.value)
    if finding.remedy:
        print("   ->", finding.remedy)

# %% [markdown]
# ## What it has read
#
# The model has never seen the internet. It grew up on the gossip, lessons, news and
# stories of one invented harbour village, whose people are animals. A program writes
# them, as many as we like, so nobody's work was taken, and we know what is true there.

# %%
for document in village.documents(3, seed=7, split="test"):
    print(f"[{document.genre}]")
    read(document.text + "\n\n")

# %% [markdown]
# ## Stage by stage
#
# ### The masked model fills a gap
#
# It sees the whole sentence but for one word. **Predict** its first choice. Then
# ask yourself which words *after* the gap helped you.

# %%
masked = course.load("masked")


def show_fillings(text, choices=4):
    """Print the likeliest tokens for the gap _; return all probabilities."""
    fillings = fill(masked, tokenizer, text)
    print(text)
    for token, share in fillings[:choices]:
        bar = "█" * round(40 * share)
        print(f"{share:6.1%} {plots.visible(token):12} {bar}".rstrip())
    return dict(fillings)


shares = show_fillings("The quick brown fox jumps over the _ dog.")
claim(
    "It gives “lazy” a probability of 0.9 or more",
    shares[" lazy"] >= 0.9,
    measured=shares[" lazy"],
)

# %% [markdown]
# (␣ stands for the space that belongs to a token.) That sentence has every
# letter of the alphabet; typing schools have used it for over a century, and the
# village quotes it too.
#
# A sentence that it has read so often is an easy one. In the next two the word *after*
# the gap decides between *a* and *an*. **Does it use that word?**

# %%
for thing in ("umbrella", "kite"):
    show_fillings(f"On Monday morning Agnes found _ {thing} at the mill.")

# %% [markdown]
# *The* fits both. Compare *a* with *an*: before a kite *an* is hardly considered,
# before an umbrella it has a share. So the word after the gap is used, though not as
# firmly as one could wish.
#
# **Your turn:** put other things there, and other gaps.
#
# ### The base model goes on
#
# It knows one game: *what comes next?* Ask it something. **Predict:** will it
# answer?

# %%
question = "Translate into French: The cat is small."
read(complete(base, tokenizer, question, max_new_tokens=40, top_k=1))

# %% [markdown]
# It takes your words for the beginning of a page and continues the page. A
# question is text like any other; nobody has told this model that somebody might
# be waiting for an answer. That is what phase 2 is for.

# %% [markdown]
# ### All of them at once
#
# Now talk to three stages side by side. Three messages are from tests that no stage
# has trained on. The fourth asks about the world outside the village.
# **Predict** for each message which stages will make sense.

# %%
tests = [
    village.instructions(1, seed=1, split="test", task=task)[0]
    for task in ("translate", "support", "story")
]
messages = [test.prompt for test in tests]
messages.append("What is the capital of France?")
for message in messages:
    print(message)


# %%
def go_on(message, temperature):
    """The base model reads the message as the beginning of a page."""
    top_k = 1 if temperature <= 0.1 else None
    text = complete(
        base,
        tokenizer,
        message,
        max_new_tokens=60,
        temperature=temperature,
        top_k=top_k,
    )
    return text.removeprefix(message).strip()


def answerer(stage):
    """Later stages were trained to answer what a user says."""
    model = course.load(stage)

    def reply(message, temperature):
        top_k = 1 if temperature <= 0.1 else None
        settings = {"temperature": temperature, "top_k": top_k}
        room = course.recipe.shared.story_tokens
        return answer(
            model, tokenizer, [message], max_new_tokens=room, **settings
        )[0]

    return reply


stages = {
    "base": go_on,
    **{stage: answerer(stage) for stage in ("instruct", "ppo")},
}
chat = Chat(stages, examples=messages, temperature=0.1)
display(chat)

# %% [markdown]
# Write to them. At the lowest temperature every model always takes its likeliest
# word, so the same message gets the same answer. Move the slider up and send it
# again: the likeliest word becomes less of a certainty. Every message is answered
# on its own; none of them remembers the last one. (In the code, `top_k=1` is that
# likeliest word, and a *token* is a word or a part of one: chapter 2.)

# %% [markdown]
# ### Who was right?
#
# For the first three messages the village can tell: it knows the French, the
# timetable and what a story about those things must have.

# %%
print(f"{'':12}" + "".join(f"{stage:>12}" for stage in stages))
for test, exchange in zip(tests, chat.exchanges, strict=False):
    print(f"{test.task:12}", end="")
    for said in exchange["answers"].values():
        right = village.score_answer(test, said)["right"]
        print(f"{'right' if right else '-':>12}", end="")
    print()

# %% [markdown]
# Three messages are an anecdote. The chapters to come ask hundreds of questions and
# give every share with an interval, the range in which the truth may lie. And "right"
# is not all: whether a story is *good* is a matter of taste, which is why there is a
# phase 3.

# %% [markdown]
# ## What did not work at this size
#
# - **Knowledge of the world.** The model has read about one village, whose people are
#   animals. Asked about anything else, it says the nearest thing that it knows how to
#   say, and says it as if it were true.
# - **Conversation.** It answers single messages. A dialogue that refers back to
#   itself needs longer memory and other training text than we give it.
# - **Any English you like.** The village's language is small. A word that it never
#   used is, for the model, a noise made of letters.

# %% [markdown]
# ## Summary
#
# - One model, three phases: it **reads**, learns to **answer**, and learns what is
#   **preferred**. Each stage starts from the weights of its parent.
# - A base model continues text; answering is something it has to be taught.
# - Here you predict, run, compare the sick with the healthy, and find every
#   measured sentence checked on your own machine.
#
# ### Three questions
#
# Choose an answer and open it.
#
# **1. You write "Good morning!" to the base model. What does it do?**
#
# <details><summary>It greets you back, because that is polite.</summary>
# Not this stage. It has never been taught that there are two sides. If a greeting
# follows, it is because one often follows on the pages it has read.</details>
# <details><summary>It continues the text, as if it stood on a page.</summary>
# Right. The one thing it has learned is what comes next.</details>
# <details><summary>It refuses, since it was given no instruction.</summary>
# No: there is always a next word, and it always has a guess.</details>
#
# **2. Which of these can the masked model not do?**
#
# <details><summary>Use the words after the gap.</summary>
# That it can: it sees both sides, and that is its advantage.</details>
# <details><summary>Give a probability for every word it knows.</summary>
# It can; you saw the likeliest of them.</details>
# <details><summary>Write a story from the first word to the last.</summary>
# Right. While one writes, what comes after does not exist yet, and this model
# learned to look at it.</details>
#
# **3. An answer is fluent and false. At which stage can that happen?**
#
# <details><summary>At every stage.</summary>
# Right. Every stage prefers what is likely, or what is liked; neither is the same
# as what is true.</details>
# <details><summary>Only before instruction tuning.</summary>
# Instruction tuning teaches the form of an answer. Whether the answer is true is
# another matter, and one that a test has to measure.</details>
#
# ### Where to go from here
#
# **Next:** [1 · Gathering data](01_gathering_data.ipynb): before a model can be born,
# it needs something to read. **Exercises:** five
# [problem sets](../exercises/README.md), each for a chapter or two.
