"""The ranking, as stages ask for it: judged by evaluate, listed by deploy."""

from onward.artifacts import StoredFiles, read_json
from onward.layout import Layout
from onward.model.embeddings import Embeddings
from onward.params import Params
from onward.ranking.ranking_files import ranking_from_files
from onward.ranking.ranking_model import RankingModel
from onward.ranking.related_lists import ListSettings


def trained_ranking(layout: Layout, params: Params, embeddings: Embeddings) -> RankingModel:
    """Read what train_gnn learnt.

    Raises:
        ArtifactError: a file is missing or unreadable.
    """
    files = StoredFiles(layout.model / "ranking")
    return ranking_from_files(files, embeddings, params.ranking.short_list, params.run.threads)


def list_settings(layout: Layout, params: Params) -> ListSettings:
    """How lists are made: as asked, and ordered by direction only where the log has one."""
    directed = bool(read_json(layout.direction_answer)["yes"])
    return ListSettings(params.ranking.list_length, params.ranking.popularity_weight, directed)
