"""Mistakes people make in the estimate of MinHash, and what the check says."""


def _smallest(phrases, numberings):
    return [min(map(number, phrases)) for number in numberings]


def _agreements(first, second, numberings):
    pairs = zip(
        _smallest(first, numberings), _smallest(second, numberings), strict=True
    )
    return sum(one == other for one, other in pairs)


def phrases_compared(first, second, numberings):
    return len(first & second) / len(first | second)


def shared_part_of_the_smaller(first, second, numberings):
    return len(first & second) / min(len(first), len(second))


def not_divided(first, second, numberings):
    return _agreements(first, second, numberings)


def divided_by_phrases(first, second, numberings):
    return _agreements(first, second, numberings) / len(first)


def differences_counted(first, second, numberings):
    return 1 - _agreements(first, second, numberings) / len(numberings)


def largest_numbers(first, second, numberings):
    agreements = sum(
        max(map(number, first)) == max(map(number, second)) for number in numberings
    )
    return agreements / len(numberings)


def any_numbers_in_common(first, second, numberings):
    """All numbers of the phrases instead of the smallest."""
    agreements = sum(
        bool(set(map(number, first)) & set(map(number, second)))
        for number in numberings
    )
    return agreements / len(numberings)


def closeness_of_numbers(first, second, numberings):
    """As if near numbers spoke of like texts."""
    pairs = zip(
        _smallest(first, numberings), _smallest(second, numberings), strict=True
    )
    return sum(1 / (1 + abs(one - other)) for one, other in pairs) / len(numberings)


def numberings_mixed_up(first, second, numberings):
    ours, theirs = (set(_smallest(texts, numberings)) for texts in (first, second))
    return len(ours & theirs) / len(ours | theirs)


def returned_inside_the_loop(first, second, numberings):
    for number in numberings:
        return float(min(map(number, first)) == min(map(number, second)))


def overwritten_in_the_loop(first, second, numberings):
    for number in numberings:
        estimate = float(min(map(number, first)) == min(map(number, second)))
    return estimate


def one_agreement_is_enough(first, second, numberings):
    return float(_agreements(first, second, numberings) > 0)


def numbers_shortened(first, second, numberings):
    agreements = sum(
        min(number(phrase) % 16 for phrase in first)
        == min(number(phrase) % 16 for phrase in second)
        for number in numberings
    )
    return agreements / len(numberings)


def numberings_used_up(first, second, numberings):
    count, agreements = len(numberings), 0
    while numberings:
        number = numberings.pop()
        agreements += min(map(number, first)) == min(map(number, second))
    return agreements / count


def list_returned(first, second, numberings):
    return [min(map(number, first | second)) for number in numberings]


def nothing_returned(first, second, numberings):
    _agreements(first, second, numberings)


def text_returned(first, second, numberings):
    return str(_agreements(first, second, numberings) / len(numberings))


SAID = {
    phrases_compared: "The numberings do not matter: your result is 0.40",
    shared_part_of_the_smaller: "You compared the phrases themselves",
    any_numbers_in_common: "Your result is 1 under every one of 120",
    not_divided: "With 120 numberings your result is 48",
    divided_by_phrases: "Divide by the number of numberings, not of phrases",
    differences_counted: "Alike are texts that agree",
    largest_numbers: "You compare the largest numbers",
    closeness_of_numbers: "are 2 and 1, the result should be 0; it is 0.50",
    numberings_mixed_up: "a number counts only against that of the same numbering",
    returned_inside_the_loop: "Only the first numbering counts",
    overwritten_in_the_loop: "Only the last numbering counts",
    one_agreement_is_enough: "all 120 together should give 0.40",
    numbers_shortened: "with numbers of 64 bits",
    numberings_used_up: "Your function changes its third input in place",
    list_returned: "Your function returns a list",
    nothing_returned: "Your function returns nothing",
    text_returned: "Your function returns a str",
}
