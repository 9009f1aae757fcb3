"""The tour's page: everything measured is on it, and nothing can run from it."""

import copy
import math
from html.parser import HTMLParser

import pytest

from llmlab.report import bars, render_report, write_report


def falling(start: float, end: float, steps: int) -> list[dict]:
    return [
        {"step": step, "loss": end + (start - end) * math.exp(-6 * step / steps)}
        for step in range(steps)
    ]


def ppo_history(updates: int) -> list[dict]:
    return [
        {
            "step": update,
            "score": 1.9 - 2 * math.exp(-update / 15) + 0.1 * math.sin(3 * update),
            "kl": 0.4 * update**0.5,
            "entropy": 1.1 - 0.006 * update,
            "clip_fraction": 0.06 + 0.02 * math.sin(2 * update),
            "length": 34 + 2 * math.sin(1.7 * update),
        }
        for update in range(updates)
    ]


def stage(name, parent, steps, seconds, history, **metrics) -> dict:
    return {
        "name": name,
        "parent": parent,
        "parent_hash": f"{parent}-5d1f0c2a9b3e",
        "hash": f"{name}-5d1f0c2a9b3e",
        "steps": steps,
        "tokens": 4096 * steps,
        "seconds": seconds,
        "peak_memory_bytes": 912_000_000,
        "metrics": metrics,
        "history": history,
    }


def example_report() -> dict:
    return {
        "version": 3,
        "seed": 0,
        "machine": {"processor": "a laptop", "cores": 2, "threads": 2},
        "entropy_line": 1.18,
        "stages": [
            stage("masked", "random", 300, 61.0, falling(7.6, 2.1, 300), loss=2.1),
            stage("base", "random", 600, 182.4, falling(7.6, 1.37, 600), loss=1.371),
            stage("instruct", "base", 200, 55.2, falling(2.9, 0.4, 200), right=0.86),
            stage("reward", "instruct", 120, 31.7, falling(0.69, 0.52, 120)),
            stage("ppo", "instruct", 60, 97.5, ppo_history(60), kl=3.1),
        ],
        "metrics": {
            "base_excess_nats": 0.051,
            "base_validation_loss": 0.72,
            "validation_loss": 1.65,
            "translate_new_combination_right": 0.97,
            "translate_new_cell_right": 0.6,
            "translate_new_frame_right": 0.05,
            "summarise_recalled": 0.99,
            "summarise_invented": 0.01,
            "support_right": 0.79,
            "support_own_wording_right": 0.9,
            "refused": 0.92,
            "falsely_refused": 0.02,
            "question_known_wording_right": 0.96,
            "question_new_wording_right": 0.8,
            "question_backwards_right": 0.22,
            "question_two_steps_right": 0.3,
            "question_two_steps_said_first_right": 0.9,
            "story_form_right": 0.99,
            "story_clean": 0.55,
            "ended": 0.995,
            "reward_agreement_tellings": 0.732,
            "reward_ceiling_tellings": 0.745,
            "reward_agreement_own": 0.7,
            "reward_ceiling_own": 0.73,
            "reward_found_least_paid": 0.9,
            "reward_found_least": 0.5,
            "ppo_win_rate": 0.86,
            "ppo_win_rate_low": 0.8,
            "ppo_win_rate_high": 0.91,
            "ppo_kl": 3.1,
            "ppo_win_rate_cool": 0.9,
            "ppo_win_rate_cool_low": 0.86,
            "ppo_win_rate_cool_high": 0.93,
            "ppo_kl_cool": 8.2,
            "ppo_consistent_of_parent": 0.41,
            "ppo_consistent": 0.45,
            "ppo_additions_of_parent": 1.0,
            "ppo_additions": 2.5,
            "ppo_favourites_of_parent": 0.6,
            "ppo_favourites": 0.62,
            "ppo_distinct_of_parent": 0.8,
            "ppo_distinct": 0.79,
            "ppo_change_worst": -0.01,
            "ppo_explained_variance_first": 0.1,
            "ppo_explained_variance_last": 0.5,
            "ppo_training_seconds": 150.0,
        },
        "strips": {
            "instruct": [["beat", "beat", "contradiction"], ["beat", "simile"]],
            "ppo": [["beat", "simile", "line"], ["beat", "twist", "beat"]],
        },
        "sample_temperature": 0.7,
        "samples": [
            {
                "prompt": "Tell a story about a gull and a lantern.",
                "answers": {
                    "base": "the gull . on Tuesday the harbour the",
                    "instruct": "A gull sat on the wall. The lantern was lit at dusk.",
                    "ppo": "The gull stole the lantern's flame, and for one night "
                    "the whole harbour dreamed in amber.",
                },
            },
            {
                "prompt": "Translate into French: the boat is blue.",
                "answers": {
                    "base": "",
                    "instruct": "le bateau est bleu.",
                    "ppo": "le bateau est bleu.",
                },
            },
        ],
    }


