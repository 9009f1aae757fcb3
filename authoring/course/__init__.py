"""The learner's working copy of the course: made, brought up to date, opened."""
