"""Grading: submissions are found, run apart, judged here, and entered into a table.

submissions   who handed in what, whatever it is called
notebooks     the code cells of one file, however broken it is
worker        the process beside a learner's code; it knows no right answer
processes     starting, asking and ending such a process; the sandbox
verdicts      one submission from its cells to its rows
table         grades.csv: merged, never lost; classes and other formats
feedback      what learners and the instructor read
"""
