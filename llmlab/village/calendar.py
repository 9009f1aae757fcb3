"""When things happen in the village, and in what weather."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from llmlab.village import frames, world

FILE = "calendar.toml"


@dataclass(frozen=True)
class Calendar:
    days: tuple[str, ...]
    hours: dict[str, tuple]  # by time of the day
    signs: dict[str, tuple]  # by weather


@cache
def calendar() -> Calendar:
    """Days, times and weathers, read once and checked."""
    times, weathers = world.section(FILE, "times"), world.section(FILE, "weathers")
    days = world.whole(FILE).frames("days")
    return Calendar(days, times.all_frames(), weathers.all_frames())


@cache
def time_slots(day: str, time: str, weather: str) -> dict[str, Any]:
    """{day} {day.after} {time} {weather} {a_weather}; drawn anew each time: {hour}, one
    that fits the time of the day, and {weather.sign}, what one notices of the
    weather, without its end."""
    days = calendar().days
    slots = {
        "day": day,
        "day.after": days[(days.index(day) + 1) % len(days)],
        "time": time,
        "hour": frames.Choice(calendar().hours[time]),
        "weather": weather,
        "a_weather": world.with_article(weather),
        "weather.sign": frames.Choice(calendar().signs[weather]),
    }
    return world.with_capitals(slots)
