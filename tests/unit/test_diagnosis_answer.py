import json

from onward.diagnosis.answer import Answer

ANSWER = Answer("doubt", False, 0.5, 0.01, -0.01, 0.03, "recall gained", "Doubt does not pay.", "One cut.", {"rows": 3})


def test_an_answer_survives_json():
    assert Answer.from_dict(json.loads(json.dumps(ANSWER.to_dict()))) == ANSWER
