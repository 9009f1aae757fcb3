"""Several models answer the same message, side by side."""

import html
from collections.abc import Callable, Mapping, Sequence

import traitlets

from llmlab.talking import MessageTooLong
from llmlab.widgets.asking import check_temperature, reason
from llmlab.widgets.page import View, table


class Chat(View):
    """Several models answer the same message, side by side.

    answers : `{name: answer}`, where `answer(message, temperature)` returns a text, as
        `talking.speakers` do.
    examples : messages answered at once, so that there is something to read before
        anybody types; they are also what the static twin shows.
    suggestions : `{skill: message}`, to click: what the models have learned to do.
    about : who is who, a row each, as `village.who_is_who()` gives them; folded.
    temperature : where the slider starts.

    Every message is answered on its own; the models remember no earlier one.
    """

    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    exchanges = traitlets.List().tag(sync=True)
    given = traitlets.Int(0).tag(sync=True)  # exchanges that nobody had to ask for
    suggestions = traitlets.Dict().tag(sync=True)
    about = traitlets.List().tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)
    refused = traitlets.Dict().tag(sync=True)  # the last message, and why not

    def __init__(
        self,
        answers: Mapping[str, Callable[[str, float], str]],
        *,
        examples: Sequence[str] = (),
        suggestions: Mapping[str, str] | None = None,
        about: Sequence[Mapping[str, str]] = (),
        temperature: float = 1.0,
    ):
        if not answers:
            raise ValueError("no models to talk to; expected {name: answer function}")
        super().__init__(
            names=list(answers),
            suggestions=dict(suggestions or {}),
            about=list(map(dict, about)),
            temperature=check_temperature(temperature),
        )
        self._answers = dict(answers)
        for message in examples:
            self.ask(message)
        self._examples, self.given = list(self.exchanges), len(self.exchanges)

    def ask(self, message: str, temperature: float | None = None) -> dict[str, str]:
        """What each model answers, as {name: text}; the view shows it too.

        An exception of an answer function is raised, so that a run without a person
        cannot pass over it. In the view a person reads it as a sentence instead.
        """
        temperature = self.temperature if temperature is None else temperature
        temperature = check_temperature(temperature)
        if not message.strip():
            raise ValueError("the message is empty; write a word or more")
        answers = {
            name: answer(message, temperature) for name, answer in self._answers.items()
        }
        self.exchanges = [*self.exchanges, _exchange(message, temperature, answers)]
        return answers

    def receive(self, content: dict) -> None:
        message, temperature = content["message"], float(content["temperature"])
        before, answers = self.exchanges, {}
        try:
            for name, answer in self._answers.items():
                self.status, self.refused = f"{name} is answering…", {}
                answers[name] = _answer_or_sentence(name, answer, message, temperature)
                self.exchanges = [*before, _exchange(message, temperature, answers)]
        except MessageTooLong as error:  # for one of them, so for all
            self.exchanges = before
            self.refused = {"message": message, "why": str(error)}
        finally:
            self.status = ""

    def static_html(self) -> str:
        if not self._examples:
            names = html.escape(", ".join(self.names))
            return f"<p>Run this cell to talk to {names}.</p>"
        return "".join(
            table(
                f"Answered at temperature {exchange['temperature']:.1f}",
                ["you", exchange["message"]],
                exchange["answers"].items(),
            )
            for exchange in self._examples
        )

    def __repr__(self) -> str:
        return f"Chat({', '.join(self.names)})"


def _exchange(message: str, temperature: float, answers: Mapping[str, str]) -> dict:
    return {"message": message, "temperature": temperature, "answers": dict(answers)}


def _answer_or_sentence(
    name: str, answer: Callable[[str, float], str], message: str, temperature: float
) -> str:
    try:
        return answer(message, temperature)
    except MessageTooLong:
        raise
    except Exception as error:
        return f"{name} could not answer: {reason(error)}."
