# %% [markdown]
# # Problem set 1 · Three lines that decide everything
#
# One exercise for each phase of the model's life. Each is a function of a few
# lines. Each is also the place where most first implementations are quietly
# wrong: the model still trains, the curve still falls, and what comes out is
# worse than it should be.
#
# Write your answer in place of the line that raises `NotImplementedError`, run
# the cell, then run the check below it. The check does not compare with a stored
# result. It proves properties that every right answer has, and if one does not
# hold it tells you what probably went wrong. Try as often as you like. If a check
# does not come back, your function loops: *Kernel → Interrupt*.

# %% [markdown] contents=true
# **What is here**

# %%
import torch

from llmlab import checks
from llmlab.batching import IGNORE
from llmlab.gpt import GPT, GPTConfig
from llmlab.tokenizer import Tokenizer

# %% [markdown] name="attention" skill="write causal attention" difficulty=3 minutes=20
# ## 1 · Attention that looks back, never ahead
#
# Every position asks a question (its *query*), every position offers an answer
# (its *value*) under a label (its *key*). Attention compares query with key by a
# dot product, turns the scores of one query into shares that sum to one, and
# returns the mean of the values, weighted by the shares.
#
# Two details make it work in a language model. The scores are **scaled**: a sum
# of `d_head` products of independent numbers grows like the root of `d_head`,
# and a softmax of large scores is all or nothing. And it is **causal**: position
# `t` sees the positions `0` to `t`, itself included, and nothing later.
#
# **Before you start, predict:** what is the output of position 0?

# %% solution="attention"
def attention(queries, keys, values):
    """Causal scaled dot-product attention.

    queries, keys, values: (batch, heads, time, d_head)
    returns:               (batch, heads, time, d_head)
    """
    ### BEGIN SOLUTION
    time, d_head = queries.shape[-2:]
    scores = queries @ keys.transpose(-2, -1) / d_head**0.5
    is_past = torch.ones(time, time, dtype=torch.bool).tril()
    weights = scores.masked_fill(~is_past, float("-inf")).softmax(dim=-1)
    return weights @ values
    ### END SOLUTION


# %% check="attention" points=3
checks.attention(attention)
### BEGIN HIDDEN TESTS
def _hidden_tests():
    import importlib, math, numpy  # noqa: E401, E402, I001

    importlib.reload(checks).attention(attention)
    for seed, (time, d_head) in enumerate([(7, 6), (2, 32), (9, 1)]):
        numbers = numpy.random.default_rng(seed).normal(size=(3, 2, 3, time, d_head))
        found = attention(*torch.tensor(numbers, dtype=torch.float32)).tolist()
        queries, keys, values = numbers
        for row in range(2):
            for head in range(3):
                for now in range(time):
                    past = keys[row, head, : now + 1]
                    scores = past @ queries[row, head, now] / math.sqrt(d_head)
                    shares = numpy.exp(scores - scores.max())
                    mean = shares @ values[row, head, : now + 1] / shares.sum()
                    gaps = numpy.abs(mean - numpy.array(found[row][head][now]))
                    if not gaps.max() < 1e-4:
                        raise AssertionError(
                            f"wrong at time {time}, d_head {d_head}, position {now}"
                        )


_hidden_tests()
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>Hint</summary>
#
# Write down the shape of every intermediate result. The scores of one head are a
# square: one row for each query, one column for each key. Which entries of the
# square compare a query with a *later* key? They have to be gone before the
# scores become shares.
#
# </details>
# <details><summary>Pseudocode</summary>
#
# 1. scores: every query against every key, divided by the root of the head width
# 2. wherever the column is larger than the row: minus infinity
# 3. shares: softmax along each row
# 4. output: shares times values
#
# </details>
# <details><summary>Where to read</summary>
#
# Vaswani et al., *Attention Is All You Need* (2017), sections 3.2.1 and 3.2.3.
# `llmlab/gpt.py` asks PyTorch's fused kernel for the same numbers.
#
# </details>

# %% [markdown]
# **What you predicted.** Position 0 sees itself alone, so its share is 1 and its output
# is its own value.
#
# **Your attention in a whole model.** Inside the `with` block, a GPT with random
# weights computes its logits with your function. *Will they be equal to the
# library's to the last bit, almost equal, or different?*