def report_without_curves() -> dict:
    """Quicker to draw, for what the curves do not matter to."""
    report = example_report()
    for stage_report in report["stages"]:
        stage_report["history"] = []
    return report


class Page(HTMLParser):
    """The tags of a page with their attributes, and its visible text."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render_report(example_report()))


def test_every_stage_every_answer_and_every_promise_is_on_the_page(page):
    report = example_report()
    for stage_report in report["stages"]:
        assert stage_report["name"] in page.text
        assert stage_report["hash"][:12] in page.text
    for sample in report["samples"]:
        for text in (sample["prompt"], *sample["answers"].values()):
            assert text in page.text
    for bar in bars(report):
        assert bar.measured in page.text and bar.verdict in page.text


def test_the_page_holds_all_that_it_shows_and_asks_for_nothing(page):
    sources = [value for _, attributes in page.tags for value in _addresses(attributes)]
    assert sources
    assert all(source.startswith(("data:image/png;base64,", "#")) for source in sources)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}


def _addresses(attributes: dict) -> list[str]:
    return [attributes[name] for name in ("src", "href") if name in attributes]


def test_what_a_model_wrote_is_shown_as_text_and_never_run():
    attack = "<script>alert(1)</script><img src=x onerror='alert(2)'>\" onload=\"x"
    report = report_without_curves()
    report["samples"] = [{"prompt": attack, "answers": {attack: attack}}]
    report["stages"][0]["name"] = attack
    report["stages"][0]["metrics"] = {attack: attack}
    report["machine"] = {attack: attack}
    page = Page(render_report(report))
    assert "script" not in {tag for tag, _ in page.tags}
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert not any("onload" in attributes for _, attributes in page.tags)
    assert page.text.count(attack) >= 6


def test_every_picture_has_words_and_headings_never_skip_a_level(page):
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 7
    assert any("simile" in image["alt"] for image in images)
    assert all(len(image["alt"]) > 20 for image in images)
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(
        below <= above + 1 for above, below in zip(levels, levels[1:], strict=False)
    )


@pytest.mark.parametrize(
    ("name", "just_enough", "too_little"),
    [
        ("base_excess_nats", 0.06, 0.0601),
        ("translate_new_combination_right", 0.97, 0.9699),
        ("translate_new_cell_right", 0.5, 0.4999),
        ("summarise_recalled", 0.97, 0.9699),
        ("summarise_invented", 0.03, 0.0301),
        ("support_right", 0.93, 0.9299),
        ("support_own_wording_right", 0.88, 0.8799),
        ("refused", 0.9, 0.8999),
        ("falsely_refused", 0.03, 0.0301),
        ("question_known_wording_right", 0.95, 0.9499),
        ("question_new_wording_right", 0.75, 0.7499),
        ("story_form_right", 0.98, 0.9799),
        ("story_clean", 0.5, 0.4999),
        ("ended", 0.99, 0.9899),
        ("validation_loss", 0.87, 0.8701),
        ("reward_agreement_tellings", 0.78, 0.7799),
        ("reward_agreement_own", 0.71, 0.7099),
        ("reward_found_least_paid", 0.85, 0.8499),
        ("ppo_win_rate", 0.85, 0.8499),
        ("ppo_win_rate_low", 0.751, 0.75),
        ("ppo_kl", 8.0, 8.01),
        ("ppo_additions", 1.8, 1.79),
        ("ppo_consistent", 0.41, 0.4099),
        ("ppo_favourites", 0.65, 0.6501),
        ("ppo_distinct", 0.76, 0.7599),
        ("ppo_change_worst", -0.02, -0.0201),
        ("ppo_explained_variance_first", 0.05, 0.0499),
        ("ppo_explained_variance_last", 0.4, 0.3999),
        ("ppo_training_seconds", 180.0, 180.1),
    ],
)
def test_a_promise_is_kept_exactly_up_to_its_bar(name, just_enough, too_little):
    report = example_report()
    report["metrics"] |= {"support_right": 0.95, "reward_ceiling_tellings": 0.8}
    report["metrics"] |= {"validation_loss": 0.8, "base_validation_loss": 0.72}
    report["metrics"] |= {"reward_ceiling_own": 0.75, "reward_agreement_own": 0.72}
    report["metrics"]["reward_agreement_tellings"] = 0.79
    report["metrics"][name] = just_enough
    assert not any(bar.met is False for bar in bars(report))
    report["metrics"][name] = too_little
    assert [bar.met for bar in bars(report)].count(False) == 1


def test_time_and_memory_are_promises_too():
    report = example_report()
    report["stages"][0]["seconds"] = 901.0
    report["stages"][1]["peak_memory_bytes"] = 3_000_000_000
    judged = {bar.what: bar.met for bar in bars(report)}
    assert judged["The whole life, from random weights"] is False
    assert judged["Peak memory"] is False


def test_a_limit_that_was_not_promised_is_told_and_not_judged():
    told = {bar.what: bar for bar in bars(example_report()) if not bar.wanted}
    french = told["Instruct: French, frames never shown"]
    assert (french.measured, french.met) == ("5%", None)
    assert french.verdict == "· told"


def test_what_tuning_forgot_is_the_rise_over_the_base_model():
    told = {bar.what: bar for bar in bars(example_report())}
    forgot = told["Instruct: what tuning forgot of the village's pages"]
    assert forgot.measured == "+0.93 nats per token"


def test_a_share_stands_beside_the_divergence_of_the_same_stories():
    warm, cool = (bar for bar in bars(example_report()) if "wins" in bar.measured)
    assert "86%" in warm.measured and "3.1 nats" in warm.measured
    assert "90%" in cool.measured and "8.2 nats" in cool.measured


def test_what_was_not_measured_is_said_not_judged():
    report = report_without_curves()
    report["metrics"] = {}
    unknown = [bar for bar in bars(report) if bar.verdict == "– not measured"]
    assert len(unknown) == len(bars(report)) - 2  # time and memory are always known
    assert "not measured" in Page(render_report(report)).text


def test_the_page_is_written_whole_and_the_same_report_gives_the_same_bytes(tmp_path):
    report = example_report()
    report["stages"] = report["stages"][:2]
    write_report(report, tmp_path / "one" / "report.html")
    write_report(report, tmp_path / "two.html")
    one = (tmp_path / "one" / "report.html").read_bytes()
    assert one == (tmp_path / "two.html").read_bytes()
    assert one.endswith(b"</html>\n")


@pytest.mark.parametrize("lost", ["seed", "machine", "stages", "metrics", "samples"])
def test_a_report_that_lacks_something_is_refused_with_its_name(lost, tmp_path):
    report = copy.deepcopy(example_report())
    del report[lost]
    with pytest.raises(ValueError, match=f"lacks {lost}; expected"):
        write_report(report, tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_a_stage_without_its_history_and_another_version_are_refused():
    report = example_report()
    del report["stages"][2]["history"]
    with pytest.raises(ValueError, match="history of stage 3"):
        render_report(report)
    with pytest.raises(ValueError, match="version 1; expected 3"):
        render_report(example_report() | {"version": 1})
