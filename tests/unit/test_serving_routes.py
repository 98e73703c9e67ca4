"""Every route over HTTP, without a server between; the client refuses a reply that its route does not declare."""

import json
from datetime import date, datetime
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from builders.served_app import Client, Shelf, make_shelf, served
from builders.tiny_bundle import NAMES, make_bundle, recommend
from onward.deployment.bundle_files import write_bundle
from onward.deployment.graph_lists import GraphLists, write_graph_lists
from onward.ranking.list_names import LISTS
from onward.serving.append_log import read_lines
from onward.serving.decision_log import impression_id, read_decisions
from onward.serving.page_ranking import rank_page
from onward.serving.schemas import ListName


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    return make_shelf(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="module")
def service(registry, tmp_path_factory):
    with served(registry, tmp_path_factory.mktemp("served")) as service:
        yield service


@pytest.fixture(scope="module")
def client(service):
    return Client(service)


def logged(service) -> list[dict]:
    assert service.decisions.flush(10)
    return list(read_decisions(service.decisions.folder, date.today()))


def test_lists_are_the_commands_with_chance_decision_and_reasons(client):
    answer = client.get("/v1/related/p2", params={"k": 2}).json()
    assert (answer["name"], answer["version"], answer["as_of"]) == ("Bread", 1, "2017-11-20")
    said = recommend(make_bundle(0), 2, 2)
    assert tuple(answer["lists"]) == LISTS == get_args(ListName)
    for name in LISTS:
        for entry, recommended in zip(answer["lists"][name], getattr(said, name), strict=True):
            assert entry["product_id"] == recommended.product_id
            for part in ("name", "score", "probability", "low", "high", "level", "doubt", "decision", "why"):
                assert entry[part] == pytest.approx(getattr(recommended, part)), part
            assert entry["why_decision"]


def test_one_list_is_answered_alone_and_no_list_is_longer_than_was_asked(client):
    answer = client.get("/v1/related/p2", params={"list": "goes_with", "k": 1}).json()
    assert {name: len(entries) for name, entries in answer["lists"].items()} == {"goes_with": 1}


def test_a_weight_orders_what_is_held_and_leaves_what_direction_orders(client):
    def listed(name, weight):
        lists = client.get("/v1/related/p2", params={"list": name, "weight": weight}).json()["lists"]
        return [entry["product_id"] for entry in lists[name]]

    # times 9.2, 4.0, 3.0 and customers 20, 30, 10
    assert listed("goes_with", 0) == ["p3", "p0", "p4"]
    assert listed("after", 1) == listed("after", 0) == ["p3", "p4"]
    answer = client.get("/v1/related/p0", params={"list": "goes_with", "weight": 1}).json()
    by_probability = sorted([("p2", 4.0 * 50), ("p5", 2.0 * 5), ("p4", 1.4 * 10)], key=lambda pair: -pair[1])
    assert [entry["product_id"] for entry in answer["lists"]["goes_with"]] == [name for name, _ in by_probability]
    assert answer["weight"] == 1


def test_filters_leave_out_what_does_not_pass_and_the_next_moves_up(client):
    def listed(**asked):
        lists = client.get("/v1/related/p2", params={"list": "goes_with", **asked}).json()["lists"]
        return [entry["product_id"] for entry in lists["goes_with"]]

    assert listed(k=1, exclude=["p3", "p4"]) == ["p0"]
    assert listed(category="dairy") == ["p3", "p0"]
    assert listed(category="dai") == []
    whole = client.get("/v1/related/p2", params={"list": "goes_with"}).json()["lists"]["goes_with"]
    assert listed(decision="show") == [entry["product_id"] for entry in whole if entry["decision"] == "show"]
    assert {entry["decision"] for entry in whole} != {"show"}


def test_search_forgives_and_finds_nothing_politely(client):
    def search(words):
        return [product["name"] for product in client.get("/v1/search", params={"q": words}).json()["products"]]

    assert search("milk") == ["Oat Milk", "Whole Milk"]
    assert search("buter") == ["Butter"]
    assert search("zzzzzz") == search("   ") == []


