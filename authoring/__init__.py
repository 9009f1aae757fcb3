"""What makes the course: notebooks and exercises from their sources, and grading."""
