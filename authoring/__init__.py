"""What makes the course: its pages, a learner's own copy of them, and grading."""
