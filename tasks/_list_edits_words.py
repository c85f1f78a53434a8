"""The English of list_edits: phrasings of each operation, contexts and connectives."""

PHRASINGS: dict[str, tuple[str, ...]] = {
    "reverse": (
        "reverse the list",
        "put the numbers in reverse order",
        "flip the list around",
        "write the numbers from last to first",
        "turn the whole row back to front",
        "read the digits backwards",
    ),
    "sort_up": (
        "sort the list from low to high",
        "arrange the numbers in rising order",
        "put the smallest numbers first",
        "order the digits from small to large",
        "line the values up in ascending order",
        "rank everything from lowest to highest",
    ),
    "sort_down": (
        "sort the list from high to low",
        "arrange the numbers in falling order",
        "put the largest numbers first",
        "order the digits from large to small",
        "line the values up in descending order",
        "rank everything from highest to lowest",
    ),
    "add_one": (
        "add one to every number",
        "raise each number by one",
        "increase all the digits by one",
        "make every value one bigger",
        "count each digit up by a single step",
        "bump everything up by one",
    ),
    "double": (
        "double every number",
        "multiply each number by two",
        "make all the digits twice as big",
        "add each number to itself",
        "replace every value by its double",
        "scale everything up by two",
    ),
    "nines": (
        "subtract every number from nine",
        "replace each number by nine minus it",
        "take all the digits away from nine",
        "write how far each number is below nine",
        "swap every value for what it lacks to nine",
        "turn everything into its distance from nine",
    ),
    "drop_first": (
        "drop the first number",
        "remove the number at the start",
        "delete the leading digit",
        "leave out the first entry",
        "cut off the front value",
        "throw away whatever comes first",
    ),
    "drop_last": (
        "drop the last number",
        "remove the number at the end",
        "delete the final digit",
        "leave out the last entry",
        "cut off the back value",
        "throw away whatever comes last",
    ),
    "swap_ends": (
        "swap the first and last numbers",
        "exchange the two end numbers",
        "trade the first digit with the last digit",
        "let the two outer entries change places",
        "switch the front value and the back value",
        "interchange both ends of the row",
    ),
    "rotate": (
        "move the first number to the end",
        "rotate the list left by one place",
        "shift the leading digit to the back",
        "send the first entry to the last place",
        "carry the front value round to the rear",
        "push whatever comes first behind all the others",
    ),
    "repeat_last": (
        "repeat the last number",
        "write the last number twice",
        "add another copy of the final digit",
        "copy the last entry once more",
        "duplicate the back value",
        "say whatever comes last a second time",
    ),
    "repeat_first": (
        "repeat the first number",
        "write the first number twice",
        "add another copy of the leading digit",
        "copy the first entry once more",
        "duplicate the front value",
        "say whatever comes first a second time",
    ),
}
"""Six ways to say each operation; the first four are seen, the last two unseen."""

CONTEXTS: tuple[tuple[str, str], ...] = (
    ("at the bakery,", "for these bread prices"),
    ("a shopkeeper checks the till. please", ""),
    ("on the bus route,", "for the stops"),
    ("for the game score sheet,", ""),
    ("the gardener counted seeds in pots. now", "for the tally"),
    ("in the library,", "using these shelf numbers"),
    ("", "and give the new list"),
    ("our teacher has a puzzle for the class:", ""),
    ("the train guard needs help. kindly", ""),
    ("in the kitchen,", "with the spoon counts"),
    ("here is a small exercise:", ""),
    ("for the weather diary,", "for this week"),
    ("a nurse keeps a chart of daily doses. please", ""),
    ("", "before the match begins"),
    ("at the post office,", "for the parcel codes"),
    ("my brother collects stamps:", "to label the album"),
    ("the farmer has egg counts for us. please", ""),
    ("at the harbour,", "for the boats in the dock"),
    ("a musician marks beats on paper. now", ""),
    ("for the museum ticket desk,", "from this morning"),
    ("", "as the pilot asked over the radio"),
    ("during the chess club evening,", ""),
    ("a painter mixes colours by code. kindly", "on the canvas"),
    ("up on the mountain trail,", "for the hut log"),
)
"""What stands before and after the instruction; the first sixteen are seen, the last eight unseen."""

JOINS: tuple[str, ...] = (
    ", then ",
    ", and then ",
    ", and after that ",
    ", next ",
    ". when done, ",
    ", followed by this: ",
)
"""How one instruction leads to the next; all are seen."""

SEEN_PHRASINGS: tuple[int, ...] = (0, 1, 2, 3)
UNSEEN_PHRASINGS: tuple[int, ...] = (4, 5)
SEEN_CONTEXTS: tuple[int, ...] = tuple(range(16))
UNSEEN_CONTEXTS: tuple[int, ...] = tuple(range(16, len(CONTEXTS)))
