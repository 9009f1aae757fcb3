"""One file an exercise: card, task, solution, cases, mistakes, right answers, hints."""