def test_pairs_are_scored_with_uncertainty_threshold_and_reasons(client):
    pairs = [{"source": "p2", "target": "p3"}, {"source": "p2", "target": "nobody"}, {"source": "p2", "target": "p5"}]
    known, unknown, unlike = client.post("/v1/score", {"pairs": pairs}).json()["pairs"]
    (listed,) = [e for e in client.get("/v1/related/p2").json()["lists"]["after"] if e["product_id"] == "p3"]
    for part in ("probability", "low", "high", "uncertainty", "level", "decision", "threshold"):
        assert known[part] == listed[part]
    assert known["threshold"] in (0.3, 0.4)
    assert (known["score"] >= known["threshold"]) == (known["decision"] == "show")
    assert any("12 times within 30 days" in reason for reason in known["reasons"])
    assert unknown["unknown"] == ["nobody"]
    assert unknown["probability"] is None
    assert unlike["decision"] == "abstain"
    assert "no impression" in unlike["reasons"][0]


def test_a_context_takes_the_place_of_the_typical_customers(client):
    def chance(**context):
        body = {"pairs": [{"source": "p2", "target": "p3", "context": context}]}
        return client.post("/v1/score", body).json()["pairs"][0]["probability"]

    visits = make_bundle(0).contexts["customer_visits_28d"]
    assert chance(customer_visits_28d=0) < chance() < chance(customer_visits_28d=11)
    assert chance() == pytest.approx(np.mean([chance(customer_visits_28d=float(value)) for value in visits]))
    wrong = client.post("/v1/score", {"pairs": [{"source": "p2", "target": "p3", "context": {"visits": 1}}]})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "cannot_answer")


def test_a_page_is_ranked_by_lists_then_by_embeddings_then_what_nobody_knows(client):
    body = {"recent": ["p0", "p2"], "candidates": ["x", "p1", "p4", "p3", "p3"], "weight": 0}
    products = client.post("/v1/rank", body).json()["products"]
    assert [(one["product_id"], one["evidence"]) for one in products] == [
        ("p3", "lists"), ("p4", "lists"), ("p1", "embeddings"), ("x", "unknown"),
    ]  # fmt: skip
    assert products[0]["because_of"] == "p2"
    assert [one["rank"] for one in products] == [1, 2, 3, 4]
    short = client.post("/v1/rank", body | {"k": 1}).json()["products"]
    assert short == products[:1]
    nobody = client.post("/v1/rank", body | {"recent": ["nobody"]})
    assert nobody.status_code == 422


def test_a_new_product_is_answered_at_once_by_the_best_seller_of_its_type_and_after_a_restart(registry, tmp_path):
    new = {"product_id": "n1", "name": "Rye Bread", "category": "bakery > rye"}
    with served(registry, tmp_path) as service:
        client = Client(service)
        assert client.get("/v1/related/n1").status_code == 404
        added = client.post("/v1/products", new)
        assert (added.status_code, added.json()["stands_for"]["product_id"]) == (201, "p2")
        assert client.post("/v1/products", new).status_code == 200
        before = client.get("/v1/related/n1").json()
        assert client.post("/v1/products", new | {"product_id": "p2"}).status_code == 409
        lonely = client.post("/v1/products", {"product_id": "n2", "name": "Sprocket", "category": "tools"}).json()
        assert lonely["stands_for"] is None
        assert set(map(len, client.get("/v1/related/n2").json()["lists"].values())) == {0}
    with served(registry, tmp_path) as service:
        client = Client(service)
        after = client.get("/v1/related/n1").json()
        assert client.get("/v1/search", params={"q": "rye"}).json()["products"][0]["product_id"] == "n1"
    assert after["lists"] == before["lists"]
    assert (after["name"], after["of_its_type"]) == ("Rye Bread", True)
    assert [entry["product_id"] for entry in after["lists"]["goes_with"]] == ["p3", "p0", "p4"]


def test_a_search_that_was_answered_before_finds_what_was_said_anew(registry, tmp_path):
    with served(registry, tmp_path) as service:
        client = Client(service)
        client.post("/v1/products", {"product_id": "n1", "name": "Rye Bread", "category": "bakery > rye"})
        found = [client.get("/v1/search", params={"q": "oat loaf"}).json()["products"]]
        client.post("/v1/products", {"product_id": "n1", "name": "Oat Loaf", "category": "bakery > rye"})
        found.append(client.get("/v1/search", params={"q": "oat loaf"}).json()["products"])
    assert [any(one["product_id"] == "n1" for one in products) for products in found] == [False, True]


def test_what_the_lists_know_to_be_bought_often_is_ranked_so_though_the_graph_is_too_old_to_know(make_entry):
    old = SimpleNamespace(model=SimpleNamespace(graph=SimpleNamespace(customers=np.array([5, 5, 0]))))
    held = SimpleNamespace(
        of=lambda _: {"goes_with": [make_entry(1, 1.0, 0.01), make_entry(2, 3.0, 0.01)], "after": []}
    )
    ranked = rank_page(old, held, [0], [1, 2], 0.33)
    assert [one.candidate for one in ranked] == [2, 1]
    assert ranked[0].score > ranked[1].score


