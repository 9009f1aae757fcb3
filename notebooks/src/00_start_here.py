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
from llmlab import desk, doctor, life, plots, village
from llmlab.claims import ClaimError, about, claim
from llmlab.sampling import complete

# %%
course = life.course()
tokenizer = course.tokenizer

# %% [markdown]
# Every stage carries a card that names its parent. The cards draw the family tree.
# But first: on these pages you are asked, again and again, what you expect. Your
# answer is kept, and stands beside the result when it comes. Nobody sees it but you.

# %%
desk.predict(
    "00/beside",
    "In the tree below, the masked model stands beside the base model, not "
    "before it. Why might that be?",
)

# %%
cards = [course.card(stage) for stage in life.STAGES]
plots.lineage(cards)

# %%
desk.answer(
    "00/beside",
    "They are two first lives.",
    "Both began from random numbers, with the same shape of model and the "
    "same text, and differ in the game they played. Only the one that "
    "guesses the next word can write, and so only it has children.",
)

# %% [markdown]
# (PPO grows out of instruct, too; the reward model lends it a judgement and no
# weights.)
#
# How large is such a model? Whoever says "parameters" means plain numbers that
# training may change, the same as *weights*.

# %%
desk.predict(
    "00/size", "How many parameters has our model?", unit="parameters"
)

# %%
base = course.load("base")
parameters = sum(weights.numel() for weights in base.parameters())
print(f"{parameters:,} parameters")

# %%
desk.answer(
    "00/size",
    parameters,
    "The models behind well-known chat programs have thousands to a million "
    "times as many. What happens to ours is the same, in the same order.",
    factor=3,
)

# %% [markdown]
# ## How to work here
#
# - **Run a cell** with <kbd>Shift</kbd>+<kbd>Enter</kbd>. Run them from the top:
#   later cells use what earlier ones made.
# - **Unfold** what you want to see. Cells that only prepare or draw something show a
#   thin bar in place of their code; a click opens it. They run like all others.
# - **Predict first**, and say how sure you are. Being wrong is when you learn most.
#   What the course got stands folded below the cells that show it.
# - **Change things.** This folder is yours. *Kernel → Restart Kernel and Run All
#   Cells* brings back what a cell made, and an update of the course never touches a
#   cell that you changed.
# - **Look at the sick run beside the healthy one.** Most mistakes in this field
#   raise no error. We make the famous ones on purpose, so that you know their
#   looks.
# - **A long cell** shows a bar and the time left. The stop button (■) lets it
#   finish the step under way. One that crawls shares the processor with another
#   program; `make doctor` says so. In a terminal, `make tour` goes on where it was,
#   even after a power cut.
# - **The next day** boxes and sliders show what they showed last and are asleep; run
#   their cell to wake them.
# - **Exercises** are notebooks of their own. There you write the line that
#   matters, and a check tells you what probably went wrong.

# %% [markdown]
# One more habit of these notebooks. The last digits of a training run differ from
# one processor to the next. So a sentence about them is *checked* while you run it,
# on your machine, and shows what was measured. A number behind ≈ belongs to one run;
# all others are exact.

# %%
claim(
    "This model has fewer than two million parameters",
    parameters < 2e6,
    measured=parameters,
)

# %% [markdown]
# And this is how a sentence looks that is not true:

# %%
try:
    claim(
        "This model has more than two million parameters",
        parameters > 2e6,
        measured=parameters,
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

# %% tags=["nbval-ignore-output", "folded"]
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
    desk.read(document.text + "\n\n")

# %% [markdown]
# ## Stage by stage
#
# ### The masked model fills a gap
#
# It sees the whole sentence but for one word, and gives every word that it knows a
# probability for the gap, written _.

# %%
pangram = "The quick brown fox jumps over the _ dog."
desk.predict(
    "00/gap",
    f"Its first choice in “{pangram}”?",
    options=["a dog's colour", "old", "lazy", "the name of a person"],
)

# %% tags=["folded"]
from functools import partial

from llmlab import life
from llmlab.filling import fill
from llmlab.widgets import FillIn

course = life.course()
masked = course.load("masked")
FillIn(
    partial(fill, masked, course.tokenizer),
    "The quick brown fox jumps over the _ dog.",
)

# %%
(first, share), *_ = fill(masked, tokenizer, pangram)
desk.answer(
    "00/gap",
    first.strip(),
    "That sentence has every letter of the alphabet; typing schools have "
    "used it for over a century, and the village quotes it too.",
)
claim(
    "It gives “lazy” a probability of 0.9 or more",
    first == " lazy" and share >= 0.9,
    measured=share,
)

# %% [markdown]
# (␣ stands for the space that belongs to a token, a word or a piece of one.) **Your
# turn:** edit the sentence in the box. Which words *after* the gap does it need?
#
# A sentence that it has read so often is an easy one. In the next two the word *after*
# the gap decides between *a* and *an*.

# %%
desk.predict(
    "00/article",
    "Agnes found _ umbrella, Agnes found _ kite. Does the word after the gap "
    "change its choice between “a” and “an”?",
    options=[
        "No: the same shares for both",
        "A little: it leans the right way, and the favourite stays “a”",
        "Yes: “an” for the umbrella, “a” for the kite",
    ],
)

# %%
articles = {}
for thing in ("umbrella", "kite"):
    sentence = f"On Monday morning Agnes found _ {thing} at the mill."
    fillings = dict(fill(masked, tokenizer, sentence))
    articles[thing] = fillings[" an"] / (fillings[" a"] + fillings[" an"])
    shares = [f"{word} {fillings[word]:.0%}" for word in (" the", " a", " an")]
    print(sentence, *shares, sep="  ")

# %%
leans = articles["umbrella"] > 2 * articles["kite"]
chosen = articles["umbrella"] > 0.5 > articles["kite"]
desk.answer(
    "00/article",
    "Yes: “an” for the umbrella, “a” for the kite"
    if chosen
    else "A little: it leans the right way, and the favourite stays “a”"
    if leans
    else "No: the same shares for both",
    "Of what it gives to the two, “an” gets "
    f"{about(100 * articles['umbrella'], 2)} % before the umbrella and "
    f"{about(100 * articles['kite'], 2)} % before the kite. It looks at the "
    "word after the gap"
    + (
        "."
        if chosen
        else ", though not as firmly as one could wish: a small model is "
        "surest of what it has read most often."
    ),
)

# %% [markdown]
# ### The base model goes on
#
# It knows one game: *what comes next?* Ask it something.

# %%
question = "Translate into French: The cat is small."
desk.predict(
    "00/asked",
    f"You write “{question}” to the base model. What does it write?",
    options=[
        "Le chat est petit.",
        "another French sentence",
        "more English, as on a page",
    ],
)

# %%
said = complete(base, tokenizer, question, max_new_tokens=40, top_k=1)
desk.read(said)

# %%
french = {"le", "la", "les", "un", "une", "est", "il", "elle", "pas"}
written = said.removeprefix(question)
desk.answer(
    "00/asked",
    "Le chat est petit."
    if "Le chat est petit" in written
    else "another French sentence"
    if len(french & set(written.lower().split())) > 2
    else "more English, as on a page",
    "It takes your words for the beginning of a page and continues the page. "
    "A question is text like any other; nobody has told this model that "
    "somebody might be waiting for an answer. That is what phase 2 is for.",
)

# %% [markdown]
# ### All of them at once
#
# Now talk to three stages side by side. Three messages are from tests that no stage
# has trained on. The fourth asks about the world outside the village.

# %%
desk.predict(
    "00/right",
    "Three messages, three stages, nine answers. How many of the nine are "
    "right?",
    unit="of 9",
)

# %% tags=["folded"]
from IPython.display import display

from llmlab import life, village
from llmlab.talking import SKILLS, speakers
from llmlab.widgets import Chat

chat = Chat(
    speakers(life.course(), "base", "instruct", "ppo"),
    suggestions=SKILLS,
    about=village.who_is_who(),
    temperature=0.1,
    examples=[
        *(
            village.instructions(1, seed=1, split="test", task=task)[0].prompt
            for task in ("translate", "support", "story")
        ),
        "What is the capital of France?",
    ],
)
display(chat)

# %% [markdown]
# Write to them: a suggestion, or words of your own. They know the village and the five
# trades above, and nothing else; *who is who* tells whom you can ask about. At the
# lowest temperature every model always takes its likeliest word, so the same message
# gets the same answer. Move the slider up and send it again: the likeliest word becomes
# less of a certainty. With a message each model is told its own last turn, and
# nothing older.

# %% [markdown]
# ### Who was right?
#
# For the first three messages the village can tell: it knows the French, the
# timetable and what a story about those things must have.

# %% tags=["folded"]
tests = [
    village.instructions(1, seed=1, split="test", task=task)[0]
    for task in ("translate", "support", "story")
]
right = 0
print(f"{'':12}" + "".join(f"{name:>12}" for name in chat.names))
for test, exchange in zip(tests, chat.exchanges, strict=False):
    print(f"{test.task:12}", end="")
    for said in exchange["answers"].values():
        is_right = village.score_answer(test, said)["right"]
        right += is_right
        print(f"{'right' if is_right else '-':>12}", end="")
    print()

# %%
desk.answer(
    "00/right",
    int(right),
    "The base model was never taught to answer; the two that were learned "
    "these trades from examples.",
    within=1,
)

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

# %%
desk.quiz(
    "00",
    desk.ask(
        "You write “Good morning!” to the base model. What does it do?",
        right=(
            "It continues the text, as if it stood on a page.",
            "The one thing it has learned is what comes next.",
        ),
        wrong=[
            (
                "It greets you back, because that is polite.",
                "It has never been taught that there are two sides. If a "
                "greeting follows, it is because one often follows on the "
                "pages it has read.",
            ),
            (
                "It refuses, since it was given no instruction.",
                "There is always a next word, and it always has a guess.",
            ),
        ],
    ),
    desk.ask(
        "Which of these can the masked model not do?",
        right=(
            "Write a story from the first word to the last.",
            "While one writes, what comes after does not exist yet, and this "
            "model learned to look at it.",
        ),
        wrong=[
            (
                "Use the words after the gap.",
                "That it can: it sees both sides, and that is its advantage.",
            ),
            (
                "Give a probability for every word it knows.",
                "It can; you saw the likeliest of them.",
            ),
        ],
    ),
    desk.ask(
        "An answer is fluent and false. At which stage can that happen?",
        right=(
            "At every stage.",
            "Every stage prefers what is likely, or what is liked; neither "
            "is the same as what is true.",
        ),
        wrong=[
            (
                "Only before instruction tuning.",
                "Instruction tuning teaches the form of an answer. Whether "
                "the answer is true is another matter, and one that a test "
                "has to measure.",
            ),
            (
                "Only after PPO.",
                "PPO can make it worse, where false answers are liked. It is "
                "not where it begins.",
            ),
        ],
    ),
)

# %%
desk.tally("00")

# %% [markdown]
# ### Where to go from here
#
# **Next:** [1 · Gathering data](01_gathering_data.ipynb): before a model can be born,
# it needs something to read. **Exercises:** five
# [problem sets](../exercises/README.md), each for a chapter or two.
