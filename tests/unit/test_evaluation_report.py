import dataclasses
import json
import re
from html.parser import HTMLParser

import pytest

from builders.report_texts import TACOS, WAYS, content, decision, texts
from onward.reporting.report_files import REPORT_FILES
from onward.reporting.run_report import ReportContent, parse_rows, render_report
from onward.reporting.wording import describe_gain, row_accounts

VOID = {"meta", "br", "img", "link", "input", "hr", "col"}


def words_of(page):
    parser = Structure()
    parser.feed(page)
    # Thin spaces within numbers stay.
    return re.sub(r"[ \n]+", " ", " ".join(parser.words))


@pytest.fixture(scope="module")
def page():
    return render_report(content())


class Structure(HTMLParser):
    """Tags that stand open, every id and every attribute value."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.values, self.words = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        self.values += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def structure(page):
    parser = Structure()
    parser.feed(page)
    parser.close()
    return parser


def test_the_page_is_well_formed_and_no_id_comes_twice(page, structure):
    assert page.startswith("<!doctype html>")
    assert structure.open == []
    assert len(set(structure.ids)) == len(structure.ids)


def test_the_page_opens_offline_and_runs_nothing(page, structure):
    assert "http" not in page
    assert "<script" not in page
    assert "@import" not in page
    loading = [value for _, name, value in structure.values if name in {"src", "href", "xlink:href", "data", "action"}]
    assert [value for value in loading if not value.startswith("#")] == []
    assert all(value.startswith("#") for value in re.findall(r"url\(([^)]*)\)", page))


def test_every_reference_inside_a_figure_finds_its_target(page, structure):
    wanted = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', page)
    assert {one or other for one, other in wanted} <= set(structure.ids)


def test_every_figure_says_in_words_what_it_shows(structure):
    labels = [value for tag, name, value in structure.values if tag == "svg" and name == "aria-label"]
    assert len(labels) == 8 + 2 + len(WAYS)
    assert all(len(label) > 40 for label in labels)
    assert any("half have come by day 14" in label for label in labels)
    assert any("Bought before phone & co: sim card (12 customers to 3). Bought after" in label for label in labels)


def test_the_page_draws_what_comes_before_and_after_a_product_with_names(structure):
    words = " ".join(" ".join(structure.words).split())
    for said in ("phone & co", "sim card", "12 : 3", "<b>case</b>", "30 : 2", "paint", "brush of a name", r"$1 \off $"):
        assert said in words
    assert "that no line of a picture holds" not in words, "long names are cut in the picture"
    assert "No product of this graph" in render_report(content(ways=()))


def test_the_page_names_the_run_the_verdict_and_the_stand_in(structure):
    words = " ".join(" ".join(structure.words).split())
    for said in (
        "Complete Journey, as of 2017-11-20",
        "c0ffeec0ffee",
        "deadbeefdead",
        "Version 3 passed the gate",
        "observational stand-in",
        "quantity is not above zero",
        "inconclusive",
        "91 more were left out",
        "recall <may> fall",
        "Estimator: soft labels, split by z (named in params.yaml).",
        "G is raised to 1.18",
        "Among 31 groups the finder named 2 on half of the customers and confirmed 1 on the other half: visits=none.",
        "history: never bought",
    ):
        assert said in words


def test_text_of_the_run_cannot_become_markup(page):
    assert "<may>" not in page


def test_the_same_run_gives_the_same_bytes(page):
    assert render_report(content()) == page


def test_the_page_leads_with_lists_by_name_and_then_asks_the_log(page):
    words = words_of(page)
    order = ["What goes with what", "taco shells", "taco <seasoning>", "salsa", "ground beef", "coupon", "tortillas",
             "Does this log have direction?", "delay <was> asked", "doubt is set"]  # fmt: skip
    places = [words.index(each) for each in order]
    assert places == sorted(places)
    sections = re.findall(r'<section id="([a-z]+)"', page)
    assert sections[:2] == ["related", "questions"]
    assert [each for each in sections if each in {"direction", "delay", "doubt", "decisions", "lists"}] == [
        "direction", "delay", "doubt", "decisions", "lists",
    ]  # fmt: skip
    for said in ("4.2\u202f%", "in 214 baskets together, 9.2 times chance", "bought by 1\u2009650 customers"):
        assert said in words
    assert words.index("coupon") < words.index("show", words.index("coupon"))
    assert "don't show" not in words


def test_a_log_without_order_says_so_in_a_line_instead_of_lists(page):
    without = dataclasses.replace(TACOS, after=(), before=(), directed=False)
    words = words_of(render_report(content(related=(without,))))
    assert "no order beyond frequency and season" in words
    assert "Bought after it" not in words
    assert "no order beyond frequency and season" not in words_of(page)


def test_every_question_has_its_answer_its_size_and_what_follows(page):
    words = words_of(page)
    for said in ("Does delay hurt? Yes p < 0.0001", "Does doubt pay? No p = 0.400", "−0.7 (−1.2 to 0.2) in 100"):
        assert said in words


def test_lists_stand_beside_every_baseline_with_intervals(page, structure):
    words = words_of(page)
    assert "at least one is in the same basket in 27.0\u202f% (22.0 to 32.0) of queries; they hit 3.4 (3.1 to" in words
    assert (
        "counts of the same basket hits most, more often: 63.0\u202f% (58.0 to 68.0), 1.2 (0.9 to 1.5) times" in words
    )
    assert "Goes with 3.4 3.1 to 3.7 times chance; a hit among ten in 27.0\u202f%" in words
    labels = [value for tag, name, value in structure.values if tag == "svg" and name == "aria-label"]
    (basket,) = [each for each in labels if "in the same basket" in each]
    for said in ("Onward, weight 0 25.0%, 12.50 times chance", "Onward, weight 1 65.0%", "popularity 60.0%, 0.70"):
        assert said in basket
    table = page[page.index("Any product, newly bought later") :]
    assert table.index("Onward, weight 0") < table.index("Onward, weight 1") < table.index("popularity among new")


def test_a_run_without_lists_still_has_its_page():
    assert "made no lists" in words_of(render_report(content(related=())))


def test_a_refused_model_is_shown_as_refused():
    refused = json.loads(texts()["deployment"]) | {"promoted": False, "compared_with": None}
    page = render_report(content(deployment=refused))
    assert "Version 3 was refused by the gate" in words_of(page)
    assert "but by the version that the gate refused" in words_of(page)
    assert "compared with version" not in page


def test_a_run_without_queries_notes_or_conversions_in_a_level_still_has_its_page():
    results = json.loads(texts()["results"])
    results["related"] |= {"methods": [], "goes_with": []}
    results["rows"]["shown"] = results["rows"]["matured"]
    results["by_level"][0]["pcoc"] = {"value": None, "low": None, "high": None}
    ingest = json.loads(texts()["ingest"]) | {"notes": {}}
    deployment = json.loads(texts()["deployment"]) | {"source": "simulator"}
    page = render_report(content(results=results, ingest=ingest, deployment=deployment))
    assert "no list could be judged" in page
    assert "The shop is simulated" in page
    assert "more were left out" not in page


def test_content_has_a_field_for_every_file_it_asks_for():
    fields = {field.name for field in dataclasses.fields(ReportContent)}
    assert fields == set(REPORT_FILES) | {"neighbourhoods", "related", "commit", "lock_hash"}
    assert set(texts()) == set(REPORT_FILES)


def test_every_row_is_accounted_for_and_a_wrong_sum_is_told():
    tables = json.loads(texts()["ingest"])["tables"]
    rows = row_accounts(tables)
    for row in rows:
        assert row["rows_in"] == row["rows_kept"] + row["quarantined"]
        assert row["rows_kept"] == row["serving"] + row["backtest"] + row["outside_window"]
        assert row["agrees"]
    tables["purchases"]["serving"] -= 1
    assert [row["agrees"] for row in row_accounts(tables)] == [False, True]


@pytest.mark.parametrize(("gain", "said"), [(0.05, ": a gain."), (-0.05, ": a loss."), (0.001, "told from nothing")])
def test_a_gain_is_called_one_only_when_its_interval_says_so(gain, said):
    text = describe_gain([decision("ew_dpmt", gain=gain), decision("ew_dpmt_random_levels")], "ew_dpmt")
    assert said in text
    assert "shuffled at random" in text
    nothing = dict.fromkeys(("value", "low", "high"))
    unknown = decision("single") | {"matched_volume_gain": nothing}
    assert "cannot be measured" in describe_gain([unknown], "single")


def test_rows_of_a_table_keep_words_numbers_and_gaps():
    assert parse_rows("a,b\nx,\n1,2.5\n") == [{"a": "x", "b": None}, {"a": 1.0, "b": 2.5}]