@pytest.fixture
def make_entry():
    return lambda other, lift, share: SimpleNamespace(other=other, log_lift=lift, times=np.exp(lift), share=share)


def test_the_neighbourhood_has_arrows_with_counts(client):
    arrows = client.get("/v1/neighbourhood/p2").json()["arrows"]
    (butter,) = [arrow for arrow in arrows if (arrow["list"], arrow["product_id"]) == ("after", "p3")]
    assert (butter["way"], butter["count"], butter["days"]) == ("out", 12, 30)
    assert {arrow["way"] for arrow in arrows if arrow["list"] == "before"} == {"in"}
    assert {arrow["way"] for arrow in arrows if arrow["list"] == "goes_with"} == {"both"}


def test_the_champion_says_what_it_is(client):
    champion = client.get("/v1/champion").json()
    assert (champion["version"], champion["products"], champion["weight"]) == (1, len(NAMES), 0.25)
    assert champion["context_features"] == ["customer_visits_28d"]
    assert champion["age_days"] == (date.today() - date(2017, 11, 20)).days


def test_feedback_is_kept_in_the_form_of_the_data_contract(client, service):
    answered = client.get("/v1/related/p2").json()["request_id"]
    about = {"request_id": answered, "source": "p2", "target": "p3"}
    events = [
        about | {"kind": "shown", "customer_id": "c1", "at": "2017-11-21T10:00:00"},
        about | {"kind": "clicked", "at": "2017-11-21T10:01:00"},
        about | {"kind": "bought", "at": "2017-11-22T09:00:00"},
    ]
    taken = client.post("/v1/feedback", {"events": events})
    assert (taken.status_code, taken.json()["accepted"]) == (202, 3)
    assert service.feedback.flush(10)
    rows = [row for row in read_lines(service.feedback.folder) if row["impression_id"].startswith(answered)]
    impression = impression_id(answered, "p2", "p3")
    assert rows == [
        {"table": "impressions", "impression_id": impression, "customer_id": "c1", "source_product_id": "p2",
         "target_product_id": "p3", "shown_at": "2017-11-21T10:00:00.000000"},
        {"table": "engagements", "impression_id": impression, "kind": "clicked",
         "happened_at": "2017-11-21T10:01:00.000000"},
        {"table": "conversions", "impression_id": impression, "converted_at": "2017-11-22T09:00:00.000000"},
    ]  # fmt: skip
    for at in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59", "1969-01-01T00:00:00"):
        assert client.post("/v1/feedback", {"events": [events[0] | {"at": at}]}).status_code == 422


def test_every_decision_of_every_answer_is_logged_under_its_request(client, service):
    began = datetime.now()
    replies = [
        client.get("/v1/related/p2", params={"customer_id": "c9"}).json(),
        client.post("/v1/score", {"pairs": [{"source": "p2", "target": "p3"}], "customer_id": "c8"}).json(),
        client.post("/v1/rank", {"recent": ["p2"], "candidates": ["p3", "p1"]}).json(),
    ]
    rows = logged(service)
    of_related, of_score, of_rank = ([r for r in rows if r["request_id"] == a["request_id"]] for a in replies)
    answered = [
        (name, entry["product_id"], entry["probability"], entry["uncertainty"], entry["level"], entry["decision"])
        for name, entries in replies[0]["lists"].items()
        for entry in entries
    ]
    other = {"before": "source"}
    assert answered == [
        (row["order"], row[other.get(row["order"], "target")], row["probability"], row["uncertainty"], row["level"],
         row["decision"])
        for row in of_related
    ]  # fmt: skip
    assert {(row["customer"], row["version"], row["weight"], row["route"]) for row in of_related} == {
        ("c9", 1, 0.25, "related")
    }
    assert [(row["source"], row["target"], row["order"], row["customer"]) for row in of_score] == [
        ("p2", "p3", "score", "c8")
    ]
    assert [row["order"] for row in of_rank] == ["rank", "rank"]
    assert all(datetime.fromisoformat(row["time"]) >= began for row in [*of_related, *of_score, *of_rank])
    again = client.get("/v1/related/p2", params={"customer_id": "c9"}).json()
    assert again["request_id"] != replies[0]["request_id"]
    assert len([row for row in logged(service) if row["request_id"] == again["request_id"]]) == len(of_related)


