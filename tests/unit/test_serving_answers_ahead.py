"""A successor answers what was asked of the one before it, and a new tag costs nobody an answer."""

from dataclasses import replace

import pytest

from builders.served_app import TAGS, Client, make_shelf, served
from builders.tiny_bundle import make_bundle
from onward.deployment.bundle_files import bundle_hash, write_bundle
from onward.deployment.registry import Version
from onward.serving import related_answers


@pytest.fixture
def shelf(tmp_path):
    return make_shelf(tmp_path)


def put_second(shelf, root, bundle):
    write_bundle(root / "second", bundle)
    shelf.folders[2] = root / "second"
    shelf.versions.insert(0, Version(2, bundle_hash(root / "second"), "", TAGS))


def test_what_was_asked_before_a_swap_is_answered_before_it_is_asked_again(shelf, tmp_path, monkeypatch):
    bundle = make_bundle(1)
    with served(shelf, tmp_path / "served") as service:
        client = Client(service)
        asked = ("/v1/related/p2?k=3", "/v1/related/p0?list=goes_with")
        for page in asked:
            assert client.get(page).json()["version"] == 1
        client.get("/v1/search?q=milk")
        put_second(shelf, tmp_path, bundle)
        service.champion.look()
        assert len(service.champion.now().answers) == 2
        fresh = {}
        with monkeypatch.context() as patch:
            patch.setattr(related_answers, "typical_scores", None)
            for page in asked:
                fresh[page] = client.get(page).json()
    with served(shelf, tmp_path / "again") as service:
        client = Client(service)
        for page in asked:
            answer = client.get(page).json()
            assert answer.pop("request_id") != fresh[page].pop("request_id")
            assert answer == fresh[page]
            assert answer["version"] == 2


def test_a_product_or_an_order_that_the_successor_lacks_stops_nothing(shelf, tmp_path):
    bundle = make_bundle(1)
    lists = replace(bundle.lists, table=bundle.lists.table.drop(columns=["log_lift", "share"]))
    renamed = bundle.products.assign(product_id=["p0", "p1", "p9", "p3", "p4", "p5"])
    with served(shelf, tmp_path / "served") as service:
        client = Client(service)
        for page in ("/v1/related/p2", "/v1/related/p0?weight=0.9", "/v1/related/p3"):
            assert client.get(page).status_code == 200
        put_second(shelf, tmp_path, replace(bundle, lists=lists, products=renamed))
        service.champion.look()
        assert service.problems == []
        assert len(service.champion.now().answers) == 1
        assert client.get("/v1/related/p2").status_code == 404
        assert client.get("/v1/related/p3").json()["version"] == 2


def test_a_new_tag_keeps_what_was_answered_and_a_new_number_does_not(shelf, tmp_path):
    with served(shelf, tmp_path / "served") as service:
        client = Client(service)
        client.get("/v1/related/p2")
        before = service.champion.now()
        shelf.versions[0] = replace(shelf.versions[0], tags={**TAGS, "note": "a person's"})
        service.champion.look()
        assert service.champion.now().version.tags["note"] == "a person's"
        assert service.champion.now().answers is before.answers
        shelf.folders[7] = shelf.folders[1]
        shelf.versions[0] = replace(shelf.versions[0], number=7)
        service.champion.look()
        assert service.champion.now().holds is before.holds
        assert client.get("/v1/related/p2").json()["version"] == 7
