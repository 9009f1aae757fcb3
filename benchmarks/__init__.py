"""How fast is it? Ratios, each measured in one run on one machine: `make bench`."""