# %%
torch.manual_seed(0)
config = GPTConfig(vocab_size=300, context=32, layers=2, heads=2, width=32)
model = GPT(config).eval()
tokens = torch.randint(6, 262, (1, 20))

with torch.no_grad():
    library_logits = model(tokens)
    with checks.your_attention(attention):
        your_logits = model(tokens)

print("almost equal:", torch.allclose(your_logits, library_logits, atol=1e-4))

# %% [markdown] name="instruction_targets" skill="build targets" difficulty=2 minutes=15
# ## 2 · What is learned from a conversation
#
# In phase 2 the model reads a question and learns the answer. It is the loss of
# phase 1 (predict the next token) on fewer positions. Row by row the tokens are
#
# | `<bos>` | `<user>` | Who | sings? | `<assistant>` | Mara | . | `<eos>` | `<pad>` |
# |---|---|---|---|---|---|---|---|---|
#
# and the **target** of a position is the token that has to be predicted there:
# the one that comes next. Learned are the tokens of the answer *and its `<eos>`*,
# or the model would never know when to stop. Everything else (the question, the
# role tokens, the padding) is read but not learned: its target is `IGNORE`.
#
# **Before you start, predict:** at which position is "Mara" the target?

# %% solution="instruction_targets"
def instruction_targets(tokens, prompt_lengths):
    """The target of every position: the next token if it is learned, or IGNORE.

    tokens:         (batch, time) int64; a row is prompt, answer, <eos>, then
                    padding; the prompt may hold earlier turns with their <eos>
    prompt_lengths: (batch,) int64, tokens up to and including <assistant>
    returns:        (batch, time) int64, a new tensor

    The ids have names: IGNORE, Tokenizer.pad_id, Tokenizer.eos_id.
    """
    ### BEGIN SOLUTION
    positions = torch.arange(tokens.shape[1])
    is_response = positions >= prompt_lengths.unsqueeze(1)
    is_learned = is_response & (tokens != Tokenizer.pad_id)
    targets = torch.full_like(tokens, IGNORE)
    targets[:, :-1] = tokens[:, 1:].where(is_learned[:, 1:], IGNORE)
    return targets
    ### END SOLUTION


# %% check="instruction_targets" points=3
checks.instruction_targets(instruction_targets)
### BEGIN HIDDEN TESTS
def _hidden_tests():
    import importlib, random  # noqa: E401, E402, I001

    importlib.reload(checks).instruction_targets(instruction_targets)
    for seed in range(20):
        chance = random.Random(seed)
        rows, lengths, wanted = [], [], []
        for _ in range(3):
            words = [chance.randrange(6, 300) for _ in range(12)]
            question, answer = words[: chance.randrange(7)], words[7:][: seed % 6]
            earlier_turn = chance.choice([[], [5, 80, 2, 4, 81]])
            prompt = [1, 4, *question, *earlier_turn, 5]
            padding = 24 - len(prompt) - len(answer) - 1
            rows.append([*prompt, *answer, 2, *[0] * padding])
            lengths.append(len(prompt))
            before, after = [-100] * (len(prompt) - 1), [-100] * (padding + 1)
            wanted.append([*before, *answer, 2, *after])
        found = instruction_targets(torch.tensor(rows), torch.tensor(lengths)).tolist()
        if found != wanted:
            raise AssertionError(f"wrong targets for the random conversations {seed}")


_hidden_tests()
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>Hint</summary>
#
# Write the row of the table on paper, and under it, one cell to the left, the
# same row again: that is the shift. Now cross out, in the lower row, what is not
# learned. The mask belongs to the *lower* row: it asks what a target is, not
# where it is predicted.
#
# </details>
# <details><summary>Pseudocode</summary>
#
# 1. mark each token that is learned: at or after the end of the prompt, and not
#    padding
# 2. begin with IGNORE everywhere
# 3. each position but the last takes the token after it, if that is marked
#
# </details>
# <details><summary>Where to read</summary>
#
# `llmlab/instruction.py`, `render_example`, and `llmlab/batching.py`, where the
# shift happens. Ouyang et al., *Training language models to follow instructions
# with human feedback* (2022), is where phases 2 and 3 come from.
#
# </details>

# %% [markdown]
# **What you predicted.** At position 4, where `<assistant>` stands: having read that
# token, the model has to say "Mara".

