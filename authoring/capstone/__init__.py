"""The capstone: a learner's own experiment, and a report that checks itself.

The handout, the rubric and what a learner starts from lie in `exercises/capstone/`.
"""
