"""Routes about products: lists, search, neighbourhood, and the model in use."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from onward.deployment.bundle import Bundle
from onward.errors import DataError
from onward.ranking.list_names import LISTS
from onward.serving.encoded_answer import EncodedAnswer, LoggedAnswer
from onward.serving.loaded_version import LoadedVersion
from onward.serving.new_products import Subject, subject_of
from onward.serving.related_answers import RelatedQuestion, neighbourhood, related
from onward.serving.replies import AnswerError, reply, reply_encoded, request_id
from onward.serving.schemas import (
    MOST_EXCLUDED,
    MOST_LISTED,
    UNKNOWN,
    ChampionAnswer,
    Identity,
    ListName,
    Neighbourhood,
    Related,
    SearchAnswer,
)
from onward.serving.service import Service

_MOST_WORDS = 200
_Identities = list[Identity]


def related_routes(service: Service) -> APIRouter:
    """The routes over a service."""
    router = APIRouter(tags=["products"])
    product = Annotated[str, Path(min_length=1, max_length=200, description="Outside id.", examples=["1029743"])]

    @router.get("/v1/related/{product_id:path}", response_model=Related, responses=UNKNOWN)
    async def related_products(
        request: Request,
        product_id: product,
        list: Annotated[ListName | None, Query(description="One of the four lists; all without it.")] = None,  # noqa: A002
        k: Annotated[int, Query(ge=1, le=MOST_LISTED, description="Entries of each list at most.")] = 10,
        weight: Annotated[
            float | None,
            Query(
                ge=0,
                le=1,
                allow_inf_nan=False,
                description="0 for the most related, 1 for the most probable. It puts the list that is held in another "
                "order: nothing comes in that was not held at the weight the model was deployed with, which is the "
                "default. After and before keep their order where the log has direction.",
            ),
        ] = None,
        category: Annotated[
            str | None, Query(min_length=1, max_length=500, description="Path, or its beginning by whole steps.")
        ] = None,
        decision: Annotated[Literal["show"] | None, Query(description="Only what the policy shows.")] = None,
        exclude: Annotated[
            _Identities | None, Query(max_length=MOST_EXCLUDED, description="Ids that are left out.")
        ] = None,
        customer_id: Annotated[Identity | None, Query(description="For the decision log alone.")] = None,
    ) -> Response:
        """Lists of a product: what goes with it, comes after and before it, and could stand in for it.

        Each entry has its chance for a typical customer with an interval, its uncertainty, the policy's decision and
        reasons. Every decision is logged under the answer's request_id, which feedback refers to.
        """
        loaded = service.champion.now()
        subject = _subject(service, loaded, product_id)
        names = (list,) if list else LISTS
        question = RelatedQuestion(product_id, names, k, weight, category, decision, frozenset(exclude or ()))
        key = (question, subject)
        answer = loaded.answers.get(key)
        if answer is None:
            answer = EncodedAnswer.of(await service.pool.run(related, loaded, subject, question))
            loaded.answers.put(key, answer, answer.size)
        else:
            service.metrics.cached.inc()
        service.log(request_id(request), "related", loaded.number, answer, customer_id)
        return reply_encoded(request, answer.body)

    @router.get("/v1/search", response_model=SearchAnswer)
    async def search(
        request: Request,
        q: Annotated[str, Query(min_length=1, max_length=_MOST_WORDS, description="Words of a name, or an id.")],
        k: Annotated[int, Query(ge=1, le=MOST_LISTED, description="Products at most.")] = 10,
    ) -> Response:
        """Products that are named like that, the most popular first; typing errors are forgiven."""
        loaded = service.champion.now()
        # What is added later may be what was meant.
        key = ("search", q, k, service.products.revision)
        answer = loaded.answers.get(key)
        if answer is None:
            products = await service.pool.run(_search, service, loaded, q, k)
            answer = EncodedAnswer.of(LoggedAnswer({**loaded.facts, "query": q, "products": products}, []))
            loaded.answers.put(key, answer, answer.size)
        return reply_encoded(request, answer.body)

    @router.get("/v1/neighbourhood/{product_id:path}", response_model=Neighbourhood, responses=UNKNOWN)
    async def product_neighbourhood(
        request: Request,
        product_id: product,
        k: Annotated[int, Query(ge=1, le=MOST_LISTED, description="Arrows of each list at most.")] = 10,
    ) -> Response:
        """What a product leads to, comes from and goes with: arrows with their counts, to be drawn."""
        loaded = service.champion.now()
        subject = _subject(service, loaded, product_id)
        return reply(request, neighbourhood(loaded, subject, k))

    @router.get("/v1/champion", response_model=ChampionAnswer)
    async def champion(request: Request) -> Response:
        """The model in use: what it was made from, since when it answers, how old its knowledge is."""
        return reply(request, _about(service.champion.now()))

    return router


def _subject(service: Service, loaded: LoadedVersion, product_id: str) -> Subject:
    try:
        return subject_of(loaded, service.products, product_id)
    except DataError as error:
        raise AnswerError(404, "unknown_product", str(error)) from error


def _search(service: Service, loaded: LoadedVersion, words: str, count: int) -> list[dict[str, str]]:
    """Products by what a person types; what was added under such a name comes first, as nothing else would show it."""
    asked = set(words.lower().split())
    if not asked:
        return []
    products = [
        {"product_id": product.product_id, "name": product.name, "category": product.category}
        for product in service.products.all()
        if (asked <= set(product.name.lower().replace(",", " ").split()) or product.product_id == words)
        and loaded.place(product.product_id) is None
    ]
    try:
        places = loaded.search.find(words)[:count]
    except DataError:
        places = []
    names, ids, _ = loaded.catalogue
    products += [
        {"product_id": ids[place], "name": names[place], "category": loaded.categories[place]} for place in places
    ]
    return products[:count]


def _about(loaded: LoadedVersion) -> dict[str, Any]:
    lists = loaded.lists
    bundle = loaded.holds if isinstance(loaded.holds, Bundle) else None
    served = lists.lists if lists is not None else None
    return {
        **loaded.facts,
        "promoted_at": loaded.promoted_at,
        "loaded_at": loaded.loaded_at.isoformat(),
        "loaded_seconds": (datetime.now(UTC) - loaded.loaded_at).total_seconds(),
        "age_days": (date.today() - date.fromisoformat(str(loaded.holds.facts["as_of"])[:10])).days,
        "products": len(loaded.catalogue[1]),
        "listed_products": len(loaded.catalogue[1]) if bundle is None else (lists.listed_products if lists else 0),
        "levels": bundle.uncertainty.levels.count if bundle else None,
        "precision_target": bundle.policy.precision_target if bundle else None,
        "weight": served.weight if served else None,
        "directed": served.directed if served else None,
        "follow_days": served.follow_days if served else None,
        "list_length": lists.longest if lists else 0,
        "context_features": bundle.contexts.columns.tolist() if bundle else [],
        "tags": dict(loaded.version.tags),
    }
