"""What was asked of one version is answered by its successor before that takes over.

Otherwise every question would be new to it at once, and the first seconds after a swap would be spent scoring.
"""

import time

from onward.errors import OnwardError
from onward.serving.encoded_answer import EncodedAnswer
from onward.serving.loaded_version import LoadedVersion
from onward.serving.new_products import Subject
from onward.serving.related_answers import RelatedQuestion, related

_MOST_QUESTIONS = 4000
_MOST_SECONDS = 10.0


def answer_ahead(successor: LoadedVersion, before: LoadedVersion, seconds: float = _MOST_SECONDS) -> int:
    """Answer questions about lists that a version remembers, the last one asked first.

    Args:
        successor: answers and remembers.
        before: whose questions they are.
        seconds: after which the rest is left to those who ask.

    Returns:
        How many were answered.
    """
    deadline = time.monotonic() + seconds
    questions = [key for key in before.answers.keys() if isinstance(key[0], RelatedQuestion)]  # noqa: SIM118 - no mapping
    answered = 0
    for question, subject in questions[:_MOST_QUESTIONS]:
        if time.monotonic() > deadline:
            break
        answered += _answered(successor, question, subject)
    return answered


def _answered(successor: LoadedVersion, question: RelatedQuestion, subject: Subject) -> bool:
    place = successor.place(subject.product_id)
    if place is None:
        return False
    # Its inside number, name and category may be others than before.
    mine = Subject(subject.product_id, successor.catalogue[0][place], successor.categories[place], place, added=False)
    try:
        answer = EncodedAnswer.of(related(successor, mine, question))
    except OnwardError:
        # As a weight that this version cannot order by: who asks is told.
        return False
    successor.answers.put((question, mine), answer, answer.size)
    return True
