"""What every sampler promises, whatever its budget: one suite that each inherits."""

import warnings

import numpy as np
import pandas as pd

from onward.graph.product_graph import ProductGraph
from onward.graph.sampling_kernel import NO_EDGE, NeighbourhoodSampler

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # torch_geometric scripts a class at import
    import torch
    from torch_geometric.loader import LinkLoader, NodeLoader
    from torch_geometric.sampler import BaseSampler, EdgeSamplerInput, NegativeSampling, NodeSamplerInput

    from onward.graph.sampler import LEADS_TO, LED_FROM, PRODUCT, DirectedSampler, graph_data

PRODUCTS = 300
FAN_OUT = (3, 2)
NONE = np.empty(0, dtype=np.int64)


def make_graph(products, pairs):
    edges = pd.DataFrame({"source": [u for u, _ in pairs], "target": [v for _, v in pairs]})
    for name in ("support", "reverse_support", "expected", "score"):
        edges[name] = 1.0
    nodes = pd.DataFrame({"product": range(products), "customers": 1, "fresh_customers": 1})
    return ProductGraph.from_tables(products, edges, nodes)


def long_tailed_graph():
    """Hubs and a long tail, on both sides; the last ten products have no edge."""
    rng = np.random.default_rng(11)
    sources, targets = ((rng.random((2, 2500)) ** np.array([[2.5], [4.0]])) * (PRODUCTS - 10)).astype(int)
    return make_graph(PRODUCTS, sorted({(int(u), int(v)) for u, v in zip(sources, targets, strict=True) if u != v}))


