"""Several models answer the same message, side by side, and remember what was said."""

import html
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import Event, Thread

import traitlets

from llmlab.instruction import Turns
from llmlab.talking import TURNS, MessageTooLong, Speaker, Word
from llmlab.widgets.asking import check_temperature, reason
from llmlab.widgets.page import View, table

PAUSE = 0.03
"""Seconds between two deliveries to the browser; the server drops a flood of them."""


class Chat(View):
    """Several models answer the same message, side by side, word by word.

    answers : `{name: answer}`; an `answer` is a `talking.Speaker`, which is told of
        earlier turns, or any `answer(message, temperature)` that returns a text.
    examples : messages answered at once, each on its own, so that there is something to
        read before anybody types; they are also what the static twin shows.
    suggestions : `{skill: message}`, to click: what the models have learned to do.
    about : who is who, a row each, as `village.who_is_who()` gives them; folded.
    temperature : where the slider starts.
    turns : how many of a model's own earlier turns it is told with each message.
    """

    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    exchanges = traitlets.List().tag(sync=True)
    given = traitlets.Int(0).tag(sync=True)  # exchanges that nobody had to ask for
    suggestions = traitlets.Dict().tag(sync=True)
    about = traitlets.List().tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    turns = traitlets.Int(TURNS).tag(sync=True)
    conversation = traitlets.Int(0).tag(sync=True)  # of the next message
    live = traitlets.Dict().tag(sync=True)  # the exchange that is being written
    refused = traitlets.Dict().tag(sync=True)  # the last message, and why not

    def __init__(
        self,
        answers: Mapping[str, Callable[[str, float], str]],
        *,
        examples: Sequence[str] = (),
        suggestions: Mapping[str, str] | None = None,
        about: Sequence[Mapping[str, str]] = (),
        temperature: float = 1.0,
        turns: int = TURNS,
    ):
        if not answers:
            raise ValueError("no models to talk to; expected {name: answer function}")
        if turns < 0:
            raise ValueError(f"turns is {turns}; expected 0 or more")
        super().__init__(
            names=list(answers),
            suggestions=dict(suggestions or {}),
            about=list(map(dict, about)),
            temperature=check_temperature(temperature),
            turns=turns,
        )
        self._answers = dict(answers)
        self._stop, self._writer = Event(), None
        for message in examples:
            self.ask(message)
            self.conversation += 1
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
        self.wait()
        begun = self._begun(message, temperature)
        self._keep(begun, {name: list(self._words(name, begun)) for name in self.names})
        return self.exchanges[-1]["answers"]

    def wait(self) -> None:
        """Return when nobody is answering any more."""
        if self._writer is not None:
            self._writer.join()

    def receive(self, content: dict) -> None:
        if content["type"] == "stop":
            self._stop.set()
        elif content["type"] == "new":
            self.conversation += 1
        else:
            # In a thread, so that the kernel hears "stop", and runs cells meanwhile.
            self._stop = Event()
            work = self._writer, self._stop, content
            self._writer = Thread(target=self._write, args=work, daemon=True)
            self._writer.start()

    def _write(self, earlier: Thread | None, stop: Event, content: dict) -> None:
        if earlier is not None:
            earlier.join()
        begun = self._begun(content.get("message"), float(content["temperature"]))
        self.refused, self.live = {}, begun | {"number": content.get("number")}
        streams = {
            name: _or_sentence(name, self._words(name, begun)) for name in self.names
        }
        try:
            self._keep(begun, self._deliver(streams, stop))
        except MessageTooLong as error:  # for one of them, so for all
            self.refused = {"message": begun["message"], "why": str(error)}
        finally:
            self.live = {}

    def _begun(self, message: str | None, temperature: float) -> dict:
        """An exchange to be answered; without a message, the last one again."""
        if message is None:
            return self.exchanges[-1] | {"temperature": temperature}
        place = {"conversation": self.conversation, "at": len(self.exchanges)}
        return {"message": message, "temperature": temperature, **place}

    def _words(self, name: str, begun: dict) -> Iterator[Word]:
        answer, asked = self._answers[name], (begun["message"], begun["temperature"])
        if isinstance(answer, Speaker):
            yield from answer.stream(*asked, self._turns(name, begun))
        else:
            yield Word(answer(*asked))

    def _turns(self, name: str, begun: dict) -> Turns:
        """The latest turns with one model in the conversation; remarks are no turn."""
        turns = [
            (exchange["message"], said)
            for exchange in self.exchanges[: begun["at"]]
            if exchange["conversation"] == begun["conversation"]
            if (said := _text(word for word in exchange["words"][name] if word[1]))
        ]
        return turns[max(0, len(turns) - self.turns) :]

    def _deliver(
        self, streams: dict[str, Iterator[Word]], stop: Event
    ) -> dict[str, list[Word]]:
        """Let all of them write in turn, and send what they write on its way."""
        said, unsent, due = {name: [] for name in streams}, {}, 0.0
        for name, word in _in_turn(streams):
            if stop.is_set():
                break
            said[name].append(word)
            unsent.setdefault(name, []).append(word)
            if time.monotonic() >= due:
                self.send({"number": self.live["number"], "words": unsent})
                unsent, due = {}, time.monotonic() + PAUSE
        for name in streams:  # who has not ended was stopped
            said[name].append(Word(" … (stopped)"))
        return said

    def _keep(self, begun: dict, said: Mapping[str, Sequence[Word]]) -> None:
        answers = {name: _text(words) for name, words in said.items()}
        exchange = begun | {"answers": answers, "words": said}
        self.exchanges = [*self.exchanges[: begun["at"]], exchange]

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


def _text(words: Iterable[Word]) -> str:
    return "".join(text for text, _ in words)


def _in_turn(streams: dict[str, Iterator[Word]]) -> Iterator[tuple[str, Word]]:
    """A word of each, again and again; who has ended leaves `streams`."""
    while streams:
        for name, words in list(streams.items()):
            word = next(words, None)
            if word is None:
                del streams[name]
            else:
                yield name, word


def _or_sentence(name: str, words: Iterable[Word]) -> Iterator[Word]:
    try:
        yield from words
    except MessageTooLong:
        raise
    except Exception as error:
        yield Word(f"{name} could not answer: {reason(error)}.")
