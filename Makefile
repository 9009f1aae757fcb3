# Every task is in tasks.py, which runs the same way without make:
#   python tasks.py test -- -k gpt     is     make test ARGS="-k gpt"
PYTHON ?= python3
TASKS := setup lab test tour doctor bench notebooks check-notebooks \
	sync-notebooks exercises lock clean

.PHONY: help $(TASKS)

help:
	@$(PYTHON) tasks.py --help

$(TASKS):
	@$(PYTHON) tasks.py $@ $(ARGS)