@pytest.mark.parametrize(
    ("page", "status", "code"),
    [
        ("/v1/related/zzz", 404, "unknown_product"),
        ("/v1/related/p2?k=0", 422, "invalid_request"),
        ("/v1/related/p2?k=101", 422, "invalid_request"),
        ("/v1/related/p2?weight=nan", 422, "invalid_request"),
        ("/v1/related/p2?list=all", 422, "invalid_request"),
        ("/v1/related/p2?decision=hide", 422, "invalid_request"),
        ("/v1/search", 422, "invalid_request"),
        ("/v1/search?q=" + "x" * 201, 422, "invalid_request"),
        ("/v1/neighbourhood/zzz", 404, "unknown_product"),
        ("/nowhere", 404, "no_such_route"),
        ("/recommend?product=milk", 410, "moved"),
        ("/health", 410, "moved"),
        ("/alive", 410, "moved"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_form(client, page, status, code):
    reply = client.get(page)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert reply.json()["message"]
    assert reply.headers["x-request-id"] == reply.json()["request_id"]


def test_a_body_that_is_odd_is_refused_and_never_a_mistake_of_ours(client):
    json_body = {"content-type": "application/json"}
    for content in (b"", b"{", b"[]", b"\xff\xfe", b'{"pairs": [{"source": "\\ud800", "target": "p2"}]}', b"null"):
        assert client.ask("POST", "/v1/score", content=content, headers=json_body).status_code in (400, 422)
    assert client.ask("DELETE", "/v1/score").status_code == 405


def test_a_graphs_lists_are_answered_in_the_same_terms_and_say_no_chance(tmp_path):
    table = pd.DataFrame(
        [(0, "after", 1, 2, 0.9), (0, "after", 2, 1, 0.4), (0, "before", 1, 3, 0.2), (2, "before", 1, 0, 0.9)],
        columns=["node", "way", "place", "other", "strength"],
    )
    facts = {"source": "edge_list", "as_of": "2017-11-20", "attribution_days": 28}
    write_graph_lists(tmp_path / "lists", GraphLists(("a1", "b2", "c3", "a4"), table, facts))
    with served(Shelf(tmp_path / "lists"), tmp_path / "served") as service:
        client = Client(service)
        answer = client.get("/v1/related/a1", params={"k": 1}).json()
        said = {name: [(e["product_id"], e["score"]) for e in entries] for name, entries in answer["lists"].items()}
        assert said == {"after": [("c3", 0.9)], "before": [("a4", 0.2)]}
        assert answer["lists"]["after"][0]["probability"] is None
        assert client.get("/v1/search", params={"q": "a"}).json()["products"][1]["product_id"] == "a4"
        assert client.get("/v1/related/a1", params={"weight": 1}).status_code == 422
        assert client.post("/v1/score", {"pairs": [{"source": "a1", "target": "c3"}]}).status_code == 422
        assert [arrow["way"] for arrow in client.get("/v1/neighbourhood/a1").json()["arrows"]] == ["out", "out", "in"]
        assert client.get("/v1/champion").json()["levels"] is None


def test_a_bundle_whose_lists_keep_one_order_alone_says_so(tmp_path):
    write_bundle(tmp_path / "bundle", make_bundle())
    path = tmp_path / "bundle" / "lists.parquet"
    pd.read_parquet(path).drop(columns=["log_lift", "share"]).to_parquet(path)
    with served(Shelf(tmp_path / "bundle"), tmp_path / "served") as service:
        client = Client(service)
        assert client.get("/v1/related/p2").status_code == 200
        assert "one order" in client.get("/v1/related/p2", params={"weight": 0.9}).json()["message"]
        assert client.post("/v1/rank", {"recent": ["p2"], "candidates": ["p3"]}).json()["products"]


def test_the_documentation_loads_nothing_from_anywhere_and_every_route_declares_its_errors(client):
    page = client.get("/docs").text
    assert "src=" not in page
    assert "http://" not in page
    assert "https://" not in page
    schema = client.get("/openapi.json").json()
    assert "HTTPValidationError" not in json.dumps(schema)
    for path, operations in schema["paths"].items():
        assert path in page or all(operation.get("deprecated") for operation in operations.values())
        if path.startswith("/v1/"):
            for operation in operations.values():
                assert {"401", "413", "422", "429", "503"} <= set(operation["responses"])
                assert operation["description"]
