"""Routes that take a body: scores, a page in order, new products, feedback."""

from fastapi import APIRouter, Request, Response

from onward.errors import ServiceError
from onward.serving.encoded_answer import EncodedAnswer
from onward.serving.feedback import encoded_event, moment_of
from onward.serving.new_products import AddedProduct, best_seller
from onward.serving.replies import AnswerError, reply, reply_encoded, request_id
from onward.serving.schemas import (
    Error,
    FeedbackAnswer,
    FeedbackQuestion,
    NewProduct,
    NewProductAnswer,
    RankAnswer,
    RankQuestion,
    ScoreAnswer,
    ScoreQuestion,
)
from onward.serving.score_answers import rank_products, score_pairs
from onward.serving.service import Service

_PATIENCE = 5.0


def question_routes(service: Service) -> APIRouter:
    """The routes over a service."""
    router = APIRouter()

    @router.post("/v1/score", response_model=ScoreAnswer, tags=["scores"])
    async def score(request: Request, question: ScoreQuestion) -> Response:
        """Chance, interval, uncertainty, level, decision, threshold and reasons of each pair.

        Without a context the chance is for a typical customer. Features of a context (their names: GET /v1/champion)
        take the place of the typical one's. The same product twice, or an unknown one, stops no other pair.
        """
        loaded = service.champion.now()
        answer = EncodedAnswer.of(await service.pool.run(score_pairs, loaded, service.products, question))
        service.log(request_id(request), "score", loaded.number, answer, question.customer_id)
        return reply_encoded(request, answer.body)

    @router.post("/v1/rank", response_model=RankAnswer, tags=["scores"])
    async def rank(request: Request, question: RankQuestion) -> Response:
        """A page of products in order for a customer who bought or looked at some products last.

        First what stands on a list (goes with, after) of a recent product, by the lists' own order at the given weight
        (0 most related, 1 most probable); then what does not, by the lift of the embeddings; last what the model does
        not know. A product that stands twice is ranked once.
        """
        loaded = service.champion.now()
        answer = EncodedAnswer.of(await service.pool.run(rank_products, loaded, service.products, question))
        service.log(request_id(request), "rank", loaded.number, answer, question.customer_id)
        return reply_encoded(request, answer.body)

    @router.post(
        "/v1/products",
        response_model=NewProductAnswer,
        status_code=201,
        tags=["products"],
        responses={
            200: {"model": NewProductAnswer, "description": "It had been added just so."},
            409: {"model": Error, "description": "The model in use knows the product."},
        },
    )
    async def add_product(request: Request, product: NewProduct) -> Response:
        """Add a product by its attributes: it is answered for at once, by the lists of the best seller of its type.

        It is kept over restarts, until a model knows it.
        """
        loaded = service.champion.now()
        if loaded.place(product.product_id) is not None:
            raise AnswerError(
                409, "known_product", f"version {loaded.number} knows {product.product_id[:80]!r}; ask for its lists"
            )
        added = AddedProduct(product.product_id, product.name, product.category)
        try:
            new = await service.pool.run(service.products.add, added, _PATIENCE)
        except ServiceError as error:
            raise AnswerError(503, "not_kept", str(error)) from error
        place = best_seller(loaded, product.category)
        stands_for = None
        if place is not None:
            names, ids, _ = loaded.catalogue
            stands_for = {"product_id": ids[place], "name": names[place], "category": loaded.categories[place]}
        answer = {**loaded.facts, "product_id": product.product_id, "stands_for": stands_for}
        return reply(request, answer, 201 if new else 200)

    @router.post("/v1/feedback", response_model=FeedbackAnswer, status_code=202, tags=["feedback"])
    async def feedback(request: Request, question: FeedbackQuestion) -> Response:
        """What became of decisions: shown, clicked, bought, each with the request_id of the answer that it stood in.

        Events go to a log in the form of the data contract, on disk within the stated time.
        """
        now = service.clock.now()
        lines = [encoded_event(event, moment_of(event, now, service.clock)) for event in question.events]
        for place, (event, line) in enumerate(zip(question.events, lines, strict=True)):
            if not service.feedback.append(line):
                kept = f"{place} of {len(lines)} events are kept, the disk takes no more; send the others again"
                raise AnswerError(503, "not_kept", kept)
            service.metrics.feedback.labels(event.kind).inc()
        return reply(request, {"accepted": len(lines), "on_disk_within_seconds": service.flush_seconds}, 202)

    return router
