"""One small language model, trained through its whole life on a laptop."""