# %% [markdown] name="policy_loss" skill="write a clipped loss" difficulty=4 minutes=25
# ## 3 · One batch, several steps: the clipped loss
#
# Sampling answers is the expensive part of reinforcement learning, so PPO makes
# several gradient steps on the same samples. After the first step the samples no
# longer come from the current policy. The **ratio** of the new probability of a
# token to the old one corrects for that, and the **clip** takes away the reason
# to go on once a token has moved far enough:
#
# $$\text{objective}_t = \min\bigl(\rho_t A_t,\;
# \operatorname{clip}(\rho_t, 1-\epsilon, 1+\epsilon)\,A_t\bigr),
# \qquad \rho_t = \frac{\pi_\text{new}(y_t)}{\pi_\text{old}(y_t)}$$
#
# The minimum makes it pessimistic: a token that moved the *wrong* way is always
# brought back. The loss is minus the mean objective over the real tokens.
#
# **Before you start, predict:** a good token (advantage +1) has become half as
# likely by accident. Does it still learn?

# %% solution="policy_loss"
def policy_loss(log_probs, old_log_probs, advantages, mask, clip):
    """PPO's clipped policy loss, the mean over the real tokens.

    log_probs:     (batch, time) of the policy that learns
    old_log_probs: (batch, time) of the policy that sampled; a constant
    advantages:    (batch, time) how much better than expected; a constant
    mask:          (batch, time) bool, False at padding
    clip:          a number, the half-width of the range around ratio 1
    returns:       () the loss to be made small

    Constants receive no gradient, even if they come with a graph.
    """
    ### BEGIN SOLUTION
    advantages = advantages.detach()
    ratio = torch.exp(log_probs - old_log_probs.detach())
    clipped_ratio = ratio.clamp(1 - clip, 1 + clip)
    objective = torch.minimum(ratio * advantages, clipped_ratio * advantages)
    return -(objective * mask).sum() / mask.sum()
    ### END SOLUTION


# %% check="policy_loss" points=4
checks.policy_loss(policy_loss)
### BEGIN HIDDEN TESTS
def _hidden_tests():
    import importlib, math, numpy  # noqa: E401, E402, I001

    importlib.reload(checks).policy_loss(policy_loss)
    for seed, clip in enumerate([0.05, 0.2, 0.5]):
        numbers = numpy.random.default_rng(seed).normal(size=(3, 4, 6))
        numbers = numbers * [[[0.3]], [[0.3]], [[1.0]]] - [[[2]], [[2]], [[0]]]
        new, old, advantage = numbers
        mask = numpy.arange(6) < numpy.array([[6], [1], [3], [4]])
        arrays = [torch.tensor(x, dtype=torch.float32) for x in (new, old, advantage)]
        found = policy_loss(*arrays, torch.tensor(mask), clip).item()
        total = 0.0
        for row, column in zip(*mask.nonzero(), strict=True):
            ratio = math.exp(new[row, column] - old[row, column])
            clipped = max(1 - clip, min(ratio, 1 + clip))
            gain = advantage[row, column]
            total -= min(ratio * gain, clipped * gain)
        if not abs(found - total / 14) < 1e-4:
            raise AssertionError(f"wrong loss with clip {clip}")


_hidden_tests()
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>Hint</summary>
#
# Make a table of four tokens: good or bad (advantage +1 or -1), ratio 0.5 or 2.
# Two of them have moved the way the advantage wished, and too far: they should
# stop learning. Which of the two objectives has no gradient there, and is it the
# smaller one?
#
# </details>
# <details><summary>Pseudocode</summary>
#
# 1. cut the constants off the graph
# 2. ratio: exponential of the difference of the log-probabilities, new less old
# 3. two objectives: the ratio times the advantage, and the same with the ratio
#    held within the range; keep the smaller, token by token
# 4. minus the sum over real tokens, divided by how many there are
#
# </details>
# <details><summary>Where to read</summary>
#
# Schulman et al., *Proximal Policy Optimization Algorithms* (2017), section 3,
# equation 7 and figure 1. `llmlab/ppo.py` uses it.
#
# </details>

# %% [markdown]
# **What you predicted.** Yes. Of 0.5 and the clipped 0.8 the minimum is 0.5, the one
# that has a gradient: the token is brought back.

# %% [markdown]
# ## When all three checks say "Right"
#
# You have written the heart of a language model, of its manners and of its
# ambition. If you hand this notebook in, restart the kernel and run all cells
# once more: what is graded is the notebook from top to bottom.