class SamplerContract:
    """Inherited by every sampler; `budget` says which."""

    def budget(self, graph):
        raise NotImplementedError

    def kernel(self, graph):
        return NeighbourhoodSampler(graph, self.budget(graph))

    def sampler(self, graph, seed=1):
        return DirectedSampler(graph, self.budget(graph), seed)

    def all_edges(self, graph):
        return torch.from_numpy(np.stack([graph.sources, graph.out_targets]))

    def test_is_a_sampler_of_pyg(self, graph):
        assert isinstance(self.sampler(graph), BaseSampler)

    def test_numbered_edges_exist_and_no_neighbour_is_heard_twice(self, graph):
        sample = self.kernel(graph).sample(np.arange(40), np.arange(20, 60), NONE, seed=1)
        for edges, numbers in ((sample.out_edges, sample.out_numbers), (sample.in_edges, sample.in_numbers)):
            real = numbers != NO_EDGE
            assert (sample.nodes[edges[0][real]] == graph.sources[numbers[real]]).all()
            assert (sample.nodes[edges[1][real]] == graph.out_targets[numbers[real]]).all()
            assert len(np.unique(edges, axis=1).T) == len(edges.T)
            assert (edges[0] != edges[1]).all()

    def test_no_product_is_heard_by_more_than_its_budget(self, graph):
        budget = self.budget(graph)
        seeds = np.arange(PRODUCTS)
        sample = self.kernel(graph).sample(seeds, seeds, NONE, seed=2)
        for heard, fan, walks, degrees in (
            (sample.out_edges[0], budget.out_fan, budget.out_walks, graph.out_degrees),
            (sample.in_edges[1], budget.in_fan, budget.in_walks, graph.in_degrees),
        ):
            count = np.bincount(sample.nodes[heard], minlength=PRODUCTS)
            direct = np.minimum(fan[0], degrees)
            assert (count >= direct).all()
            assert (count <= direct + walks[0]).all()

    def test_seeds_come_first_and_are_found_again(self, graph):
        sources, targets = np.array([7, 3, 7]), np.array([3, 9, 299])
        sample = self.kernel(graph).sample(sources, targets, NONE, seed=1)
        assert sample.nodes[:4].tolist() == [7, 3, 9, 299]
        assert sample.nodes[sample.seed_sources].tolist() == sources.tolist()
        assert sample.nodes[sample.seed_targets].tolist() == targets.tolist()

    def test_one_seed_one_draw_in_whatever_order_batches_come(self, graph):
        def draw(sampler, nodes):
            output = sampler.sample_from_nodes(NodeSamplerInput(None, torch.tensor(nodes)))
            return output.node[PRODUCT].tolist(), output.edge[LEADS_TO].tolist(), output.edge[LED_FROM].tolist()

        first, second, other = (self.sampler(graph, seed) for seed in (1, 1, 2))
        draw(second, [9, 8])
        some = list(range(30))
        assert draw(first, some) == draw(second, some) != draw(other, some)

    def test_target_edges_take_no_part_in_either_relation(self, graph):
        edges = self.all_edges(graph)[:, :60]
        output = self.sampler(graph).sample_from_edges(EdgeSamplerInput(None, edges[0], edges[1]))
        left_out = graph.find_edges(*edges.numpy())
        for relation in (LEADS_TO, LED_FROM):
            assert len(output.edge[relation]) > 0
            assert not set(output.edge[relation].tolist()) & set(left_out.tolist())

    def test_what_is_left_out_once_is_there_again(self, graph):
        kernel, fresh = self.kernel(graph), self.kernel(graph)
        seeds = np.arange(50)
        kernel.sample(seeds, seeds, np.arange(0, graph.edges, 2), seed=1)
        again, first = (sampler.sample(seeds, seeds, NONE, seed=3) for sampler in (kernel, fresh))
        assert again.out_numbers.tolist() == first.out_numbers.tolist()
        assert again.in_edges.tolist() == first.in_edges.tolist()

    def test_products_without_edges_are_sampled_alone(self, graph):
        lonely = np.arange(PRODUCTS - 10, PRODUCTS)
        sample = self.kernel(graph).sample(lonely, lonely, NONE, seed=1)
        assert sample.nodes.tolist() == lonely.tolist()
        assert sample.out_edges.shape == sample.in_edges.shape == (2, 0)

    def test_loaders_give_the_same_batches_with_workers(self, graph):
        edges = self.all_edges(graph)[:, :60]

        def batches(workers):
            # No generator is shared with the caller: PyG's loaders shuffle by it alone.
            loader = LinkLoader(
                graph_data(graph),
                self.sampler(graph),
                (LEADS_TO, edges),
                neg_sampling=NegativeSampling("triplet"),
                batch_size=32,
                num_workers=workers,
            )
            return [
                (
                    batch[PRODUCT].n_id.tolist(),
                    batch[LEADS_TO].edge_index.tolist(),
                    batch[LED_FROM].edge_index.tolist(),
                    batch[PRODUCT].dst_neg_index.tolist(),
                )
                for batch in loader
            ]

        assert batches(0) == batches(2)

    def test_node_loader_holds_both_relations(self, graph):
        nodes = torch.arange(20, 30)
        batch = next(
            iter(NodeLoader(graph_data(graph), self.sampler(graph), input_nodes=(PRODUCT, nodes), batch_size=10))
        )
        assert batch[PRODUCT].n_id[:10].tolist() == nodes.tolist()
        assert batch[LEADS_TO].edge_index.shape[1] > 0
        assert batch[LED_FROM].edge_index.shape[1] > 0

    def test_hops_lie_one_behind_the_other_and_are_counted(self, graph):
        """As PyG's num_sampled_nodes and num_sampled_edges: edges of a hop lead to nodes of the hops before it."""
        nodes = torch.arange(20, 30)
        loader = NodeLoader(graph_data(graph), self.sampler(graph), input_nodes=(PRODUCT, nodes), batch_size=10)
        batch = next(iter(loader))
        so_far = np.cumsum(batch[PRODUCT].num_sampled_nodes)
        assert so_far.tolist()[0] == 10
        assert so_far.tolist()[-1] == len(batch[PRODUCT].n_id)
        for relation in (LEADS_TO, LED_FROM):
            edges, counts = batch[relation].edge_index, batch[relation].num_sampled_edges
            assert len(counts) == len(FAN_OUT)
            assert sum(counts) == edges.shape[1]
            for hop, part in enumerate(torch.split(edges, counts, dim=1)):
                assert (part[1] < so_far[hop]).all(), "heard by what was found before"
                assert (part[0] < so_far[hop + 1]).all()
