"""Mistakes people make in one merge of byte-pair encoding, and what the check says."""

from itertools import pairwise


def pairs_that_overlap(ids, pair, new_id):
    starts = {place for place, found in enumerate(pairwise(ids)) if found == pair}
    return [
        new_id if place in starts else token
        for place, token in enumerate(ids)
        if place in starts or place - 1 not in starts
    ]


def from_the_right(ids, pair, new_id):
    merged, place = list(ids), len(ids) - 2
    while place >= 0:
        if tuple(merged[place : place + 2]) == pair:
            merged[place : place + 2] = [new_id]
            place -= 1
        place -= 1
    return merged


def only_the_first(ids, pair, new_id):
    for place, found in enumerate(pairwise(ids)):
        if found == pair:
            return [*ids[:place], new_id, *ids[place + 2 :]]
    return list(ids)


def last_pair_missed(ids, pair, new_id):
    merged, place = [], 0
    while place < len(ids):
        if place < len(ids) - 2 and tuple(ids[place : place + 2]) == pair:
            merged.append(new_id)
            place += 1
        else:
            merged.append(ids[place])
        place += 1
    return merged


def second_half_kept(ids, pair, new_id):
    merged = []
    for place, token in enumerate(ids):
        found = tuple(ids[place : place + 2]) == pair
        merged.append(new_id if found else token)
    return merged


def first_half_kept(ids, pair, new_id):
    merged = []
    for place, token in enumerate(ids):
        found = place > 0 and (ids[place - 1], token) == pair
        merged.append(new_id if found else token)
    return merged


def last_token_lost(ids, pair, new_id):
    merged, place = [], 0
    while place < len(ids) - 1:
        if (ids[place], ids[place + 1]) == pair:
            merged.append(new_id)
            place += 1
        else:
            merged.append(ids[place])
        place += 1
    return merged


def either_order(ids, pair, new_id):
    merged, place = [], 0
    while place < len(ids):
        if sorted(ids[place : place + 2]) == sorted(pair):
            merged.append(new_id)
            place += 1
        else:
            merged.append(ids[place])
        place += 1
    return merged


def digits_replaced(ids, pair, new_id):
    text = " ".join(map(str, ids)).replace(f"{pair[0]} {pair[1]}", str(new_id))
    return [int(word) for word in text.split()]


def not_neighbours(ids, pair, new_id):
    left, right = pair
    if left in ids and right in ids[ids.index(left) + 1 :]:
        first = ids.index(left)
        second = ids.index(right, first + 1)
        return [*ids[:first], new_id, *ids[first + 1 : second], *ids[second + 1 :]]
    return list(ids)


def end_marked(ids, pair, new_id):
    merged = only_the_first(ids, pair, new_id)
    return merged or [0]


def pair_not_recognised(ids, pair, new_id):
    """A slice of a list is a list, which never equals a tuple."""
    merged, place = [], 0
    while place < len(ids):
        found = ids[place : place + 2] == pair
        merged.append(new_id if found else ids[place])
        place += 2 if found else 1
    return merged


def two_behind_the_new_token(ids, pair, new_id):
    """Goes three on after a merge and loses what stands between."""
    merged, place = [], 0
    while place < len(ids):
        found = tuple(ids[place : place + 2]) == pair
        merged.append(new_id if found else ids[place])
        place += 3 if found else 1
    return merged


def run_swallowed(ids, pair, new_id):
    merged = []
    for token in ids:
        if merged and token == pair[1] and merged[-1] == pair[0]:
            merged[-1] = new_id
        elif not (pair[0] == pair[1] == token and merged and merged[-1] == new_id):
            merged.append(token)
    return merged


def runs_left_alone(ids, pair, new_id):
    if pair[0] == pair[1]:
        return list(ids)
    return from_the_right(ids, pair, new_id)


def no_two_in_a_row(ids, pair, new_id):
    merged, place = [], 0
    while place < len(ids):
        found = tuple(ids[place : place + 2]) == pair
        if found and merged[-1:] != [new_id]:
            merged.append(new_id)
            place += 2
        else:
            merged.append(ids[place])
            place += 1
    return merged


def changed_in_place(ids, pair, new_id):
    place = 0
    while place < len(ids) - 1:
        if (ids[place], ids[place + 1]) == pair:
            ids[place : place + 2] = [new_id]
        place += 1
    return ids


def tuple_returned(ids, pair, new_id):
    return tuple(from_the_right(ids, pair, new_id))


def nothing_returned(ids, pair, new_id):
    from_the_right(ids, pair, new_id)


def compared_as_objects(ids, pair, new_id):
    merged, place = [], 0
    while place < len(ids):
        after = ids[place + 1] if place + 1 < len(ids) else None
        if ids[place] is pair[0] and after is pair[1]:
            merged.append(new_id)
            place += 2
        else:
            merged.append(ids[place])
            place += 1
    return merged


def new_id_written_as_a_number(ids, pair, new_id):
    merged = []
    for token in ids:
        merged.append(token)
        if tuple(merged[-2:]) == pair:
            merged[-2:] = [300]
    return merged


def input_handed_back(ids, pair, new_id):
    if pair not in zip(ids, ids[1:], strict=False):
        return ids
    return _merge_right(ids, pair, new_id)


def _merge_right(ids, pair, new_id):
    merged, place = [], 0
    while place < len(ids):
        is_pair = tuple(ids[place : place + 2]) == pair
        merged.append(new_id if is_pair else ids[place])
        place += 1 + is_pair
    return merged


SAID = {
    pairs_that_overlap: "A token was used twice",
    from_the_right: "A run of three was merged from the right",
    only_the_first: "Only the first pair was merged",
    last_pair_missed: "The pair at the very end of the list was not merged",
    second_half_kept: "The second half of each pair is still there",
    first_half_kept: "The first half of each pair is still there",
    last_token_lost: "the last token of a list is kept",
    either_order: "the order of the two tokens counts",
    digits_replaced: "not strings of digits",
    not_neighbours: "only neighbours are merged",
    end_marked: "An empty list should stay empty",
    pair_not_recognised: "Nothing was merged",
    two_behind_the_new_token: "with the pair 1, 2 should become [5, 300, 7, 300, 8",
    run_swallowed: "the third token was swallowed",
    runs_left_alone: "should become [300, 1]; it is [1, 1, 1]",
    no_two_in_a_row: "with the pair 1, 2 should become",
    changed_in_place: "Your function changes its first input in place",
    tuple_returned: "Your function returns a tuple",
    nothing_returned: "Your function returns nothing",
    compared_as_objects: "compare their values",
    new_id_written_as_a_number: "the new id 2002 should become",
    input_handed_back: "your function hands its input back",
}
